"""Latency by percentile."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from asyncload.records.outcomes import COMPLETED
from asyncload.records.record import OK, SENT
from asyncload.report.plots.bins import Array
from asyncload.report.plots.data import Run


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

    x runs from 1 (the minimum) to n, 40 points a decade, as HdrHistogram plots
    it: n values tell nothing beyond their share 1 - 1/n. There the line ends
    at the maximum.
    """
    ordered = pl.Series(values).sort().to_numpy()  # three times as fast as np.sort
    n = len(ordered)
    x = np.geomspace(1.0, n, 2 + int(40 * math.log10(n)))
    rank = np.ceil(n - n / x).astype(np.intp) - 1
    y = ordered[np.clip(rank, 0, n - 1)]
    y[-1] = ordered[-1]
    return x, y


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


def unanswered(run: Run) -> list[tuple[str, int]]:
    """Names that have no curve, as no request of theirs was answered well, and how many were sent.

    The busiest come first. Names of jobs that only failed are "jobs" of their scenario.
    """
    found = []
    for part in run.parts:
        sent = part.requests.lazy().filter(pl.col("outcome").is_in(SENT))
        jobs = part.jobs.lazy().with_columns(
            name=pl.concat_str(pl.lit("jobs of "), pl.col("scenario").cast(pl.String))
        )
        for frame, well in (
            (sent, pl.col("outcome") == OK),
            (jobs, pl.col("status").is_in(COMPLETED)),
        ):
            counts = frame.group_by("scenario", pl.col("name").cast(pl.String)).agg(
                count=pl.len(), well=well.sum()
            )
            rows = counts.filter(pl.col("well") == 0).collect().to_dicts()
            found += [(row["name"], row["count"]) for row in rows]
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))


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
