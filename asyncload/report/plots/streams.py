"""The graph of streamed answers: the first token, the gaps between chunks, and tokens per second."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asyncload.records.record import TIMEOUT
from asyncload.report.plots import series, style
from asyncload.report.plots.bins import Array
from asyncload.report.plots.data import Part, Run
from asyncload.report.plots.latency import dots, percentiles
from asyncload.report.plots.marks import marks
from asyncload.report.plots.series import Percentiles, Points
from asyncload.report.plots.style import Stroke

MOST: Final = 2
"""Scenarios that have panels of their own."""
_PANELS: Final = 3


@dataclass(frozen=True, slots=True)
class Streams:
    """Streamed answers over time, complete or not; seconds."""

    first: Percentiles | Points | None
    """From due to the first chunk; of one that timed out before it, what it waited."""
    gap: Percentiles | Points | None
    """Mean gap between the chunks of each answer; ``highest`` is the longest single gap."""
    times: Array
    """The middle of what each rate is of."""
    rate: Array
    """Tokens per second, or chunks where no answer counts tokens."""
    counts_tokens: bool


def streams_of(run: Run) -> list[tuple[Part, Streams]]:
    """Find the scenarios with streamed answers; more than :data:`MOST` of them become one."""
    parts = [part for part in run.parts if not part.streams.is_empty()]
    if len(parts) > MOST:
        together = pl.concat([part.streams for part in parts])
        parts = [replace(parts[0], scenario=None, streams=together)]
    return [(part, _streams(part, run)) for part in parts]


def _streams(part: Part, run: Run) -> Streams:
    frame = part.streams
    waited = pl.when(pl.col("outcome") == TIMEOUT).then(pl.col("end"))
    first = frame.select("due", first=pl.coalesce("first_token", waited) - pl.col("due"))
    gaps = frame.select("due", "mean_gap", "longest_gap").drop_nulls()
    counts_tokens = bool((frame["tokens"] > 0).any())
    times, rate = _rate(frame, part, run, "tokens" if counts_tokens else "chunks")
    return Streams(
        first=_over_time(first.drop_nulls(), "first", run),
        gap=_gaps(gaps, run),
        times=times,
        rate=rate,
        counts_tokens=counts_tokens,
    )


def _over_time(frame: pl.DataFrame, column: str, run: Run) -> Percentiles | Points | None:
    if frame.is_empty():
        return None
    return series.percentiles(frame["due"].to_numpy(), frame[column].to_numpy(), run.span)


def _gaps(frame: pl.DataFrame, run: Run) -> Percentiles | Points | None:
    found = _over_time(frame, "mean_gap", run)
    if not isinstance(found, Percentiles):
        return found
    (longest,) = found.bins.quantiles(
        frame["due"].to_numpy(), frame["longest_gap"].to_numpy(), (1.0,)
    )
    return replace(found, highest=longest)


def _rate(frame: pl.DataFrame, part: Part, run: Run, what: str) -> tuple[Array, Array]:
    """Spread the tokens of each answer evenly from its first to its last, and count per second."""
    there = frame.filter(pl.col(what).is_not_null() & pl.col("first_token").is_not_null())
    number = there[what].cast(pl.Float64).to_numpy()
    first, last = there["first_token"].to_numpy(), there["last_token"].to_numpy()
    _, pieces = series.pieces(run, part.load_end)
    took = np.maximum(last - first, 1e-9)
    # Until each edge: all of an answer that was over by then, and the share of one under way.
    until = [float((number * np.clip((edge - first) / took, 0, 1)).sum()) for edge in pieces.edges]
    return pieces.centres, np.diff(until) / pieces.widths


def streams(run: Run) -> Figure | None:
    """Time to the first token, gap between chunks, and tokens per second, over time."""
    drawn = streams_of(run)
    if not drawn:
        return None
    fig, axes = style.figure(run, "streamed answers", _PANELS * len(drawn))
    found = [latency for _, one in drawn for latency in (one.first, one.gap)]
    widths = [run.bins.width, *(one.bins.width for one in found if isinstance(one, Percentiles))]
    unit = style.time_axis(axes, run, widths)
    for index, (part, one) in enumerate(drawn):
        first, gap, rate = axes[_PANELS * index : _PANELS * (index + 1)]
        what = "token" if one.counts_tokens else "chunk"
        handles = _times(first, one.first, unit, f"first {what}, from due", "highest")
        title = style.panel_name(part, run)
        style.legend(first, title, [*handles, *marks(first, run, unit, part)])
        handles = _times(gap, one.gap, unit, "mean gap of chunks", "longest single gap")
        style.legend(gap, None, [*handles, *marks(gap, run, unit, part)])
        line = style.draw(rate, one.times / unit, one.rate, Stroke(style.GREEN), f"{what}s")
        style.count_axis(rate, f"{what}s per second")
        style.legend(rate, None, [line, *marks(rate, run, unit, part)])
    return fig


def _times(
    ax: Axes,
    latency: Percentiles | Points | None,
    unit: float,
    name: str,
    highest: str,
) -> list[Artist]:
    """Draw percentiles, or each answer where they are few."""
    if isinstance(latency, Percentiles):
        style.latency_axis(ax, [latency.p50, latency.highest], name)
        return percentiles(ax, latency, unit, highest=highest)
    style.latency_axis(ax, [np.zeros(0) if latency is None else latency.latency], name)
    return [] if latency is None else [dots(ax, latency, unit, "each answer")]
