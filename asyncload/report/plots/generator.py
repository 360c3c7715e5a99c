"""The graph of the generator's own health: whether the load was as honest as it looks."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from asyncload.report.plots import style
from asyncload.report.plots.data import Run
from asyncload.report.plots.host_series import OwnHealth, own_health
from asyncload.report.plots.marks import marks
from asyncload.report.plots.style import Stroke
from asyncload.stats import units

_LATE: Final = (
    ("loop_lag", "event loop late", Stroke(style.BLUE)),
    ("gc_pause", "garbage collection", Stroke(style.ORANGE, (0, (5, 1.5)))),
    ("consumer_lag", "statuses waited for us", Stroke(style.GREEN, (0, (3, 1, 1, 1)))),
)
_BUSY: Final = (
    ("core_cpu", "cores that we may use, all processes", Stroke(style.SKY, (0, (5, 1.5)))),
    ("cpu", "our process, of one core", Stroke(style.BLUE)),
    ("cpu_wait", "our loop waiting for a core", Stroke(style.RED, (0, (3, 1, 1, 1)))),
    ("steal", "stolen by the hypervisor", Stroke(style.PURPLE, (0, (1, 1)))),
)
_HARMLESS: Final = 0.05
"""Seconds that the axis of delays has at least: a quiet run shall look quiet."""
_SEEN: Final = 1.0
"""Percent from which a share of stolen time is drawn: below, its line would lie on the axis."""
_NAMED: Final = 3
"""Pieces of code that the legend names."""


def generator(run: Run) -> Figure | None:
    """Draw how late the loop was and who held it up, and below it who had the cores."""
    health = own_health(run.systems)
    if health is None or not any(name in health.figures for name, *_ in _LATE):
        return None
    panels = [_late]
    if any(name in health.figures for name, *_ in _BUSY):
        panels.append(_busy)
    if "log_backlog" in health.figures:
        panels.append(_log_backlog)
    fig, axes = style.figure(run, "the generator itself", len(panels), each=2.3)
    unit = style.time_axis(axes, run, [])
    for ax, panel in zip(axes, panels, strict=True):
        panel(ax, health, run, unit)
    return fig


def _late(ax: Axes, health: OwnHealth, run: Run, unit: float) -> None:
    x = health.times / unit
    handles: list[Artist] = []
    drawn = []
    for name, label, stroke in _LATE:
        values = health.figures.get(name)
        if values is None or (name != "loop_lag" and not np.nanmax(values)):
            continue
        top = float(np.nanmax(values))
        handles.append(style.draw(ax, x, values, stroke, f"{label} (max {units.seconds(top)})"))
        drawn.append(values)
    handles += _blocks(ax, health, unit)
    if health.blocks:
        drawn.append(np.array([seconds for _, seconds, _ in health.blocks]))
    drawn.append(np.array([_HARMLESS]))
    style.latency_axis(ax, drawn, "longest delay", log=False)
    style.legend(ax, None, [*handles, *_jumps(ax, health, unit), *marks(ax, run, unit)])


def _blocks(ax: Axes, health: OwnHealth, unit: float) -> list[Artist]:
    """Mark the blocks by user code, a colour of marker for each of the worst."""
    worst: dict[str, float] = {}
    for _, seconds, code in health.blocks:
        worst[code] = max(worst.get(code, 0.0), seconds)
    order = sorted(worst, key=lambda code: -worst[code])
    looks = zip(order, ("v", "s", "D"), (style.RED, style.PURPLE, style.BLACK), strict=False)
    handles: list[Artist] = []
    for code, marker, colour in looks:
        mine = [(t, seconds) for t, seconds, by in health.blocks if by == code]
        label = f"blocked by {style.printable(code, 60)} (max {units.seconds(worst[code])})"
        (line,) = ax.plot(
            [t / unit for t, _ in mine],
            [seconds for _, seconds in mine],
            linestyle="",
            marker=marker,
            color=colour,
            markersize=7 if len(health.blocks) <= 60 else 4,
            zorder=3,
            label=label,
        )
        handles.append(line)
    if len(order) > _NAMED:
        more = f"and {len(order) - _NAMED} more"
        handles.append(Line2D([], [], linestyle="", label=more))
    return handles


def _jumps(ax: Axes, health: OwnHealth, unit: float) -> list[Artist]:
    """Draw a line where the wall clock jumped."""
    if not health.jumps:
        return []
    for t, _ in health.jumps:
        ax.axvline(t / unit, color=style.BLACK, linestyle=(0, (1, 2)), linewidth=1.4, zorder=1.5)
    _, worst = max(health.jumps, key=lambda jump: abs(jump[1]))
    label = f"wall clock jumped by {units.seconds(abs(worst))}{'' if worst > 0 else ' back'}"
    if len(health.jumps) > 1:
        label = f"wall clock jumped ({len(health.jumps)} times)"
    return [Line2D([], [], color=style.BLACK, linestyle=(0, (1, 2)), linewidth=1.4, label=label)]


def _busy(ax: Axes, health: OwnHealth, run: Run, unit: float) -> None:
    handles: list[Artist] = []
    top = 100.0
    for name, label, stroke in _BUSY:
        values = health.figures.get(name)
        if values is None or (name == "steal" and np.nanmax(values) < _SEEN):
            continue
        top = max(top, float(np.nanmax(values)))
        handles.append(style.draw(ax, health.times / unit, values, stroke, label))
    style.count_axis(ax, "CPU (%)")
    ax.set_ylim(0, top * 1.04)
    marks(ax, run, unit)
    style.legend(ax, None, handles)


def _log_backlog(ax: Axes, health: OwnHealth, run: Run, unit: float) -> None:
    values = health.figures["log_backlog"]
    line = style.draw(
        ax, health.times / unit, values, Stroke(style.BLUE), "records waiting for the log"
    )
    style.count_axis(ax, "records")
    marks(ax, run, unit)
    style.legend(ax, None, [line])
