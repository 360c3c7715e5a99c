"""The clock of a run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import anyio

APPROACH: Final = 0.002
"""Seconds before a due time from which on precise pacing no longer trusts timers."""

SET_UP: Final = 10**15
"""Nanoseconds that no set-up takes: eleven days."""


class RunClock:
    """Seconds since t = 0 of the run, to the microsecond; call it, or :attr:`now`, to read it.

    Before :meth:`start` it stands at 0. On a loop with virtual time
    (:class:`asyncload.testing.VirtualTimeLoop`) it follows the loop, otherwise
    the monotonic clock: the loop's own ``time()`` is too coarse on uvloop.
    """

    __slots__ = ("_start", "_wall", "epoch", "now", "ticking", "virtual")

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        virtual: Callable[[], float] | None = getattr(loop, "precise_time", None)
        self.virtual = virtual is not None
        self._wall = virtual or time.time
        self.epoch = self._wall()
        """Wall clock at t = 0, epoch seconds."""
        nanoseconds = time.monotonic_ns
        if virtual is not None:
            # Rounded to what is read: sleeping until t must not end a nanosecond before t.
            nanoseconds = lambda: round(virtual() * 1e6) * 1000  # noqa: E731 - named where it goes
        self.now, self.ticking, self._start = _stopwatch(nanoseconds)
        """``now()`` is the clock for what reads it many times a request: half the cost of a call
        of the clock itself. ``ticking()`` goes on before the start, too, far below 0: for what has
        limits of time in the set-up."""

    def start(self) -> None:
        """This moment is t = 0."""
        self.epoch = self._wall()
        self._start()

    def __call__(self) -> float:
        """Seconds of run time, now."""
        return self.now()

    async def reach(self, t: float, *, precise: bool = False) -> None:
        """Sleep until ``t`` and not a moment less.

        A loop's timers are good to a millisecond and may ring early; the rest
        is spent in turns of the loop, so that others go on meanwhile. With
        ``precise`` the last :data:`APPROACH` seconds are, which takes CPU and
        gives microseconds.
        """
        now = self.now
        left = t - now()
        await anyio.sleep(max(0.0, left - APPROACH if precise else left))
        while now() < t:  # noqa: ASYNC110 - no event says when
            await asyncio.sleep(0)

    async def sleep_until(self, t: float) -> None:
        """Sleep until ``t``; at least let other tasks run."""
        await anyio.sleep(max(0.0, t - self.now()))


def _stopwatch(
    nanoseconds: Callable[[], int],
) -> tuple[Callable[[], float], Callable[[], float], Callable[[], None]]:
    """Give functions that tell the seconds since the last one was called, and that one.

    Before that the first one gives 0, and the second a number below 0.
    """
    zero = nanoseconds() + SET_UP

    def now() -> float:
        # Whole microseconds; round(seconds, 6) would take five times as long.
        elapsed = nanoseconds() - zero
        return elapsed // 1000 / 1e6 if elapsed > 0 else 0.0

    def ticking() -> float:
        return (nanoseconds() - zero) // 1000 / 1e6

    def start() -> None:
        nonlocal zero
        zero = nanoseconds()

    return now, ticking, start
