"""The message-queue seam: what jobs are sent to and statuses are received from.

Users, the status consumer and tests know only :class:`MessageQueue`. The SDK
backend implements it in :mod:`asyncload.transport.aws.sqs`, virtual-time tests in
:mod:`asyncload.testing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

LONG_POLL: Final = 20
"""Seconds; SQS's longest."""


class Received(list[Mapping[str, Any]]):
    """Messages of one answer, and when it was here."""

    __slots__ = ("arrived",)

    def __init__(self, messages: Iterable[Mapping[str, Any]], arrived: float | None) -> None:
        super().__init__(messages)
        self.arrived = arrived
        """On the clock of the run; who waited for it may get its turn later."""


class Queue(Protocol):
    """What is known of any queue. Every method raises what its transport raises."""

    @property
    def name(self) -> str:
        """The queue's name, for messages to people."""


class MessageQueue(Queue, Protocol):
    """One queue that is sent to and received from; nothing is retried."""

    async def send(self, body: str) -> str:
        """Send one message and return its id."""

    async def receive(self, wait: int = LONG_POLL) -> Sequence[Mapping[str, Any]]:
        """Long-poll, ``wait`` seconds at most, for up to ten messages, in SQS's ``ReceiveMessage`` form, attributes included."""

    async def delete(self, receipt_handles: Sequence[str]) -> list[str]:
        """Delete up to ten messages; return the handles that could not be deleted."""

    async def release(self, delays: Sequence[tuple[str, int]]) -> None:
        """Give messages back: each ``(receipt_handle, seconds until others may see it)``."""


class DeadLetterQueue(Queue, Protocol):
    """A queue of messages that a service has given up. They are read and left there."""

    async def receive(
        self, wait: int = LONG_POLL, *, hidden_for: int | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """Receive like :class:`MessageQueue`, and hide what comes for ``hidden_for`` seconds."""

    async def release(self, delays: Sequence[tuple[str, int]]) -> None:
        """Give messages back: each ``(receipt_handle, seconds until others may see it)``."""


class RequestQueue(Queue, Protocol):
    """A queue that jobs are sent to, and that has dead letters."""

    async def dead_letters(self) -> DeadLetterQueue | None:
        """Find the queue where requests go that the service gives up; ``None``: there is none."""
