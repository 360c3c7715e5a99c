"""A search for a service's capacity in the terminal: its trials, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.text import Text

from asyncload.capacity.result import Capacity, Outcome, Scaling, TrialResult
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


def trial_line(trial: TrialResult) -> Text:
    """What a trial came to, when it is over: one line."""
    work = "jobs" if trial.jobs else "requests"
    line = Text(f"{rate(trial):>9}  ").append(f"{trial.outcome:<9}", _STYLES[trial.outcome])
    line.append(
        f"  {units.count(trial.count)} {work} in {trial.duration:g} s, "
        f"p95 {_time(trial, trial.latency.p95)}"
    )
    if trial.reasons:
        line.append(f"; {units.one_line('; '.join(trial.reasons))}", "dim")
    if trial.outcome == "close" and trial.attempt == 1:
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


def rate(trial: TrialResult) -> str:
    """The rate of a trial as it was asked for."""
    return f"{trial.rate:.4g}/s"


def _print_curve(capacity: Capacity, console: Console) -> None:
    trials = sorted(capacity.steps, key=lambda trial: (trial.rate, trial.attempt))
    jobs = any(trial.jobs for trial in trials)
    drains = any(trial.drain_rate is not None for trial in trials) and jobs
    errors = any(trial.failed for trial in trials)
    rows = []
    for trial in trials:
        left = [
            Text(f"{trial.duration:g} s"),
            Text(units.count(trial.count)),
            Text(units.rate(trial.ended) if trial.count else units.NO_VALUE),
        ]
        if errors:
            share = trial.failed / max(trial.count, trial.failed, 1)
            left.append(Text(units.percent(share) if share else ""))
        right = [
            *(
                Text(_time(trial, value))
                for value in (trial.latency.p50, trial.latency.p95, trial.latency.p99)
            ),
            Text(units.count(trial.backlog)),
        ]
        if drains:
            right.append(Text(units.rate(trial.drain_rate)))
        right.append(Text(trial.outcome, _STYLES[trial.outcome]))
        rows.append(Row(Text(rate(trial), "cyan"), left, right))
    first = ["for", "sent", "ended", *(["errors"] if errors else [])]
    second = ["p50", "p95", "p99", "open", *(["drained"] if drains else []), ""]
    console.print()
    title = "Jobs" if jobs else "Requests"
    console.print(Text(title, "bold").append("  by rate of arrivals", "not bold dim"))
    print_rows(fitted(first, second, rows, console.width), rows, console)
    console.print()


def _time(trial: TrialResult, value: float | None) -> str:
    return "never" if value is None and trial.count else units.seconds(value)


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
