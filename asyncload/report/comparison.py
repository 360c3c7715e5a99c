"""A comparison of two runs as tables in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from asyncload.report import comparison_words as words
from asyncload.report.table_rows import Row as Line
from asyncload.report.table_rows import fitted, indented, plain_table, print_rows, shortened
from asyncload.stats import units
from asyncload.stats.changes import ROUNDED, UNSURE
from asyncload.stats.comparison import METRICS, Change, Comparison, Row, Verdict

MAX_ROWS: Final = 50
"""Names shown; the worst when there are more."""
_MAX_CHANGES: Final = 30  # shown one by one
_MAX_LISTED: Final = 3  # names in a sentence
_STYLES: Final[dict[Verdict, str]] = {
    "worse": "bold red",
    "better": "green",
    "same": "",
    "cannot tell": "yellow",
}
_INDENT: Final = 2
_SHORTEST: Final = 8  # columns of a name, however narrow it is
_CHANGE: Final = 7  # columns of most changes: the marks stand below each other
_HALF: Final = 3  # metrics beside each other in a narrow terminal


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print what changed for each name, what is sure of it, and what it comes to."""
    for title, path in (("Baseline", comparison.baseline), ("Candidate", comparison.candidate)):
        line = Text(f"{title:<11}", "bold").append(units.one_line(path), "not bold")
        console.print(line, soft_wrap=True)
    console.print()
    both = [row for row in comparison.rows if not words.only_in(row)]
    if both:
        shown = worst_first(both)[:MAX_ROWS]
        _print_marks([row for row in both if row in shown], console)
        _print_hidden(len(both) - len(shown), console)
        _print_changes(shown, console)
    _print_unknown(both, console)
    _print_one_sided(comparison, console)
    for remark in comparison.remarks:
        console.print(Text(units.one_line(remark), "yellow"))
    console.print()
    console.print(Text(f"Thresholds  {words.limits(comparison)}", "dim"))
    style = {0: "bold green", 1: "bold red"}.get(comparison.exit_code, "bold yellow")
    console.print(Text(words.conclusion(comparison), style))


def worst_first(rows: Sequence[Row]) -> list[Row]:
    """Sort rows: those with the most that is worse first, then those with the most changed."""

    def order(row: Row) -> tuple[int, int]:
        verdicts = [change.verdict for change in row.changes]
        return -verdicts.count("worse"), -verdicts.count("better")

    return sorted(rows, key=order)


def _print_marks(rows: Sequence[Row], console: Console) -> None:
    """Print a line for each name, and what became of each of its metrics."""
    lines = []
    file = ""
    for row in rows:
        if row.file != file:
            file = row.file
            blank = [Text() for _ in range(_HALF)]
            lines.append(Line(Text(units.one_line(file), "bold"), blank, blank))
        cells = [_mark(change) for change in row.changes]
        name = Text(f"{'  ' if file else ''}{words.label(row)}", "cyan")
        lines.append(Line(name, cells[:_HALF], cells[_HALF:]))
    legend = "  ".join(f"{mark} {verdict}" for verdict, mark in words.MARKS.items())
    console.print(Text("Changes", "bold").append(f"  {legend}", "not bold dim"))
    halves = fitted(list(METRICS[:_HALF]), list(METRICS[_HALF:]), lines, console.width)
    print_rows(halves, lines, console)


def _mark(change: Change) -> Text:
    text = words.change(change.metric, change.change, short=True)
    return Text(f"{words.MARKS[change.verdict]} {text:>{_CHANGE}}", _STYLES[change.verdict])


def _print_changes(rows: Sequence[Row], console: Console) -> None:
    """Print the numbers of what got worse or better, or may have."""
    left = _MAX_CHANGES
    hidden = 0
    if any(_is_notable(change) for row in rows for change in row.changes):
        aside = "before → after, by how much, and between what that lies"
        console.print()
        console.print(Text("Numbers", "bold").append(f"  {aside}", "not bold dim"))
    for row in rows:
        changes = [change for change in row.changes if _is_notable(change)]
        hidden += max(len(changes) - left, 0)
        if not changes[:left]:
            continue
        counts = f"  {words.counts(row)}"
        room = max(console.width - len(counts) - 2 * _INDENT, _SHORTEST)
        name = shortened(Text(words.full_label(row), "cyan"), room)
        indented(name.append(counts, "dim"), console)
        columns = [("", "left"), ("", "right"), ("", "left"), ("", "right"), ("", "left")]
        table = plain_table([("", "left"), *columns], header=False)
        for change in changes[:left]:
            style = _STYLES[change.verdict]
            table.add_row(
                Text(),
                Text(f"{words.MARKS[change.verdict]} {change.metric}", style),
                Text(words.value(change.metric, change.baseline)),
                Text(f"→ {words.value(change.metric, change.candidate)}"),
                Text(words.change(change.metric, change.change), style),
                Text(words.interval(change), "dim"),
            )
        indented(table, console)
        left -= len(changes[:left])
    _print_hidden(hidden, console)


def _is_notable(change: Change) -> bool:
    return change.verdict in {"worse", "better"} or change.reason in {UNSURE, ROUNDED}


def _print_unknown(rows: Sequence[Row], console: Console) -> None:
    """Say why nothing can be told of the metrics that have no numbers to show for it."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for change in row.changes:
            if change.verdict == "cannot tell" and not _is_notable(change):
                found.setdefault((change.reason, change.metric), []).append(words.full_label(row))
    merged: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (reason, metric), names in found.items():
        merged.setdefault((reason, tuple(names)), []).append(metric)
    if merged:
        console.print()
        console.print(Text("Cannot tell", "bold"))
    for (reason, labels), metrics in merged.items():
        who = "" if len(rows) == 1 else f" of {_listed(labels, len(rows))}"
        text = Text(f"{', '.join(metrics)}{who}: ", "yellow")
        indented(text.append(reason, "not yellow"), console)


def _listed(names: Sequence[str], of: int) -> str:
    """Name a few, and count more."""
    if len(names) == of:
        return "all names"
    return ", ".join(names) if len(names) <= _MAX_LISTED else f"{units.count(len(names))} names"


def _print_one_sided(comparison: Comparison, console: Console) -> None:
    """Name what only one side has: names, and files."""
    for side, files in (
        ("baseline", comparison.only_in_baseline),
        ("candidate", comparison.only_in_candidate),
    ):
        rows = [row for row in comparison.rows if words.only_in(row) == side]
        names = [words.full_label(row) for row in rows]
        names += [units.one_line(file) for file in files]
        if names:
            console.print()
            console.print(Text(f"Only in the {side}", "bold"))
            for name in names[:MAX_ROWS]:
                indented(Text(name, "yellow"), console)
            _print_hidden(len(names) - MAX_ROWS, console)


def _print_hidden(number: int, console: Console) -> None:
    if number > 0:
        indented(Text(f"and {units.count(number)} more", "dim"), console)
