"""Where a change lies: as the logarithm of candidate / baseline, and as candidate − baseline.

Verdicts on shares go by the first, the floor of times by the second.

**What differs from run to run**, where there are several of a side. Within one run
nothing tells of a noisy neighbour, another host or a cold cache: all of its requests share
them. Runs are independent of each other, so each gives one value of a metric, and the change lies, with 95 % confidence, around the one that was measured by

    t(0.975; f) · s · √(1/m + 1/n),   s² = (Σ(x − x̄)² + Σ(y − ȳ)²) / f,   f = m + n − 2

with the m values x of the baseline's runs and the n values y of the candidate's (Student's
interval of two means of one variance; the method of independent replications: Law 2015,
*Simulation Modeling and Analysis*, ch. 9). Of times and rates the values are logarithms. A side
of a single run has the run-to-run variation of the other; with a single run on both sides nobody
knows it.

The interval of a comparison is as wide as this one and that of what happened within the runs
(:mod:`asyncload.compare.bootstrap`) reach together: two or three runs that happen to agree prove
no less noise than each of them shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean
from typing import Final, NamedTuple

from asyncload.compare import percentiles
from asyncload.compare.bootstrap import CONFIDENCE, Interval
from asyncload.compare.comparison import PERCENTILES, Metric
from asyncload.compare.measured import JOB, Measured

_LOG_RESOLUTION: Final = 1e-6  # seconds
_HISTOGRAM_RESOLUTION: Final = 1e-3  # of the value

_Z: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
# Student's t, 97.5 %, for 1 to 9 degrees of freedom.
_T: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


class Ranges(NamedTuple):
    """Where a change lies."""

    ratio: Interval
    """The logarithm of candidate / baseline."""
    difference: Interval
    """Candidate − baseline, of times in seconds."""


def rounded(
    baseline: Measured, candidate: Measured, metric: Metric, before: float, after: float
) -> Ranges:
    """Say what the rounding of the values alone leaves open."""
    less, more = (side.rounding.get(metric, 0.0) for side in (baseline, candidate))
    least, most = max(before - less, 0.0), before + less
    lowest, highest = max(after - more, 0.0), after + more
    return Ranges(
        ratio=(log(lowest) - log(most), log(highest) - log(least)),
        difference=(lowest - most, highest - least),
    )


def estimated(
    baseline: Measured, candidate: Measured, metric: Metric, before: float, after: float
) -> Ranges:
    """Estimate it from counts and percentiles, and from how far those are rounded."""
    (low, high), (less, more) = rounded(baseline, candidate, metric, before, after)
    if metric == "rate":
        down, up = percentiles.counts_interval(_ended(baseline), _ended(candidate))
        return Ranges((low + down, high + up), (less, more))
    if 0 < before < math.inf and 0 < after < math.inf:
        down, up = percentiles.ratio(
            (before, _range(baseline, metric, before)),
            (after, _range(candidate, metric, after)),
        )
        exact = log(after) - log(before)
        lowest, highest = differences((exact + down, exact + up), before, after)
        low, high = low + down, high + up
        less += lowest - (after - before)
        more += highest - (after - before)
    return Ranges((low, high), (less, more))


def replicated(
    baseline: Measured,
    candidate: Measured,
    metric: Metric,
    ratio: Interval,
    difference: Interval,
) -> Ranges:
    """Widen both intervals by what differs from run to run."""
    before, after = (side.values[metric] or 0.0 for side in (baseline, candidate))
    values = [of_runs(side, metric) for side in (baseline, candidate)]
    logarithms = ([log(value) for value in of] for of in values)
    if before == after:
        exact, moved = 0.0, 0.0
    else:
        exact, moved = log(after) - log(before), after - before
    return Ranges(
        widen(ratio, exact, *logarithms),
        widen(difference, moved, *values),
    )


def widen(
    interval: Interval, exact: float, baseline: Sequence[float], candidate: Sequence[float]
) -> Interval:
    """Widen the interval of a change, ``exact`` as measured, by what runs differ.

    ``baseline`` and ``candidate`` are a value of each run. A value is infinite where a time lies
    among what did not end well; where runs of one side do not even agree on that, nothing bounds
    the change.
    """
    freedom = len(baseline) + len(candidate) - 2
    if freedom < 1:
        return interval
    for values in (baseline, candidate):
        if 0 < sum(map(math.isfinite, values)) < len(values):
            return -math.inf, math.inf
    if not all(map(math.isfinite, (exact, *baseline, *candidate))):
        return interval
    squares = math.fsum(
        (value - fmean(values)) ** 2 for values in (baseline, candidate) for value in values
    )
    half = student(freedom) * math.sqrt(
        squares / freedom * (1 / len(baseline) + 1 / len(candidate))
    )
    return min(interval[0], exact - half), max(interval[1], exact + half)


def student(freedom: int) -> float:
    """Give Student's t, 97.5 %; beyond the table by its expansion (Fisher and Cornish 1960)."""
    if freedom <= len(_T):
        return _T[freedom - 1]
    return _Z + (_Z**3 + _Z) / (4 * freedom) + (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / (96 * freedom**2)


def differences(ratio: Interval, before: float, after: float) -> Interval:
    """Turn logarithms of candidate / baseline into candidate − baseline (s).

    A rise is one from the baseline, a fall one to the candidate, so that swapping the sides
    swaps the verdicts.
    """
    low, high = ratio
    return _difference(low, before, after), _difference(high, before, after)


def of_runs(measured: Measured, metric: Metric) -> list[float]:
    """Give the metric of each run; of a single run as of one."""
    found = [run[metric] for run in measured.runs] or [measured.values[metric]]
    return [value for value in found if value is not None]


def resolution(measured: Measured, metric: Metric) -> float:
    """Give the least change of a time that its number can show, seconds."""
    value = measured.values[metric]
    if measured.parts is not None or value is None or not math.isfinite(value):
        return _LOG_RESOLUTION
    return max(2 * measured.rounding.get(metric, 0.0), _HISTOGRAM_RESOLUTION * value)


def share(logarithm: float) -> float:
    """Change as a share, from the logarithm of the ratio."""
    return math.expm1(logarithm) if logarithm < 700 else math.inf  # as far as floats go


def log(value: float) -> float:
    """Give the logarithm; −∞ of nothing."""
    return math.log(value) if value > 0 else -math.inf


def _difference(ratio: float, before: float, after: float) -> float:
    if ratio < 0:
        return -_difference(-ratio, after, before)
    if not ratio:
        return 0.0
    return before * share(ratio) if before < math.inf else math.inf


def _ended(measured: Measured) -> int:
    """Give how many requests or jobs the rate counts, at least."""
    # A CSV does not tell jobs that failed from those that never ended.
    return max(measured.count - measured.failed if measured.type == JOB else measured.count, 1)


def _range(measured: Measured, metric: Metric, value: float) -> Interval:
    """Give what a time may be; the value itself where nothing tells."""
    if measured.spread is None:
        return value, value
    if metric == "average":
        return measured.spread.mean(value)
    return measured.spread.percentile(PERCENTILES[metric], value)
