"""Whether the load went out as it was planned: arrivals due against iterations begun.

The distance between the two is that of Kolmogorov and Smirnov: the largest difference, at any
moment, between the share of the plan's arrivals that were due by then and the share that had
begun. 0.01 means that at the worst moment one in a hundred of all arrivals was missing; what is
never sent is missing to the end. It is the number ``ks`` (https://doi.org/10.1080/01621459.1951.10500769).
"""

from __future__ import annotations

import math
from array import array
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asyncload.records.record import Arrivals, Delivery

_CHUNK: Final = 1_000_000

Seconds = NDArray[np.float64]


class _Gaps:
    """Mean and spread of the gaps between sorted moments that come in pieces."""

    def __init__(self) -> None:
        self.count = 0
        self._first = self._last = 0.0
        self._squares = 0.0

    def add(self, moments: Seconds) -> None:
        if not len(moments):
            return
        if not self.count:
            self._first = self._last = float(moments[0])
        gaps = np.diff(moments, prepend=self._last)
        self._squares += float(np.dot(gaps, gaps))
        self._last = float(moments[-1])
        self.count += len(moments)

    def arrivals(self, span: float) -> Arrivals:
        """Give the numbers, over ``span`` seconds of load."""
        gaps = self.count - 1
        if gaps < 1:
            return Arrivals(self.count, self.count / span if span else 0.0)
        mean = (self._last - self._first) / gaps
        variance = max(self._squares / gaps - mean * mean, 0.0)
        return Arrivals(
            self.count,
            self.count / span if span else 0.0,
            mean,
            math.sqrt(variance) / mean if mean else None,
        )


class DeliveryMeter:
    """Takes in when iterations began, beside the sorted due times (s) of a scenario.

    Memory does not grow with the load.
    """

    def __init__(self, scenario: str, due_times: Seconds) -> None:
        self._scenario = scenario
        self._due_times = due_times
        self._gaps = _Gaps()
        self._missing = 0
        """Most arrivals that were due and had not begun, at any moment."""

    def add(self, begun: array[float]) -> None:
        """Take in when the next iterations began, nearly in order."""
        if not begun:
            return
        moments = np.sort(np.frombuffer(begun, np.float64), kind="stable")
        first = self._gaps.count
        due = np.searchsorted(self._due_times, moments, side="right")
        missing = due - np.arange(first, first + len(moments))
        self._missing = max(self._missing, int(missing.max()))
        self._gaps.add(moments)

    def record(self, t: float, span: float) -> Delivery:
        """Sum it up at ``t``, after ``span`` seconds of load."""
        planned = self._due_times[: np.searchsorted(self._due_times, span, side="right")]
        gaps = _Gaps()
        for start in range(0, len(planned), _CHUNK):
            gaps.add(planned[start : start + _CHUNK])
        missing = max(self._missing, len(planned) - self._gaps.count)
        return Delivery(
            t=t,
            scenario=self._scenario,
            planned=gaps.arrivals(span),
            sent=self._gaps.arrivals(span),
            ks=missing / len(planned) if len(planned) else 0.0,
        )
