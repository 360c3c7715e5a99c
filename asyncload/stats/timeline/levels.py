"""The level of a scenario over a run: one sample a second."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from asyncload.records.record import Level

Array = NDArray[np.float64]


class Levels:
    """Collects the samples of one scenario. Memory grows by 24 bytes a second."""

    def __init__(self) -> None:
        self._times = array("d")
        self._targets = array("d")
        self._open = array("d")

    def add(self, level: Level) -> None:
        """Take in one sample; those after the end of the load say nothing of it."""
        if level.ended:
            return
        self._times.append(level.t)
        self._targets.append(level.target)
        self._open.append(level.in_flight + level.backlog)

    def read(self) -> tuple[Array, Array, Array]:
        """Give the times (s), the targets, and what was open: iterations and jobs."""
        return np.array(self._times), np.array(self._targets), np.array(self._open)
