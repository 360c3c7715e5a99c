"""The plan of a config in the terminal, before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from asyncload.config.model import AwsConfig, Config, ThresholdOptions
from asyncload.config.redact import hide_texts
from asyncload.plan.plan import Scenario, UserSpec
from asyncload.report.tables.layout import indented, plain_table
from asyncload.stats import units
from asyncload.transport.aws.endpoints import Endpoints
from asyncload.transport.error_text import hide_secrets
from asyncload.users.base_url import LOCAL
from asyncload.users.settings_source import Setting
from asyncload.verdict.thresholds import Threshold

HEIGHT: Final = 5
"""Lines of a shape's graph."""
WIDEST: Final = 100
"""Columns of a graph, at most; wider is not clearer."""
_LOOKS: Final = 100_000
"""Times at which a level is looked at: a burst of a second within a day is seen."""
_SOURCE: Final = 26
"""Columns for where a setting comes from, if it is to stand beside its value."""
_ADDRESSES: Final = {"http": "base_url", "edge": "endpoint"}
"""Kinds that do not go to AWS, and the option that says where they go."""
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"


def print_plan(
    config: Config,
    console: Console,
    settings: Sequence[Sequence[Setting]] = (),
    work: Sequence[Sequence[tuple[str, str]]] = (),
) -> None:
    """Print each scenario's shape as a graph, with arrivals, peak and end.

    ``settings`` are those of each scenario, in order, where there are any to tell of; ``work`` is
    what an iteration of each does.
    """
    plan = config.plan
    facts = _facts()
    facts.add_row("against", _targets(plan.scenarios, config))
    facts.add_row("load", _clock(plan.end))
    facts.add_row("drain", _drain(plan.drain))
    facts.add_row("seed", str(plan.seed))
    facts.add_row("log", config.log or "none")
    for index, threshold in enumerate(config.thresholds):
        facts.add_row("" if index else "thresholds", Text(_threshold(threshold)))
    if config.warmup:
        facts.add_row("warm-up", f"{_clock(config.warmup)}, left out of the figures")
    console.print(Text(plan.name, "bold"))
    console.print(facts)
    for index, scenario in enumerate(plan.scenarios):
        console.print()
        _print_scenario(scenario, console, work[index] if index < len(work) else (), config.secrets)
        if index < len(settings) and settings[index]:
            console.print()
            indented(_settings_table(settings[index], config.secrets, console.width), console)


def _threshold(given: str | ThresholdOptions) -> str:
    """Write a threshold with its limit as it is understood: 200ms is 200 ms."""
    threshold = Threshold.parse(given)
    if not threshold.abort:
        return threshold.text
    after = f" from {_clock(threshold.delay)} on" if threshold.delay else ""
    return f"{threshold.text} (ends the load when it fails{after})"


def _drain(seconds: float) -> str:
    if seconds == math.inf:
        return "until no job is open; a job's own timeout holds"
    if not seconds:
        return "none; what is still open then is given up"
    return f"up to {_clock(seconds)} more, for what is still open then"


def _targets(scenarios: Sequence[Scenario], config: Config) -> Text:
    """Say where the scenarios send, each place once."""
    places = dict.fromkeys(_target(scenario.user, config.aws) for scenario in scenarios)
    return Text(hide_texts(", ".join(places), config.secrets))


def _target(user: UserSpec, aws: AwsConfig) -> str:
    if user.kind in _ADDRESSES:
        address = str(user.options.get(_ADDRESSES[user.kind]))
        return "a simulated server" if address == LOCAL else hide_secrets(address)
    if aws.is_local:
        return "the embedded stack"
    service = "sagemaker-runtime" if user.kind.startswith("sagemaker") else "sqs"
    endpoint = Endpoints.offline(aws.endpoint_url, aws.endpoints, aws.profile).shown(service)
    if endpoint is not None:
        url = hide_secrets(endpoint.url)
        return url if endpoint.configured else f"{url} ({endpoint.source})"
    # A class of the user's own may send anywhere.
    return f"AWS, or where {user.kind} sends" if ":" in user.kind else "AWS"


def _settings_table(settings: Sequence[Setting], secrets: frozenset[str], width: int) -> Table:
    """What will be used and where it comes from: beside each other, or below where that is wide."""
    rows = [
        (
            Text(setting.name),
            Text(
                hide_texts(hide_secrets(setting.value), secrets) or "not known yet",
                "" if setting.known else "yellow",
            ),
            Text(units.one_line(setting.source), "dim"),
        )
        for setting in settings
    ]
    name, value, source = (
        max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)
    )
    if name + value + min(source, _SOURCE) + 8 <= width:
        table = plain_table([("setting", "left"), ("value", "left"), ("from", "left")], header=True)
        table.columns[1].no_wrap = True
        for row in rows:
            table.add_row(*row)
        return table
    table = plain_table([("setting", "left"), ("value, and where it is from", "left")], header=True)
    for row in rows:
        table.add_row(row[0], Text("\n").join(row[1:]))
    return table


def _print_scenario(
    scenario: Scenario,
    console: Console,
    work: Sequence[tuple[str, str]],
    secrets: frozenset[str],
) -> None:
    unit = "arrivals/s" if scenario.model == "open" else "users"
    peak = scenario.peak(scenario.end / _LOOKS)
    facts = _facts()
    facts.add_row("model", f"{scenario.model}, user {_user(scenario)}")
    for what, how in work:
        facts.add_row(what, Text(hide_texts(hide_secrets(units.one_line(how)), secrets)))
    facts.add_row("peak", f"{_level(peak)} {unit if _level(peak) != '1' else _ONE[unit]}")
    if scenario.model == "open":
        expected = units.count(scenario.expected_arrivals())
        facts.add_row("arrivals", f"{expected} expected, spaced {_SPACING[scenario.arrivals]}")
        limit = units.count(scenario.max_in_flight)
        facts.add_row("in flight", f"{limit} at most; arrivals beyond are dropped")
    facts.add_row("end", _clock(scenario.end))
    console.print(Text(scenario.name, "bold"))
    console.print(facts)
    console.print()
    console.print(graph(scenario, width=console.width, unit=unit))


_ONE: Final = {"arrivals/s": "arrival/s", "users": "user"}
_SPACING: Final = {"even": "evenly", "poisson": "at random (poisson)"}


def _user(scenario: Scenario) -> str:
    user = scenario.user
    if isinstance(user, UserSpec):
        return user.kind
    return user.__qualname__ if isinstance(user, type) else str(user)


def _facts() -> Table:
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="dim", min_width=12)
    facts.add_column(overflow="fold")
    return facts


def graph(scenario: Scenario, *, width: int, unit: str) -> Text:
    """Draw the scenario's level over time in block characters with axes.

    ``width`` is that of the whole, in columns.
    """
    top = scenario.peak(scenario.end / _LOOKS) or 1.0
    label = _level(top)
    margin = max(len(label), 6)
    columns = max(min(width, WIDEST) - margin - 3, 10)
    levels = _columns(scenario, columns)
    eighths = np.round(levels / top * HEIGHT * 8).astype(int)
    # A level over 0 is never drawn as nothing.
    eighths = np.where(levels > 0, np.clip(eighths, 1, HEIGHT * 8), 0)
    text = Text(f"{'':{margin}}  {unit}\n", no_wrap=True)
    for row in range(HEIGHT - 1, -1, -1):
        text.append(f"{label:>{margin}} ┤" if row == HEIGHT - 1 else f"{'':{margin}} │")
        fill = np.clip(eighths - row * 8, 0, 8)
        text.append("".join(_BLOCKS[one] for one in fill).rstrip(), style="cyan")
        text.append("\n")
    end = _clock(scenario.end)
    text.append(f"{0:>{margin}} └{'─' * columns}\n")
    text.append(f"{'':{margin}}  0:00{end:>{columns - 4}}")
    return text


def _columns(scenario: Scenario, columns: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Give the highest level in each column: (columns,). A narrow burst stays visible."""
    edges = np.linspace(0, scenario.end, columns + 1)
    looks = _LOOKS // columns
    times = np.linspace(edges[:-1], edges[1:], looks, endpoint=False).T.ravel()
    whole = np.asarray(scenario.shape.level(times), dtype=np.float64)
    highest: np.ndarray[tuple[int], np.dtype[np.float64]] = (
        whole.reshape(columns, looks).max(axis=1) / scenario.parts
    )
    return highest


def _level(value: float) -> str:
    return units.count(value) if value >= 1000 else f"{value:.4g}"


def _clock(seconds: float) -> str:
    whole = int(seconds)
    fraction = seconds - whole
    return units.clock(whole) + (f"{fraction:.3f}".lstrip("0") if fraction >= 0.001 else "")
