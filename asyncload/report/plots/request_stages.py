"""The graph of the stages of requests: where the time went, the generator's and the service's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asyncload.records.record import OK
from asyncload.report.plots import style
from asyncload.report.plots.bins import Array, Bins
from asyncload.report.plots.data import Part, Run
from asyncload.report.plots.marks import marks
from asyncload.report.plots.style import Stroke
from asyncload.stats.metrics import STAGES

_LOOKS: Final = {
    "lateness": (style.RED, "xxxx"),
    "preparation": (style.PURPLE, ""),
    "queued": (style.YELLOW, "////"),
    "sending": (style.GREEN, "...."),
    "waiting": (style.SKY, ""),
    "receiving": (style.BLUE, ""),
}
_SEEN: Final = 0.01
"""Share of the highest stage from which on one is drawn: less would not be seen."""
_OWN: Final = 3
"""The first of the stages are the generator's own part."""


@dataclass(frozen=True, slots=True, eq=False)
class RequestStages:
    """For each bin of due times, of requests that ended well; NaN where there are none. Seconds."""

    bins: Bins
    means: dict[str, Array]
    """Mean of each stage, in order; they add up to the mean latency."""
    shares: dict[str, float]
    """Share of each stage in the latency of all of them that were due after the warm-up."""
    own: Array
    """The 99th percentile of the generator's own part: lateness, preparation and queued."""


def request_stages(part: Part, span: float, warmup: float = 0.0) -> RequestStages | None:
    """Split the latency of requests that ended well; ``None`` where the log tells no stage.

    A time that is left out is that of the next one, but for ``sent``, which is that of the one
    before: less than its record says was sent at once. ``span``: seconds of the run, and
    ``warmup`` of what the shares leave out.
    """
    start = pl.col("start")
    ready = pl.coalesce("ready", start)
    times = (
        pl.col("due"),
        pl.coalesce("begun", ready),
        ready,
        start,
        pl.coalesce("sent", start),
        pl.coalesce("first_byte", "end"),
        pl.col("end"),
    )
    known = (pl.col("outcome") == OK) & start.is_not_null() & pl.col("first_byte").is_not_null()
    ok = part.requests.lazy().filter(known)

    def read(time: pl.Expr) -> Array:
        return ok.select(time.alias("t")).collect()["t"].to_numpy()

    due = read(times[0])
    if not due.size:
        return None
    bins = Bins.filled(span, due)
    counted = due >= warmup
    if not counted.any():  # a run that was stopped in its warm-up
        counted[:] = True
    means, sums = {}, {}
    for name, before, after in zip(STAGES, times, times[1:], strict=False):
        stage = read(after - before)  # one after the other: a log may have millions
        means[name] = bins.means(due, stage)
        sums[name] = float(stage[counted].sum())
    whole = sum(sums.values()) or 1.0
    (own,) = bins.quantiles(due, read(times[_OWN] - times[0]), (0.99,))
    return RequestStages(bins, means, {name: sums[name] / whole for name in STAGES}, own)


def stages(run: Run) -> Figure | None:
    """Mean latency of requests that ended well over time, split into its stages."""
    found = [(part, request_stages(part, run.span, run.warmup)) for part in run.parts]
    drawn = [(part, one) for part, one in found if one is not None]
    if not drawn:
        return None
    fig, axes = style.figure(run, "stages of the mean ok latency", len(drawn))
    unit = style.time_axis(axes, run, [one.bins.width for _, one in drawn])
    for ax, (part, one) in zip(axes, drawn, strict=True):
        handles, top = _stack(ax, one, unit)
        style.latency_axis(ax, [top, one.own], "mean ok latency", log=False)
        x = (one.bins.edges[:-1] + np.minimum(one.bins.edges[1:], run.span)) / 2
        stroke = Stroke(style.BLACK, "-", "o", width=1.2)
        label = f"p99 of {', '.join(STAGES[: _OWN - 1])} and {STAGES[_OWN - 1]}"
        handles.append(style.draw(ax, x / unit, one.own, stroke, label))
        style.legend(ax, style.panel_name(part, run), handles + marks(ax, run, unit, part))
    return fig


def _stack(ax: Axes, one: RequestStages, unit: float) -> tuple[list[Artist], Array]:
    """Stack the stages; return the legend's entries and the height of the whole."""
    handles: list[Artist] = []
    base = np.zeros(one.bins.count)
    heights = {name: np.nan_to_num(values) for name, values in one.means.items()}
    highest = max(float(values.max()) for values in heights.values())
    for name, values in heights.items():
        top = base + values
        if values.max() <= _SEEN * highest:
            base = top
            continue
        colour, hatch = _LOOKS[name]
        handles.append(
            ax.stairs(
                top,
                one.bins.edges / unit,
                baseline=base,
                fill=True,
                facecolor=colour,
                edgecolor="white",
                hatch=hatch,
                linewidth=0,
                label=f"{name} ({_percent(one.shares[name])})",
            )
        )
        base = top
    return handles, base


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.0005 else "< 0.1 %"
