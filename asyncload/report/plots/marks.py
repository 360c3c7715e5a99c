"""What stands in every graph over time: warnings and errors, and the warm-up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from asyncload.report.plots import style
from asyncload.report.plots.data import Part, Run

_DOTTED: Final = (0, (1, 2))


def marks(ax: Axes, run: Run, unit: float, part: Part | None = None) -> list[Artist]:
    """Mark the warm-up of a run, or of a ``part`` of it, and what was noted.

    ``unit`` is that of the axis, seconds. Returns the legend's entries.
    """
    return [*_warmup(ax, run, unit, part), *_notes(ax, run, unit)]


def _warmup(ax: Axes, run: Run, unit: float, part: Part | None) -> list[Artist]:
    """Shade what is left out; or draw a thin line where MSER-5 would end it."""
    if run.warmup:
        end = min(run.warmup, run.span) / unit
        ax.axvspan(0, end, facecolor=style.GREY, alpha=0.16, linewidth=0, zorder=0.5)
        ax.axvline(end, color=style.GREY, linewidth=0.8, zorder=1.4)
        return [Patch(facecolor=style.GREY, alpha=0.25, linewidth=0, label="warm-up, left out")]
    if part is None and len(run.parts) == 1:
        (part,) = run.parts
    if part is None or part.settles is None:
        return []
    ax.axvline(part.settles / unit, color=style.BLACK, linestyle=_DOTTED, linewidth=1, zorder=1.5)
    label = "warm-up ends by MSER-5 (advice)"
    return [Line2D([], [], color=style.BLACK, linestyle=_DOTTED, linewidth=1, label=label)]


def _notes(ax: Axes, run: Run, unit: float) -> list[Artist]:
    """Draw a thin vertical line at each warning and error; return their legend entries."""
    entries: list[Artist] = []
    dashed: tuple[float, Sequence[float]] = (0, (4, 2))
    solid: Literal["-"] = "-"
    for level, colour, line in (("warning", style.ORANGE, dashed), ("error", style.RED, solid)):
        times = np.array([note.t for note in run.notes if note.level == level], np.float64)
        if not times.size:
            continue
        # One line for each bin: a thousand warnings are not a curtain.
        at = run.bins.centres[np.unique(run.bins.index(times))] if times.size > 40 else times
        for time in at:
            ax.axvline(time / unit, color=colour, linestyle=line, linewidth=0.9, zorder=1.5)
        label = f"{level} noted" + (f" ({times.size})" if times.size > 1 else "")
        entries.append(Line2D([], [], color=colour, linestyle=line, linewidth=0.9, label=label))
    return entries
