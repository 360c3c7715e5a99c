"""Means of consecutive values, in bounded memory: how a latency goes over a run."""

from __future__ import annotations

from array import array
from typing import Final

SMALLEST: Final = 5
"""Values of a batch, to begin with: that of MSER-5."""
MOST: Final = 1000
"""Batches kept; then each two become one."""


class BatchMeans:
    """Takes in values one after the other; gives the means of batches of equal size."""

    __slots__ = ("_means", "_number", "_sum", "_times", "size")

    def __init__(self) -> None:
        self.size = SMALLEST
        self._sum = 0.0
        self._number = 0
        self._means = array("d")
        self._times = array("d")

    def add(self, t: float, value: float) -> None:
        """Take in a value that came at ``t`` seconds."""
        self._sum += value
        self._number += 1
        if self._number == self.size:
            self._means.append(self._sum / self.size)
            self._times.append(t)
            self._sum = 0.0
            self._number = 0
            if len(self._means) == MOST:
                self._halve()

    def add_all(self, values: array[float], start: float, end: float) -> None:
        """Take in values that came one after the other between two moments (s)."""
        step = (end - start) / len(values) if values else 0.0
        for index, value in enumerate(values, 1):
            self.add(start + index * step, value)

    def read(self) -> tuple[array[float], array[float]]:
        """Give the time of the last value of each batch (s), and the mean of each."""
        return self._times, self._means

    def _halve(self) -> None:
        first, second = self._means[::2], self._means[1::2]
        self._means = array("d", ((a + b) / 2 for a, b in zip(first, second, strict=True)))
        self._times = self._times[1::2]
        self.size *= 2
