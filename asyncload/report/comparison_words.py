"""A comparison in words and numbers, as the terminal and the Markdown have it."""

from __future__ import annotations

import math
from typing import Final

from asyncload.stats import units
from asyncload.stats.comparison import METRICS, Change, Comparison, Metric, Row, Verdict

MARKS: Final[dict[Verdict, str]] = {"worse": "✗", "better": "✓", "same": "=", "cannot tell": "?"}
NEVER: Final = "never"


def value(metric: Metric, number: float | None) -> str:
    """Write a metric's value."""
    if number is None:
        return units.NO_VALUE
    if metric == "failures":
        return units.percent(number)
    if metric == "rate":
        return units.rate(number)
    return NEVER if number == math.inf else units.seconds(number)


def change(metric: Metric, share: float | None, *, short: bool = False) -> str:
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


def interval(of: Change) -> str:
    """Write where a change lies; empty where nothing tells."""
    if of.low is None or of.high is None or of.low == math.inf:
        return ""
    return f"{change(of.metric, of.low)} to {change(of.metric, of.high)}"


def verdict(of: Change) -> str:
    """Write a verdict, and why or with what restriction it is one."""
    return f"{of.verdict}: {of.reason}" if of.reason else of.verdict


def label(row: Row) -> str:
    """Write the name of a row on one line."""
    return units.one_line(row.label) or "(no name)"


def full_label(row: Row) -> str:
    """Write the name of a row with that of its file."""
    return f"{units.one_line(row.file)}: {label(row)}" if row.file else label(row)


def counts(row: Row) -> str:
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


def limits(comparison: Comparison) -> str:
    """Write the thresholds: ``average, median 10 %; failures 1 pp``."""
    groups: dict[str, list[str]] = {}
    for metric in METRICS:
        unit = "pp" if metric == "failures" else "%"
        groups.setdefault(f"{100 * comparison.thresholds[metric]:g} {unit}", []).append(metric)
    return "; ".join(f"{', '.join(metrics)} {limit}" for limit, metrics in groups.items())


def conclusion(comparison: Comparison) -> str:
    """Say what the comparison comes to."""
    worse, better, same, unknown = (
        comparison.count(verdict) for verdict in ("worse", "better", "same", "cannot tell")
    )
    if comparison.exit_code == 3:
        return "nothing could be told"
    rest = [
        f"{units.count(number)} {text}"
        for number, text in ((better, "better"), (same, "the same"), (unknown, "cannot be told"))
        if number
    ]
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
