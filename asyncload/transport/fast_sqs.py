"""SQS queues through the fast lane."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from asyncload.transport import sqs_wire
from asyncload.transport.aws import Aws
from asyncload.transport.client import HttpClient
from asyncload.transport.fast import FastService, Operation
from asyncload.transport.measure import CURRENT
from asyncload.transport.queue import LONG_POLL

BATCH: Final = 10
"""SQS's limit for a batch."""


class FastSqsQueue:
    """A :class:`~asyncload.transport.queue.MessageQueue` on the fast lane.

    With ``batch_linger`` (seconds) messages are sent in batches of up to ten:
    one that is full goes at once, one that is not after at most that time.
    """

    def __init__(
        self, service: FastService, url: str, *, batch_linger: float | None = None
    ) -> None:
        self.url = url
        self.name = url.rpartition("/")[2]
        self._encoder = sqs_wire.QueueEncoder(url)
        self._receive_bodies = [
            self._encoder.receive(
                wait=wait,
                maximum=BATCH,
                system_attributes=["SentTimestamp", "ApproximateReceiveCount"],
                attributes=["All"],
            )
            for wait in range(LONG_POLL + 1)
        ]
        self._send = _operation(service, "SendMessage")
        self._receive = _operation(service, "ReceiveMessage")
        self._delete = _operation(service, "DeleteMessageBatch")
        self._release = _operation(service, "ChangeMessageVisibilityBatch")
        self._batches = (
            None if batch_linger is None else _Batches(service, self._encoder, linger=batch_linger)
        )

    @classmethod
    async def of(
        cls, aws: Aws, http: HttpClient, url: str, *, batch_linger: float | None = None
    ) -> FastSqsQueue:
        """The queue at ``url``, which has been looked up before."""
        service = await FastService.of(aws, http, "sqs")
        return cls(service, url, batch_linger=batch_linger)

    async def send(self, body: str) -> str:
        """Send one message and return its id."""
        if self._batches is not None:
            return await self._batches.send(body)
        response = await self._send(self._encoder.send(body))
        return sqs_wire.decode_sent(response.body)

    async def receive(self, wait: int = LONG_POLL) -> Sequence[Mapping[str, Any]]:
        """Long-poll, ``wait`` seconds at most, for up to ten messages."""
        response = await self._receive(self._receive_bodies[wait])
        return sqs_wire.decode_received(response.body)

    async def delete(self, receipt_handles: Sequence[str]) -> list[str]:
        """Delete up to ten messages; return the handles that could not be deleted."""
        response = await self._delete(self._encoder.delete_batch(receipt_handles))
        failed = sqs_wire.decode_deleted_batch(response.body, len(receipt_handles))
        return [receipt_handles[place] for place in failed]

    async def release(self, delays: Sequence[tuple[str, int]]) -> None:
        """Give messages back, each after its delay in seconds."""
        await self._release(self._encoder.release_batch(delays))


def _operation(service: FastService, name: str) -> Operation:
    return service.operation(name, sqs_wire.headers(name))


class _Batches:
    """Coalesces messages into batches, in the order they come."""

    def __init__(
        self, service: FastService, encoder: sqs_wire.QueueEncoder, *, linger: float
    ) -> None:
        self._service = service
        self._encoder = encoder
        self._linger = linger
        self._operation = _operation(service, "SendMessageBatch")
        self._bodies: list[str] = []
        self._waiters: list[asyncio.Future[str]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._flights: set[asyncio.Task[None]] = set()

    async def send(self, body: str) -> str:
        """Send ``body`` with the next batch. Recorded as a request of its own."""
        recorder = CURRENT.get()
        if recorder is None:
            return await self._enter(body)
        with recorder.measure("sqs.SendMessageBatch") as call:
            call.bytes_out = len(body)
            message_id = await self._enter(body)
            call.status = 200
            return message_id

    def _enter(self, body: str) -> asyncio.Future[str]:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[str] = loop.create_future()
        self._bodies.append(body)
        self._waiters.append(waiter)
        if len(self._bodies) == BATCH:
            self._flush()
        elif self._timer is None:
            self._timer = loop.call_later(self._linger, self._flush)
        return waiter

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        bodies, waiters = self._bodies, self._waiters
        self._bodies, self._waiters = [], []
        flight = asyncio.get_running_loop().create_task(self._fly(bodies, waiters))
        self._flights.add(flight)
        flight.add_done_callback(self._flights.discard)

    async def _fly(self, bodies: list[str], waiters: list[asyncio.Future[str]]) -> None:
        try:
            body = self._encoder.send_batch(bodies)
            response = await self._service.send(self._operation, body)
            if response.status >= 300:
                raise self._service.error(response, "SendMessageBatch")
            results = sqs_wire.decode_sent_batch(response.body, len(bodies))
        except Exception as problem:
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(_again(problem))
            return
        for waiter, result in zip(waiters, results, strict=True):
            if waiter.done():
                continue
            if isinstance(result, str):
                waiter.set_result(result)
            else:
                waiter.set_exception(_entry_error(result))


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
