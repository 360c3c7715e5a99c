"""Holding thresholds against what was measured."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import msgspec

from asyncload.records.record import DROPPED, Job, Record, Request
from asyncload.stats.groups import JobGroup, RequestGroup
from asyncload.stats.metric import Metric
from asyncload.stats.reading import Reading, read_jobs, read_requests
from asyncload.stats.summary import SummaryFold
from asyncload.verdict.sample_size import CONFIDENCE, chance_of_at_most, least_samples
from asyncload.verdict.thresholds import Outcome, Threshold, ThresholdResult

_SLACK: Final = 1e-6
_WORST: Final[dict[Outcome, int]] = {"fail": 0, "inconclusive": 1, "pass": 2}


class Windows:
    """A sink that keeps what thresholds with ``over`` ask for: a fold for each part of the load.

    A request or job belongs to the part in which it was due. Memory grows with the number of
    parts.
    """

    def __init__(self, thresholds: Iterable[Threshold], *, warmup: float = 0.0) -> None:
        self._warmup = warmup
        self._parts: dict[tuple[Metric, float], dict[int, RequestGroup | JobGroup]] = {
            (one.metric, one.over): {} for one in thresholds if one.over is not None
        }

    def write(self, record: Record) -> None:
        """Fold one record."""
        if not self._parts or not isinstance(record, Request | Job):
            return
        since = record.due - self._warmup
        if since < 0:
            return
        of_job = isinstance(record, Job)
        for (metric, length), parts in self._parts.items():
            if of_job is not (metric.family == "job"):
                continue
            if metric.name is not None and metric.name not in (record.scenario, record.name):
                continue
            index = int(since / length)
            group = parts.get(index)
            if group is None:
                group = parts[index] = JobGroup() if of_job else RequestGroup()
            if isinstance(group, JobGroup):
                assert isinstance(record, Job)
                group.add(record)
            elif isinstance(record, Request):
                if record.outcome == DROPPED:
                    group.drop()
                else:
                    group.add(record)

    def readings(
        self, threshold: Threshold, span: float
    ) -> list[tuple[tuple[float, float], Reading]]:
        """Read the metric of each whole part of ``span`` seconds of load, with its times.

        Parts in which nothing was due are left out, but for numbers that are 0 then.
        """
        length = threshold.over
        assert length is not None
        metric = threshold.metric
        parts = self._parts[metric, length]
        found = []
        for index in range(math.floor(span / length + _SLACK)):
            group = parts.get(index)
            if group is None and metric.field in {"count", "ok", "submitted", "rate"}:
                reading = Reading(0.0)
            elif group is None:
                continue
            elif isinstance(group, JobGroup):
                reading = read_jobs(group, metric, group.observed / length)
            else:
                reading = read_requests(group, metric, group.count / length)
            start = self._warmup + index * length
            found.append(((start, start + length), reading))
        return found


def evaluate(
    thresholds: Iterable[Threshold], fold: SummaryFold, windows: Windows | None = None
) -> list[ThresholdResult]:
    """Hold every threshold against what has been recorded.

    ``windows`` has followed the same records as ``fold``; it is needed where a threshold has
    ``over``.
    """
    return [evaluate_one(threshold, fold, windows) for threshold in thresholds]


def evaluate_one(
    threshold: Threshold, fold: SummaryFold, windows: Windows | None = None
) -> ThresholdResult:
    """Hold one threshold against what has been recorded."""
    if threshold.over is None:
        return judge(threshold, fold.reading(threshold.metric))
    assert windows is not None, "a threshold with `over` needs the windows"
    judged = [
        msgspec.structs.replace(judge(threshold, reading), window=window)
        for window, reading in windows.readings(threshold, fold.span())
    ]
    if not judged:
        reason = f"no part of {threshold.over:g} s is complete"
        return ThresholdResult(
            threshold.text, None, "no data", False, reason, result="inconclusive"
        )
    return min(judged, key=lambda one: (_WORST[one.result], _distance(threshold, one)))


def _distance(threshold: Threshold, result: ThresholdResult) -> float:
    """How far a value is from breaking its limit: the less, the worse; negative when it does."""
    value = math.inf if result.value is None else result.value
    upper = threshold.operator in {"<", "<="}
    return threshold.limit - value if upper else value - threshold.limit


def judge(threshold: Threshold, reading: Reading) -> ThresholdResult:
    """Say how a threshold comes out for what was read of its metric."""
    value = reading.value
    if value is None:
        return ThresholdResult(
            threshold.text, None, "no data", False, reading.reason, result="inconclusive"
        )
    finite = math.isfinite(value)
    measured = threshold.show(value) + reading.caution if finite else "never"
    samples = None if reading.times is None else reading.times.samples
    result, needed, reason = _outcome(threshold, reading, value)
    if result == "fail" and not reason:
        reason = reading.reason or f"it is {measured}"
    return ThresholdResult(
        threshold.text,
        value if finite else None,
        measured,
        result == "pass",
        reason,
        result=result,
        samples=samples,
        needed=needed,
    )


def _outcome(
    threshold: Threshold, reading: Reading, value: float
) -> tuple[Outcome, int | None, str]:
    """Give the outcome, the samples it would take to be sure, and why it is not."""
    holds = threshold.holds(value)
    plain: Outcome = "pass" if holds else "fail"
    metric, times = threshold.metric, reading.times
    if times is None or metric.statistic != "p" or metric.percent >= 100:
        return plain, None, ""
    samples, share = times.samples, 1 - metric.percent / 100
    name = f"p{metric.percent:g}"
    least = least_samples(metric.percent)
    if threshold.operator not in {"<", "<="}:
        if samples >= least:
            return plain, None, ""
        return "inconclusive", least, f"{samples:,} of the {least:,} samples that a {name} takes"
    over = times.over(threshold.limit)
    if not holds:
        surely = 1 - chance_of_at_most(over - 1, samples, share) <= 1 - CONFIDENCE
        if samples >= least or surely:
            return "fail", None, ""
        return "inconclusive", least, f"{samples:,} of the {least:,} samples that a {name} takes"
    if chance_of_at_most(over, samples, share) <= 1 - CONFIDENCE:
        return "pass", None, ""
    needed = least_samples(metric.percent, over)
    if samples < least:
        return "inconclusive", needed, f"{samples:,} of the {least:,} samples that a {name} takes"
    reason = f"{over:,} of {samples:,} samples are over the limit: too many to be sure"
    return "inconclusive", needed, f"{reason}, it takes {needed:,}"
