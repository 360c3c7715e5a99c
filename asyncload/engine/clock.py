"""The clock of a run."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Final

import anyio

RESOLUTION: Final = 1e-6
"""Seconds: due times and records are in whole microseconds."""
APPROACH: Final = 0.002
"""Seconds before a due time from which on precise pacing no longer trusts timers."""


class RunClock:
    """Seconds since t = 0 of the run, to the microsecond; call it to read it.

    Before :meth:`start` it stands at 0. On a loop with virtual time
    (:class:`asyncload.testing.VirtualTimeLoop`) it follows the loop, otherwise
    the monotonic clock: the loop's own ``time()`` is too coarse on uvloop.
    """

    __slots__ = ("_now", "_wall", "_zero", "epoch", "virtual")

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.virtual = hasattr(loop, "precise_time")
        self._now: Callable[[], float] = getattr(loop, "precise_time", time.monotonic)
        self._wall: Callable[[], float] = self._now if self.virtual else time.time
        self._zero = math.inf
        self.epoch = self._wall()
        """Wall clock at t = 0, epoch seconds."""

    def start(self) -> None:
        """This moment is t = 0."""
        self.epoch = self._wall()
        self._zero = self._now()

    def __call__(self) -> float:
        """Seconds of run time, now."""
        seconds = self._now() - self._zero
        # To the nearest microsecond; round(seconds, 6) would take three times as long.
        return int(seconds * 1e6 + 0.5) / 1e6 if seconds > 0 else 0.0

    async def reach(self, t: float, *, precise: bool = False) -> None:
        """Sleep until ``t`` and not a moment less.

        A loop's timers are good to a millisecond and may ring early; the rest
        is spent in turns of the loop, so that others go on meanwhile. With
        ``precise`` the last :data:`APPROACH` seconds are, which takes CPU and
        gives microseconds.
        """
        left = t - (self._now() - self._zero)
        await anyio.sleep(max(0.0, left - APPROACH if precise else left))
        while t - (self._now() - self._zero) > RESOLUTION:  # noqa: ASYNC110 - no event says when
            await asyncio.sleep(0)

    async def sleep_until(self, t: float) -> None:
        """Sleep until ``t``; at least let other tasks run."""
        await anyio.sleep(max(0.0, t - (self._now() - self._zero)))
