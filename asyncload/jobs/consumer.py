"""The status consumer: the one task that reads the status queue and owns the ledger.

It keeps several long polls open, more when batches come back full and fewer
when they come back empty, applies every status to the ledger, and deletes in
batches. It survives unreadable bodies, throttling and disconnects; what it
met is told through ``note``.
"""

from __future__ import annotations

import math
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import anyio
from anyio.abc import TaskGroup

from asyncload.jobs.ledger import JobLedger
from asyncload.jobs.polls import Polls
from asyncload.jobs.status import Parse, parse_status
from asyncload.stats import units
from asyncload.transport.error_text import describe
from asyncload.transport.queue import LONG_POLL, MessageQueue

BATCH: Final = 10
"""SQS's limit for one receive and for one delete."""
DELETE_AFTER: Final = 0.05
"""Seconds that a deletion may wait for others to fill its batch."""
DELETE_ATTEMPTS: Final = 3
FLUSHES: Final = 8
"""Batches deleted or given back at the same time."""
SHORTEST_POLL: Final = 1
"""Seconds a poll takes at least, when nothing comes."""
FIRST_BACKOFF: Final = 0.2
LONGEST_BACKOFF: Final = 5.0
RECOVERED_AFTER: Final = 5.0
"""Seconds without a failure after which a trouble counts as over."""
REMEMBERED_FOREIGN: Final = 50_000
NAMED_FOREIGN: Final = 3
"""Foreign jobs that are named at the end."""
FRESH: Final = 60.0
"""Seconds for which a message counts as something its owner is waiting for now."""
LONGEST_RELEASE: Final = 300
"""Longest time, s, that a foreign message is kept out of everybody's sight."""


class StatusConsumer:
    """Reads one status queue until cancelled, then :meth:`finish` deletes what is left.

    ``foreign``: what to do with messages that are not about this run's jobs,
    unreadable ones included: ``leave`` them for their owners, or ``delete``.
    ``parse`` reads the messages of this queue; ModelRunner's statuses if left out.
    ``calling`` is told the operation before each call to the queue.
    """

    def __init__(
        self,
        queue: MessageQueue,
        ledger: JobLedger,
        *,
        clock: Callable[[], float],
        epoch: float,
        note: Callable[[str, str], None],
        foreign: Literal["leave", "delete"] = "leave",
        parse: Parse = parse_status,
        max_receivers: int = 16,
        calling: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.receivers = 0
        self.quiet_at = math.inf
        """From about this run time on no poll should be open for long."""
        self.polls = Polls()
        """How the consumer keeps up."""
        self.foreign_named: list[tuple[str, float | None]] = []
        """The first foreign jobs, and how old their statuses were, s, where that is told."""
        self._closing = False
        self._queue = queue
        self._ledger = ledger
        self._clock = clock
        self._epoch = epoch
        self._note = note
        self._foreign = foreign
        self._parse = parse
        self._max_receivers = max_receivers
        self._calling = calling
        self._foreign_seen: OrderedDict[str, float] = OrderedDict()
        """Foreign messages, and when they first came; the latest seen at the end."""
        self._deletions: deque[tuple[str, int]] = deque()
        """Handles, and which attempt it is."""
        self._releases: deque[tuple[str, int]] = deque()
        """Handles, and seconds until others may see the message."""
        self._work = anyio.Event()
        self._troubles: dict[str, _Trouble] = {}
        # Jitter, the same in every run on virtual time; it decides nothing that is measured.
        self._random = random.Random(ledger.prefix)

    async def run(self) -> None:
        """Receive until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._housekeeping)
            async with anyio.create_task_group() as receivers:
                self._start_receiver(receivers)
            group.cancel_scope.cancel()

    def close(self) -> None:
        """Receive until nothing of ours comes any more; then :meth:`run` returns."""
        self._closing = True
        self.quiet_at = self._clock()

    async def finish(self) -> None:
        """Delete and give back what is still in hand; at most five seconds."""
        with anyio.move_on_after(5, shield=True):
            while self._deletions or self._releases:
                await self._flush()
        for doing, trouble in self._troubles.items():
            if trouble.failures > 1:
                self._note("warning", f"{doing} {self._queue.name} failed {trouble}")

    # -- receiving ------------------------------------------------------------

    def _start_receiver(self, group: TaskGroup) -> None:
        self.receivers += 1
        group.start_soon(self._receive, group)

    async def _receive(self, group: TaskGroup) -> None:
        backoff = FIRST_BACKOFF
        while True:
            self._calling("ReceiveMessage")
            try:
                batch = await self._queue.receive(self._poll_seconds())
            except Exception as problem:
                self._trouble("receiving from", describe(problem))
                await anyio.sleep(backoff * self._random.uniform(0.5, 1.0))
                backoff = min(2 * backoff, LONGEST_BACKOFF)
                continue
            backoff = FIRST_BACKOFF
            self._recovered("receiving from")
            received = self._clock()
            ours = 0
            for message in batch:
                try:
                    ours += self._take(message, received)
                except Exception as problem:
                    # It comes back after the visibility timeout; the others must not suffer.
                    self._trouble("reading a message from", describe(problem))
            arrived = getattr(batch, "arrived", None)  # the SDK backend does not tell
            lag = self._clock() - (received if arrived is None else arrived) if batch else None
            self.polls.add(lag, full=len(batch) >= BATCH)
            if len(batch) >= BATCH:
                if self.receivers < self._max_receivers:
                    self._start_receiver(group)
            elif not batch and self.receivers > 1:
                self.receivers -= 1
                return
            if self._closing and not ours:
                self.receivers -= 1
                return

    def _poll_seconds(self) -> int:
        """How long the next poll may take: none should outlast the run.

        A poll that is given up goes on at the service, and the messages it
        takes there stay hidden from everybody for the visibility timeout.
        """
        return int(min(max(self.quiet_at - self._clock(), SHORTEST_POLL), LONG_POLL))

    def _take(self, message: Mapping[str, Any], received: float) -> bool:
        """Take in one message; whether it was about a job of ours."""
        status = self._parse(message)
        ours = status is not None and self._ledger.apply(status, received)
        if ours:
            self._deletions.append((message["ReceiptHandle"], 1))
        else:
            self._take_foreign(message, received, None if status is None else status.job_id)
        self._work.set()
        return ours

    def _take_foreign(
        self, message: Mapping[str, Any], received: float, job_id: str | None
    ) -> None:
        """Count a foreign message at its first coming, and leave or delete it.

        ``job_id`` is ``None`` when it cannot be read.
        """
        message_id = str(message.get("MessageId"))
        first_seen = self._foreign_seen.pop(message_id, None)
        self._foreign_seen[message_id] = received if first_seen is None else first_seen
        if len(self._foreign_seen) > REMEMBERED_FOREIGN:
            self._foreign_seen.popitem(last=False)
        sent = (message.get("Attributes") or {}).get("SentTimestamp")
        sent_at = None if sent is None else int(sent) / 1000 - self._epoch
        if first_seen is None:
            self._ledger.count_foreign(readable=job_id is not None)
            if job_id is not None and len(self.foreign_named) < NAMED_FOREIGN:
                age = None if sent_at is None else max(received - sent_at, 0.0)
                self.foreign_named.append((job_id, age))
        handle = message["ReceiptHandle"]
        if self._foreign == "delete":
            self._deletions.append((handle, 1))
            return
        # Its age: since it was sent, or, when that is not told, since we first saw it.
        since = self._foreign_seen[message_id]
        if sent_at is not None:
            since = min(since, sent_at)
        delay = self._release_delay(received - since, first=first_seen is None)
        self._releases.append((handle, delay))

    def _release_delay(self, age: float, *, first: bool) -> int:
        """Seconds for which a foreign message stays out of everybody's sight.

        A fresh one is given back at once: its owner waits for it. When it
        comes to us again it rests for a few seconds or not at all, and when it
        is no longer fresh for half its ``age``. So one whose owner does read
        loses little, and one that nobody reads does not crowd out ours.
        """
        if age < FRESH:
            return 0 if first else self._random.randint(0, 1 + int(age / 10))
        # Two runs that get each other's messages must not do so in step for ever.
        rest = age / 2 * self._random.uniform(0.75, 1.25)
        return round(min(max(rest, 1), LONGEST_RELEASE))

    # -- deleting and giving back -----------------------------------------------

    async def _housekeeping(self) -> None:
        while True:
            await self._work.wait()
            # Somebody may be waiting for a message that is to be given back.
            if len(self._deletions) < BATCH and not self._releases:
                await anyio.sleep(DELETE_AFTER)
            self._work = anyio.Event()
            while self._deletions or self._releases:
                await self._flush()

    async def _flush(self) -> None:
        """Do some batches of each, side by side: one by one would fall behind a busy queue."""
        async with anyio.create_task_group() as group:
            for _ in range(FLUSHES):
                if self._releases:
                    group.start_soon(self._release, _batch(self._releases))
                if self._deletions:
                    group.start_soon(self._delete, _batch(self._deletions))

    async def _delete(self, batch: Sequence[tuple[str, int]]) -> None:
        self._calling("DeleteMessageBatch")
        try:
            failed = set(await self._queue.delete([handle for handle, _ in batch]))
        except anyio.get_cancelled_exc_class():
            self._deletions.extend(batch)  # for :meth:`finish`
            raise
        except Exception as problem:
            failed = {handle for handle, _ in batch}
            self._trouble("deleting from", describe(problem))
        else:
            if any(handle in failed and attempt == DELETE_ATTEMPTS for handle, attempt in batch):
                # They will be delivered again and counted as duplicates.
                self._trouble("deleting from", "some messages could not be deleted")
            elif not failed:
                self._recovered("deleting from")
        self._deletions.extend(
            (handle, attempt + 1)
            for handle, attempt in batch
            if handle in failed and attempt < DELETE_ATTEMPTS
        )
        if failed:
            await anyio.sleep(FIRST_BACKOFF)

    async def _release(self, batch: Sequence[tuple[str, int]]) -> None:
        self._calling("ChangeMessageVisibilityBatch")
        try:
            await self._queue.release(batch)
        except anyio.get_cancelled_exc_class():
            self._releases.extend(batch)  # for :meth:`finish`
            raise
        except Exception as problem:
            # Not lost: the message comes back by itself after the queue's
            # visibility timeout.
            self._trouble("giving messages back to", describe(problem))
        else:
            self._recovered("giving messages back to")

    # -- telling --------------------------------------------------------------

    def _trouble(self, doing: str, problem: str) -> None:
        """Note the first of a row of the same troubles; the others are counted."""
        now = self._clock()
        trouble = self._troubles.get(doing)
        if trouble is None:
            trouble = self._troubles[doing] = _Trouble(now)
            self._note("warning", f"{doing} {self._queue.name} fails, going on: {problem}")
        trouble.failures += 1
        trouble.last = now

    def _recovered(self, doing: str) -> None:
        """Note that it works again, once it has worked for a while: a throttle comes and goes."""
        trouble = self._troubles.get(doing)
        if trouble is not None and self._clock() - trouble.last >= RECOVERED_AFTER:
            del self._troubles[doing]
            # A warning like the first one, so that it stands beside it in every report.
            self._note(
                "warning", f"{doing} {self._queue.name} works again, after failing {trouble}"
            )


class _Trouble:
    """A row of failures, told as ``12 times (0:04–0:09)``."""

    def __init__(self, first: float) -> None:
        self.failures = 0
        self.first = self.last = first

    def __str__(self) -> str:
        times = "once" if self.failures == 1 else f"{units.count(self.failures)} times"
        return f"{times} ({units.clocks(self.first, self.last)})"


def _batch(waiting: deque[tuple[str, int]]) -> list[tuple[str, int]]:
    return [waiting.popleft() for _ in range(min(len(waiting), BATCH))]
