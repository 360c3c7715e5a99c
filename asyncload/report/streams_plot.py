"""The graph of streamed answers: the first token, the gaps between tokens, and tokens per second."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asyncload.report import plot_style as style
from asyncload.report.latency_plot import dots, percentiles
from asyncload.report.plot_run import Run
from asyncload.report.plot_series import Percentiles, Points
from asyncload.report.plot_style import Stroke
from asyncload.report.streams_series import streams_of

_PANELS: Final = 3


def streams(run: Run) -> Figure | None:
    """Time to the first token, gap between tokens, and tokens per second, over time."""
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
        style.legend(first, title, [*handles, *style.mark_notes(first, run, unit)])
        handles = _times(gap, one.gap, unit, f"mean gap of {what}s", "longest single gap")
        style.legend(gap, None, [*handles, *style.mark_notes(gap, run, unit)])
        line = style.draw(rate, one.times / unit, one.rate, Stroke(style.GREEN), f"{what}s")
        style.count_axis(rate, f"{what}s per second")
        style.legend(rate, None, [line, *style.mark_notes(rate, run, unit)])
    return fig


def _times(
    ax: Axes,
    latency: Percentiles | Points | None,
    unit: float,
    name: str,
    highest: str,
) -> list[Artist]:
    """Draw percentiles, or each answer where they are few."""
    handles: list[Artist] = []
    values = [np.zeros(0)]
    if isinstance(latency, Percentiles):
        handles = percentiles(ax, latency, unit, highest=highest)
        values = [latency.p50, latency.highest]
    elif latency is not None:
        handles = [dots(ax, latency, unit, "each answer")]
        values = [latency.latency]
    style.latency_axis(ax, values, name)
    return handles
