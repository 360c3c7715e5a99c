"""The generator's own health over a run: what its samples say, for the verdict."""

from __future__ import annotations

import math
from array import array
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asyncload.records.record import System

FIGURES: Final = (
    "t", "cpu", "cpu_wait", "core_cpu", "steal", "loop_lag", "gc_pause", "clock_jump",
    "suspended",
)  # fmt: skip


class GeneratorSamples:
    """Collects the samples of the generator's own host, once a second.

    A figure that a sample does not tell is not a number: a gap.
    """

    def __init__(self) -> None:
        self._columns: dict[str, array[float]] = {name: array("d") for name in FIGURES}
        self.blocks: list[tuple[float, float, str]] = []
        """When user code blocked the event loop (s), for how long (s), and what it was."""

    def add(self, system: System) -> None:
        """Take in one sample."""
        for name, column in self._columns.items():
            value = getattr(system, name)
            column.append(math.nan if value is None else value)
        if system.blocked_by is not None:
            self.blocks.append((system.t, system.blocked or 0.0, system.blocked_by))

    def figure(self, name: str, start: float, end: float) -> NDArray[np.float64]:
        """Give the samples of a figure that were taken after ``start`` and until ``end`` (s)."""
        times = np.array(self._columns["t"])
        values: NDArray[np.float64] = np.array(self._columns[name])
        values = values[(times > start) & (times <= end)]
        return values[~np.isnan(values)]
