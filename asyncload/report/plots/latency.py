"""The graph of request latency, and how latencies are drawn in others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator

from asyncload.report.plots import series, style
from asyncload.report.plots.bins import Array
from asyncload.report.plots.data import Run
from asyncload.report.plots.marks import marks
from asyncload.report.plots.series import Percentiles, Points
from asyncload.report.plots.style import Stroke


def request_latency(run: Run) -> Figure | None:
    """Percentiles of request latency over time; each request where they are few."""
    found = [(part, series.request_latency(part, run.span)) for part in run.parts]
    drawn = [(part, latency) for part, latency in found if latency is not None]
    if not drawn:
        return None
    fig, axes = style.figure(run, "request latency over time", len(drawn))
    every = [latency.every for _, latency in drawn]
    unit = style.time_axis(axes, run, [a.bins.width for a in every if isinstance(a, Percentiles)])
    for ax, (part, latency) in zip(axes, drawn, strict=True):
        values = [latency.failed.latency]
        if isinstance(latency.every, Percentiles):
            values += [latency.every.p50, latency.every.highest]
        else:
            values.append(latency.every.latency)
        style.latency_axis(ax, values, "latency, due to end")
        handles: list[Artist] = []
        if isinstance(latency.every, Percentiles):
            handles = percentiles(ax, latency.every, unit, highest="highest that ended well")
        elif latency.every.due.size:
            handles = [dots(ax, latency.every, unit, "each request")]
        if latency.failed.due.size:
            handles.append(crosses(ax, latency.failed, unit, "failed: time until then"))
        if latency.dropped.size and isinstance(latency.every, Points):
            edge = np.full(latency.dropped.size, ax.get_ylim()[1])
            label = f"dropped ({latency.dropped.size})"
            handles.append(crosses(ax, Points(latency.dropped, edge), unit, label, marker="v"))
        style.legend(ax, style.panel_name(part, run), handles + marks(ax, run, unit, part))
    return fig


def percentiles(
    ax: Axes, latency: Percentiles, unit: float, *, highest: str = "highest"
) -> list[Artist]:
    """Draw p50, p95, p99 and the highest of each bin: nothing that took long disappears.

    ``highest`` is what the legend calls that. The y axis has its limits already; where a
    percentile is never, a band for that is put on top of it.
    """
    x = latency.times / unit
    lines = (
        ("p99", latency.p99, Stroke(style.PURPLE, (0, (1, 1)), "^")),
        ("p95", latency.p95, Stroke(style.ORANGE, (0, (5, 1.5)), "s")),
        ("p50 (median)", latency.p50, Stroke(style.BLUE)),
    )
    band, entries = never_band(ax, [values for _, values, _ in lines])
    p99, p95, p50 = band
    ax.fill_between(x, p50, p95, color=style.SKY, alpha=0.35, linewidth=0)
    ax.fill_between(x, p95, p99, color=style.SKY, alpha=0.18, linewidth=0)
    (top,) = ax.plot(
        x, latency.highest, "o", color=style.GREY, alpha=0.7, markersize=2.2, label=highest
    )
    drawn = [
        style.draw(ax, x, values, stroke, label)
        for (label, _, stroke), values in zip(lines, band, strict=True)
    ]
    return [top, *drawn, *entries]


_BAND: Final = 0.11
"""Share of the height of the axes that the band has in which a percentile is never."""


def never_band(
    ax: Axes, lines: Sequence[Array], label: str = "never: failed, timed out or dropped"
) -> tuple[list[Array], list[Artist]]:
    """Put what is infinite into a band on top of the axes, each line at a height of its own.

    The first of ``lines`` lies highest. Returns them as they are to be drawn, and the entries
    of the legend; nothing is changed where nothing is infinite.
    """
    if not any(np.isinf(values).any() for values in lines):
        return list(lines), []
    low, high = ax.get_ylim()
    logarithmic = ax.get_yscale() == "log"

    def at(share: float) -> float:
        """Find the value ``share`` of the old height above the bottom."""
        return float(low * (high / low) ** share if logarithmic else low + (high - low) * share)

    ax.yaxis.set_major_locator(FixedLocator([y for y in ax.get_yticks() if low <= y <= high]))
    top = 1 / (1 - _BAND)
    ax.set_ylim(low, at(top))
    ax.axhspan(high, at(top), facecolor=style.RED, alpha=0.1, linewidth=0, zorder=0.4)
    ax.axhline(high, color=style.RED, linewidth=0.6, alpha=0.6, zorder=1.2)
    ax.text(
        -0.006,
        at((1 + top) / 2),
        "never",
        color=style.RED,
        fontsize=style.SMALL,
        ha="right",
        va="center",
        transform=ax.get_yaxis_transform(),
    )
    step = (top - 1) / (len(lines) + 1)
    heights = [at(top - step * (index + 1)) for index in range(len(lines))]
    placed = [
        np.where(np.isinf(values), height, values)
        for values, height in zip(lines, heights, strict=True)
    ]
    return placed, [Patch(facecolor=style.RED, alpha=0.2, linewidth=0, label=label)]


def dots(ax: Axes, points: Points, unit: float, label: str) -> Line2D:
    """Draw each value as a dot."""
    (line,) = ax.plot(
        points.due / unit, points.latency, "o", color=style.BLACK, markersize=3.5, label=label
    )
    return line


def crosses(ax: Axes, points: Points, unit: float, label: str, *, marker: str = "x") -> Line2D:
    """Draw each value as a cross, or another marker, also on the edge of the axes."""
    (line,) = ax.plot(
        points.due / unit,
        points.latency,
        marker,
        color=style.RED,
        markersize=5,
        clip_on=False,
        label=label,
    )
    return line
