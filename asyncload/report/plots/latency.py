"""The graph of request latency, and how latencies are drawn in others."""

from __future__ import annotations

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from asyncload.report.plots import series, style
from asyncload.report.plots.data import Run
from asyncload.report.plots.series import Percentiles, Points
from asyncload.report.plots.style import Stroke


def request_latency(run: Run) -> Figure | None:
    """Percentiles of request latency over time; each request where they are few."""
    found = [(part, series.request_latency(part, run.span)) for part in run.parts]
    drawn = [(part, latency) for part, latency in found if latency is not None]
    if not drawn:
        return None
    fig, axes = style.figure(run, "request latency over time", len(drawn))
    every = [latency.answered for _, latency in drawn]
    unit = style.time_axis(axes, run, [a.bins.width for a in every if isinstance(a, Percentiles)])
    for ax, (part, latency) in zip(axes, drawn, strict=True):
        values = [latency.failed.latency]
        handles: list[Artist] = []
        if isinstance(latency.answered, Percentiles):
            handles = percentiles(ax, latency.answered, unit)
            values += [latency.answered.p50, latency.answered.highest]
        elif latency.answered.due.size:
            handles = [dots(ax, latency.answered, unit, "each request")]
            values.append(latency.answered.latency)
        if latency.failed.due.size:
            handles.append(crosses(ax, latency.failed, unit, "failed"))
        style.latency_axis(ax, values, "latency, due to end")
        style.legend(ax, style.panel_name(part, run), handles + style.mark_notes(ax, run, unit))
    return fig


def percentiles(
    ax: Axes, latency: Percentiles, unit: float, *, highest: str = "highest"
) -> list[Artist]:
    """Draw p50, p95, p99 and the highest of each bin: nothing that took long disappears.

    ``highest`` is what the legend calls that.
    """
    x = latency.times / unit
    ax.fill_between(x, latency.p50, latency.p95, color=style.SKY, alpha=0.35, linewidth=0)
    ax.fill_between(x, latency.p95, latency.p99, color=style.SKY, alpha=0.18, linewidth=0)
    (top,) = ax.plot(
        x, latency.highest, "o", color=style.GREY, alpha=0.7, markersize=2.2, label=highest
    )
    lines = (
        style.draw(ax, x, values, stroke, label)
        for label, values, stroke in (
            ("p99", latency.p99, Stroke(style.PURPLE, (0, (1, 1)), "^")),
            ("p95", latency.p95, Stroke(style.ORANGE, (0, (5, 1.5)), "s")),
            ("p50 (median)", latency.p50, Stroke(style.BLUE)),
        )
    )
    return [top, *lines]


def dots(ax: Axes, points: Points, unit: float, label: str) -> Line2D:
    """Draw each value as a dot."""
    (line,) = ax.plot(
        points.due / unit, points.latency, "o", color=style.BLACK, markersize=3.5, label=label
    )
    return line


def crosses(ax: Axes, points: Points, unit: float, label: str) -> Line2D:
    """Draw each value as a cross, also on the edge of the axes."""
    (line,) = ax.plot(
        points.due / unit,
        points.latency,
        "x",
        color=style.RED,
        markersize=5,
        clip_on=False,
        label=label,
    )
    return line
