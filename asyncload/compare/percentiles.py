"""How sure the numbers of a name are where only counts and percentiles are known, as of a CSV.

Of a rate it is the count that tells: of two Poisson counts with the sum n, one
is binomial, with the share that it has of the sum (Przyborowski and Wilenski
1940, *Biometrika* 31:313). The interval of that share is Wilson's
(:mod:`asyncload.compare.proportions`); its odds are the ratio of the counts. Arrivals
that are evenly spaced, or of users who wait for answers, vary less than that:
the interval is then too wide, and never too narrow.

Of times it is the percentiles that tell. They are the inverse Q of the
distribution at some points, and Q is drawn straight between those. The p-th
percentile of n values lies, with 95 % confidence, from Q(p − d) to Q(p + d) with
d = z·√(p(1 − p)/n) (order statistics; Woodruff 1952, *JASA* 47:635). The
variance of the mean is (∫Q² − (∫Q)²)/n. Straight lines lie above the tail of a
latency, which makes the interval too wide rather than too narrow. All this
takes the values as independent of each other; a CSV cannot tell whether they are.

Two sides come together by the recovery of variances (Zou and Donner 2008,
*Statist. Med.* 27:1693), which for shares is Newcombe's method.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asyncload.compare import proportions
from asyncload.compare.bootstrap import CONFIDENCE, Interval
from asyncload.compare.comparison import PERCENTILES, Metric

Array = NDArray[np.float64]

LEVELS: Final = (0.0, 50.0, 66.0, 75.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.9, 99.99, 100.0)
"""Percents of which a CSV has the percentiles."""

_Z: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """How the times of a name are spread: percentiles, in rising order."""

    count: int
    """Values that they are of."""
    levels: Array
    """Shares from 0 to 1."""
    values: Array
    """Seconds; infinite among jobs that never ended."""

    @classmethod
    def of(cls, count: int, percentiles: Iterable[tuple[float, float]]) -> Spread | None:
        """Take (percent, seconds) pairs; ``None`` unless they reach from one end to the other.

        Where the least value is missing it is 0: no time is below that.
        """
        known = dict(percentiles)
        known.setdefault(0.0, 0.0)
        levels = sorted(known)
        if not count or levels[-1] < 100:
            return None
        values = np.maximum.accumulate(np.array([known[level] for level in levels], np.float64))
        return cls(count, np.array(levels, np.float64) / 100, values)

    def percentile(self, percent: float, value: float) -> Interval:
        """Range of the ``percent``-th percentile, which was measured as ``value``."""
        share = percent / 100
        half = _Z * math.sqrt(share * (1 - share) / self.count)
        low, high = self._at(share - half), self._at(share + half)
        return min(low, value), max(high, value)

    def mean(self, value: float) -> Interval:
        """Range of the mean of the values that are finite, which was measured as ``value``."""
        known = np.isfinite(self.values)
        levels, values = self.levels[known], self.values[known]
        top = float(values.max(initial=0.0))
        if not top:
            return value, value
        values = values / top  # squares stay within what floats can hold
        low, high, widths = values[:-1], values[1:], np.diff(levels)
        whole = float(widths.sum())
        if not whole:
            return value, value
        first = float((widths * (low + high)).sum()) / 2 / whole
        second = float((widths * (low**2 + low * high + high**2)).sum()) / 3 / whole
        half = _Z * top * math.sqrt(max(second - first**2, 0.0) / (self.count * whole))
        return max(value - half, 0.0), value + half

    def _at(self, share: float) -> float:
        """Q(share), straight between the percentiles that are known."""
        right = int(np.searchsorted(self.levels, min(max(share, 0.0), 1.0)))
        low, high = self.values[max(right - 1, 0)], self.values[right]
        if not math.isfinite(high):  # from where on it is infinite, is not known
            return float(high)
        edges = self.levels[max(right - 1, 0)], self.levels[right]
        return float(np.interp(share, edges, (low, high))) if edges[0] < edges[1] else float(high)


def counts_interval(baseline: int, candidate: int) -> Interval:
    """Range of log(candidate / baseline) around what two counts over 0 say, less that.

    Its ends are what is to be added to the logarithm of a ratio of rates.
    """
    low, high = proportions.wilson(candidate, baseline + candidate)
    middle = math.log(candidate / baseline)
    return math.log(low / (1 - low)) - middle, math.log(high / (1 - high)) - middle


def ratio(baseline: tuple[float, Interval], candidate: tuple[float, Interval]) -> Interval:
    """Range of log(candidate / baseline) around what two values over 0 say, less that.

    Each is given as the value and its range.
    """
    (before, (before_low, before_high)), (after, (after_low, after_high)) = baseline, candidate
    return (
        -math.hypot(_apart(after_low, after), _apart(before, before_high)),
        math.hypot(_apart(after, after_high), _apart(before_low, before)),
    )


def _apart(low: float, high: float) -> float:
    """Distance of the logarithms; infinite from 0, and to what never ended."""
    return math.log(high) - math.log(low) if low > 0 else math.inf


def nearest_ranks(values: Array, percents: Iterable[float]) -> list[float]:
    """Nearest-rank percentiles of values in any order."""
    ranks = [max(math.ceil(percent * len(values) / 100 - 1e-9), 1) for percent in percents]
    ordered = np.partition(values, [rank - 1 for rank in ranks])
    return [float(ordered[rank - 1]) for rank in ranks]


def mixed(spreads: Sequence[Spread], percents: Iterable[float]) -> list[float]:
    """Percentiles of the values of several distributions taken together.

    Σ nᵢFᵢ(t) / Σ nᵢ, inverted. From where one of them is infinite on, what it holds is longer
    than any time.
    """
    finite = [one.values[np.isfinite(one.values)] for one in spreads]
    times = np.unique(np.concatenate(finite))
    # A distribution may jump at a time: just below it, it has not yet.
    times = np.unique(np.concatenate([times, np.nextafter(times, -np.inf)]))
    whole = sum(one.count for one in spreads)
    reached = np.zeros(len(times))
    for one, known in zip(spreads, finite, strict=True):
        if len(known):
            reached += (
                one.count / whole * np.interp(times, known, one.levels[: len(known)], left=0.0)
            )
    found = []
    for percent in percents:
        right = int(np.searchsorted(reached, percent / 100 - 1e-12))
        if right == len(times):
            found.append(math.inf)
            continue
        left = max(right - 1, 0)
        edges = reached[left], reached[right]
        value = np.interp(percent / 100, edges, (times[left], times[right]))
        found.append(max(float(value if edges[0] < edges[1] else times[right]), 0.0))
    return found


def times_of(latency: Array) -> dict[Metric, float | None]:
    """Mean of the finite latencies, and nearest-rank percentiles of all; seconds."""
    if not len(latency):
        return dict.fromkeys(("average", *PERCENTILES))
    known = latency[np.isfinite(latency)]
    average = float(known.mean()) if len(known) else None
    found = nearest_ranks(latency, PERCENTILES.values())
    return {"average": average, **dict(zip(PERCENTILES, found, strict=True))}


def spread_of(latency: Array) -> Spread | None:
    """Say how latencies are spread, as a CSV would."""
    if not len(latency):
        return None
    return Spread.of(len(latency), zip(LEVELS, nearest_ranks(latency, LEVELS), strict=True))
