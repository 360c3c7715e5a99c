"""A search for a service's capacity in the terminal: its steps, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.text import Text

from asyncload.capacity.result import Capacity, Outcome, Scaling, Step
from asyncload.errors import ConfigError
from asyncload.records.files import cannot_write
from asyncload.report.tables.layout import Row, fitted, indented, print_rows
from asyncload.stats import units

_STYLES: Final[dict[Outcome, str]] = {
    "passed": "green",
    "close": "yellow",
    "failed": "red",
    "generator": "bold yellow",
    "broken": "bold red",
}


def step_line(step: Step) -> Text:
    """What a step came to, when it is over: one line."""
    work = "jobs" if step.jobs else "requests"
    line = Text(f"{rate(step):>9}  ").append(f"{step.outcome:<9}", _STYLES[step.outcome])
    line.append(
        f"  {units.count(step.count)} {work} in {step.duration:g} s, "
        f"p95 {_time(step, step.latency.p95)}"
    )
    if step.reasons:
        line.append(f"; {units.one_line('; '.join(step.reasons))}", "dim")
    if step.outcome == "close" and step.attempt == 1:
        line.append("; once more", "dim")
    return line


def print_capacity(capacity: Capacity, console: Console, *, files: Sequence[Path] = ()) -> None:
    """Print the curve, the knee, the scaling target and the answer."""
    if capacity.steps:
        _print_curve(capacity, console)
    if capacity.knee is not None:
        knee = f"The knee of p95 latency is at {capacity.knee:.4g}/s (Kneedle)"
        text = f"{knee}: beyond it latency rises faster than the rate."
        console.print(Text(text), soft_wrap=True)
    if capacity.scaling is not None:
        _print_scaling(capacity.scaling, console)
    style = {0: "bold green", 1: "bold red"}.get(capacity.exit_code, "bold yellow")
    console.print(Text(capacity.sentence, style), soft_wrap=True)
    for path in files:
        console.print(str(path), soft_wrap=True)


def write_json(capacity: Capacity, path: Path) -> None:
    """Write the result as JSON (``docs/capacity.md``). Raises :class:`ConfigError`."""
    content = msgspec.json.format(msgspec.json.encode(capacity.to_dict()), indent=2)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content + b"\n")
    except OSError as problem:
        raise ConfigError(cannot_write(path, problem)) from None


def rate(step: Step) -> str:
    """The rate of a step as it was asked for."""
    return f"{step.rate:.4g}/s"


def _print_curve(capacity: Capacity, console: Console) -> None:
    steps = sorted(capacity.steps, key=lambda step: (step.rate, step.attempt))
    jobs = any(step.jobs for step in steps)
    drains = any(step.drain_rate is not None for step in steps) and jobs
    errors = any(step.failed for step in steps)
    rows = []
    for step in steps:
        left = [
            Text(f"{step.duration:g} s"),
            Text(units.count(step.count)),
            Text(units.rate(step.ended) if step.count else units.NO_VALUE),
        ]
        if errors:
            share = step.failed / max(step.count, step.failed, 1)
            left.append(Text(units.percent(share) if share else ""))
        right = [
            *(
                Text(_time(step, value))
                for value in (step.latency.p50, step.latency.p95, step.latency.p99)
            ),
            Text(units.count(step.backlog)),
        ]
        if drains:
            right.append(Text(units.rate(step.drain_rate)))
        right.append(Text(step.outcome, _STYLES[step.outcome]))
        rows.append(Row(Text(rate(step), "cyan"), left, right))
    first = ["for", "sent", "ended", *(["errors"] if errors else [])]
    second = ["p50", "p95", "p99", "open", *(["drained"] if drains else []), ""]
    console.print()
    title = "Jobs" if jobs else "Requests"
    console.print(Text(title, "bold").append("  by rate of arrivals", "not bold dim"))
    print_rows(fitted(first, second, rows, console.width), rows, console)
    console.print()


def _time(step: Step, value: float | None) -> str:
    return "never" if value is None and step.count else units.seconds(value)


def _print_scaling(target: Scaling, console: Console) -> None:
    console.print(Text("SageMaker", "bold"))
    of = "one instance" if target.instances == 1 else f"each of {target.instances} instances"
    indented(
        Text(
            "SageMakerVariantInvocationsPerInstance = MAX_RPS × SAFETY_FACTOR × 60\n"
            f"  = {target.max_rps:.4g}/s of {of} × {target.safety_factor:g} × 60 "
            f"= {target.invocations_per_instance:g}"
        ),
        console,
    )
    indented(Text("Target-tracking policy of Application Auto Scaling:", "dim"), console)
    policy = msgspec.json.format(msgspec.json.encode(target.policy), indent=2).decode()
    console.print(policy, soft_wrap=True)
    console.print()
