"""How the graphs look: colours, headings, legends, axes of time and latency.

Colours are the palette of Okabe and Ito (2008), which colour-blind readers
can tell apart; every series also has a line style or marker of its own, so
the graphs can be read in black and white. Only figures of their own are
touched, never pyplot's global state.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    MultipleLocator,
    NullFormatter,
    NullLocator,
)

from asyncload.report.plots.bins import Array
from asyncload.report.plots.data import Part, Run

BLACK: Final = "#000000"
BLUE: Final = "#0072B2"
GREEN: Final = "#009E73"
GREY: Final = "#6B6B6B"
ORANGE: Final = "#E69F00"
PURPLE: Final = "#CC79A7"
RED: Final = "#D55E00"
SKY: Final = "#56B4E9"
YELLOW: Final = "#F0E442"

DPI: Final = 150
_WIDTH: Final = 10.0
_HEIGHT: Final = 5.6
_PANEL: Final = 2.6  # inches of height of each panel when there are several
_HEAD: Final = 0.66  # inches of height for title and subtitle
SMALL: Final = 9.0
PLAIN_NUMBER: Final = FuncFormatter(lambda value, _: f"{value:,.10g}")
_CODES: Final = 3
"""Codes of a verdict that the heading names."""
_FONT: Final = "DejaVu Sans"  # comes with matplotlib, so it looks the same everywhere


@dataclass(frozen=True, slots=True)
class Stroke:
    """One series' colour, line style and marker."""

    colour: str
    line: Any = "-"
    marker: str = ""
    width: float = 1.6
    above: bool = False
    """Whether it lies above the series drawn after it."""
    shift: int = 0
    """Moves the markers along, so that those of lines that coincide do not."""


def figure(
    run: Run, title: str, panels: int = 1, *, each: float = _PANEL
) -> tuple[Figure, list[Axes]]:
    """Return a figure with a heading and ``panels`` axes, one above the other.

    ``each``: inches of height of a panel, where there are several.
    """
    room = 74 if run.verdict is None else 58
    heading = f"{printable(run.name, room - len(title))}: {title}"
    fig, axes = headed(heading, _subtitle(run), panels, each=each)
    if run.verdict is not None:
        _stamp(fig, *run.verdict)
    return fig, axes


def _stamp(fig: Figure, state: str, codes: Sequence[str]) -> None:
    """Write at the top right what the run proves, and why no more."""
    more = len(codes) - _CODES
    why = ", ".join(codes[:_CODES]) + (f" and {more} more" if more > 0 else "")
    height = fig.get_figheight()
    for text, size, weight, inches in (
        (state.upper(), 14, "bold", 0.12),
        (why, SMALL, "normal", 0.42),
    ):
        fig.text(
            0.986,
            1 - inches / height,
            text,
            fontsize=size,
            fontweight=weight,
            fontfamily=_FONT,
            color=RED,
            va="top",
            ha="right",
            parse_math=False,
        )


def headed(
    title: str, subtitle: str, panels: int = 1, *, each: float = _PANEL
) -> tuple[Figure, list[Axes]]:
    """Return a figure as :func:`figure` does, of something that is no run."""
    height = _HEIGHT if panels == 1 else 1.4 + each * panels
    room = (0.008, 0.01, 0.984, 0.99 - _HEAD / height)
    fig = Figure(figsize=(_WIDTH, height), layout=ConstrainedLayoutEngine(rect=room, hspace=0.04))
    FigureCanvasAgg(fig)
    for text, size, weight, colour, inches in (
        (title, 14, "bold", BLACK, 0.12),
        (subtitle, SMALL + 0.5, "normal", GREY, 0.42),
    ):
        fig.text(
            0.014,
            1 - inches / height,
            text,
            fontsize=size,
            fontweight=weight,
            fontfamily=_FONT,
            color=colour,
            va="top",
            parse_math=False,
        )
    axes = fig.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
    for ax in axes:
        _plain(ax)
    return fig, list(axes)


def _plain(ax: Axes) -> None:
    ax.grid(visible=True, which="major", color="#D9D9D9", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color("#8A8A8A")
    ax.tick_params(labelsize=SMALL, color="#8A8A8A")


def _subtitle(run: Run) -> str:
    header = run.header
    parts = []
    if header is not None:
        try:
            start = dt.datetime.fromisoformat(header.started_at).astimezone(dt.UTC)
            parts.append(f"{start:%Y-%m-%d %H:%M:%S} UTC")
        except ValueError:
            parts.append(printable(header.started_at, 30))
    parts.append(duration(run.span))
    if header is not None and run.sent:
        parts.append(f"seed {header.seed}")
    if not run.finished:
        parts.append("run not finished")
    if run.skipped:
        lines = "line" if run.skipped == 1 else "lines"
        parts.append(f"{run.skipped:,} {lines} of the log skipped")
    return "  ·  ".join(parts)


def duration(seconds: float) -> str:
    """Write a time span in words: ``0.35 s``, ``5 min 20 s``, ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    big, small, unit, sub = (3600, 60, "h", "min") if seconds >= 3600 else (60, 1, "min", "s")
    whole, part = divmod(round(seconds / small), big // small)
    return f"{whole} {unit}" + (f" {part} {sub}" if part else "")


def printable(text: str, most: int) -> str:
    """Return ``text`` in at most ``most`` characters, all of which the font has."""
    glyphs = get_font(findfont(FontProperties(family=_FONT))).get_charmap()
    text = "".join(
        c if c.isprintable() and ord(c) in glyphs else "\N{REPLACEMENT CHARACTER}" for c in text
    )
    if len(text) > most:
        text = f"{text[: most // 2]}…{text[-(most - most // 2 - 1) :]}"
    return text or "(no name)"


def panel_name(part: Part, run: Run) -> str | None:
    """Return what to write over the panel of ``part``; that of a lone scenario needs no name."""
    if len(run.parts) == 1 and part.scenario is not None:
        return None
    return part.scenario or "all scenarios together"


def draw(ax: Axes, x: Array, y: Array, stroke: Stroke, label: str) -> Line2D:
    """Draw a series, NaN as gaps. Markers, where it has them, stand on some points that are not 0."""
    marks = _marks(y, stroke)
    (line,) = ax.plot(
        x,
        y,
        color=stroke.colour,
        linestyle=stroke.line,
        linewidth=stroke.width,
        marker=stroke.marker or ("o" if marks else ""),
        markersize=5.0 if stroke.marker else 3.5,
        markevery=marks,
        label=label,
        zorder=2.5 if stroke.above else 2.0,
    )
    return line


def _marks(y: Array, stroke: Stroke) -> list[int]:
    """Choose the points that get a marker: those no line would show, and some for the eye."""
    finite = np.isfinite(y)
    beside = np.concatenate(([False], finite, [False]))
    chosen = finite & ~beside[:-2] & ~beside[2:]
    if stroke.marker or len(y) <= 16:
        where = np.flatnonzero(finite & (y != 0))
        step = max(1, math.ceil(len(where) / 16))
        chosen[where[stroke.shift * step // 7 :: step]] = True
    return [int(index) for index in np.flatnonzero(chosen)]


def legend(ax: Axes, title: str | None, handles: Sequence[Artist]) -> None:
    """Put the panel's name and its legend above the axes, where they cover nothing.

    The legend takes as many rows as its entries need.
    """
    fig = ax.get_figure(root=True)
    assert fig is not None
    room = (_WIDTH - 1.6) * fig.dpi
    if title is not None:
        name = ax.set_title(
            printable(title, 34),
            loc="left",
            fontsize=SMALL + 1.5,
            fontweight="bold",
            parse_math=False,
        )
        room -= name.get_window_extent().width
    for rows in range(1, len(handles) + 1):
        box = ax.legend(
            handles,
            [str(handle.get_label()) for handle in handles],
            loc="lower left" if title is None else "lower right",
            bbox_to_anchor=(0.0 if title is None else 1.0, 1.0),
            ncols=math.ceil(len(handles) / rows),
            frameon=False,
            fontsize=SMALL,
            handlelength=2.4,
            columnspacing=1.3,
            borderaxespad=0.1,
        )
        for text in box.get_texts():
            text.set_parse_math(False)
        if box.get_window_extent().width <= room:
            break


_TICKS: Final = {
    "s": (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30),
    "min": (1, 2, 5, 10, 20),
    "h": (0.5, 1, 2, 4, 6, 12, 24),
}
"""Steps between ticks that periods of load are multiples of, or go into."""


def time_axis(axes: Sequence[Axes], run: Run, widths: Sequence[float]) -> float:
    """Label the axis of time; return the seconds of its unit (divide times by it).

    ``widths``: seconds of the bins that are drawn, for the label.
    """
    unit, name = 1.0, "s"
    if run.span > 300:
        unit, name = (60.0, "min") if run.span <= 10_800 else (3600.0, "h")
    end = run.bins.width * run.bins.count / unit
    step = next((step for step in _TICKS[name] if end <= step * 12), 24 * math.ceil(end / 288))
    for ax in axes:
        ax.set_xlim(0, end)
        ax.xaxis.set_major_locator(MultipleLocator(step))
        ax.xaxis.set_major_formatter(PLAIN_NUMBER)
    label = f"time since the start of the run ({name})"
    if widths:
        label += f", in steps of {duration(min(widths))}"
    if len(set(widths)) > 1:
        label += f" to {duration(max(widths))}"
    axes[-1].set_xlabel(label, fontsize=SMALL + 1)
    return unit


def latency_axis(ax: Axes, values: Sequence[Array], name: str, *, log: bool = True) -> None:
    """Scale and label the y axis for latencies in seconds: ms or s, logarithmic when wide."""
    every = np.concatenate([array[np.isfinite(array)] for array in values])
    high = float(every.max(initial=0.0))
    positive = every[every > 0]
    low = float(positive.min(initial=high))
    unit, scale = ("ms", 1e3) if high < 1 else ("s", 1.0)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * scale:,.10g}"))
    if log and low > 0 and high / low > 20:
        ax.set_yscale("log")
        close = high / low < 300
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if close else (1,), numticks=20))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * scale:,.10g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.set_ylim(low / 1.3, high * 1.3)
    else:
        ax.yaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
        ax.set_ylim(0, high * 1.08 or 1.0)
    ax.set_ylabel(f"{name} ({unit})", fontsize=SMALL + 1)


def percentile_axis(ax: Axes, count: int) -> None:
    """Scale and label the x axis as HdrHistogram does, by 1/(1 - p), up to p = 1 - 1/``count``."""
    last = max(count, 2)
    ax.set_xscale("log")
    ax.set_xlim(1, last * 1.03)  # the maximum stands clear of the edge
    ticks = [1.0, 2.0, *(10.0**k for k in range(1, 10))]
    if last <= 20_000:  # there is room for more
        ticks += [4.0, 20.0, 200.0, 2000.0]
    ax.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if tick <= last]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * (1 - 1 / x):.10g} %"))
    ax.set_xlabel("percentile", fontsize=SMALL + 1)


def count_axis(ax: Axes, name: str) -> None:
    """Scale a linear y axis from 0 to all that is drawn on it, and label it."""
    highest = max(
        (float(np.nanmax(line.get_ydata(), initial=0)) for line in ax.get_lines()), default=0
    )
    ax.set_ylim(0, highest * 1.08 or 1.0)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(PLAIN_NUMBER)
    ax.set_ylabel(name, fontsize=SMALL + 1)


def second_axis(ax: Axes) -> Axes:
    """Return a second y axis on the right, behind the first."""
    right = ax.twinx()
    _plain(right)
    right.grid(visible=False)
    right.spines["right"].set_visible(True)
    right.spines["right"].set_color("#8A8A8A")
    right.set_zorder(ax.get_zorder() - 1)
    ax.patch.set_visible(False)
    return right
