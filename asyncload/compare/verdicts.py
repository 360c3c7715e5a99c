"""From the numbers of a name before and after to a verdict on each.

Slower is worse, fewer per second is worse, more failures is worse. A change is
*worse* when the whole interval of what it may be lies beyond its threshold,
*better* when it would be worse the other way round, *same* when the whole
interval lies between the two. Otherwise nothing can be told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from asyncload.compare import bootstrap, percentiles, proportions
from asyncload.compare.bootstrap import Interval
from asyncload.compare.comparison import METRICS, PERCENTILES, Change, Metric, Verdict
from asyncload.compare.measured import JOB, Measured, Parts

NEEDED: Final[dict[Metric, int]] = {
    "average": 30,
    "median": 7,
    "p95": 90,
    "p99": 459,
    "rate": 30,
}
"""Samples on either side below which nothing is told.

Of percentiles: the smallest n with p**n ≤ 1 %, at which a sample without a value
above a limit says with 99 % confidence that the percentile is below it (MLPerf
LoadGen's early stopping).
"""
NO_FAILURE: Final = 44
"""Samples of which none failed that say with 99 % confidence that fewer than 10 % would;
and so of which all failed."""

_SLACK: Final = 1e-9  # 110 is not more than 10 % above 100, whatever floats make of it
UNSURE: Final = "the interval lies on both sides of a threshold"
ROUNDED: Final = "Locust's rounding leaves it open"


def changes(
    baseline: Measured | None, candidate: Measured | None, thresholds: Mapping[Metric, float]
) -> tuple[Change, ...]:
    """Compare a name metric by metric; one side may not have it."""
    if baseline is None or candidate is None:
        reason = f"only in the {'candidate' if baseline is None else 'baseline'}"
        return tuple(_untold(m, baseline, candidate, thresholds[m], reason) for m in METRICS)
    compared = _Pair(baseline, candidate)
    return tuple(compared.change(metric, thresholds[metric]) for metric in METRICS)


def verdict_of(worse: Interval, limit: float) -> Verdict:
    """Judge how much worse something has become; ``limit`` is by how much it may."""
    low, high = worse
    if low > limit + _SLACK:
        return "worse"
    if high < -limit - _SLACK:
        return "better"
    within = low >= -limit - _SLACK and high <= limit + _SLACK
    return "same" if within else "cannot tell"


class _Pair:
    """A name that both sides have."""

    def __init__(self, baseline: Measured, candidate: Measured) -> None:
        self.baseline = baseline
        self.candidate = candidate
        self.fewest = min(baseline.count, candidate.count)
        self.things = "jobs" if JOB in {baseline.type, candidate.type} else "requests"
        self._percentiles: dict[Metric, Interval] | None = None

    def change(self, metric: Metric, limit: float) -> Change:
        reason = self._why_not(metric)
        if reason:
            return _untold(metric, self.baseline, self.candidate, limit, reason)
        before, after = self.baseline.values[metric], self.candidate.values[metric]
        assert before is not None
        assert after is not None
        if metric == "failures":
            return self._failures(before, after, limit)
        return self._ratio(metric, before, after, limit)

    def _ratio(self, metric: Metric, before: float, after: float, limit: float) -> Change:
        """Compare a time or a rate, by the logarithm of candidate / baseline."""
        sides = self._parts(before, after)
        if sides is not None:
            interval = self._sampled(metric, sides, _log(after) - _log(before))
        else:
            interval = self._estimated(metric, before, after)
        low, high = interval
        verdict = _verdict(metric, interval, limit)
        bounded = sides is not None or low < high
        reason = ""
        if verdict == "cannot tell":
            rounded = _verdict(metric, self._rounded(metric, before, after), limit)
            reason = ROUNDED if sides is None and rounded == "cannot tell" else UNSURE
        if metric == "average" and self.baseline.given_up + self.candidate.given_up:
            reason = reason or "of the jobs that ended"
        return Change(
            metric=metric,
            baseline=before,
            candidate=after,
            change=_relative(metric, before, after),
            low=_share(low) if bounded else None,
            high=_share(high) if bounded else None,
            threshold=limit,
            verdict=verdict,
            reason=reason,
        )

    def _failures(self, before: float, after: float, limit: float) -> Change:
        interval = proportions.difference(_effective(self.baseline), _effective(self.candidate))
        verdict = verdict_of(interval, limit)
        reason = ""
        if verdict == "cannot tell":
            reason = UNSURE
            if before == after and before in {0, 1}:
                # None failed, or all: there is nothing to compare, as long as that says anything.
                reason = "" if self.fewest >= NO_FAILURE else self._too_few(NO_FAILURE)
                verdict = verdict if reason else "same"
        return Change(
            metric="failures",
            baseline=before,
            candidate=after,
            change=after - before,
            low=interval[0],
            high=interval[1],
            threshold=limit,
            verdict=verdict,
            reason=reason,
        )

    def _why_not(self, metric: Metric) -> str:
        for side, measured in (("baseline", self.baseline), ("candidate", self.candidate)):
            if metric in measured.missing:
                return f"the {side} {measured.missing[metric]}"
        if self.fewest < NEEDED.get(metric, 1):
            return self._too_few(NEEDED.get(metric, 1))
        before, after = self.baseline.values[metric], self.candidate.values[metric]
        if metric == "failures":
            return ""
        if before == after == math.inf:
            return "never on both sides"
        if before == after == 0:
            return "0 on both sides"
        sides = self._parts(before, after)
        if sides is not None and not bootstrap.enough_blocks(
            _counted(metric, sides[0]), _counted(metric, sides[1])
        ):
            return f"{self.things} in less than half of the run"
        return ""

    def _parts(self, before: float | None, after: float | None) -> tuple[Parts, Parts] | None:
        """Both sides block by block, where both are logs and have something to draw from."""
        sides = self.baseline.parts, self.candidate.parts
        if sides[0] is None or sides[1] is None or not before or not after:
            return None
        return sides[0], sides[1]

    def _too_few(self, needed: int) -> str:
        return f"fewer than {needed} {self.things}"

    def _sampled(self, metric: Metric, sides: tuple[Parts, Parts], exact: float) -> Interval:
        """Interval of the logarithm of the ratio, from the two logs."""
        before, after = sides
        if metric == "rate":
            return bootstrap.count_interval(before.paced, after.paced, exact)
        if metric == "average":
            return bootstrap.mean_interval(before.latency, after.latency, exact)
        if self._percentiles is None:  # all of them cost as much as one
            exacts = [
                _log(self.candidate.values[name] or 0) - _log(self.baseline.values[name] or 0)
                for name in PERCENTILES
            ]
            intervals = bootstrap.percentile_intervals(
                before.latency, after.latency, list(PERCENTILES.values()), exacts
            )
            self._percentiles = dict(zip(PERCENTILES, intervals, strict=True))
        return self._percentiles[metric]

    def _estimated(self, metric: Metric, before: float, after: float) -> Interval:
        """Interval of the logarithm of the ratio, from counts and percentiles and their rounding."""
        low, high = self._rounded(metric, before, after)
        down = up = 0.0
        if metric == "rate":
            down, up = percentiles.counts_interval(_ended(self.baseline), _ended(self.candidate))
        elif 0 < before < math.inf and 0 < after < math.inf:
            down, up = percentiles.ratio(
                (before, _range(self.baseline, metric, before)),
                (after, _range(self.candidate, metric, after)),
            )
        return low + down, high + up

    def _rounded(self, metric: Metric, before: float, after: float) -> Interval:
        """Range of the logarithm of the ratio that the rounding of the values leaves open."""
        less = self.baseline.rounding.get(metric, 0.0)
        more = self.candidate.rounding.get(metric, 0.0)
        return (
            _log(max(after - more, 0.0)) - _log(before + less),
            _log(after + more) - _log(max(before - less, 0.0)),
        )


def _untold(
    metric: Metric,
    baseline: Measured | None,
    candidate: Measured | None,
    limit: float,
    reason: str,
) -> Change:
    before, after = (
        None if side is None else side.values[metric] for side in (baseline, candidate)
    )
    return Change(
        metric=metric,
        baseline=before,
        candidate=after,
        change=_relative(metric, before, after),
        threshold=limit,
        verdict="cannot tell",
        reason=reason,
    )


def _verdict(metric: Metric, interval: Interval, limit: float) -> Verdict:
    """Judge the logarithm of a ratio: a time that is longer is worse, and a rate that is lower."""
    low, high = interval
    if metric == "rate":
        return verdict_of((-high, -low), -math.log1p(-limit))
    return verdict_of(interval, math.log1p(limit))


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


def _effective(measured: Measured) -> tuple[float, float]:
    """Failures and requests, in numbers that as many independent requests would tell."""
    parts = measured.parts
    effect = 1.0 if parts is None else proportions.design_effect(parts.failed, parts.sent)
    return measured.failed / effect, measured.count / effect


def _counted(metric: Metric, parts: Parts) -> bootstrap.Array:
    if metric == "rate":
        return parts.paced
    return parts.latency.known if metric == "average" else parts.sent


def _relative(metric: Metric, before: float | None, after: float | None) -> float | None:
    """Change of a value; ``None`` where it cannot be put in numbers."""
    if before is None or after is None:
        return None
    if metric == "failures":
        return after - before
    if before == 0 or before == after == math.inf:
        return None
    return after / before - 1


def _share(logarithm: float) -> float:
    return math.expm1(logarithm) if logarithm < 700 else math.inf  # as far as floats go


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf
