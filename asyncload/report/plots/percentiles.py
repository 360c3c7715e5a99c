"""The graph of latency by percentile, and the numbers it is drawn from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from asyncload.records.record import DROPPED, DROPPED_NAME, INTERRUPTED, OK, SENT
from asyncload.report.plots import series, style
from asyncload.report.plots.bins import Array
from asyncload.report.plots.data import Part, Run
from asyncload.report.plots.style import Stroke

Curve = tuple[Array, Array]

_CURVES: Final = (
    Stroke(style.BLUE, "-", "o", shift=0),
    Stroke(style.RED, "-", "s", shift=1),
    Stroke(style.GREEN, "-", "^", shift=2),
    Stroke(style.PURPLE, "-", "D", shift=3),
    Stroke(style.ORANGE, "-", "v", shift=4),
    Stroke(style.SKY, "-", "P", shift=5),
)
_LISTED: Final = 3  # names in a legend's entry
_JOB_CURVE: Final = (Stroke(style.BLACK, "-", "*"), Stroke(style.GREY, "-", "X"))
_DASHED: Final = (0, (2, 1.5))
_DOTTED: Final = (0, (1, 1.2))
_TIP: Final = 0.983
"""Height of the triangle that says never, of the axes: its tip is at their edge, not in the legend."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Percentiles of one kind of work: curves of 1/(1 - p), and of values in seconds.

    Each is of what was due after the warm-up, and ends where *never* begins.
    """

    label: str
    of_jobs: bool
    count: int
    never: int
    """How many of ``count`` did not end well, or were given up."""
    latency: Curve
    ok_latency: Curve | None
    """Of what ended well alone, where that is not all."""
    service: Curve | None
    """Service time, where it differs visibly from latency."""

    @property
    def never_from(self) -> str:
        """The percentile from which on latency is never."""
        return f"p{math.floor(1e4 * (self.count - self.never) / self.count) / 100:g}"


def percentile_curve(values: Array) -> Curve:
    """``(x, y)``: y is the smallest value that at least the share 1 - 1/x of values is at or below.

    x runs from 1 (the minimum) to n, 40 points a decade, as HdrHistogram plots
    it: n values tell nothing beyond their share 1 - 1/n. There the line ends
    at the maximum; or before, at the last value that is finite.
    """
    ordered = pl.Series(values).sort().to_numpy()  # three times as fast as np.sort
    n, finite = len(ordered), int(np.isfinite(values).sum())
    x = np.geomspace(1.0, n, 2 + int(40 * math.log10(n)))
    rank = np.ceil(n - n / x).astype(np.intp) - 1
    y = ordered[np.clip(rank, 0, n - 1)]
    y[-1] = ordered[-1]
    if finite == n:
        return x, y
    last = n / (n - finite)
    before = np.isfinite(y) & (x < last)
    if not finite:
        return np.zeros(0), np.zeros(0)
    return np.append(x[before], last), np.append(y[before], ordered[finite - 1])


def distributions(run: Run, most: int = 6) -> list[Distribution]:
    """One for each request name and for the jobs of each scenario.

    The ``most - 1`` busiest names have their own line; the others share one
    when there are more than ``most``. What was dropped belongs to the only name of its
    scenario; where there are several, to none (:func:`nameless`).
    """
    scenario, name = pl.col("scenario"), pl.col("name")
    rows = []  # (number, requests, scenario, name)
    for part in run.parts:
        requests = _named(part, run)
        ok = requests.filter(pl.col("outcome") == OK)
        counts = ok.group_by("scenario", "name").len("count").collect().sort("scenario", "name")
        rows += [
            (row["count"], requests, row["scenario"], row["name"]) for row in counts.to_dicts()
        ]
    rows.sort(key=lambda row: -row[0])
    alone = len(rows) if len(rows) <= most else most - 1
    names = [row[3] for row in rows]
    result = []
    for _, requests, of, what in rows[:alone]:
        label = what if names.count(what) == 1 else f"{of}: {what}"
        result.append(_of_requests(label, requests.filter((scenario == of) & (name == what))))
    if others := rows[alone:]:
        frames = [
            requests.filter((scenario == of) & (name == what)) for _, requests, of, what in others
        ]
        result.append(_of_requests(f"{len(others)} others", pl.concat(frames)))
    workers = [(part, of) for part in run.parts for of in part.jobs["scenario"].unique().sort()]
    for part, of in workers:
        jobs = part.jobs.filter((scenario == of) & (pl.col("due") >= run.warmup))
        observed = jobs["observed"].drop_nulls()
        if observed.is_empty():
            continue
        latency = (jobs["observed"] - jobs["due"]).fill_null(math.inf).to_numpy()
        label = "jobs" if len(workers) == 1 else f"jobs of {of}"
        result.append(_distribution(label, latency, None, of_jobs=True))
    return result


_COUNTED: Final = ("scenario", "name", "due", "start", "end", "outcome")
_NAMELESS: Final = (pl.col("outcome") == DROPPED) & (pl.col("name").cast(pl.String) == DROPPED_NAME)


def _named(part: Part, run: Run) -> pl.LazyFrame:
    """Give the requests that have a name, or have that of the only one of their scenario."""
    requests = part.requests.lazy().select(_COUNTED).filter(_counted(run))
    nameless = requests.filter(_NAMELESS).collect()
    if nameless.is_empty():
        return requests
    named = requests.filter(~_NAMELESS)
    only = (
        named.group_by("scenario")
        .agg(names=pl.col("name").n_unique(), name=pl.col("name").first())
        .filter(pl.col("names") == 1)
        .select("scenario", "name")
    )
    adopted = nameless.lazy().drop("name").join(only, on="scenario").select(_COUNTED)
    return pl.concat([named, adopted])


def _counted(run: Run) -> pl.Expr:
    """Choose what was due after the warm-up, and not interrupted."""
    return (pl.col("due") >= run.warmup) & (pl.col("outcome") != INTERRUPTED)


def nameless(run: Run) -> int:
    """Count dropped arrivals of scenarios with several names: they are in no curve."""
    count = 0
    for part in run.parts:
        arrived = part.requests.lazy().filter(_counted(run))
        for frame, sign in ((arrived, 1), (_named(part, run), -1)):
            count += sign * int(frame.select(pl.len()).collect().item())
    return count


def unanswered(run: Run) -> list[tuple[str, int]]:
    """Names that have no curve, as no request of theirs was answered well, and how many were sent.

    The busiest come first. Names of jobs that were all given up are "jobs" of their scenario.
    """
    found = []
    for part in run.parts:
        sent = part.requests.lazy().filter(pl.col("outcome").is_in(SENT))
        jobs = part.jobs.lazy().with_columns(
            name=pl.concat_str(pl.lit("jobs of "), pl.col("scenario").cast(pl.String))
        )
        for frame, well in (
            (sent, pl.col("outcome") == OK),
            (jobs, pl.col("observed").is_not_null()),
        ):
            counts = (
                frame.filter(pl.col("due") >= run.warmup)
                .group_by("scenario", pl.col("name").cast(pl.String))
                .agg(count=pl.len(), well=well.sum())
            )
            rows = counts.filter(pl.col("well") == 0).collect().to_dicts()
            found += [(row["name"], row["count"]) for row in rows]
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))


def _of_requests(label: str, requests: pl.LazyFrame) -> Distribution:
    every = series.population(requests)
    latency = every.select("latency").collect()["latency"].to_numpy()
    sent = every.filter(pl.col("outcome").is_in(SENT))
    started = pl.when(pl.col("outcome") == OK).then(pl.col("start")).otherwise(pl.col("due"))
    spans = sent.select(
        "latency", start=started, service=pl.col("latency") + pl.col("due") - started
    ).collect()
    service = None
    if not spans["start"].has_nulls():
        service = spans["service"].to_numpy()
        ended = np.isfinite(service)
        _, total = percentile_curve(spans["latency"].to_numpy()[ended])
        _, own = percentile_curve(service[ended])
        if np.allclose(total, own, rtol=0.05, atol=1e-4):
            service = None
    return _distribution(label, latency, service, of_jobs=False)


def _distribution(
    label: str, latency: Array, service: Array | None, *, of_jobs: bool
) -> Distribution:
    ended = latency[np.isfinite(latency)]
    never = len(latency) - len(ended)
    return Distribution(
        label,
        of_jobs,
        len(latency),
        never,
        percentile_curve(latency),
        percentile_curve(ended) if never else None,
        None if service is None else percentile_curve(service),
    )


def latency_distribution(run: Run) -> Figure | None:
    """Latency by percentile, on the axis of HdrHistogram."""
    found = distributions(run)
    if not found:
        return None
    fig, (ax,) = style.figure(run, "latency by percentile")
    jobs = iter(_JOB_CURVE * 3)
    requests = iter(_CURVES)
    style.percentile_axis(ax, max(item.count for item in found))
    values = [(item.ok_latency or item.latency)[1] for item in found]
    style.latency_axis(ax, values, "latency")
    handles = [_curve(ax, item, next(jobs if item.of_jobs else requests)) for item in found]
    style.legend(ax, None, handles + _entries(found, run))
    return fig


def _curve(ax: Axes, item: Distribution, stroke: Stroke) -> Artist:
    """Draw the curves of one kind of work; give the legend's entry."""
    label = f"{style.printable(item.label, 28)} ({item.count:,}"
    label += f", never from {item.never_from})" if item.never else ")"
    line = style.draw(ax, *item.latency, stroke, label)
    for curve, dashes, width in ((item.service, _DASHED, 1.1), (item.ok_latency, _DOTTED, 1.3)):
        if curve is not None:
            style.draw(ax, *curve, Stroke(stroke.colour, dashes, width=width), "")
    if item.never:
        x, y = item.latency[0][-1], item.latency[1][-1]
        ax.vlines(x, y, ax.get_ylim()[1], color=stroke.colour, linewidth=1.6)
        ax.plot(
            [x], [_TIP], "^", color=stroke.colour, markersize=9, clip_on=False, zorder=3,
            transform=ax.get_xaxis_transform(),
        )  # fmt: skip
    return line


def _entries(found: list[Distribution], run: Run) -> list[Artist]:
    """Say what the looks of lines mean, and what has no line."""
    entries: list[Artist] = []
    service = any(item.service is not None for item in found)
    never = any(item.never for item in found)
    if service or never:
        entries.append(Line2D([], [], color=style.GREY, label="latency, from due"))
    if service:
        text = "service time, from start"
        entries.append(Line2D([], [], color=style.GREY, linestyle=_DASHED, label=text))
    if never:
        text = "ok latency, of those that ended well"
        entries.append(Line2D([], [], color=style.GREY, linestyle=_DOTTED, label=text))
        text = "from here on never"
        entries.append(
            Line2D([], [], color=style.GREY, linestyle="", marker="^", markersize=8, label=text)
        )
    lines = []
    if nothing := unanswered(run):
        lines.append(f"none answered well: {_listed(nothing)}")
    if dropped := nameless(run):
        lines.append(f"dropped, of no name: {dropped:,}")
    if run.warmup:
        lines.append(f"warm-up of {style.duration(run.warmup)} left out")
    return entries + [Line2D([], [], linestyle="", label=line) for line in lines]


def _listed(names: list[tuple[str, int]]) -> str:
    """Write names with their counts: a few of them, and how many there are besides."""
    shown = [f"{style.printable(name, 28)} ({count:,})" for name, count in names[:_LISTED]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")
