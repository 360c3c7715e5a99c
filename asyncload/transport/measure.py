"""Measures requests: one :class:`Measurement` around each call and its answer."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final, Self

from asyncload.records.record import (
    FAILED,
    INTERRUPTED,
    OK,
    TIMEOUT,
    Request,
    Sink,
    Stream,
)
from asyncload.transport.error_text import describe, hide_known, http_status, in_brief, is_timeout
from asyncload.transport.http.http_errors import Timing, TransportError
from asyncload.transport.http.response import Response

PREPARED: Final = 100e-6
"""Seconds of a user's work before the first request of an iteration from which it is recorded.

What is shorter is counted as lateness: a record of it would cost more than it says."""
SENT_AFTER: Final = 1e-3
"""The same for the sending of a request, which is otherwise counted as waiting."""
_FIGURES: Final[dict[str, Any]] = {
    "status": int,
    "bytes_out": int,
    "bytes_in": int,
    "first_byte": float,
}
"""What user code may set of a measurement, and as what it is recorded."""
_HIGHEST: Final = 2**63  # what a log can hold


class Recorder:
    """Records the requests of one user.

    The first request of an iteration has the iteration's due time; each later one is due when
    it starts.
    """

    __slots__ = ("_due", "begun", "clock", "interrupted", "iteration", "scenario", "sink", "user")

    def __init__(
        self,
        sink: Sink,
        clock: Callable[[], float],
        scenario: str,
        user: int,
        *,
        begun: Callable[[str], None] | None = None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.sink = sink
        self.begun = begun
        """Called with the name of each request when it starts."""
        self.interrupted = interrupted
        """Whether somebody has ended the run, so that a request cut off is not one timed out."""
        self.iteration = 0.0
        """When the iteration began."""
        self.clock = clock
        self.scenario = scenario
        self.user = user
        self._due: float | None = None

    def begin(self, due: float, start: float) -> None:
        """Begin at ``start`` an iteration that is due at ``due``."""
        self._due = due
        self.iteration = start

    def due_at(self, start: float) -> float:
        """Give the due time of the next request, which starts at ``start``."""
        return start if self._due is None else self._due

    def take_due(self, start: float) -> float:
        """Give the due time of the request that starts now, and use it up."""
        due = self.due_at(start)
        self._due = None
        return due

    def measure(
        self, name: str, *, due: float | None = None, begun: float | None = None
    ) -> Measurement:
        """Measure one request, in a ``with`` block.

        ``due`` replaces the due time of the user's next request, and ``begun`` the start of its
        iteration, seconds.

        ::

            with self.measure("classify") as call:
                answer = await post(...)
                call.status = answer.status
        """
        return Measurement(self, name, due, begun)


class Measurement:
    """The measurement of one request: set its fields; the end of the ``with`` block records it.

    An exception is recorded as a failed (or timed out) request, and propagates. :meth:`fail`
    records an answer as a failure.
    """

    __slots__ = (
        "_due", "_recorder", "begun", "bytes_in", "bytes_out", "due", "error", "first_byte", "name",
        "start", "status", "stream", "timing",
    )  # fmt: skip
    start: float | None

    def __init__(
        self,
        recorder: Recorder,
        name: str,
        due: float | None = None,
        begun: float | None = None,
    ) -> None:
        self._recorder = recorder
        self._due = due
        self.name = name if type(name) is str and name.isascii() else request_name(name)
        self.status: int | None = None
        self.first_byte: float | None = None
        self.begun = begun
        self.timing: Timing | None = None
        """What the client knows of how the answer came about."""
        self.bytes_out: int | None = None
        self.bytes_in: int | None = None
        self.error: str | None = None
        self.stream: Stream | None = None

    def answered(self, response: Response) -> None:
        """Copy the status, the sizes and the times from ``response``."""
        self.timing = response.timing
        self.status = response.status
        self.bytes_in = response.bytes_in
        self.bytes_out = response.bytes_out

    def fail(self, reason: str) -> None:
        """Record this request as failed, for ``reason``. Raises TypeError if that is no text."""
        if not isinstance(reason, str):
            raise TypeError(f"fail() takes the reason as text, not a {type(reason).__name__}")
        self.error = reason

    def not_sent(self, reason: str) -> None:
        """Record this request as failed before it was sent, without a ``start``."""
        self.error = reason
        self.start = None

    def __enter__(self) -> Self:
        recorder = self._recorder
        self.start = start = recorder.clock()
        due = self._due
        if due is None:
            due = recorder._due  # noqa: SLF001 - a call less for each request
            recorder._due = None  # noqa: SLF001
            if due is None:
                due = start
            elif start - recorder.iteration >= PREPARED:
                self.begun = recorder.iteration
        self.due = due
        begun = recorder.begun
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
        now = end = recorder.clock()
        status, error, first_byte = self.status, self.error, self.first_byte
        # Not as our own client fills it in: what a user has set may be anything.
        if (
            error is not None or first_byte is not None or type(status) is not int
            or type(self.bytes_in) is not int or type(self.bytes_out) is not int
        ):  # fmt: skip
            self._check()
            status, error, first_byte = self.status, self.error, self.first_byte
        outcome = OK if error is None else FAILED
        if problem is not None:
            outcome = self._failed(problem)
            status, error = self.status, self.error
        start, ready, sent = self.start, None, None
        resent = False
        timing = self.timing
        if timing is not None and start is not None:
            resent = timing.resent
            if first_byte is None:
                first_byte = timing.first_byte
            if timing.end is not None:
                end = timing.end  # when the last byte came, not when its task got its turn
            if timing.turn is not None:
                ready, start = start, timing.turn
            elif timing.sent is None and problem is not None and waited_for_turn(problem):
                ready, start = start, None
            if timing.sent is not None and start is not None and timing.sent - start >= SENT_AFTER:
                sent = timing.sent
        # In the order of the fields: names would cost a tenth of all this.
        recorder.sink.write(
            Request(
                now, recorder.scenario, recorder.user, self.name, self.due, end, outcome, start,
                first_byte, status, self.bytes_out, self.bytes_in, error, self.stream,
                self.begun, ready, sent, resent,
            )
        )  # fmt: skip

    def _check(self) -> None:
        """Take what user code has set for what it is; what is no figure fails the request."""
        for name, kind in _FIGURES.items():
            value = getattr(self, name)
            if value is None or (type(value) is kind and 0 <= value < _HIGHEST):
                continue
            try:
                figure = kind(operator.index(value)) if kind is int else float(value)
                if isinstance(value, str) or not 0 <= figure < _HIGHEST:
                    raise ValueError
            except Exception:
                setattr(self, name, None)
                wanted = "a whole number" if kind is int else "seconds"
                self.error = (
                    f"the user set {name} to {in_brief(repr(value))}, and it takes {wanted}"
                )
            else:
                setattr(self, name, figure)
        if self.error is not None:
            is_text = type(self.error) is str
            self.error = hide_known(self.error) if is_text else in_brief(str(self.error))

    def _failed(self, problem: BaseException) -> str:
        """Note what ended the block, and give the outcome."""
        mark_recorded(problem)
        if isinstance(problem, TransportError) and problem.timing is not None:
            self.timing = problem.timing
        if isinstance(problem, asyncio.CancelledError):
            if self._recorder.interrupted():
                self.error = "the run was ended before its answer came"
                return INTERRUPTED
            self.error = "cancelled before its answer came"
            return TIMEOUT
        self.error = describe(problem)
        if self.status is None:
            self.status = http_status(problem)
        return TIMEOUT if is_timeout(problem) else FAILED


def request_name(name: object) -> str:
    """Give the name of a request as a plain text. Raises TypeError for what is none."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a request is a text, not {name!r}")
    # A subclass, such as an enum's member, becomes its text, and half a character an escape.
    return str.__str__(name).encode("utf-8", "backslashreplace").decode()


def waited_for_turn(problem: BaseException) -> bool:
    """Whether a request ended while it still waited for a free connection of ours."""
    return getattr(problem, "phase", None) == "pool wait"


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
