"""One picture of a run: a pure function of a snapshot, the progress and the width.

Lines are lists of (text, style). They are laid out here and not by rich's
tables because a frame is drawn several times a second beside the load: this
way it costs a fraction of a millisecond.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len

from asyncload.live.lines import LABEL, Line, cut, fit
from asyncload.live.sources import source_figures
from asyncload.live.sparkline import sparkline, squeeze
from asyncload.live.troubles import thresholds, troubles
from asyncload.live.waiting import stopping, time_left, waiting
from asyncload.progress import Progress
from asyncload.records.outcomes import BESIDE, OUTCOMES, REASONS, label
from asyncload.records.record import Ledger
from asyncload.stats import units
from asyncload.stats.live import RATE_WINDOW
from asyncload.stats.snapshot import ScenarioNow, Snapshot

_PHASE_STYLES: Final = {"setup": "dim", "load": "bold cyan", "drain": "bold yellow", "done": "bold"}
_BAR: Final = 60
_BUSY: Final = 90.0  # percent of a core from which the generator itself may be the limit
_LATE: Final = 0.010  # seconds of loop lag from which it shows in the latencies


class Column(NamedTuple):
    """One column of the scenario table."""

    header: str
    width: int
    cell: Callable[[ScenarioNow], str]
    style: Callable[[ScenarioNow], str] = lambda _: ""


def frame(snapshot: Snapshot, progress: Progress, width: int, height: int) -> list[Line]:
    """Lay out what a terminal of ``width`` columns and ``height`` lines shows at one moment.

    Where that is too low, the graphs are left out first, then the end.
    """
    above = [_head(snapshot, progress, width), []]
    if progress.stopping or progress.phase == "drain":
        ends = stopping if progress.stopping else _waiting
        above[1] = [(cut(ends(snapshot, progress), width), "bold yellow")]
        above.append([])
    graphs: list[Line] = []
    below: list[Line] = []
    if snapshot.scenarios:
        above += _scenarios(snapshot.scenarios, progress.has_jobs, width)
        graphs += _graphs(snapshot, progress, width)
        below += _counters(snapshot, progress, width)
    below += thresholds(progress, width)
    below += troubles(snapshot, width)
    if len(above) + len(graphs) + len(below) > height:
        graphs = []
    return [*above, *graphs, *below][:height]


def target(scenario: ScenarioNow) -> str:
    """Write the target level with its unit: arrivals per second lately, as the rate, or users."""
    if scenario.target is None:
        return units.NO_VALUE
    if scenario.model == "closed":
        return units.count(scenario.target)
    lately = scenario.target if scenario.target_lately is None else scenario.target_lately
    return units.rate(lately) if scenario.model else units.digits(lately)


def _waiting(snapshot: Snapshot, progress: Progress) -> str:
    return f"{waiting(snapshot, progress)}; Ctrl-C ends the wait"


def _head(snapshot: Snapshot, progress: Progress, width: int) -> Line:
    left = time_left(progress) if progress.phase != "setup" else units.one_line(progress.doing)
    clock = units.clock(progress.t) if progress.phase != "setup" else ""
    if progress.phase == "load":
        clock += f" / {units.clock(progress.end)}"
    name = fit(units.one_line(progress.name), min(cell_len(progress.name), max(width // 4, 8)))
    line: Line = [(name, "bold"), ("  ", ""), (progress.phase, _PHASE_STYLES[progress.phase])]
    used = sum(cell_len(text) for text, _ in line) + len(clock) + len(left) + 8
    line.append(("  ", ""))
    bar = min(width - used, _BAR)
    if bar >= 5 and progress.phase in {"load", "drain"}:
        done = round(bar * _share_done(snapshot, progress))
        line += [("━" * done, _PHASE_STYLES[progress.phase]), ("─" * (bar - done), "dim")]
        line.append(("  ", ""))
    if clock:
        line += [(clock, ""), ("  ", "")]
    line.append((left, "dim"))
    return line


def _share_done(snapshot: Snapshot, progress: Progress) -> float:
    """Share of the load's time; in the drain, share of the jobs that are over."""
    if progress.phase == "drain" and snapshot.ledger is not None:
        ledger = snapshot.ledger
        return 1 - ledger.backlog / ledger.submitted if ledger.submitted else 1.0
    return min(max(progress.t / progress.end, 0.0), 1.0) if progress.end > 0 else 1.0


def _scenarios(scenarios: Sequence[ScenarioNow], has_jobs: bool, width: int) -> list[Line]:
    closed = any(scenario.model == "closed" for scenario in scenarios)
    load = [
        Column("target" if closed else f"target {RATE_WINDOW}s", 9 if closed else 11, target),
        Column(f"rate {RATE_WINDOW}s", 9, lambda s: units.rate(s.rate), lambda _: "bold"),
        Column("users", 7, lambda s: units.count(s.users)),
        Column("in flight", 11, lambda s: units.count(s.in_flight)),
    ]
    if has_jobs:
        load.append(Column("backlog", 9, lambda s: units.count(s.backlog), lambda _: "bold"))
    times = [
        Column("submit p50" if has_jobs else "p50", 13 if has_jobs else 9, _submit_p50),
        Column("p95", 9, lambda s: latency(s.submit.p95), lambda _: "bold"),
    ]
    if has_jobs:
        times += [
            Column("job p50", 10, lambda s: units.seconds(s.job.p50)),
            Column("p95", 9, lambda s: units.seconds(s.job.p95), lambda _: "bold"),
        ]
    failed = Column("failed", 8, lambda s: units.count(s.failed + s.jobs_failed), _red_if_failed)
    dropped = Column("dropped", 9, lambda s: units.count(s.dropped), _red_if_dropped)
    names = max(cell_len(s.name) for s in scenarios)
    layouts = (
        [[*load, *times, failed, dropped]],
        [load, [*times, failed, dropped]],
        [load, [*times, failed]],
        [load, times],
    )
    fitting = [layout for layout in layouts if _widest(layout) + min(names, 10) <= width]
    blocks = fitting[0] if fitting else layouts[-1]
    room = max(min(names, 24, width - _widest(blocks)), 4)
    lines: list[Line] = []
    for block in blocks:
        lines.append([(" " * room + "".join(f"{c.header:>{c.width}}" for c in block), "dim")])
        lines += [_row(scenario, block, room) for scenario in scenarios]
        lines.append([])
    return lines


def _submit_p50(scenario: ScenarioNow) -> str:
    return latency(scenario.submit.p50)


def latency(seconds: float | None) -> str:
    """Write a latency; ``never`` where it lies among what did not end well."""
    return "never" if seconds == math.inf else units.seconds(seconds)


def _widest(blocks: Sequence[Sequence[Column]]) -> int:
    return max(sum(column.width for column in block) for block in blocks)


def _row(scenario: ScenarioNow, block: Sequence[Column], room: int) -> Line:
    line: Line = [(fit(units.one_line(scenario.name), room), "cyan")]
    line += [
        (f"{column.cell(scenario):>{column.width}}", column.style(scenario)) for column in block
    ]
    return line


def _red_if_failed(scenario: ScenarioNow) -> str:
    return "bold red" if scenario.failed + scenario.jobs_failed else ""


def _red_if_dropped(scenario: ScenarioNow) -> str:
    return "bold red" if scenario.dropped else ""


def _graphs(snapshot: Snapshot, progress: Progress, width: int) -> list[Line]:
    series = snapshot.series
    room = width - LABEL - 16
    if room < 8 or not series.answered:
        return []
    graphs: list[tuple[str, list[float | None], Callable[[float], str], str]] = [
        ("requests/s", squeeze(series.answered, room, "mean"), units.rate, "cyan")
    ]
    if progress.has_jobs:
        graphs.append(("jobs/s", squeeze(series.jobs, room, "mean"), units.rate, "green"))
        graphs.append(("job p95", squeeze(series.job_p95, room, "max"), units.seconds, "magenta"))
    else:
        graphs.append(("p95", squeeze(series.request_p95, room, "max"), units.seconds, "magenta"))
    lines: list[Line] = []
    for name, values, format_value, style in graphs:
        top = max((value for value in values if value is not None), default=0.0)
        lines.append(
            [
                (f"{name:<{LABEL}}", "dim"),
                (sparkline(values, top), style),
                (f"  max {format_value(top)}" if top else "", "dim"),
            ]
        )
    drawn = len(graphs[0][1])
    start, end = units.clock(series.start), units.clock(series.start + len(series.answered))
    if drawn > len(start) + len(end):
        axis = start + f"{end:>{drawn - len(start)}}"
    else:
        axis = f"{start} – {end}"
    lines.append([(" " * LABEL + axis, "dim")])
    lines.append([])
    return lines


def _counters(snapshot: Snapshot, progress: Progress, width: int) -> list[Line]:
    scenarios = snapshot.scenarios
    lines = _tally(
        "requests",
        [
            _item(sum(scenario.sent for scenario in scenarios), "sent"),
            _item(sum(scenario.failed for scenario in scenarios), "failed", "red"),
            _item(sum(scenario.dropped for scenario in scenarios), "dropped", "red"),
        ],
        width,
    )
    ledger = snapshot.ledger
    if progress.has_jobs and ledger is not None:
        lines += _tally(
            "jobs",
            [
                _item(ledger.submitted, "submitted"),
                *(
                    _item(getattr(ledger, counter), label(counter), outcome.style)
                    for counter, outcome in OUTCOMES.items()
                ),
                (_give_up_reasons(ledger), "red"),
                _item(ledger.backlog, "open"),
                *(
                    _item(getattr(ledger, counter), what.live[0], "yellow", what.live[1])
                    for counter, what in BESIDE.items()
                    if what.live is not None
                ),
            ],
            width,
        )
    if (system := snapshot.system) is not None:
        cpu = system.cpu or 0.0
        cpu_style = "bold red" if cpu >= _BUSY else ""
        lag_style = "bold red" if (system.loop_lag or 0.0) >= _LATE else ""
        lines.append(
            [
                (f"{'generator':<{LABEL}}", "dim"),
                (f"cpu {cpu:.0f} %", cpu_style),
                (", ", "dim"),
                (f"loop late by {units.seconds(system.loop_lag)}", lag_style),
            ]
        )
    for source in snapshot.sources:
        name = cut(units.one_line(source.host), LABEL - 1)
        text = cut(source_figures(source, snapshot.t), max(width - LABEL, 8))
        lines.append([(fit(name, LABEL), "dim"), (text, "")])
    return lines


def _item(number: int, what: str, style: str = "", many: str = "") -> tuple[str, str]:
    """Write a number and what it counts; nothing when it is 0."""
    if not number:
        return "", style
    return units.counted(number, what, many or what), style


def _give_up_reasons(ledger: Ledger) -> str:
    """Write what is known of the jobs timed out and lost: ``of them 2 rejected + 1 stuck``."""
    parts = [(getattr(ledger, counter), label(counter)) for counter in REASONS]
    known = " + ".join(f"{units.count(number)} {what}" for number, what in parts if number)
    return f"of them {known}" if known else ""


def _tally(label: str, items: Sequence[tuple[str, str]], width: int) -> list[Line]:
    """Write what there is in a row, on several lines if need be."""
    lines: list[Line] = [[(f"{label:<{LABEL}}", "dim")]]
    used = LABEL
    for text, style in items:
        if not text:
            continue
        if used > LABEL:
            lines[-1].append((", ", "dim"))
            if used + len(text) + 3 > width:
                lines.append([(" " * LABEL, "")])
                used = LABEL
        lines[-1].append((text, style))
        used += len(text) + 2
    if used == LABEL:
        lines[-1].append(("none yet", "dim"))
    return lines
