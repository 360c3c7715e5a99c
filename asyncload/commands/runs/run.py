"""``asyncload run``."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import anyio
import click
from rich.console import Console
from rich.text import Text

from asyncload.api import make_config
from asyncload.commands.loop import Output, run_loop
from asyncload.commands.runs.advise import advise_before
from asyncload.commands.runs.baseline import (
    check_comparable,
    compare_result,
    exit_code,
    read_baseline,
)
from asyncload.commands.runs.exports import Exports, worse
from asyncload.compare.limits import Limits
from asyncload.compare.pairing import NO_LIMITS
from asyncload.compare.table import print_comparison
from asyncload.cost.preview import bill_line, estimate_line, is_billed
from asyncload.errors import AsyncloadError, StoppedError
from asyncload.live.terminal import job_totals, run_plain, run_terminal
from asyncload.load_test import LoadTest
from asyncload.process import WayOut, leave_terminal, say, stop_signals
from asyncload.records.record import Tee
from asyncload.result import Result

_STOPPING: Final[dict[str, str]] = {"load": "waiting for", "drain": "no longer waiting for"}
"""What Ctrl-C does, by the phase in which it comes."""
_OPEN: Final = {True: "open jobs", False: "open requests"}
"""What is waited for, by whether there are jobs."""


def run_command(
    source: Path | Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    log: Path | None = None,
    csv: str | None = None,
    baselines: Sequence[Path] = (),
    limits: Limits = NO_LIMITS,
    exports: Exports,
    quiet: bool = False,
) -> int:
    """Run a config, compare it with ``baselines``, and return the exit code.

    ``source`` is the file with the config, or its content.
    """
    console = Output()
    began = time.monotonic()
    name = source.stem if isinstance(source, Path) else str(source.get("name", "run"))
    try:
        sinks = Tee()
        config = make_config(source, overrides=overrides, log=log)
        test = LoadTest(config, csv=csv, sink=sinks)
        before = None
        if baselines:
            check_comparable(config)
            names = (name, config.plan.name, Path(config.log).stem)
            before = read_baseline(baselines, names)
        exports.begin(name)
        exports.follow(test, sinks)
        result = run_test(test, console, quiet=quiet)
    except AsyncloadError as problem:
        exports.failed(name, problem, time.monotonic() - began)
        exports.write()
        raise
    if result is None:
        return 130
    took = time.monotonic() - began
    code, compared = result.exit_code, None
    if before is not None:
        comparison = compare_result(before, result, limits)
        if comparison is not None:
            console.print()
            print_comparison(comparison, console)
        code = exit_code(code, comparison)
        compared = comparison, code
    exports.add(name, result, took, seed=config.plan.seed, compared=compared)
    return worse(code, exports.write())


def run_test(test: LoadTest, console: Console, *, quiet: bool) -> Result | None:
    """Carry out a test in view, and print what came of it.

    ``None`` when it was stopped before its load began. Raises what
    :meth:`LoadTest.run` raises.
    """
    # What nobody is charged for needs no estimate; nor does what nothing is known of.
    estimate = test.estimate()
    billed = bool(estimate.scenarios) and is_billed(test.config.aws)
    if billed and not quiet:
        console.print(estimate_line(estimate), soft_wrap=True)
    advise_before(test)

    result: Result | None = None

    async def watched() -> None:
        nonlocal result
        result = await _run_watched(test, console, quiet=quiet)

    try:
        run_loop(watched)
    except KeyboardInterrupt:  # one more, while the loop was being closed
        if result is None:
            raise
    if result is None:
        say("stopped before the load began; nothing was sent")
        return None
    end = test.stats.snapshot(result.summary.t)
    if not (quiet or console.is_terminal or end.ledger is None):
        console.print(Text(job_totals(end)), soft_wrap=True)
    result.print_table(console)
    if billed:
        line = bill_line(result.summary, result.calls, estimate)
        console.print(line, soft_wrap=True)
    if not console.is_terminal:  # the table with its problems went to a file
        for problem in result.problems:
            say(problem)
    return result


async def _run_watched(test: LoadTest, console: Console, *, quiet: bool) -> Result | None:
    """Run the test with a live view beside it and Ctrl-C in hand."""
    result: Result | None = None
    async with anyio.create_task_group() as group:
        await group.start(_mind_signals, test, console.is_terminal and not quiet)
        if not quiet:
            group.start_soon(_view, test, console)
        try:
            result = await test.run()
        except StoppedError:
            if not test.interrupted:
                raise
        group.cancel_scope.cancel()
    # Whoever presses Ctrl-C once too often gets the report all the same, and a shell that goes
    # away says so twice. Any other signal ends the command as Ctrl-C does, and not at once: the
    # loop has left them at what the system does.
    ignored = (signal.SIGINT, signal.SIGHUP) if test.interrupted else ()
    for number in stop_signals():
        signal.signal(number, signal.SIG_IGN if number in ignored else signal.default_int_handler)
    return result


async def _view(test: LoadTest, console: Console) -> None:
    with contextlib.suppress(Exception):  # whatever ails the terminal, the run goes on
        if console.is_terminal:
            await run_terminal(test.stats, test.progress, console=console)
        else:
            interval = test.config.stats_interval
            await run_plain(test.stats, test.progress, console=console, interval=interval)


async def _mind_signals(
    test: LoadTest, drawn: bool, *, task_status: anyio.abc.TaskStatus[None]
) -> None:
    """Ctrl-C once: stop the load, drain, report. Twice: stop now, still report.

    When the load is over already, the first one ends the drain: there is
    nothing else that it could stop. The fourth ends the process, whatever it waits for.
    ``drawn``: there is a live view on a terminal.
    """
    with anyio.open_signal_receiver(*stop_signals()) as signals, WayOut(test):
        task_status.started()
        async for number in signals:
            if number == signal.SIGHUP:
                leave_terminal()
                if test.interrupted:  # the shell says it, and so does the system
                    continue
            if test.interrupted:
                test.abort()
                continue
            progress = test.progress()
            if progress.phase == "drain":
                test.give_up()
            else:
                test.stop()
            # A live view says so itself; text between its frames would tear it.
            if progress.phase in _STOPPING and not drawn:
                waiting = f"{_STOPPING[progress.phase]} {_OPEN[progress.has_jobs]}"
                with contextlib.suppress(OSError):
                    click.echo(f"stopping: {waiting}; Ctrl-C again to stop now", err=True)
