"""Sending messages to SQS in batches, in the order they come."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import msgspec

from asyncload.transport.aws import sqs_wire
from asyncload.transport.aws.operation import Operation
from asyncload.transport.measure import CURRENT, Recorder, mark_recorded

BATCH: Final = 10
"""SQS's limit for a batch."""


class _Entry(msgspec.Struct, gc=False):
    """One message, and who waits for its id."""

    body: str
    waiter: asyncio.Future[str]
    recorder: Recorder | None
    due: float
    begun: float | None = None
    """When its iteration began: from then on it waits for others to go with it."""
    sent: bool = False


class _Flight:
    """A call under way: it ends when nobody waits for it any more."""

    def __init__(self, entries: list[_Entry], call: Coroutine[Any, Any, None]) -> None:
        self._waiting = len(entries)
        self._task = asyncio.get_running_loop().create_task(call)
        for entry in entries:  # they keep this object alive, too
            entry.waiter.add_done_callback(self._left)

    def _left(self, waiter: asyncio.Future[str]) -> None:
        self._waiting -= waiter.cancelled()
        if not self._waiting:
            self._task.cancel()


class Batches:
    """Coalesces messages: ten go at once, fewer after ``linger`` seconds or when they are large.

    A call is recorded as one request of the user whose message came first,
    due when that message was. An entry that fails inside an answer is a
    failed request of its own. A message is its sender's: it is not sent any more when that was
    cancelled before, and a call ends when all of its senders were.
    """

    def __init__(
        self, operation: Operation, encoder: sqs_wire.QueueEncoder, *, linger: float
    ) -> None:
        self._operation = operation
        self._encoder = encoder
        self._linger = linger
        self._entries: list[_Entry] = []
        self._bytes = 0
        """Of the bodies in ``_entries``."""
        self._timer: asyncio.TimerHandle | None = None

    async def send(self, body: str) -> str:
        """Send ``body`` with the next batch; return the message's id."""
        loop = asyncio.get_running_loop()
        size = len(body) if body.isascii() else len(body.encode())
        if self._entries and self._bytes + size > sqs_wire.BATCH_BYTES:
            self._flush()
        self._bytes += size
        waiter: asyncio.Future[str] = loop.create_future()
        recorder = CURRENT.get()
        entry = _Entry(body, waiter, recorder, 0.0)
        if recorder is not None:
            now = recorder.clock()
            entry.due = recorder.take_due(now)
            entry.begun = recorder.iteration if entry.due < now else now
        self._entries.append(entry)
        if len(self._entries) == BATCH:
            self._flush()
        elif self._timer is None:
            self._timer = loop.call_later(self._linger, self._flush)
        try:
            return await waiter
        except asyncio.CancelledError as cancellation:
            if not entry.sent:
                self._never_sent(entry, cancellation)
            raise

    def _never_sent(self, entry: _Entry, cancellation: asyncio.CancelledError) -> None:
        """Record that a message was given up before its batch went out."""
        cancellation.__dict__["phase"] = "pool wait"  # for never_connected()
        if entry.recorder is None:
            return
        with entry.recorder.measure(
            self._operation.label, due=entry.due, begun=entry.begun
        ) as call:
            call.start = None
            raise cancellation

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        entries = [entry for entry in self._entries if not entry.waiter.done()]
        self._entries = []
        self._bytes = 0
        for entry in entries:
            entry.sent = True
        if entries:
            _Flight(entries, self._fly(entries))

    async def _fly(self, entries: list[_Entry]) -> None:
        try:
            body = self._encoder.send_batch([entry.body for entry in entries])
            first = entries[0]
            response = await self._operation.call(body, first.recorder, first.due, first.begun)
            results = sqs_wire.decode_sent_batch(response.body, len(entries))
        except Exception as problem:
            for entry in entries:
                if not entry.waiter.done():
                    entry.waiter.set_exception(_again(problem))
            return
        for entry, result in zip(entries, results, strict=True):
            if isinstance(result, sqs_wire.BatchFailure):
                self._fail(entry, result)
            elif not entry.waiter.done():
                entry.waiter.set_result(result)

    def _fail(self, entry: _Entry, failure: sqs_wire.BatchFailure) -> None:
        problem = _entry_error(failure)
        if entry.recorder is not None:
            with entry.recorder.measure(
                self._operation.label, due=entry.due, begun=entry.begun
            ) as call:
                call.fail(f"{failure.code}: {failure.message}")
            mark_recorded(problem)
        if not entry.waiter.done():
            entry.waiter.set_exception(problem)


def _again(problem: Exception) -> Exception:
    """A copy for each waiter: an exception raised in several tasks would mix their traces."""
    copy = type(problem).__new__(type(problem), *problem.args)
    copy.args = problem.args
    copy.__dict__.update(problem.__dict__)
    return copy


def _entry_error(failure: sqs_wire.BatchFailure) -> Exception:
    from botocore.exceptions import ClientError

    error = {"Error": {"Code": failure.code, "Message": failure.message}}
    problem: Exception = ClientError(error, "SendMessageBatch")
    return problem
