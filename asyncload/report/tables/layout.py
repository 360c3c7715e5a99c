"""Tables of numbers that fit the width of a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_LABEL: Final = 28  # columns a long name is cut to before a table loses columns
_SHORTEST: Final = 8  # columns of a long name, however narrow the terminal is
_NARROW: Final = 70
_SPARE: Final = {"mean", "share", "service p95"}  # columns that are left out first
_GAP: Final = 2
_METHOD: Final = re.compile(r" *(?:[A-Z]+ )?(?=/)")


class Row(NamedTuple):
    """A line of a table. A narrow terminal shows its two halves, or less, below each other."""

    label: Text
    left: list[Text]
    right: list[Text]


class Half(NamedTuple):
    """Some columns: headers, and the cells of each line."""

    headers: list[str]
    lines: list[list[Text]]


def fitted(left: list[str], right: list[str], rows: Sequence[Row], width: int) -> list[Half]:
    """Lay out one table, if need be without the columns that can be spared, or else its halves.

    Where these are too wide, too, they are taken apart: no number is ever cut.
    """
    halves = [Half(left, [row.left for row in rows]), Half(right, [row.right for row in rows])]
    spared = [_without_spare(half) for half in halves]
    label = min(max((row.label.cell_len for row in rows), default=0), _LABEL)
    for first, second in (halves, spared):
        lines = [a + b for a, b in zip(first.lines, second.lines, strict=True)]
        whole = Half(first.headers + second.headers, lines)
        if _width(whole) + label <= width - 2 * _GAP:
            return [whole]
    room = width - 2 * _GAP - min(label, _SHORTEST)
    if width >= _NARROW and all(_width(half) <= room for half in halves):
        return halves
    return [piece for half in spared for piece in _pieces(half, room)]


def print_rows(halves: Sequence[Half], rows: Sequence[Row], console: Console) -> None:
    """Print what :func:`fitted` has laid out, with the labels of ``rows``."""
    longest = max(console.width - 2 * _GAP - max(_width(half) for half in halves), _SHORTEST)
    labels = _labels([row.label for row in rows], longest)
    for index, half in enumerate(halves):
        if index:
            console.print()
        columns = [("", "left"), *((header, "right") for header in half.headers)]
        table = plain_table(columns, header=True)
        table.columns[0].max_width = longest
        for label, line in zip(labels, half.lines, strict=True):
            table.add_row(label, *line)
        indented(table, console)


def _labels(labels: Sequence[Text], width: int) -> list[Text]:
    """Shorten labels that are too long; where they could not be told apart then, they wrap."""
    short = [shortened(label, width) for label in labels]
    apart = len({label.plain for label in short}) == len({label.plain for label in labels})
    return short if apart else list(labels)


def shortened(label: Text, width: int) -> Text:
    """Cut the middle out of a label that is too long: names differ at their ends.

    Of a path everything but the end: paths of one service begin alike.
    """
    if label.cell_len <= width:
        return label
    method = _METHOD.match(label.plain)
    head = method.end() if method and method.end() < width // 2 else width // 2
    tail = max(width - 1 - head, 0)
    return Text(f"{label.plain[:head]}…{label.plain[len(label.plain) - tail :]}", label.style)


def plain_table(columns: Sequence[tuple[str, str]], *, header: bool) -> Table:
    """Make a table without lines of columns given as (header, ``left`` or ``right``)."""
    table = Table(box=None, show_header=header, header_style="dim", padding=(0, _GAP, 0, 0))
    for name, justify in columns:
        right = justify == "right"
        table.add_column(name, justify="right" if right else "left", overflow="fold", no_wrap=right)
    return table


def indented(content: Text | Table, console: Console) -> None:
    """Print ``content`` two columns from the left."""
    console.print(Padding(content, (0, 0, 0, _GAP), expand=False))


def _without_spare(half: Half) -> Half:
    kept = [i for i, header in enumerate(half.headers) if header not in _SPARE]
    return Half([half.headers[i] for i in kept], [[line[i] for i in kept] for line in half.lines])


def _pieces(half: Half, room: int) -> list[Half]:
    """Take columns apart into as many as fit beside each other.

    One whose header stands there twice (``max``) stays with the one before, which says of what,
    as long as both fit.
    """
    widths = _widths(half)
    starts = [0]
    for index, header in enumerate(half.headers):
        if index == starts[-1] or sum(widths[starts[-1] : index + 1]) <= room:
            continue
        previous = index - 1
        together = half.headers.count(header) > 1 and previous > starts[-1]
        fit = widths[previous] + widths[index] <= room
        starts.append(previous if together and fit else index)
    ends = [*starts[1:], len(half.headers)]
    return [
        Half(half.headers[start:end], [line[start:end] for line in half.lines])
        for start, end in zip(starts, ends, strict=True)
    ]


def _width(half: Half) -> int:
    """Width of some columns with the gaps between them."""
    return sum(_widths(half))


def _widths(half: Half) -> list[int]:
    """Width of each column, with the gap after it."""
    columns = [[cell_len(header)] for header in half.headers]
    for line in half.lines:
        for column, text in zip(columns, line, strict=True):
            column.append(text.cell_len)
    return [max(column) + _GAP for column in columns]
