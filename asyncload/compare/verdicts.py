"""From the numbers of a name before and after to a verdict on each.

Slower is worse, fewer per second is worse, more failures is worse. A change is
*worse* when the whole interval of what it may be lies beyond its threshold,
*better* when it would be worse the other way round, *same* when the whole
interval lies between the two. Otherwise nothing can be told.

A time that changes by no more than the floor is the same too, whatever share of
it that is: 20 % of 2 ms are no news. The floor is never below the resolution of
the numbers: 1 µs in a log, the step that a percentile was rounded to in a CSV, and
a thousandth where it comes from a histogram.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from asyncload.compare import bootstrap, intervals, proportions
from asyncload.compare.bootstrap import Interval
from asyncload.compare.comparison import FLOOR, METRICS, PERCENTILES, Change, Metric, Verdict
from asyncload.compare.measured import JOB, Measured, Parts
from asyncload.stats import units

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
    baseline: Measured | None,
    candidate: Measured | None,
    thresholds: Mapping[Metric, float],
    floor: float = FLOOR,
) -> tuple[Change, ...]:
    """Compare a name metric by metric; one side may not have it. ``floor`` is in seconds."""
    if baseline is None or candidate is None:
        return tuple(_one_sided(m, baseline, candidate, thresholds[m]) for m in METRICS)
    compared = _Pair(baseline, candidate, floor)
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


def verdict_of_time(ratio: Interval, difference: Interval, limit: float, floor: float) -> Verdict:
    """Judge a time by the logarithm of candidate / baseline, and by candidate − baseline (s).

    It may rise by ``limit``, a share, or by ``floor`` seconds, whichever is more.
    """
    by_ratio, by_floor = verdict_of(ratio, math.log1p(limit)), verdict_of(difference, floor)
    if "same" in {by_ratio, by_floor}:
        return "same"
    return by_ratio if by_ratio == by_floor else "cannot tell"


class _Pair:
    """A name that both sides have."""

    def __init__(self, baseline: Measured, candidate: Measured, floor: float) -> None:
        self.baseline = baseline
        self.candidate = candidate
        self.sides = baseline, candidate
        self.floor = floor
        self.fewest = min(baseline.count, candidate.count)
        jobs = JOB in {baseline.type, candidate.type}
        self.things, self.well = ("jobs", "") if jobs else ("requests", " well")
        self._percentiles: dict[Metric, Interval] | None = None

    def change(self, metric: Metric, limit: float) -> Change:
        """Compare one metric."""
        before, after = self.baseline.values[metric], self.candidate.values[metric]
        reason = self._why_not(metric)
        if reason:
            return Change(
                metric=metric,
                baseline=before,
                candidate=after,
                change=_relative(metric, before, after),
                threshold=limit,
                verdict="cannot tell",
                reason=reason,
            )
        assert before is not None
        assert after is not None
        if metric == "failures":
            return self._failures(before, after, limit)
        return self._ratio(metric, before, after, limit)

    def _ratio(self, metric: Metric, before: float, after: float, limit: float) -> Change:
        """Compare a time or a rate, by the logarithm of candidate / baseline."""
        sides = self._parts(before, after)
        rounding = intervals.rounded(*self.sides, metric, before, after)
        if before == after == 0:
            interval, difference = (0.0, 0.0), (0.0, 0.0)
        elif sides is not None:
            interval = self._sampled(metric, sides, intervals.log(after) - intervals.log(before))
            difference = intervals.differences(interval, before, after)
        else:
            interval, difference = intervals.estimated(*self.sides, metric, before, after)
        if self.baseline.runs or self.candidate.runs:
            interval, difference = intervals.replicated(*self.sides, metric, interval, difference)
        low, high = interval
        verdict, reason = self._judged(metric, interval, difference, limit)
        bounded = sides is not None or low < high
        if verdict == "cannot tell":
            rounded, _ = self._judged(metric, *rounding, limit)
            reason = ROUNDED if sides is None and rounded == "cannot tell" else UNSURE
        if metric == "average" and self.baseline.beyond + self.candidate.beyond:
            reason = reason or f"of the {self.things} that ended{self.well}"
        return Change(
            metric=metric,
            baseline=before,
            candidate=after,
            change=_relative(metric, before, after),
            low=intervals.share(low) if bounded else None,
            high=intervals.share(high) if bounded else None,
            threshold=limit,
            verdict=verdict,
            reason=reason,
        )

    def _failures(self, before: float, after: float, limit: float) -> Change:
        """Compare the shares that failed, by their difference."""
        interval = proportions.difference(_effective(self.baseline), _effective(self.candidate))
        interval = intervals.widen(
            interval, after - before, *(intervals.of_runs(side, "failures") for side in self.sides)
        )
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
        """Say why the metric cannot be compared; empty when it can."""
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
        if before == after == 0 and metric == "rate":
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
                intervals.log(self.candidate.values[name] or 0)
                - intervals.log(self.baseline.values[name] or 0)
                for name in PERCENTILES
            ]
            found = bootstrap.percentile_intervals(
                before.latency, after.latency, list(PERCENTILES.values()), exacts
            )
            self._percentiles = dict(zip(PERCENTILES, found, strict=True))
        return self._percentiles[metric]

    def _judged(
        self, metric: Metric, ratio: Interval, difference: Interval, limit: float
    ) -> tuple[Verdict, str]:
        """Give the verdict of a rate or a time, and why it is the same where the floor says so."""
        if metric == "rate":
            return verdict_of((-ratio[1], -ratio[0]), -math.log1p(-limit)), ""
        floor = max(
            self.floor,
            *(intervals.resolution(side, metric) for side in self.sides),
        )
        verdict = verdict_of_time(ratio, difference, limit, floor)
        if verdict == "same" and verdict_of(ratio, math.log1p(limit)) != "same":
            return verdict, f"by no more than {units.seconds(floor)}"
        return verdict, ""


def _one_sided(
    metric: Metric, baseline: Measured | None, candidate: Measured | None, limit: float
) -> Change:
    """Say that one side does not have the name."""
    return Change(
        metric=metric,
        baseline=None if baseline is None else baseline.values[metric],
        candidate=None if candidate is None else candidate.values[metric],
        change=None,
        threshold=limit,
        verdict="cannot tell",
        reason="only in the candidate" if baseline is None else "only in the baseline",
    )


def _effective(measured: Measured) -> tuple[float, float]:
    """Failures and requests, in numbers that as many independent requests would tell."""
    parts = measured.parts
    effect = 1.0 if parts is None else proportions.design_effect(parts.failed, parts.sent)
    return measured.failed / effect, measured.count / effect


def _counted(metric: Metric, parts: Parts) -> bootstrap.Array:
    """What the metric is made of, for each block."""
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
