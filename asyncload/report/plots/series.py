"""What happened over time: columns of a log in, a few hundred numbers out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from asyncload.records.outcomes import COMPLETED
from asyncload.records.record import DROPPED, FAILED, INTERRUPTED, OK, TIMEOUT
from asyncload.report.plots.bins import MAX_BINS, Array, Bins, Pieces
from asyncload.report.plots.data import Part, Run
from asyncload.report.plots.target import from_samples, from_shapes

SEGMENTS: Final = (
    ("lateness", "start"),
    ("submit", "accepted"),
    ("queue wait", "started"),
    ("processing", "finished"),
    ("notification", "observed"),
)
"""The parts of a job's latency, each with the time stamp it ends at."""
UNSPLIT: Final = "not split"
"""The part of a job's latency that lies beside a stamp the service did not give."""


def _values(frame: pl.DataFrame, column: str) -> Array:
    """Return a float column; null is NaN."""
    return frame[column].cast(pl.Float64).fill_null(math.nan).to_numpy()


@dataclass(frozen=True, slots=True)
class Throughput:
    """Events in each piece of time (counts, not rates)."""

    coming: Pieces
    """Of arrivals and drops, which end with the load."""
    going: Pieces
    """Of what was completed or failed, which ends with the run."""
    arrivals: Array
    completed: Array
    failed: Array
    dropped: Array


def pieces(run: Run, load_end: float) -> tuple[Pieces, Pieces]:
    """Divide the time of a run for what is sent until ``load_end`` (s), and for what comes of it."""
    going = run.bins.pieces(cut=load_end, end=run.span)
    drained = run.span - load_end >= run.bins.width / 2
    return going if drained else run.bins.pieces(cut=load_end, end=load_end), going


def throughput(part: Part, run: Run, *, load_end: float | None = None) -> Throughput:
    """Count arrivals by when they were due, the rest by when it was known.

    ``load_end`` (s) is that of the part, if it is not given.

    In a scenario of jobs a completion is a job that became SUCCESS or
    PARTIAL, and its requests are the arrivals; in any other it is a request
    that was answered well. Failures are requests that failed or timed out,
    and jobs that failed or were given up.
    """
    requests, jobs = part.requests, part.jobs
    scenario, outcome, status = pl.col("scenario"), pl.col("outcome"), pl.col("status")
    busy = part.levels.filter(pl.col("backlog") > 0)
    of_jobs = pl.concat([jobs["scenario"].unique(), busy["scenario"].unique()])
    answered = (outcome == OK) & ~scenario.is_in(of_jobs.to_list())
    done, undone = status.is_in(COMPLETED), ~status.is_in(COMPLETED)
    unsent = ~scenario.is_in(requests["scenario"].unique().to_list())
    end, due, known = pl.col("end"), pl.col("due"), pl.coalesce("observed", "t")

    coming, going = pieces(run, part.load_end if load_end is None else load_end)

    def count(bins: Pieces, frame: pl.DataFrame, chosen: pl.Expr, time: pl.Expr) -> Array:
        times = frame.lazy().filter(chosen).select(t=time).collect()["t"]
        return bins.counts(times.to_numpy())

    bad = outcome.is_in([FAILED, TIMEOUT])
    return Throughput(
        coming=coming,
        going=going,
        arrivals=coming.counts(requests["due"].to_numpy()) + count(coming, jobs, unsent, due),
        completed=count(going, requests, answered, end) + count(going, jobs, done, known),
        failed=count(going, requests, bad, end) + count(going, jobs, undone, known),
        dropped=count(coming, requests, outcome == DROPPED, end),
    )


FEW: Final = 60
"""Fewer values than this are shown one by one: percentiles of so few say little."""


@dataclass(frozen=True, slots=True)
class Points:
    """Values one by one: when (seconds), and how long (seconds)."""

    due: Array
    latency: Array


@dataclass(frozen=True, slots=True)
class Percentiles:
    """For each bin of due times; NaN where there is nothing. Seconds.

    A percentile that falls among what did not end well is infinite: *never*.
    """

    bins: Bins
    times: Array
    """The middle of each bin, of what of it lies within the run."""
    p50: Array
    p95: Array
    p99: Array
    highest: Array
    """Of what ended well."""


@dataclass(frozen=True, slots=True)
class RequestLatency:
    """Latency of every arrival that was due, but for those interrupted."""

    every: Percentiles | Points
    """Where they are few, those that ended well one by one."""
    failed: Points
    """Time until it failed or timed out; medians of bins where they are many."""
    dropped: Array
    """Due times of what was dropped, seconds."""


def population(requests: pl.LazyFrame) -> pl.LazyFrame:
    """Give due times and latencies: end - due, infinite for what did not end well.

    What was interrupted is left out. Seconds.
    """
    latency = pl.when(pl.col("outcome") == OK).then(pl.col("end") - pl.col("due"))
    return requests.filter(pl.col("outcome") != INTERRUPTED).with_columns(
        latency=latency.otherwise(math.inf)
    )


def request_latency(part: Part, span: float) -> RequestLatency | None:
    """Latencies over the ``span`` seconds of the run; ``None`` when nothing was sent."""
    every = population(part.requests.lazy()).select("due", "latency").collect()
    rest = (
        part.requests.lazy()
        .filter(pl.col("outcome").is_in([FAILED, TIMEOUT]))
        .select("due", latency=pl.col("end") - pl.col("due"))
        .collect()
    )
    due, latency = every["due"].to_numpy(), every["latency"].to_numpy()
    if not np.isfinite(latency).any() and rest.is_empty():
        return None
    failed = Points(rest["due"].to_numpy(), rest["latency"].to_numpy())
    if len(failed.due) > MAX_BINS:
        bins = Bins.over(span)
        (medians,) = bins.quantiles(failed.due, failed.latency, (0.5,))
        some = np.isfinite(medians)
        failed = Points(bins.means(failed.due, failed.due)[some], medians[some])
    dropped = part.requests.lazy().filter(pl.col("outcome") == DROPPED).select("due").collect()
    return RequestLatency(percentiles(due, latency, span), failed, dropped["due"].to_numpy())


def percentiles(
    due: Array, latency: Array, span: float, bins: Bins | None = None
) -> Percentiles | Points:
    """Put latencies (s) in bins of due times, or in ``bins``, where they are many."""
    ended = np.isfinite(latency)
    if len(due) < FEW:
        return Points(due[ended], latency[ended])
    bins = bins or Bins.filled(span, due)
    times = (bins.edges[:-1] + np.minimum(bins.edges[1:], span)) / 2
    (highest,) = bins.quantiles(due[ended], latency[ended], (1.0,))
    p50, p95, p99 = bins.quantiles(due, latency, (0.5, 0.95, 0.99))
    return Percentiles(bins, times, p50, p95, p99, highest)


@dataclass(frozen=True, slots=True)
class JobLatency:
    """For each bin of due times; NaN where there is nothing. Seconds."""

    bins: Bins
    segments: dict[str, Array]
    """Mean of each part of the latency, in order; they add up to ``mean``."""
    mean: Array
    whole: Percentiles | Points
    """Of every job: of one that was given up it is infinite, or no point."""
    unfinished: Array
    """Due times of jobs that failed or were given up."""


def job_latency(part: Part, span: float) -> JobLatency | None:
    """Latency (observed - due) of the completed jobs, split into its parts.

    Stamps from the service's clock are kept between their neighbours, so
    that no part is negative and the parts add up to the latency. ``span``:
    seconds of the run.
    """
    status = pl.col("status")
    jobs = part.jobs.filter(status.is_in(COMPLETED) & pl.col("observed").is_not_null())
    if jobs.is_empty():
        return None
    due, observed = _values(jobs, "due"), _values(jobs, "observed")
    parts = {name: np.zeros(len(due)) for name, _ in SEGMENTS} | {UNSPLIT: np.zeros(len(due))}
    reached, gap = due, np.zeros(len(due), np.bool_)
    for name, stamp in SEGMENTS:
        at = _values(jobs, stamp)
        known = ~np.isnan(at)
        at = np.where(known, np.clip(at, reached, np.maximum(observed, reached)), reached)
        parts[name] += np.where(gap, 0.0, at - reached)
        parts[UNSPLIT] += np.where(gap, at - reached, 0.0)
        reached, gap = at, ~known
    bins = Bins.filled(span, due)
    latency = part.jobs.select(
        "due", latency=(pl.col("observed") - pl.col("due")).fill_null(math.inf)
    )
    return JobLatency(
        bins=bins,
        segments={name: bins.means(due, values) for name, values in parts.items() if values.any()},
        mean=bins.means(due, observed - due),
        whole=percentiles(latency["due"].to_numpy(), latency["latency"].to_numpy(), span, bins),
        unfinished=part.jobs.filter(~status.is_in(COMPLETED))["due"].to_numpy(),
    )


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels over time; only bins that have a sample of any scenario."""

    times: Array
    """Mean time of the samples, seconds."""
    target: Array
    """Mean; summed over scenarios."""
    in_flight: Array
    """Highest in the bin; summed over scenarios."""
    backlog: Array


_SAMPLE_SLACK = 0.25


def levels(part: Part, bins: Bins) -> Levels | None:
    """Put the level records in bins."""
    if part.levels.is_empty():
        return None
    # Samples are taken at whole seconds, give or take the loop's lag: one that
    # comes a little early still belongs to the second that it opens.
    times = part.levels["t"].to_numpy() + _SAMPLE_SLACK
    binned = (
        part.levels.with_columns(bin=pl.Series(bins.index(times)))
        .group_by("bin", "scenario")
        .agg(pl.col("t", "target").mean(), pl.col("in_flight", "backlog").max())
        .group_by("bin")
        .agg(pl.col("t").mean(), pl.col("target", "in_flight", "backlog").sum())
        .sort("bin")
    )
    return Levels(*(_values(binned, name) for name in ("t", "target", "in_flight", "backlog")))


def target(part: Part, bins: Bins, *, beside_counts: bool) -> tuple[Array, Array] | None:
    """Times (seconds) and levels of the target; of the shapes where the log tells them.

    ``beside_counts``: give its mean over the width of a bin, so that it can be
    held against counts of events in the bins.
    """
    width = bins.width if beside_counts else 1.0
    line = from_shapes(part.loads, part.levels, until=bins.width * bins.count, width=width)
    if line is None and (sampled := levels(part, bins)) is not None:
        line = from_samples(sampled.times, sampled.target)
    return line
