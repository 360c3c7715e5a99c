"""A comparison of two runs as tables in the terminal, and as the messages that its files have too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from asyncload.compare.comparison import METRICS, Change, Comparison, Metric, Row, Verdict
from asyncload.compare.verdicts import ROUNDED, UNSURE
from asyncload.report.tables.layout import Row as Line
from asyncload.report.tables.layout import fitted, indented, plain_table, print_rows, shortened
from asyncload.stats import units

MARKS: Final[dict[Verdict, str]] = {"worse": "✗", "better": "✓", "same": "=", "cannot tell": "?"}
NEVER: Final = "never"
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
    both = [row for row in comparison.rows if not only_in(row)]
    if both:
        shown = worst_first(both)[:MAX_ROWS]
        _print_marks([row for row in both if row in shown], console)
        _print_hidden(len(both) - len(shown), console)
        _print_changes(shown, console)
    _print_unknown(both, console)
    _print_one_sided(comparison, console)
    if comparison.ignored:
        names = ", ".join(units.one_line(name) for name in comparison.ignored)
        console.print()
        console.print(Text("Ignored  ", "bold").append(names, "not bold"))
    for remark in comparison.all_remarks:
        console.print(Text(units.one_line(remark), "yellow"))
    console.print()
    console.print(Text(f"Thresholds  {limits_text(comparison)}", "dim"))
    style = {0: "bold green", 1: "bold red"}.get(comparison.exit_code, "bold yellow")
    console.print(Text(conclusion_text(comparison), style))


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
        name = Text(f"{'  ' if file else ''}{label(row)}", "cyan")
        lines.append(Line(name, cells[:_HALF], cells[_HALF:]))
    legend = "  ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items())
    console.print(Text("Changes", "bold").append(f"  {legend}", "not bold dim"))
    halves = fitted(list(METRICS[:_HALF]), list(METRICS[_HALF:]), lines, console.width)
    print_rows(halves, lines, console)


def _mark(change: Change) -> Text:
    text = change_text(change.metric, change.change, short=True)
    return Text(f"{MARKS[change.verdict]} {text:>{_CHANGE}}", _STYLES[change.verdict])


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
        counts = f"  {counts_text(row)}"
        room = max(console.width - len(counts) - 2 * _INDENT, _SHORTEST)
        name = shortened(Text(full_label(row), "cyan"), room)
        indented(name.append(counts, "dim"), console)
        columns = [("", "left"), ("", "right"), ("", "left"), ("", "right"), ("", "left")]
        table = plain_table([("", "left"), *columns], header=False)
        for change in changes[:left]:
            style = _STYLES[change.verdict]
            table.add_row(
                Text(),
                Text(f"{MARKS[change.verdict]} {change.metric}", style),
                Text(value_text(change.metric, change.baseline)),
                Text(f"→ {value_text(change.metric, change.candidate)}"),
                Text(change_text(change.metric, change.change), style),
                Text(interval_text(change), "dim"),
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
                found.setdefault((change.reason, change.metric), []).append(full_label(row))
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
        rows = [row for row in comparison.rows if only_in(row) == side]
        names = [full_label(row) for row in rows]
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


def value_text(metric: Metric, number: float | None) -> str:
    """Write a metric's value."""
    if number is None:
        return units.NO_VALUE
    if metric == "failures":
        return units.percent(number)
    if metric == "rate":
        return units.rate(number)
    return NEVER if number == math.inf else units.seconds(number)


def change_text(metric: Metric, share: float | None, *, short: bool = False) -> str:
    """Write a change: ``+12.3 %``, ``−0.50 pp`` (percentage points), ``×12.3``, ``never``."""
    if share is None:
        return ""
    if share == math.inf:
        return NEVER
    if metric == "failures":
        return f"{_signed(100 * share, short=short)} pp"
    if share >= 9:
        return f"×{units.digits(1 + share)}"
    return f"{_signed(100 * share, short=short)} %"


def interval_text(of: Change) -> str:
    """Write where a change lies; empty where nothing tells."""
    if of.low is None or of.high is None or of.low == math.inf:
        return ""
    return f"{change_text(of.metric, of.low)} to {change_text(of.metric, of.high)}"


def verdict_text(of: Change) -> str:
    """Write a verdict, and why or with what restriction it is one."""
    return f"{of.verdict}: {of.reason}" if of.reason else of.verdict


def label(row: Row) -> str:
    """Write the name of a row on one line."""
    return units.one_line(row.label) or "(no name)"


def full_label(row: Row) -> str:
    """Write the name of a row with that of its file."""
    return f"{units.one_line(row.file)}: {label(row)}" if row.file else label(row)


def counts_text(row: Row) -> str:
    """Write how many requests, or jobs, the numbers of a row are of."""
    things = "jobs" if row.type == "JOB" else "requests"
    return (
        f"{units.count(row.baseline_count or 0)} → {units.count(row.candidate_count or 0)} {things}"
    )


def only_in(row: Row) -> str:
    """Say which side a row is missing on; empty where it is on both."""
    if row.baseline_count is None:
        return "candidate"
    return "baseline" if row.candidate_count is None else ""


def limits_text(comparison: Comparison) -> str:
    """Write the thresholds: ``average, median 10 %; failures 1 pp; times by more than 1 ms``."""
    groups: dict[str, list[str]] = {}
    for metric in METRICS:
        groups.setdefault(_limit_text(metric, comparison.thresholds[metric]), []).append(metric)
    texts = [f"{', '.join(metrics)} {limit}" for limit, metrics in groups.items()]
    texts += [
        f"{one.metric} for {units.one_line(one.name)} {_limit_text(one.metric, one.threshold)}"
        for one in comparison.by_name
    ]
    if comparison.floor:
        texts.append(f"times by more than {units.seconds(comparison.floor)}")
    return "; ".join(texts)


def _limit_text(metric: Metric, share: float) -> str:
    return f"{100 * share:g} {'pp' if metric == 'failures' else '%'}"


def conclusion_text(comparison: Comparison) -> str:
    """Say what the comparison comes to."""
    worse, better, same, unknown = (
        comparison.count(verdict) for verdict in ("worse", "better", "same", "cannot tell")
    )
    invalid = comparison.invalid
    if not comparison.is_known:
        why = f", for a run is invalid ({'; '.join(invalid)})" if invalid else ""
        return f"nothing could be told{units.one_line(why)}"
    rest = [
        f"{units.count(number)} {text}"
        for number, text in ((better, "better"), (same, "the same"), (unknown, "cannot be told"))
        if number
    ]
    if invalid:
        rest.append(f"{units.counted(len(invalid), 'run')} invalid")
    total = units.counted(worse + better + same + unknown, "metric")
    first = f"{units.count(worse)} of {total} {'is' if worse == 1 else 'are'} worse"
    return ", ".join([first if worse else "nothing is worse", *rest])


def _signed(number: float, *, short: bool) -> str:
    """Write a number with its sign: one decimal less in ``short``."""
    size = abs(number)
    places = 2 if size < 9.995 else 1 if size < 99.95 else 0
    text = f"{size:,.{max(places - short, 0)}f}"
    if not text.strip("0."):
        return "0"
    return f"{'+' if number > 0 else '−'}{text}"
