"""Jumps of the wall clock, and times for which the host was suspended.

Times of a log are monotonic, but its start, job times of services and
signatures are on the wall clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

LEAST: Final = 0.05
"""Seconds from which a jump is told: a clock that is slewed moves by 0.5 ms a second at most."""
_CLOSE: Final = 0.001
"""Seconds between two readings of the monotonic clock within which one of another clock is good."""


def _boottime() -> Callable[[], float] | None:
    """Give the clock that runs on while the host is suspended, where the monotonic one stops."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)  # Linux
    return None if clock is None else lambda: time.clock_gettime(clock)


class ClockJumps:
    """Holds clocks against the monotonic one, from one look to the next."""

    def __init__(
        self,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        boottime: Callable[[], float] | None = None,
    ) -> None:
        self._monotonic = monotonic
        self._wall = _Offset(wall, monotonic)
        boottime = boottime or _boottime()
        self._boottime = None if boottime is None else _Offset(boottime, monotonic)

    def look(self) -> tuple[float | None, float | None]:
        """Give how far the wall clock jumped since the previous look, s, and the time suspended.

        The jump is negative when the clock was set back; after a suspend it holds that
        time, too. ``None`` for what is below :data:`LEAST`, or not known.
        """
        jump = self._wall.moved()
        suspended = None if self._boottime is None else self._boottime.moved()
        return (
            jump if abs(jump) >= LEAST else None,
            suspended if suspended is not None and suspended >= LEAST else None,
        )


class _Offset:
    """How far one clock is ahead of the monotonic one."""

    def __init__(self, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._offset = self._read()

    def moved(self) -> float:
        """Seconds by which it moved since the previous call."""
        before, self._offset = self._offset, self._read()
        return round(self._offset - before, 6)

    def _read(self) -> float:
        """Read both clocks; again when we lost the core in between, which would look like a jump."""
        best, closest = 0.0, float("inf")
        for _ in range(5):
            before = self._monotonic()
            read = self._clock()
            after = self._monotonic()
            if after - before < closest:
                best, closest = read - (before + after) / 2, after - before
            if closest < _CLOSE:
                break
        return best
