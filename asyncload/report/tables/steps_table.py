"""The part of the final table about clients that become more, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from asyncload.report.tables.layout import Row, fitted, indented, print_rows
from asyncload.stats import units
from asyncload.stats.steps import SETTLING, StepMetrics, largest_steady

_LEFT: Final = ["clients", "expected", "achieved", "success"]
_RIGHT: Final = ["p50", "p95", "steady"]


def print_steps(steps: Sequence[StepMetrics], console: Console) -> None:
    """Print a row for each step, and below those of a scenario its largest steady rate."""
    scenarios = list(dict.fromkeys(step.scenario for step in steps))
    for scenario in scenarios:
        console.print()
        heading = Text("Steps", "bold")
        if len(scenarios) > 1:
            heading.append(f"  {units.one_line(scenario)}", "not bold cyan")
        aside = f"without the first {SETTLING:g} s of each, or its first quarter"
        console.print(heading.append(f"  {aside}", "not bold dim"))
        mine = [step for step in steps if step.scenario == scenario]
        rows = [_row(step) for step in mine]
        print_rows(fitted(_LEFT, _RIGHT, rows, console.width), rows, console)
        indented(_verdict(mine), console)


def _row(step: StepMetrics) -> Row:
    kept_up = step.steady is not False
    left = [
        Text(units.count(step.clients)),
        Text(units.rate(step.expected)),
        Text(units.rate(step.achieved)),
        Text(units.percent(step.success)),
    ]
    right = [
        Text(units.seconds(step.p50)),
        Text(units.seconds(step.p95), "bold"),
        Text("cut short", "dim")
        if step.steady is None
        else Text("yes" if kept_up else "no", "green" if kept_up else "bold red"),
    ]
    return Row(Text(f"from {units.clock(step.start)}", "cyan"), left, right)


def _verdict(steps: Sequence[StepMetrics]) -> Text:
    best = largest_steady(steps)
    if best is None:
        return Text("no step was steady", "bold red")
    text = Text("largest steady rate ").append(units.rate(best.achieved), "bold")
    text.append(f" with {units.counted(best.clients, 'client')}")
    return text.append(f", {units.rate(best.expected)} expected", "dim")
