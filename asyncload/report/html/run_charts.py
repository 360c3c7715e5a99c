"""The charts of a run's report, from the numbers that its graphs are drawn from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl
from markupsafe import Markup

from asyncload.report.html.chart import (
    Area,
    Axis,
    Chart,
    Colour,
    Line,
    count_axis,
    draw,
    latency_axis,
    percentile_axis,
    time_axis,
)
from asyncload.report.html.heatmap import heatmap
from asyncload.report.plots import series
from asyncload.report.plots.bins import Array, Bins
from asyncload.report.plots.data import Part, Run
from asyncload.report.plots.percentiles import distributions
from asyncload.report.plots.request_stages import request_stages
from asyncload.report.plots.series import Percentiles

_STAGES: Final[dict[str, Colour]] = {
    "lateness": "red",
    "preparation": "purple",
    "queued": "yellow",
    "sending": "green",
    "waiting": "sky",
    "receiving": "blue",
    "submit": "yellow",
    "queue wait": "sky",
    "processing": "blue",
    "notification": "orange",
    "not split": "grey",
}
_CURVES: Final[tuple[Colour, ...]] = ("blue", "red", "green", "purple", "orange", "sky", "black")
_MOST_COLUMNS: Final = 180
_LEAST_BINS: Final = 8


def charts(run: Run, baseline: Run | None = None) -> Iterator[Markup]:
    """Draw what the log has data for, in the order of a report.

    Percentile curves of a ``baseline`` lie below those of ``run``.
    """
    several = len(run.parts) > 1
    for part in run.parts:
        of = f": {part.scenario}" if several and part.scenario else ""
        yield draw(_throughput(part, run, of))
        for chart in (_latency(part, run, of), _stages(part, run, of), _by_rate(part, run, of)):
            if chart is not None:
                yield draw(chart)
    curve = _curves(run, baseline)
    if curve is not None:
        yield draw(curve)
    for part in run.parts:
        backlog = _backlog(part, run, f": {part.scenario}" if several and part.scenario else "")
        if backlog is not None:
            yield draw(backlog)


def _moments(run: Run) -> list[tuple[float, str]]:
    found = [(note.t, note.text) for note in run.notes if note.level != "info" and note.t > 0]
    return found[:20]


def _shade(run: Run) -> tuple[float, float] | None:
    return (0.0, run.warmup) if run.warmup else None


def _throughput(part: Part, run: Run, of: str) -> Chart:
    counts = series.throughput(part, run)
    coming, going = counts.coming, counts.going
    done = "jobs completed" if part.has_jobs else "ended well"
    lines: list[Line | Area] = []
    rates = []
    for label, pieces, values, colour in (
        ("due", coming, counts.arrivals, "blue"),
        (done, going, counts.completed, "green"),
        ("failed", going, counts.failed, "red"),
        ("dropped", coming, counts.dropped, "purple"),
    ):
        if values.any() or label == "due":
            rate = values / pieces.widths
            rates.append(rate)
            lines.append(Line(label, colour, pieces.edges, rate))  # type: ignore[arg-type]
    if part.model == "open":
        target = series.target(part, run.bins, beside_counts=True)
        if target is not None:
            lines.append(Line("target", "grey", *target, dashed=True))
            rates.append(target[1])
    highest = max((float(np.nanmax(one)) for one in rates if one.size), default=1.0)
    return Chart(
        f"Load per second{of}",
        time_axis(run.span),
        count_axis(highest, "rate"),
        lines,
        lines=_moments(run),
        shade=_shade(run),
    )


def _times(part: Part) -> tuple[Array, Array]:
    """Give due times and latencies of the work of a part, infinite for what never ended well."""
    if part.has_jobs and not part.jobs.is_empty():
        jobs = part.jobs.select(
            "due", latency=(pl.col("observed") - pl.col("due")).fill_null(math.inf)
        )
        return jobs["due"].to_numpy(), jobs["latency"].to_numpy()
    every = series.population(part.requests.lazy()).select("due", "latency").collect()
    return every["due"].to_numpy(), every["latency"].to_numpy()


def _latency(part: Part, run: Run, of: str) -> Chart | None:
    due, latency = _times(part)
    ended = np.isfinite(latency)
    if not due.size:
        return None
    axis = latency_axis([latency[ended]])
    found = series.percentiles(due, latency, run.span)
    marks: list[Line | Area] = []
    note = "Each request due then, by how long it took; the darker, the more."
    if isinstance(found, Percentiles):
        marks = [
            Line("p50", "black", found.times, found.p50),
            Line("p99", "red", found.times, found.p99),
        ]
        if np.isinf(found.p99).any():
            note += (
                " Where a line lies along the top, that percentile is never: too few ended well."
            )
    else:
        marks = [Line("each request", "blue", found.due, found.latency, dots=True)]
        note = ""
    columns = Bins.over(run.span, _MOST_COLUMNS)
    picture = heatmap(due, latency, columns, run.span, axis) if len(due) >= series.FEW else ""
    what = "Job latency" if part.has_jobs else "Latency"
    return Chart(
        f"{what} from due time{of}",
        time_axis(run.span),
        axis,
        marks,
        note=note.replace("request", "job") if part.has_jobs else note,
        image=picture,
        lines=_moments(run),
        shade=_shade(run),
    )


def _stages(part: Part, run: Run, of: str) -> Chart | None:
    if part.has_jobs:
        jobs = series.job_latency(part, run.span)
        if jobs is None:
            return None
        bins, means = jobs.bins, jobs.segments
        title = "Where the time of jobs went"
    else:
        found = request_stages(part, run.span, run.warmup)
        if found is None:
            return None
        bins, means = found.bins, found.means
        title = "Where the time went"
    edges = np.minimum(bins.edges, run.span)
    base = np.zeros(bins.count)
    marks: list[Line | Area] = []
    highest = max((float(np.nanmax(v)) for v in means.values() if not np.isnan(v).all()), default=0)
    for name, values in means.items():
        top = base + np.nan_to_num(values)
        if np.nan_to_num(values).max() > 0.01 * highest:
            marks.append(Area(name, _STAGES[name], edges, base, top))
        base = top
    return Chart(
        f"{title}{of}",
        time_axis(run.span),
        count_axis(float(base.max()), "seconds"),
        marks,
        note="Means of what ended well, by when it was due.",
        shade=_shade(run),
    )


def _by_rate(part: Part, run: Run, of: str) -> Chart | None:
    """Latency against the rate, where the rate differs enough to show anything."""
    due, latency = _times(part)
    if len(due) < 20 * _LEAST_BINS:
        return None
    bins = Bins.filled(run.span, due)
    whole = bins.edges[1:] <= min(part.load_end, run.span) + 1e-9
    counts = bins.counts(due)
    chosen = whole & (counts >= 10) & (bins.edges[:-1] >= run.warmup)
    rate = counts[chosen] / bins.width
    if chosen.sum() < _LEAST_BINS or rate.max() < 1.3 * rate.min():
        return None
    p50, p99 = (one[chosen] for one in bins.quantiles(due, latency, (0.5, 0.99)))
    return Chart(
        f"Latency against rate{of}",
        count_axis(float(rate.max()), "rate"),
        latency_axis([p50, p99]),
        [Line("p99", "red", rate, p99, dots=True), Line("p50", "black", rate, p50, dots=True)],
        x_label="arrivals per second",
        note=f"Each dot is {bins.width:g} s of the load.",
    )


def _curves(run: Run, baseline: Run | None) -> Chart | None:
    found = distributions(run)
    marks: list[Line | Area] = []
    most, values = 10.0, []
    for one in () if baseline is None else distributions(baseline):
        x, y = one.latency
        if x.size:
            marks.append(Line(f"{one.label}, before", "grey", x, y, dashed=True))
            values.append(y)
    for colour, one in zip(_CURVES, found, strict=False):
        x, y = one.latency
        if not x.size:
            continue
        low, high = interval(x, y, one.count)
        marks.append(Area("", colour, x, low, high, faint=True))
        marks.append(Line(one.label, colour, x, y))
        most = max(most, float(x.max()))
        values.append(y)
    if not marks:
        return None
    note = "Bands are 95 % intervals of each percentile, from its order statistics."
    if any(one.never for one in found):
        note += " A curve ends where never begins."
    return Chart(
        "Latency by percentile",
        percentile_axis(most),
        latency_axis(values),
        marks,
        x_label="percentile",
        note=note,
    )


def interval(x: Array, y: Array, count: int) -> tuple[Array, Array]:
    """Give the 95 % interval of the percentiles ``y`` at 1/(1 - p) = ``x``, of ``count`` values.

    The rank of a percentile is binomial, in normal approximation; the values at the ranks
    1.96 standard deviations to either side are read off the curve (Hahn and Meeker, 1991).
    """
    p = 1 - 1 / x
    spread = 1.96 * np.sqrt(np.maximum(p * (1 - p), 0.0) / max(count, 1))
    low = np.interp(np.clip(p - spread, 0.0, p[-1]), p, y)
    high = np.interp(np.clip(p + spread, 0.0, p[-1]), p, y)
    return low, high


def _backlog(part: Part, run: Run, of: str) -> Chart | None:
    found = series.levels(part, Bins.over(run.span))
    if found is None or not (part.has_jobs or found.in_flight.any()):
        return None
    marks: list[Line | Area] = []
    if part.has_jobs:
        marks.append(Line("job backlog", "blue", found.times, found.backlog))
    marks.append(Line("iterations in flight", "orange", found.times, found.in_flight))
    if part.model == "closed":
        marks.append(Line("target users", "grey", found.times, found.target, dashed=True))
    highest = max(float(np.nanmax(mark.y)) for mark in marks if isinstance(mark, Line))
    axis: Axis = count_axis(highest)
    title = "Backlog and in flight" if part.has_jobs else "In flight"
    return Chart(
        f"{title}{of}", time_axis(run.span), axis, marks, lines=_moments(run), shade=_shade(run)
    )
