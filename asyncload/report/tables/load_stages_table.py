"""The part of the final table about clients that become more, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from asyncload.report.tables.layout import Row, fitted, indented, print_rows
from asyncload.stats import units
from asyncload.stats.load_stages import SETTLING, StageMetrics, largest_steady

_LEFT: Final = ["clients", "expected", "achieved", "success"]
_RIGHT: Final = ["p50", "p95", "steady"]


def print_load_stages(stages: Sequence[StageMetrics], console: Console) -> None:
    """Print a row for each stage, and below those of a scenario its largest steady rate."""
    scenarios = list(dict.fromkeys(stage.scenario for stage in stages))
    for scenario in scenarios:
        console.print()
        heading = Text("Load stages", "bold")
        if len(scenarios) > 1:
            heading.append(f"  {units.one_line(scenario)}", "not bold cyan")
        aside = f"without the first {SETTLING:g} s of each, or its first quarter"
        console.print(heading.append(f"  {aside}", "not bold dim"))
        mine = [stage for stage in stages if stage.scenario == scenario]
        rows = [_row(stage) for stage in mine]
        print_rows(fitted(_LEFT, _RIGHT, rows, console.width), rows, console)
        indented(_verdict(mine), console)


def _row(stage: StageMetrics) -> Row:
    kept_up = stage.steady is not False
    left = [
        Text(units.count(stage.clients)),
        Text(units.rate(stage.expected)),
        Text(units.rate(stage.achieved)),
        Text(units.percent(stage.success)),
    ]
    right = [
        Text(units.seconds(stage.p50)),
        Text(units.seconds(stage.p95), "bold"),
        Text("cut short", "dim")
        if stage.steady is None
        else Text("yes" if kept_up else "no", "green" if kept_up else "bold red"),
    ]
    return Row(Text(f"from {units.clock(stage.start)}", "cyan"), left, right)


def _verdict(stages: Sequence[StageMetrics]) -> Text:
    best = largest_steady(stages)
    if best is None:
        return Text("no stage was steady", "bold red")
    text = Text("largest steady rate ").append(units.rate(best.achieved), "bold")
    text.append(f" with {units.counted(best.clients, 'client')}")
    return text.append(f", {units.rate(best.expected)} expected", "dim")
