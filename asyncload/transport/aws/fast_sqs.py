"""SQS queues through the fast backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asyncload.transport.aws import sqs_wire
from asyncload.transport.aws.operation import FastService, Operation
from asyncload.transport.aws.session import Aws
from asyncload.transport.aws.sqs import other_region
from asyncload.transport.aws.sqs_batcher import BATCH, Batches
from asyncload.transport.http_client import HttpClient
from asyncload.transport.queue import LONG_POLL, Received


class FastSqsQueue:
    """A :class:`~asyncload.transport.queue.MessageQueue` with the fast backend.

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
        self._batches = None
        if batch_linger is not None:
            sending = _operation(service, "SendMessageBatch")
            self._batches = Batches(sending, self._encoder, linger=batch_linger)

    @classmethod
    async def of(
        cls, aws: Aws, http: HttpClient, url: str, *, batch_linger: float | None = None
    ) -> FastSqsQueue:
        """The queue at ``url``, which has been looked up before."""
        service = await FastService.of(aws, http, "sqs", region=other_region(aws, url))
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
        return Received(sqs_wire.decode_received(response.body), response.timing.end)

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
