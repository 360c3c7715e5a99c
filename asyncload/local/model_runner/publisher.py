"""Sends many small messages in few calls, in order.

Whatever is waiting goes out in the next call, up to ten entries, without
lingering for more: under little load every message leaves at once, under much
load a call carries ten. One call is under way at a time, so messages arrive
in the order they were put in.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final

import anyio

BATCH: Final = 10
"""Entries in a call: the limit of SQS and SNS."""
GIVE_UP: Final = 30.0
"""Seconds after which a batch that keeps failing is dropped."""
_LONGEST_PAUSE: Final = 1.0
_logger: Final = logging.getLogger(__name__)

Send = Callable[[list[dict[str, Any]]], Awaitable[Collection[str]]]
"""Send a batch; returns the ``Id`` of each entry that was not taken."""


class Outgoing:
    """One entry on its way. Times are epoch seconds."""

    __slots__ = ("done", "entry", "published", "sent")

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.entry = entry
        self.sent = 0.0
        """Immediately before the call that carried it."""
        self.published = 0.0
        """When that call had returned; 0 when it was given up."""
        self.done = anyio.Event()


class Batches:
    """Takes entries with :meth:`put`; :meth:`run` sends them."""

    def __init__(self, name: str, send: Send) -> None:
        self._name = name
        self._send = send
        self._waiting: deque[Outgoing] = deque()
        self._arrival = anyio.Event()

    def put(self, entry: Mapping[str, Any]) -> Outgoing:
        """Queue one entry, without its ``Id``. Wait for ``done`` to know that it went."""
        outgoing = Outgoing(entry)
        self._waiting.append(outgoing)
        self._arrival.set()
        return outgoing

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            if not self._waiting:
                self._arrival = anyio.Event()
                await self._arrival.wait()
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            await self._deliver(batch)

    async def _deliver(self, batch: list[Outgoing]) -> None:
        """Send ``batch``, again and again until all of it is taken."""
        give_up = time.monotonic() + GIVE_UP
        pause = 0.05
        while True:
            problem = await self._try(batch)
            batch = [outgoing for outgoing in batch if not outgoing.published]
            if not batch:
                return
            if time.monotonic() > give_up:
                _logger.warning("%s: %d given up: %s", self._name, len(batch), problem)
                for outgoing in batch:
                    outgoing.done.set()
                return
            await anyio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _try(self, batch: list[Outgoing]) -> str:
        """One call. Marks what was taken; returns what went wrong with the rest."""
        entries = [{"Id": str(i), **outgoing.entry} for i, outgoing in enumerate(batch)]
        sent = time.time()
        for outgoing in batch:
            outgoing.sent = sent
        try:
            refused = await self._send(entries)
        except Exception as problem:
            return str(problem)
        published = time.time()
        for i, outgoing in enumerate(batch):
            if str(i) not in refused:
                outgoing.published = published
                outgoing.done.set()
        return f"{len(refused)} entries refused"
