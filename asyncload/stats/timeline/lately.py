"""What happened within a second, and percentiles and means of the latest values."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterable
from typing import Final

from asyncload.stats.histogram import LatencyHistogram
from asyncload.stats.snapshot import RecentTimes

LATEST: Final = 100
"""Where fewer values than this came within the window, percentiles are over this many."""
_EARLY: Final = 0.25  # seconds by which a sample of a whole second may come beside it


class Cell:
    """One scenario within one second."""

    __slots__ = ("answered", "failed", "jobs", "requests")

    def __init__(self) -> None:
        self.answered = self.failed = 0
        self.requests = LatencyHistogram()
        self.jobs = LatencyHistogram()


class Second:
    """One second of all scenarios; ``cells`` are kept only while it is recent."""

    __slots__ = ("_read", "answered", "arrivals", "cells", "dropped", "job_p95", "jobs", "p95")

    def __init__(self) -> None:
        self.arrivals = self.answered = self.dropped = self.jobs = 0
        self.cells: dict[str, Cell] | None = {}
        self.p95: float | None = None
        self.job_p95: float | None = None
        self._read = 0  # how many values the percentiles are of

    def begin(self, scenario: str) -> Cell:
        """Begin the cell of a scenario that is new in this second."""
        assert self.cells is not None
        cell = self.cells[scenario] = Cell()
        return cell

    def read(self) -> None:
        """Bring the percentiles up to date."""
        values = self.answered + self.jobs
        if self.cells is None or values == self._read:
            return
        self._read = values
        failed = sum(cell.failed for cell in self.cells.values())
        requests = merged([cell.requests for cell in self.cells.values()])
        (p95,) = requests.percentiles([95], beyond=failed)
        self.p95 = None if p95 == math.inf else p95
        self.job_p95 = merged([cell.jobs for cell in self.cells.values()]).percentile(95)

    def seal(self) -> None:
        """Keep the numbers, let go of the histograms."""
        self.read()
        self.cells = None


def mean(samples: Iterable[tuple[float, float]], start: float, end: float) -> float | None:
    """Mean from ``start`` to ``end`` (s) of a level that goes straight from sample to sample."""
    near = [(t, level) for t, level in samples if start - _EARLY <= t <= end + _EARLY]
    if len(near) < 2 or near[-1][0] <= near[0][0]:
        return near[-1][1] if near else None
    pairs = itertools.pairwise(near)
    area = sum((after[0] - before[0]) * (before[1] + after[1]) / 2 for before, after in pairs)
    return area / (near[-1][0] - near[0][0])


def merged(histograms: list[LatencyHistogram]) -> LatencyHistogram:
    """Merge histograms, of which there may be none; do not record into what is returned."""
    if len(histograms) == 1:
        return histograms[0]
    merged = LatencyHistogram()
    for histogram in histograms:
        merged.merge(histogram)
    return merged


def recent(
    histograms: list[LatencyHistogram], latest: deque[float], failed: int = 0
) -> RecentTimes:
    """Percentiles of the window if it holds more values than ``latest`` does, else of those.

    ``failed`` values more of the window, and infinite ones of ``latest``, are longer than any.
    """
    histograms = [histogram for histogram in histograms if histogram.count]
    if sum(histogram.count for histogram in histograms) + failed <= LATEST:
        histograms = [LatencyHistogram()]
        failed = 0
        for value in latest:
            if value < math.inf:
                histograms[0].record(value)
            else:
                failed += 1
    p50, p95 = merged(histograms).percentiles((50, 95), beyond=failed)
    return RecentTimes(p50, p95)
