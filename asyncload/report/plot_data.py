"""The numbers behind the graphs: columns of a log in, small arrays out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from asyncload.errors import LogError
from asyncload.records.columns import LogColumns
from asyncload.records.record import DROPPED, FAILED, OK, TIMEOUT, Note, RunHeader
from asyncload.report.bins import MAX_BINS, Array, Bins

COMPLETED: Final = ("SUCCESS", "PARTIAL")

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


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One scenario of a run, or all of them together (``scenario`` is ``None``)."""

    scenario: str | None
    requests: pl.DataFrame
    jobs: pl.DataFrame
    levels: pl.DataFrame
    model: str | None
    """``open`` or ``closed``; ``None`` when the log does not say, or they differ."""

    @property
    def has_jobs(self) -> bool:
        """Whether its work is jobs: their requests only send them."""
        return not self.jobs.is_empty() or bool((self.levels["backlog"] > 0).any())


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What every graph is drawn from."""

    name: str
    header: RunHeader | None
    notes: tuple[Note, ...]
    finished: bool
    """Whether the log ends with a summary."""
    skipped: int
    """Lines of the log that could not be read."""
    span: float
    """Seconds from the start to the last thing recorded."""
    bins: Bins
    parts: tuple[Part, ...]
    """One for each scenario, or one of all when there are more than six."""

    def latency_bins(self, frames: list[pl.DataFrame]) -> Bins:
        """Return bins for percentiles, which need more values in each than counts do."""
        return _bins(self.span, min((len(frame) for frame in frames if len(frame)), default=0), 30)


def run_of(columns: LogColumns) -> Run:
    """Prepare ``columns`` for drawing. Raises :class:`LogError` when nothing was sent."""
    if columns.requests.is_empty() and columns.jobs.is_empty():
        raise LogError(
            f"there is nothing to plot in {columns.path}: it holds no request and no job; "
            "let the run go on for longer, or name another log"
        )
    ends = (
        columns.requests["end"].max(),
        columns.jobs["t"].max(),
        columns.jobs["observed"].max(),
        columns.levels["t"].max(),
    )
    span = max(float(end) for end in ends if isinstance(end, float))
    events = max(columns.requests.height, columns.jobs.height)
    return Run(
        name=columns.header.name if columns.header else columns.path.name,
        header=columns.header,
        notes=tuple(columns.notes),
        finished=columns.summary is not None,
        skipped=columns.skipped,
        span=max(span, 0.0),
        bins=_bins(span, events, 60),
        parts=_parts(columns),
    )


def _bins(span: float, events: int, least: int) -> Bins:
    """Return ``least`` bins or more, as far as there are some three events for each."""
    return Bins.over(span, min(MAX_BINS, max(least, events // 3)))


def _parts(columns: LogColumns) -> tuple[Part, ...]:
    requests, jobs, levels = columns.requests, columns.jobs, columns.levels
    models = _models(columns)
    seen = pl.concat([f["scenario"].unique(maintain_order=True) for f in (requests, jobs, levels)])
    names = list(seen.unique(maintain_order=True).drop_nulls())
    if len(names) > 6:
        model = models.get(names[0])
        alike = all(models.get(name) == model for name in names)
        return (Part(None, requests, jobs, levels, model if alike else None),)
    names.sort(key=lambda name: list(models).index(name) if name in models else len(models))
    result = []
    for name in names:
        mine = pl.col("scenario") == name
        frames = requests.filter(mine), jobs.filter(mine), levels.filter(mine)
        result.append(Part(name, *frames, models.get(name)))
    return tuple(result)


def _models(columns: LogColumns) -> dict[str, str]:
    """Scenario name → load model, in the order of the config, as far as the header tells."""
    config: dict[str, Any] = columns.header.config if columns.header else {}
    scenarios = config.get("scenarios")
    models = {}
    for scenario in scenarios if isinstance(scenarios, list) else []:
        load = scenario.get("load") if isinstance(scenario, dict) else None
        if isinstance(load, dict):
            models[str(scenario.get("name"))] = str(load.get("model", ""))
    return models


def _values(frame: pl.DataFrame, column: str) -> Array:
    """Return a float column; null is NaN."""
    return frame[column].cast(pl.Float64).fill_null(math.nan).to_numpy()


@dataclass(frozen=True, slots=True)
class Throughput:
    """Events in each bin (counts, not rates)."""

    arrivals: Array
    completed: Array
    failed: Array
    dropped: Array


def throughput(part: Part, bins: Bins) -> Throughput:
    """Count arrivals by when they were due, the rest by when it was known.

    In a scenario of jobs a completion is a job that became SUCCESS or
    PARTIAL, and its requests are the arrivals; in any other it is a request
    that was answered well. Failures are requests that failed or timed out,
    and jobs that failed or were given up.
    """
    requests, jobs = part.requests, part.jobs
    scenario, outcome, status = pl.col("scenario"), pl.col("outcome"), pl.col("status")
    busy = part.levels.filter(pl.col("backlog") > 0)
    of_jobs = pl.concat([jobs["scenario"].unique(), busy["scenario"].unique()])
    answered = requests.filter((outcome == OK) & ~scenario.is_in(of_jobs.to_list()))
    failed = requests.filter(outcome.is_in([FAILED, TIMEOUT]))
    dropped = requests.filter(outcome == DROPPED)
    done = jobs.filter(status.is_in(COMPLETED))
    undone = jobs.filter(~status.is_in(COMPLETED))
    unsent = jobs.filter(~scenario.is_in(requests["scenario"].unique().to_list()))
    known = pl.coalesce("observed", "t").alias("t")
    return Throughput(
        arrivals=bins.counts(requests["due"].to_numpy()) + bins.counts(unsent["due"].to_numpy()),
        completed=bins.counts(answered["end"].to_numpy())
        + bins.counts(done.select(known)["t"].to_numpy()),
        failed=bins.counts(failed["end"].to_numpy())
        + bins.counts(undone.select(known)["t"].to_numpy()),
        dropped=bins.counts(dropped["end"].to_numpy()),
    )


@dataclass(frozen=True, slots=True)
class LatencyOverTime:
    """For each bin of due times; NaN where there is nothing. Seconds."""

    p50: Array
    p95: Array
    p99: Array
    failed: Array
    """Median latency of the requests that failed or timed out."""


def request_latency(part: Part, bins: Bins) -> LatencyOverTime | None:
    """Latency (end - due) of the requests that were answered well, and of the others."""
    sent = part.requests.filter(pl.col("outcome") != DROPPED)
    if sent.is_empty():
        return None
    due, latency = sent["due"].to_numpy(), (sent["end"] - sent["due"]).to_numpy()
    ok = (sent["outcome"] == OK).to_numpy()
    p50, p95, p99 = bins.quantiles(due[ok], latency[ok], (0.5, 0.95, 0.99))
    (failed,) = bins.quantiles(due[~ok], latency[~ok], (0.5,))
    return LatencyOverTime(p50, p95, p99, failed)


@dataclass(frozen=True, slots=True)
class JobLatency:
    """For each bin of due times; NaN where there is nothing. Seconds."""

    segments: dict[str, Array]
    """Mean of each part of the latency, in order; they add up to ``mean``."""
    mean: Array
    p95: Array
    unfinished: Array
    """Jobs that failed or were given up (counts)."""


def job_latency(part: Part, bins: Bins) -> JobLatency | None:
    """Latency (observed - due) of the completed jobs, split into its parts.

    Stamps from the service's clock are kept between their neighbours, so
    that no part is negative and the parts add up to the latency.
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
    undone = part.jobs.filter(~status.is_in(COMPLETED))
    return JobLatency(
        segments={name: bins.means(due, values) for name, values in parts.items() if values.any()},
        mean=bins.means(due, observed - due),
        p95=bins.quantiles(due, observed - due, (0.95,))[0],
        unfinished=bins.counts(undone["due"].to_numpy()),
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


@dataclass(frozen=True, slots=True)
class Distribution:
    """Percentiles of one kind of work; ``x`` is 1/(1 - p), values are seconds."""

    label: str
    of_jobs: bool
    count: int
    x: Array
    latency: Array
    service: Array | None
    """Service time, where it differs visibly from latency."""


def percentile_curve(values: Array) -> tuple[Array, Array]:
    """``(x, y)``: y is the smallest value that at least the share 1 - 1/x of values is at or below.

    x runs from 1 (the minimum) to 2n (the maximum), 40 points a decade, as
    HdrHistogram plots it.
    """
    ordered = np.sort(values)
    n = len(ordered)
    x = np.geomspace(1.0, 2.0 * n, 2 + int(40 * math.log10(2 * n)))
    rank = np.ceil(n - n / x).astype(np.intp) - 1
    return x, ordered[np.clip(rank, 0, n - 1)]


def distributions(run: Run, most: int = 6) -> list[Distribution]:
    """One for each request name and for the jobs of each scenario.

    The ``most - 1`` busiest names have their own line; the others share one
    when there are more than ``most``.
    """
    scenario, name = pl.col("scenario"), pl.col("name")
    sizes = []  # (number, part, scenario, name)
    for part in run.parts:
        ok = part.requests.lazy().filter(pl.col("outcome") == OK)
        rows = ok.group_by("scenario", "name").len("count").collect().sort("scenario", "name")
        sizes += [(row["count"], part, row["scenario"], row["name"]) for row in rows.to_dicts()]
    sizes.sort(key=lambda row: -row[0])
    alone = len(sizes) if len(sizes) <= most else most - 1
    names = [row[3] for row in sizes]
    result = []
    for _, part, of, what in sizes[:alone]:
        label = what if names.count(what) == 1 else f"{of}: {what}"
        frame = _spans(part.requests, (scenario == of) & (name == what))
        result.append(_distribution(label, frame, of_jobs=False))
    if others := sizes[alone:]:
        chosen = pl.any_horizontal((scenario == row[2]) & (name == row[3]) for row in sizes[:alone])
        frame = pl.concat(_spans(part.requests, ~chosen) for part in run.parts)
        result.append(_distribution(f"{len(others)} others", frame, of_jobs=False))
    workers = [(part, of) for part in run.parts for of in part.jobs["scenario"].unique().sort()]
    for part, of in workers:
        frame = (
            part.jobs.lazy()
            .filter((scenario == of) & pl.col("status").is_in(COMPLETED))
            .select(latency=pl.col("observed") - pl.col("due"), service=pl.lit(None, pl.Float64))
            .drop_nulls("latency")
            .collect()
        )
        if not frame.is_empty():
            label = "jobs" if len(workers) == 1 else f"jobs of {of}"
            result.append(_distribution(label, frame, of_jobs=True))
    return result


def _spans(requests: pl.DataFrame, mine: pl.Expr) -> pl.DataFrame:
    """Return latency and service time of the answered requests among ``mine``."""
    end = pl.col("end")
    return (
        requests.lazy()
        .filter((pl.col("outcome") == OK) & mine)
        .select(latency=end - pl.col("due"), service=end - pl.col("start"))
        .collect()
    )


def _distribution(label: str, spans: pl.DataFrame, *, of_jobs: bool) -> Distribution:
    x, latency = percentile_curve(spans["latency"].to_numpy())
    service = None
    if not spans["service"].has_nulls():
        _, service = percentile_curve(spans["service"].to_numpy())
        if np.allclose(latency, service, rtol=0.05, atol=1e-4):
            service = None
    return Distribution(label, of_jobs, spans.height, x, latency, service)
