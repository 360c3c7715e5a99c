"""Pauses of the generator for garbage collection: all its threads stand still meanwhile."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any


class GcPauses:
    """Measures each collection, between :meth:`start` and :meth:`stop`."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.total = 0.0
        """Seconds of all collections so far."""
        self._clock = clock
        self._began: float | None = None
        self._longest = 0.0
        self._taken = 0.0

    def start(self) -> None:
        """Begin to measure."""
        gc.callbacks.append(self._collecting)

    def stop(self) -> None:
        """Measure no longer."""
        if self._collecting in gc.callbacks:
            gc.callbacks.remove(self._collecting)

    def take(self) -> tuple[float, float]:
        """Give the longest pause and the sum of all since the previous call, seconds."""
        longest, self._longest = self._longest, 0.0
        total, self._taken = self.total - self._taken, self.total
        return longest, total

    def _collecting(self, phase: str, info: dict[str, Any]) -> None:  # noqa: ARG002 - gc's own
        now = self._clock()
        if phase == "start":
            self._began = now
        elif self._began is not None:  # else it began before we listened
            pause = now - self._began
            self._began = None
            self.total += pause
            self._longest = max(self._longest, pause)
