"""How late the event loop is, and which user code blocks it.

A timer rings again and again and sees how late it is: that is the loop's lag. A thread looks
at the loop's stack while the timer is overdue. Neither is in the way of a request: what is
measured costs nothing where it happens.

What the thread cannot see: code that keeps the GIL, such as one long call into C. It is seen
when the call is over, still at its line, and how long the thread was kept from looking says
how long it took. Code of which no frame is the user's, such as a library's callback, has no name.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Final, NamedTuple

import anyio

from asyncload.engine.stack import describe_code, user_frames
from asyncload.monitor.cores import RunQueue
from asyncload.monitor.gaps import Gaps

STEP: Final = 0.02
"""Seconds between two wake-ups of the timer, and of the thread."""
OVERDUE: Final = 0.01
"""Seconds of lateness from which the thread looks."""
BLOCK: Final = 0.025
"""Seconds of lateness from which user code is named: a block of 50 ms is late by 30 to 50."""

AGAIN: Final = 0.005
"""Seconds between two looks of the thread at a loop that is late."""
SURE: Final = 0.1
"""Seconds of lateness from which a single look is enough."""
STANDING: Final = 0.05
"""Seconds by which the thread must oversleep before the process is taken to have stood still."""


class Block(NamedTuple):
    """User code that kept the loop from running."""

    seconds: float
    """At least; it began up to :data:`STEP` earlier."""
    code: str
    """Which: ``Slow.go at slow.py:6``."""


class Look(NamedTuple):
    """What the thread saw on the loop's stack."""

    t: float
    code: FrameType | None
    """The outermost frame of user code, such as that of a task."""
    text: str
    """Where the innermost is."""


class _Times(NamedTuple):
    """Seconds at a wake-up of the thread."""

    now: float
    used: float
    """CPU time of the process."""
    loop_waited: float
    """For a core, by the loop's thread."""
    own_waited: float


class LoopWatch:
    """Watches the loop that :meth:`run` runs on. ``gc_time`` tells of seconds spent collecting."""

    def __init__(
        self, gc_time: Callable[[], float] = lambda: 0.0, gaps: Gaps | None = None
    ) -> None:
        self._gc_time = gc_time
        self._gaps = gaps or Gaps()
        self._due = float("inf")
        self._longest_lag = 0.0
        self._block: Block | None = None
        self._looks: list[Look] = []
        self._run_queue: RunQueue | None = None
        self._stood_still = 0.0
        """Seconds for which the process neither used a core nor waited for one, as far as the
        thread noticed."""
        self._innocent = 0.0
        """What :meth:`_innocent_time` gave when the timer last rang."""
        self._loop_thread = 0
        self._outer: frozenset[FrameType] = frozenset()
        self._timer: asyncio.TimerHandle
        self._ended = False

    async def run(self) -> None:
        """Watch until cancelled."""
        self._loop_thread = threading.get_ident()
        self._outer = frozenset(_outwards(sys._getframe()))  # noqa: SLF001 - how one's own stack is read
        self._run_queue = self._gaps.sample("the wait for a core", RunQueue)
        thread = threading.Thread(target=self._watch, name="asyncload-watch", daemon=True)
        self._ring()
        self._gaps.sample("the stack", thread.start)  # there may be no more threads to be had
        try:
            await anyio.sleep_forever()
        finally:
            self._timer.cancel()
            self._ended = True  # the thread sees it within STEP, and nobody waits for it
            self._outer = frozenset()

    def _ring(self) -> None:
        now = time.monotonic()
        self._woke(now)
        self._begin(now)
        # A timer costs a fifth of a task that sleeps.
        self._timer = asyncio.get_running_loop().call_later(STEP, self._ring)

    def take(self) -> tuple[float, Block | None]:
        """Give the longest lag since the previous call, s, and the longest block by user code."""
        now = time.monotonic()
        if now > self._due:
            # What held the loop up ended just now, and the timer has not had its turn yet.
            self._woke(now)
            self._due = now
        lag, self._longest_lag = self._longest_lag, 0.0
        block, self._block = self._block, None
        return lag, block

    def _begin(self, now: float) -> None:
        self._looks = []
        self._innocent = self._innocent_time()
        self._due = now + STEP

    def _woke(self, now: float) -> None:
        late = now - self._due
        self._longest_lag = max(self._longest_lag, late)
        if late >= BLOCK and self._looks:
            innocent = self._innocent_time() - self._innocent
            block = longest_block(self._looks, self._due, now)
            if block is not None:
                block = block._replace(seconds=block.seconds - innocent)
                if block.seconds >= max(BLOCK, self._block.seconds if self._block else 0.0):
                    self._block = block
        self._looks = []

    def _innocent_time(self) -> float:
        """Seconds for which no code ran, or the garbage collector did, since some time or other."""
        return self._gc_time() + self._stood_still + self._waited(self._run_queue)

    def _waited(self, run_queue: RunQueue | None) -> float:
        """Seconds; as good as none where it is not known."""
        if run_queue is None:
            return 0.0
        return self._gaps.sample("the wait for a core", run_queue.waited) or 0.0

    # -- in the thread -------------------------------------------------------

    def _watch(self) -> None:
        """Look at the stack while the timer is overdue."""
        own_queue = self._gaps.sample("the wait for a core", RunQueue)
        before = self._times(own_queue)
        pause = STEP
        while True:
            time.sleep(pause)  # an Event would cost three times as much
            if self._ended:
                break
            times = self._times(own_queue)
            slept, used, loop_waited, own_waited = (
                now - then for now, then in zip(times, before, strict=True)
            )
            now, before = times.now, times
            overslept = slept - pause
            pause = STEP
            if overslept >= STANDING:
                # The call that kept the GIL used a core, or waited for one. If not, the process
                # stood still: it was stopped, or its virtual machine was.
                waited = max(loop_waited, own_waited)
                self._stood_still += max(0.0, overslept - used - waited)
                if own_waited > overslept / 2:  # what the loop did meanwhile, nobody has seen
                    self._looks.append(Look(now - overslept, None, ""))
            due = self._due
            if now > due + OVERDUE:
                pause = AGAIN
                look = self._gaps.sample("the stack", lambda: self._look(now))  # noqa: B023 - called now
                if look is not None and self._due == due:
                    self._looks.append(look)
        for queue in (own_queue, self._run_queue):
            if queue is not None:
                queue.close()

    def _times(self, own_queue: RunQueue | None) -> _Times:
        return _Times(
            time.monotonic(),
            time.process_time(),
            self._waited(self._run_queue),
            self._waited(own_queue),
        )

    def _look(self, now: float) -> Look:
        frames = user_frames(sys._current_frames().get(self._loop_thread), self._outer)  # noqa: SLF001
        if not frames:
            return Look(now, None, "")
        return Look(now, frames[-1], describe_code(frames))


def longest_block(looks: list[Look], due: float, end: float) -> Block | None:
    """Find the user code that was on the stack in a row for longest, between ``due`` and ``end``.

    ``looks``: what was seen in between, one at least. What was seen first is taken to have been
    there when the timer was due, and what was seen last until the end. One frame counts as the same
    as long as it is the same call: of a loop that is late because it has much to do, each look
    shows another one, and none of them is to blame. Of a short time one look says too little.
    """
    best: Block | None = None
    begin = 0
    for place in range(1, len(looks) + 1):
        if place < len(looks) and looks[place].code is looks[begin].code:
            continue
        row = looks[begin:place]
        first = due if begin == 0 else row[0].t
        last = end if place == len(looks) else row[-1].t
        seen = len(row) > 1 or end - due >= SURE
        if row[0].code is not None and seen and (best is None or last - first > best.seconds):
            ((text, _),) = Counter(look.text for look in row).most_common(1)
            best = Block(last - first, text)
        begin = place
    return best


def _outwards(frame: FrameType | None) -> list[FrameType]:
    """Give the frames around ``frame``, and itself."""
    found = []
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return found
