"""Charts as SVG in HTML: text keeps its size at any width, and tables need no script.

A chart is a box: the SVG is stretched over it, and the labels of its axes are HTML at percentages of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, Literal, NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from asyncload.report.plots.bins import Array
from asyncload.stats import units

SIZE: Final = 1000
"""Units of the SVG, both ways."""
MOST_POINTS: Final = 2000
"""Of a line: more than a page has pixels."""
Colour = Literal["blue", "green", "red", "purple", "orange", "sky", "yellow", "grey", "black"]
Kind = Literal["time", "seconds", "count", "percentile", "rate"]
_TIMES: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


class Axis(NamedTuple):
    """An axis from ``low`` to ``high``, with labels at some values."""

    low: float
    high: float
    ticks: list[tuple[float, str]]
    kind: Kind
    log: bool = False

    def place(self, values: Array) -> Array:
        """Give where values lie, from 0 to 1; what is infinite lies at the end."""
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.log:
                low, high = math.log(self.low), math.log(self.high)
                share = (np.log(np.maximum(values, self.low)) - low) / (high - low)
            else:
                share = (values - self.low) / (self.high - self.low)
        return np.clip(share, 0.0, 1.0)


class Line(NamedTuple):
    """A line through points, or steps where there is one edge more than there are values."""

    label: str
    colour: Colour
    x: Array
    y: Array
    dashed: bool = False
    dots: bool = False


class Area(NamedTuple):
    """What lies between two heights, in steps over ``edges`` or from point to point."""

    label: str
    colour: Colour
    x: Array
    low: Array
    high: Array
    faint: bool = False
    """A band about a line, not a part of a whole."""


class Chart(NamedTuple):
    """A chart with a title, and what it says in a sentence."""

    title: str
    x: Axis
    y: Axis
    marks: Sequence[Line | Area]
    x_label: str = ""
    note: str = ""
    image: str = ""
    """A picture behind the marks, as a data URI."""
    lines: Sequence[tuple[float, str]] = ()
    """Moments on the x axis, with what happened then."""
    shade: tuple[float, float] | None = None
    """A part of the x axis that the figures leave out."""


def time_axis(end: float) -> Axis:
    """Give an axis of run time from 0 to ``end`` seconds."""
    end = max(end, 1.0)
    step = next((one for one in _TIMES if end / one <= 8), 86400 * math.ceil(end / 86400 / 8))
    ticks = [(float(t), units.clock(t)) for t in np.arange(0, end + 1e-9, step)]
    return Axis(0.0, end, ticks, "time")


def count_axis(highest: float, kind: Kind = "count") -> Axis:
    """Give an axis from 0 to a little over ``highest``."""
    highest = highest if highest > 0 and math.isfinite(highest) else 1.0
    size = 10 ** math.floor(math.log10(highest / 4))
    step = next(size * one for one in (1, 2, 2.5, 5, 10) if highest / (size * one) <= 5)
    top = step * math.ceil(highest * 1.04 / step)
    ticks = [(float(v), _short(v)) for v in np.arange(0, top + step / 2, step)]
    if kind == "seconds":
        ticks = [(v, "0" if v == 0 else units.seconds(v)) for v, _ in ticks]
    return Axis(0.0, float(top), ticks, kind)


def latency_axis(values: Iterable[Array]) -> Axis:
    """Give a logarithmic axis that holds all finite values over 0, seconds."""
    known = [one[np.isfinite(one) & (one > 0)] for one in values]
    found = np.concatenate([one for one in known if one.size] or [np.array([1e-3, 1.0])])
    low, high = float(found.min()), float(found.max())
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high * 1.001))
    if last - first < 1:
        last = first + 1
    steps = (1, 2, 5) if last - first <= 3 else (1,)
    marks = [one * 10.0**power for power in range(first, last + 1) for one in steps]
    below = max((one for one in marks if one <= low), default=10.0**first)
    above = min((one for one in marks if one >= high), default=10.0**last)
    above = above if above > below else below * 10
    ticks = [(one, _time(one)) for one in marks if below <= one <= above * 1.0001]
    return Axis(below, above, ticks, "seconds", log=True)


def percentile_axis(most: float) -> Axis:
    """Give HdrHistogram's axis of 1/(1 - p), up to that of ``most`` values."""
    high = max(most, 10.0)
    ticks = [(1.0, "0")]
    ticks += [(2.0, "p50")]
    digits = 1
    while 10**digits <= high * 1.0001:
        ticks.append((float(10**digits), f"p{100 * (1 - 10.0**-digits):.{max(digits - 2, 0)}f}"))
        digits += 1
    return Axis(1.0, high, ticks, "percentile", log=True)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:g}"


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size * 0.9999:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def draw(chart: Chart) -> Markup:
    """Write a chart as HTML."""
    entries = {mark.label: mark for mark in chart.marks if mark.label}
    legend = "".join(
        f'<li class="c-{mark.colour}{" dashed" if _dashed(mark) else ""}"><i></i>{escape(label)}</li>'
        for label, mark in entries.items()
    )
    x_label = f'<span class="xlabel">{escape(chart.x_label)}</span>' if chart.x_label else ""
    note = f'<p class="note">{x_label}{escape(chart.note)}</p>' if x_label or chart.note else ""
    inside = "".join(_mark(mark, chart) for mark in chart.marks)
    grid = "".join(
        f'<line x1="0" x2="{SIZE}" y1="{_y(chart, value)}" y2="{_y(chart, value)}"/>'
        for value, _ in chart.y.ticks
    )
    shade = ""
    if chart.shade is not None:
        left, right = (_share(chart.x, value) * SIZE for value in chart.shade)
        shade = f'<rect class="shade" x="{left:.1f}" width="{right - left:.1f}" height="{SIZE}"/>'
    moments = "".join(
        f'<line class="moment" x1="{_share(chart.x, at) * SIZE:.1f}" '
        f'x2="{_share(chart.x, at) * SIZE:.1f}" y1="0" y2="{SIZE}"><title>{escape(text)}</title></line>'
        for at, text in chart.lines
    )
    image = ""
    if chart.image:
        image = (
            f'<image href="{chart.image}" width="{SIZE}" height="{SIZE}" '
            'preserveAspectRatio="none" class="heat"/>'
        )
    ys = _labels(chart.y, "bottom")
    xs = _labels(chart.x, "left")
    data = " ".join(
        f'data-{name}="{value}"'
        for name, value in (
            ("x0", f"{chart.x.low:.9g}"), ("x1", f"{chart.x.high:.9g}"),
            ("y0", f"{chart.y.low:.9g}"), ("y1", f"{chart.y.high:.9g}"),
            ("xk", chart.x.kind), ("yk", chart.y.kind),
            ("xl", int(chart.x.log)), ("yl", int(chart.y.log)),
        )
    )  # fmt: skip
    return Markup(  # noqa: S704 - every text in it is escaped above
        f'<figure class="chart"><figcaption><b>{escape(chart.title)}</b>'
        f'<ul class="legend">{legend}</ul></figcaption>'
        f'<div class="plot"><div class="ys">{ys}</div><div class="box"><svg viewBox="0 0 {SIZE} {SIZE}" '
        f'preserveAspectRatio="none" role="img" aria-label="{escape(chart.title)}" {data}>'
        f'{shade}{image}<g class="grid">{grid}</g>{inside}{moments}</svg></div>'
        f'<div class="xs">{xs}</div></div>'
        f"{note}</figure>"
    )


def _labels(axis: Axis, side: str) -> str:
    return "".join(
        f'<span style="{side}:{_share(axis, value) * 100:.2f}%">{escape(text)}</span>'
        for value, text in axis.ticks
    )


def _dashed(mark: Line | Area) -> bool:
    return isinstance(mark, Line) and mark.dashed


def _share(axis: Axis, value: float) -> float:
    return float(axis.place(np.array([value]))[0])


def _y(chart: Chart, value: float) -> str:
    return f"{SIZE - _share(chart.y, value) * SIZE:.1f}"


def _mark(mark: Line | Area, chart: Chart) -> str:
    if isinstance(mark, Area):
        return _area(mark, chart)
    x, y = mark.x, mark.y
    if mark.dots:
        return _dots(mark, chart)
    if len(x) == len(y) + 1:
        x, y = np.repeat(x, 2)[1:-1], np.repeat(y, 2)
    x, y = thinned(x, y)
    kind = "dashed" if mark.dashed else "line"
    text = _path(chart, x, y)
    never = np.isinf(y)
    top = ""
    if never.any():
        at_top = np.where(never, math.inf, math.nan)
        top = f'<path class="never c-{mark.colour}" d="{_path(chart, x, at_top)}"/>'
    label = escape(mark.label)
    return f'<path class="{kind} c-{mark.colour}" data-label="{label}" d="{text}"/>{top}'


def _dots(mark: Line, chart: Chart) -> str:
    x, y = mark.x[:MOST_POINTS], mark.y[:MOST_POINTS]
    known = ~np.isnan(y)
    px, py = chart.x.place(x[known]) * SIZE, SIZE - chart.y.place(y[known]) * SIZE
    # A stretched circle is none: a line of no length with round ends keeps its form.
    path = "".join(f"M{a:.0f} {b:.0f}h0" for a, b in zip(px, py, strict=True))
    return f'<path class="dots c-{mark.colour}" d="{path}"/>'


def _area(mark: Area, chart: Chart) -> str:
    x, low, high = mark.x, mark.low, mark.high
    if len(x) == len(low) + 1:
        x, low, high = np.repeat(x, 2)[1:-1], np.repeat(low, 2), np.repeat(high, 2)
    known = ~(np.isnan(low) | np.isnan(high))
    pieces = []
    for run in _runs(known):
        px = chart.x.place(x[run]) * SIZE
        top = SIZE - chart.y.place(high[run]) * SIZE
        bottom = SIZE - chart.y.place(low[run]) * SIZE
        forth = "L".join(f"{a:.0f} {b:.0f}" for a, b in zip(px, top, strict=True))
        back = "L".join(f"{a:.0f} {b:.0f}" for a, b in zip(px[::-1], bottom[::-1], strict=True))
        pieces.append(f"M{forth}L{back}Z")
    faint = " band" if mark.faint else ""
    return f'<path class="area{faint} c-{mark.colour}" d="{"".join(pieces)}"/>'


def _path(chart: Chart, x: Array, y: Array) -> str:
    pieces = []
    for run in _runs(~np.isnan(y)):
        px = chart.x.place(x[run]) * SIZE
        py = SIZE - chart.y.place(y[run]) * SIZE
        points = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(px, py, strict=True))
        pieces.append(f"M{points}" if len(px) > 1 else f"M{points}h0")
    return "".join(pieces).replace(".0 ", " ").replace(".0L", "L")


def _runs(known: NDArray[np.bool_]) -> list[slice]:
    """Give the stretches in which all is known."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(np.int8), [0]])))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def thinned(x: Array, y: Array, most: int = MOST_POINTS) -> tuple[Array, Array]:
    """Keep the least and the highest of each of some stretches, so that nothing vanishes."""
    if len(x) <= most:
        return x, y
    groups = np.array_split(np.arange(len(x)), most // 2)
    kept: list[int] = []
    for group in groups:
        part = y[group]
        if np.isnan(part).all():
            kept.append(int(group[0]))
            continue
        kept += sorted({int(group[np.nanargmin(part)]), int(group[np.nanargmax(part)])})
    index = np.array(sorted(set(kept)))
    return x[index], y[index]
