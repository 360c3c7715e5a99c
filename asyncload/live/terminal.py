"""The live view of a run in a terminal, and its plain form for logs and pipes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

import anyio
import anyio.to_thread
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from asyncload.live.frame import frame, latency, target
from asyncload.live.waiting import stopping, time_left, waiting
from asyncload.progress import Progress
from asyncload.records.outcomes import OUTCOMES, label
from asyncload.stats import units
from asyncload.stats.live import RATE_WINDOW, LiveStats
from asyncload.stats.snapshot import ScenarioNow, Snapshot

_LOOK: Final = 0.5  # seconds between two looks at the phase, where lines are printed
_SHORTEST: Final = 0.25  # at most four frames a second: more is not seen, and costs


async def run_terminal(
    stats: LiveStats, progress: Callable[[], Progress], *, console: Console, interval: float = 0.5
) -> None:
    """Show the run in ``console`` until cancelled, then clear the view away.

    A frame is drawn every ``interval`` seconds, at most four times a second.
    Drawing and writing happen in a thread: a terminal that is stopped (Ctrl-S,
    a slow connection) never holds up the load.
    """
    interval = max(interval, _SHORTEST)
    with _silent_keys(), Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            now = progress()
            picture = Picture(stats.snapshot(now.t), now)
            await anyio.to_thread.run_sync(partial(live.update, picture, refresh=True))
            await anyio.sleep(interval)


@contextlib.contextmanager
def _silent_keys() -> Iterator[None]:
    """Keep the terminal from writing what is typed into the picture.

    The line break of an Enter would scroll it, and the next picture would
    then not cover it. Left alone when the process is in the background: to
    change the terminal from there would stop it.
    """
    keys = _keyboard()
    if keys is None:
        yield
        return
    import termios

    before = termios.tcgetattr(keys)
    silent = before.copy()
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(keys, termios.TCSANOW, silent)
    try:
        yield
    finally:
        if _keyboard() == keys:
            with contextlib.suppress(termios.error):  # it was closed
                # What was typed meanwhile is thrown away: the shell would take it for a command.
                termios.tcflush(keys, termios.TCIFLUSH)
                termios.tcsetattr(keys, termios.TCSANOW, before)


def _keyboard() -> int | None:
    """File descriptor of the terminal on stdin, when this process is in its foreground."""
    try:
        keys = sys.stdin.fileno()
        return keys if os.tcgetpgrp(keys) == os.getpgrp() else None
    except (AttributeError, OSError, ValueError):  # the first: no such thing on Windows
        return None


async def run_plain(
    stats: LiveStats, progress: Callable[[], Progress], *, console: Console, interval: float = 30.0
) -> None:
    """Print how it stands every ``interval`` seconds and when a phase begins, until cancelled."""
    printed: tuple[str, bool] | None = None
    due = 0.0
    while True:
        now = progress()
        clock = anyio.current_time()
        phase = now.phase, now.stopping
        if phase != printed or clock >= due:
            due = clock + interval if phase != printed else max(due + interval, clock)
            printed = phase
            for line in plain_lines(stats.snapshot(now.t), now):
                console.print(Text(line), soft_wrap=True)
        await anyio.sleep(min(interval, _LOOK))


class Picture:
    """A frame as something rich can draw, as wide as the terminal is at that moment."""

    def __init__(self, snapshot: Snapshot, progress: Progress) -> None:
        self.snapshot = snapshot
        self.progress = progress

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # One line less than there are, as the cursor stands below the picture.
        height = max(console.height - 1, 1)
        for line in frame(self.snapshot, self.progress, options.max_width, height):
            for text, style in line:
                yield Segment(text, console.get_style(style) if style else None)
            yield Segment.line()


def plain_lines(snapshot: Snapshot, progress: Progress) -> Iterable[str]:
    """Write the moment as lines of text.

    In the setup, what it does; during the load a line for each scenario;
    after it what is waited for; and in both the totals of the jobs. Nothing
    when the run is over: then there is a table.
    """
    if progress.phase == "done":
        return
    start = f"{units.clock(progress.t):>6} {progress.phase:<5}  "
    if progress.phase == "setup":
        yield f"{start}{units.one_line(progress.doing)}".rstrip()
        return
    if progress.stopping:
        yield start + stopping(snapshot, progress)
    elif progress.phase == "drain":
        yield f"{start}{waiting(snapshot, progress)}, {time_left(progress)}"
    if progress.phase == "load":
        for scenario in snapshot.scenarios:
            parts = _plain_parts(scenario, progress.has_jobs)
            if len(snapshot.scenarios) > 1:
                parts.insert(0, units.one_line(scenario.name))
            yield start + "  ".join(parts)
    if progress.has_jobs and snapshot.ledger is not None:
        yield job_totals(snapshot)
    failing = [one for one in progress.thresholds if one.result == "fail"]
    for threshold in failing:
        yield f"{start}✗ {units.one_line(threshold.text)}: {threshold.measured}"


def job_totals(snapshot: Snapshot) -> str:
    """Write the totals of the jobs as one line: the seven of OversightML's load test.

    Beside them stand those that make the totals add up, where there are any.
    """
    ledger = snapshot.ledger
    assert ledger is not None
    counts = [
        (ledger.submitted, "sent", True),
        (ledger.backlog, "in progress", True),
        (ledger.ended, "processed", True),
        (ledger.succeeded, "succeeded", True),
        (ledger.failed, "failed", True),
    ]
    counts += [
        (getattr(ledger, counter), label(counter), False)
        for counter in OUTCOMES
        if counter not in {"succeeded", "failed"}
    ]
    parts = [f"{units.count(number)} {what}" for number, what, always in counts if number or always]
    parts += [units.amount(snapshot.size, "B"), units.amount(snapshot.pixels, "px")]
    return f"{units.clock(snapshot.t):>6} jobs   " + "  ".join(parts)


def _plain_parts(scenario: ScenarioNow, has_jobs: bool) -> list[str]:
    parts = [f"target {target(scenario)}"]
    if scenario.model == "closed":
        parts[0] += " users"
    parts.append(f"rate {units.rate(scenario.rate)} over {RATE_WINDOW} s")
    parts.append(f"in flight {units.count(scenario.in_flight)}")
    if has_jobs:
        parts.append(f"backlog {units.count(scenario.backlog)}")
        parts.append(f"submit p95 {latency(scenario.submit.p95)}")
        parts.append(
            f"job p50 {units.seconds(scenario.job.p50)} p95 {units.seconds(scenario.job.p95)}"
        )
    else:
        parts.append(f"p50 {latency(scenario.submit.p50)} p95 {latency(scenario.submit.p95)}")
    parts.append(f"failed {units.count(scenario.failed + scenario.jobs_failed)}")
    parts.append(f"dropped {units.count(scenario.dropped)}")
    return parts
