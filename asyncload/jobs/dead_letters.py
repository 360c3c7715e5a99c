"""Looking among the dead letters for jobs that are missing.

A request that the service cannot take gets no status: it ends up in the
dead-letter queue of the request queue. Before a job is given up, that queue
is read, and what is read there is given back: nothing in it is ever deleted.
While users wait for jobs it is read from time to time, so that they need not
wait until their jobs time out.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

import anyio
import msgspec

from asyncload.errors import first_of
from asyncload.jobs.job import DeadLetter
from asyncload.jobs.ledger import JobLedger
from asyncload.stats import units
from asyncload.transport.error_text import describe
from asyncload.transport.queue import DeadLetterQueue, RequestQueue

INTERVAL: Final = 60.0
"""Seconds from one look to the next, while jobs time out."""
FIRST_INTERVAL: Final = 5.0
"""Seconds from one look to the next while users wait, twice as long after each that found nothing,
up to :data:`INTERVAL`; a job younger than that is not looked for."""
LOOK_LIMIT: Final = 5.0
"""Seconds that a look may take."""
MOST_MESSAGES: Final = 10_000
"""Messages read in one look: each of their handles is kept until it is over."""
READERS: Final = 4
"""Receives at the same time, once a batch came back full."""
POLL: Final = 1
"""Seconds of a receive: a long poll, even a short one, asks all of SQS's servers."""
HIDDEN: Final = 15
"""Seconds for which a message stays hidden should it not be given back: longer than a look."""
GIVE_BACK_LIMIT: Final = 3.0
BATCH: Final = 10
"""SQS's limit for one receive, and for giving back."""
NAMED: Final = 5
"""Jobs that a note names."""


class _Body(msgspec.Struct):
    """The part of a request's body that says whose it is."""

    job_id: str = msgspec.field(name="jobId")


_decoder: Final = msgspec.json.Decoder(_Body)


class DeadLetters:
    """Looks into the dead letters of the request ``queues``, for the jobs of ``ledger``.

    What is found is told through ``note``: by each look as information, by the
    last one in all as a warning. What keeps a look from finding anything is
    told once for each queue. ``calling`` is told the operation before each
    call to a queue.
    """

    def __init__(
        self,
        queues: Sequence[RequestQueue],
        ledger: JobLedger,
        *,
        clock: Callable[[], float],
        note: Callable[[str, str], None],
        calling: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._queues = queues
        self._ledger = ledger
        self._clock = clock
        self._note = note
        self._calling = calling
        self._next_look = 0.0 if queues else math.inf
        self._next_for_users = FIRST_INTERVAL if queues else math.inf
        self._interval = FIRST_INTERVAL
        self._noted: set[str] = set()
        self._found: dict[str, _Found] = {}
        self._lock = anyio.Lock()

    @property
    def due(self) -> bool:
        """Whether to look now: for jobs past their timeout, or for users that wait."""
        now = self._clock()
        if now >= self._next_look and self._ledger.overdue:
            return True
        return now >= self._next_for_users and self._ledger.waited_for(FIRST_INTERVAL)

    @property
    def looking(self) -> bool:
        """Whether a look is under way."""
        return self._lock.locked()

    async def look(self, *, last: bool = False) -> None:
        """Look once, for at most :data:`LOOK_LIMIT`; at once over when no job is missing.

        ``last``: no other look follows, so that this one says what there was in all.
        """
        async with self._lock:
            try:
                async with anyio.create_task_group() as group:
                    for queue in self._queues:
                        group.start_soon(self._look_into, queue, last)
            finally:
                now = self._clock()
                self._next_look = max(self._next_look, now + INTERVAL)
                self._next_for_users = max(self._next_for_users, now + self._interval)
                self._interval = min(2 * self._interval, INTERVAL)
        if last:
            for name, found in self._found.items():
                self._note("warning", found.format_message(name, self._clock()))

    async def _look_into(self, queue: RequestQueue, last: bool) -> None:
        look: _Look | None = None
        with anyio.CancelScope(deadline=anyio.current_time() + LOOK_LIMIT) as limit:
            try:
                letters = await self._letters_of(queue)
                if letters is not None:
                    look = _Look(letters, self._ledger, self._calling)
                    await look.read()
            except Exception as problem:
                self._failed(queue, describe(first_of(problem)))
            finally:
                if look is not None:
                    await look.give_back()
        if look is None:
            if limit.cancelled_caught:
                self._failed(queue, f"no answer within {LOOK_LIMIT:g} s")
            return
        self._take_down(look, last=last)
        # Before the last look that is no loss: dead letters may come as fast as they are read.
        if last and (limit.cancelled_caught or look.full):
            self._note(
                "warning",
                f"reading {look.queue.name} was given up after {units.count(look.messages)} "
                "messages; further jobs of this run may be among the others",
            )

    async def _letters_of(self, queue: RequestQueue) -> DeadLetterQueue | None:
        if not self._ledger.missing:
            return None
        self._calling("GetQueueAttributes")
        letters = await queue.dead_letters()
        if letters is None:
            self._note_once(
                queue,
                "info",
                f"{queue.name} has no dead-letter queue, so jobs that the service "
                "rejected cannot be told from those that it never got",
            )
        return letters

    def _failed(self, queue: RequestQueue, problem: str) -> None:
        self._note_once(
            queue,
            "warning",
            f"the dead letters of {queue.name} cannot be read, so jobs that the service "
            f"rejected cannot be told from those that it never got: {problem}",
        )

    def _note_once(self, queue: RequestQueue, level: str, text: str) -> None:
        if queue.name not in self._noted:
            self._noted.add(queue.name)
            self._note(level, text)

    def _take_down(self, look: _Look, *, last: bool) -> None:
        """Keep what has been found for the first time, and note it unless all of it will be."""
        if look.found:
            self._interval = FIRST_INTERVAL
            name, now = look.queue.name, self._clock()
            found = _Found.of(look.found, now)
            if not last:
                self._note("info", found.format_message(name, now))
            self._found[name] = found.beside(self._found.get(name))


class _Found(NamedTuple):
    """Jobs found in one queue."""

    jobs: int
    earliest: float
    """When the first of them was sent, run time."""
    too_late: int
    """Those whose record does not say so."""
    named: tuple[str, ...]
    """Some of these."""

    @classmethod
    def of(cls, letters: Sequence[DeadLetter], now: float) -> Self:
        too_late = [letter.job_id for letter in letters if letter.too_late]
        earliest = now - max(letter.age for letter in letters)
        return cls(len(letters), earliest, len(too_late), tuple(too_late[:NAMED]))

    def beside(self, other: _Found | None) -> _Found:
        if other is None:
            return self
        return _Found(
            self.jobs + other.jobs,
            min(self.earliest, other.earliest),
            self.too_late + other.too_late,
            (other.named + self.named)[:NAMED],
        )

    def format_message(self, name: str, now: float) -> str:
        oldest = "" if self.jobs == 1 else "the oldest "
        text = f"the service rejected {units.counted(self.jobs, 'job')} of this run: in {name}, "
        text += f"{oldest}{units.seconds(round(now - self.earliest))} old"
        if self.too_late:
            more = self.too_late - len(self.named)
            text += f"; already timed out: {', '.join(self.named)}"
            text += f" and {units.count(more)} more" if more else ""
        return text


class _Look:
    """One reading of one dead-letter queue."""

    def __init__(
        self, queue: DeadLetterQueue, ledger: JobLedger, calling: Callable[[str], None]
    ) -> None:
        self.queue = queue
        self.found: list[DeadLetter] = []
        self.messages = 0
        self._ledger = ledger
        self._calling = calling
        self._over = False
        self._held: deque[str] = deque()

    @property
    def full(self) -> bool:
        return self.messages >= MOST_MESSAGES

    async def read(self) -> None:
        """Read until the queue is empty, no job is missing any more, or it is enough."""
        if await self._receive() < BATCH:
            await self._keep_reading()
            return
        async with anyio.create_task_group() as readers:
            for _ in range(READERS):
                readers.start_soon(self._keep_reading)

    async def give_back(self) -> None:
        """Show the messages to others again. Those that fail come back by themselves."""
        with anyio.move_on_after(GIVE_BACK_LIMIT, shield=True):
            async with anyio.create_task_group() as group:
                for _ in range(READERS):
                    group.start_soon(self._release)

    async def _keep_reading(self) -> None:
        while not self._over:
            await self._receive()

    async def _receive(self) -> int:
        """Receive once; how many messages came."""
        self._calling("ReceiveMessage")
        batch = await self.queue.receive(POLL, hidden_for=HIDDEN)
        self._held.extend(message["ReceiptHandle"] for message in batch)
        self.messages += len(batch)
        for message in batch:
            self._take(message)
        self._over = self._over or not batch or self.full or not self._ledger.missing
        return len(batch)

    def _take(self, message: Mapping[str, Any]) -> None:
        try:
            job_id = _decoder.decode(message["Body"]).job_id
        except (msgspec.MsgspecError, UnicodeError):
            return  # no request of ours
        sent = message.get("Attributes", {}).get("SentTimestamp")
        sent_at = None if sent is None else int(sent) / 1000
        letter = self._ledger.mark_dead_lettered(job_id, self.queue.name, sent_at)
        if letter is not None:
            self.found.append(letter)

    async def _release(self) -> None:
        while self._held:
            batch = [(self._held.popleft(), 0) for _ in range(min(len(self._held), BATCH))]
            self._calling("ChangeMessageVisibilityBatch")
            try:
                await self.queue.release(batch)
            except Exception:
                return
