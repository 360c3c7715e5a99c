"""How thresholds came out, and what the run proves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from asyncload.report.tables.layout import plain_table
from asyncload.stats import units
from asyncload.verdict.thresholds import Outcome, ThresholdResult
from asyncload.verdict.verdict import Reason, Verdict

_MARKS: Final[dict[Outcome, tuple[str, str]]] = {
    "pass": ("✓", "green"),
    "fail": ("✗", "bold red"),
    "inconclusive": ("?", "yellow"),
}
_STYLES: Final = {"invalid": "bold red", "failed": "bold red", "inconclusive": "yellow"}


def print_thresholds(thresholds: Sequence[ThresholdResult], console: Console) -> None:
    """Print each threshold with its value, the samples behind it, and why it did not pass."""
    if not thresholds:
        return
    table = plain_table([("", "left"), ("", "left"), ("", "right"), ("", "left")], header=False)
    for result in thresholds:
        mark, style = _MARKS[result.result]
        repeated = {"", result.measured, f"it is {result.measured}"}
        reason = "" if result.reason in repeated else result.reason
        if result.window is not None:
            window = f"at {units.clocks(*result.window)}, the worst"
            reason = f"{window}: {reason}" if reason else window
        explained = Text(reason, "" if result.result == "pass" else style)
        table.add_row(Text(mark, style), Text(result.text), Text(result.measured, style), explained)
    console.print(table)


def print_verdict(verdict: Verdict, console: Console) -> None:
    """Print the reasons of a verdict that are not elsewhere in the report, with what to do."""
    reasons = [reason for reason in verdict.reasons if not _stands_elsewhere(reason)]
    if not reasons:
        return
    console.print()
    for reason in reasons:
        style = _STYLES[reason.weight]
        console.print(Text.assemble((reason.code, style), ": ", units.one_line(reason.text)))
        console.print(Text(f"  {reason.remedy}", "dim"))


def _stands_elsewhere(reason: Reason) -> bool:
    return "threshold" in reason.evidence  # in the table of thresholds
