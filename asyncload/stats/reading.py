"""Single metrics read off a fold: the value, what it is of, or why there is none."""

from __future__ import annotations

import math

import msgspec

from asyncload.stats.groups import JobGroup, RequestGroup
from asyncload.stats.metric import Metric
from asyncload.stats.streams import STREAM_FIELDS
from asyncload.stats.times import Times


class Reading(msgspec.Struct, frozen=True):
    """One metric as it stands."""

    value: float | None
    """In the metric's unit. ``None``: there is nothing to compute it from. Infinite: it lies
    among requests or jobs that did not end well."""
    times: Times | None = None
    """What a time was computed from."""
    reason: str = ""
    """Why the value is ``None`` or infinite."""
    caution: str = ""
    """What a value leaves out."""


def read_jobs(jobs: JobGroup, metric: Metric, rate: float) -> Reading:
    """Read a metric off jobs, of which ``rate`` were observed per second."""
    if not jobs.submitted:
        return Reading(None, reason="no data")
    if metric.field == "rate":
        return Reading(rate)
    return _of_group(jobs, metric, "jobs never ended")


def read_requests(group: RequestGroup, metric: Metric, rate: float) -> Reading:
    """Read a metric off requests, which came at ``rate`` per second."""
    if not group.arrivals + group.interrupted:
        return Reading(None, reason="no data")
    if metric.field in {"rate", "token_rate"}:
        value = rate if metric.field == "rate" else group.token_rate(rate)
        return Reading(value, reason="no data" if value is None else "")
    bad = "requests failed"
    if group.dropped:
        bad = "arrivals failed or were dropped" if group.errors else "arrivals were dropped"
    return _of_group(group, metric, bad)


def _of_group(group: RequestGroup | JobGroup, metric: Metric, bad: str) -> Reading:
    """Read off a group; ``bad`` says what the requests or jobs are like that count as longest."""
    if metric.statistic is None:
        held: object = group
        if isinstance(group, RequestGroup) and metric.field in STREAM_FIELDS:
            held = group.stream
        value = None if held is None else getattr(held, metric.field)
        return Reading(None, reason="no data") if value is None else Reading(float(value))
    times = group.times(metric.field)
    value = None if times is None else times.statistic(metric.statistic, metric.percent)
    if times is None or value is None:
        return Reading(None, reason="no data")
    if value == math.inf:
        return Reading(value, times, reason=_never(times, metric, bad))
    partial = metric.statistic == "mean" and times.beyond > 0
    return Reading(value, times, caution=" (of those that ended)" if partial else "")


def _never(times: Times, metric: Metric, bad: str) -> str:
    """Say why a time is infinite."""
    what, happened = bad.split(" ", 1)
    if not times.measured.count:
        return f"all {what} {happened}"
    if metric.statistic == "mean":
        return f"half of the {what} or more {happened}"
    share = 100 - metric.percent
    if metric.statistic == "p" and share:
        return f"more than {share:g} % of the {what} {happened}"
    return f"some of the {what} {happened}"
