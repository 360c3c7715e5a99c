"""Measures requests: one :class:`Measurement` around each call and its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final, Self

from asyncload.records.record import FAILED, OK, TIMEOUT, Request, Sink, Stream
from asyncload.transport.error_text import describe, http_status, is_timeout
from asyncload.transport.http.response import Response


class Recorder:
    """Records the requests of one user.

    The first request of an iteration has the iteration's due time; each later one is due when
    it starts.
    """

    __slots__ = ("_due", "begun", "clock", "scenario", "sink", "user")

    def __init__(
        self,
        sink: Sink,
        clock: Callable[[], float],
        scenario: str,
        user: int,
        *,
        begun: Callable[[str], None] | None = None,
    ) -> None:
        self.sink = sink
        self.begun = begun
        """Called with the name of each request when it starts."""
        self.clock = clock
        self.scenario = scenario
        self.user = user
        self._due: float | None = None

    def begin(self, due: float) -> None:
        """Begin an iteration that is due at ``due``."""
        self._due = due

    def due_at(self, start: float) -> float:
        """Give the due time of the next request, which starts at ``start``."""
        return start if self._due is None else self._due

    def take_due(self, start: float) -> float:
        """Give the due time of the request that starts now, and use it up."""
        due = self.due_at(start)
        self._due = None
        return due

    def measure(self, name: str, *, due: float | None = None) -> Measurement:
        """Measure one request, in a ``with`` block.

        ``due`` replaces the due time of the user's next request, seconds.

        ::

            with self.measure("classify") as call:
                answer = await post(...)
                call.status = answer.status
        """
        return Measurement(self, name, due)


class Measurement:
    """The measurement of one request: set its fields; the end of the ``with`` block records it.

    An exception is recorded as a failed (or timed out) request, and propagates. :meth:`fail`
    records an answer as a failure.
    """

    __slots__ = (
        "_due", "_recorder", "bytes_in", "bytes_out", "due", "error", "first_byte", "name", "start",
        "status", "stream",
    )  # fmt: skip
    start: float | None

    def __init__(self, recorder: Recorder, name: str, due: float | None = None) -> None:
        self._recorder = recorder
        self._due = due
        self.name = name
        self.status: int | None = None
        self.first_byte: float | None = None
        self.bytes_out: int | None = None
        self.bytes_in: int | None = None
        self.error: str | None = None
        self.stream: Stream | None = None

    def answered(self, response: Response) -> None:
        """Copy the status, the sizes and the time of the first byte from ``response``."""
        self.first_byte = response.timing.first_byte
        self.status = response.status
        self.bytes_in = response.bytes_in
        self.bytes_out = response.bytes_out

    def fail(self, reason: str) -> None:
        """Record this request as failed, for ``reason``."""
        self.error = reason

    def not_sent(self, reason: str) -> None:
        """Record this request as failed before it was sent, without a ``start``."""
        self.error = reason
        self.start = None

    def __enter__(self) -> Self:
        self.start = start = self._recorder.clock()
        due = self._due
        self.due = self._recorder.take_due(start) if due is None else due
        begun = self._recorder.begun
        if begun is not None:
            begun(self.name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        recorder = self._recorder
        end = recorder.clock()
        outcome = OK if self.error is None else FAILED
        if problem is not None:
            if isinstance(problem, asyncio.CancelledError):
                outcome, self.error = TIMEOUT, "cancelled before its answer came"
            else:
                outcome = TIMEOUT if is_timeout(problem) else FAILED
                self.error = describe(problem)
                if self.status is None:
                    self.status = http_status(problem)
            mark_recorded(problem)
        recorder.sink.write(
            Request(
                t=end,
                scenario=recorder.scenario,
                user=recorder.user,
                name=self.name,
                due=self.due,
                end=end,
                outcome=outcome,
                start=self.start,
                first_byte=self.first_byte,
                status=self.status,
                bytes_out=self.bytes_out,
                bytes_in=self.bytes_in,
                error=self.error,
                stream=self.stream,
            )
        )


def mark_recorded(problem: BaseException) -> None:
    """Mark an exception as recorded."""
    problem.__dict__["asyncload_recorded"] = True


def is_recorded(problem: BaseException) -> bool:
    """Whether this exception (in a group: every member) has been recorded.

    A ``TimeoutError`` made from the cancellation of a recorded call counts as recorded.
    """
    if problem.__dict__.get("asyncload_recorded"):
        return True
    if isinstance(problem, BaseExceptionGroup):
        return all(is_recorded(one) for one in problem.exceptions)
    origin = problem.__cause__ or problem.__context__
    return (
        isinstance(problem, TimeoutError)
        and isinstance(origin, asyncio.CancelledError | TimeoutError)
        and is_recorded(origin)
    )


CURRENT: Final[ContextVar[Recorder | None]] = ContextVar("asyncload_recorder", default=None)
"""Recorder of the current user; ``None`` outside users."""

_MEASURED: Final[ContextVar[Measurement | None]] = ContextVar("asyncload_measured", default=None)


def record_calls(client: Any, service: str) -> None:
    """Make an aiobotocore client record every call of a user.

    It wraps ``_make_api_call``, which all methods, paginators and waiters use.
    """
    call = client._make_api_call  # noqa: SLF001 - botocore's one choke point for calls

    async def recorded(operation: str, parameters: dict[str, Any]) -> Any:
        recorder = CURRENT.get()
        if recorder is None:
            return await call(operation, parameters)
        with recorder.measure(f"{service}.{operation}") as measurement:
            token = _MEASURED.set(measurement)
            try:
                answer = await call(operation, parameters)
            finally:
                _MEASURED.reset(token)
            metadata = answer.get("ResponseMetadata", {})
            measurement.status = metadata.get("HTTPStatusCode")
            length = metadata.get("HTTPHeaders", {}).get("content-length")
            measurement.bytes_in = int(length) if length is not None else None
            return answer

    def count_body(request: Any, **_: Any) -> None:
        measurement = _MEASURED.get()
        if measurement is not None and isinstance(request.body, bytes | bytearray | str):
            measurement.bytes_out = len(request.body)

    client._make_api_call = recorded  # noqa: SLF001 - see above
    # Events carry the service's id, which is not always its name: "logs" is "cloudwatch-logs".
    events = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"before-send.{events}", count_body)
