"""``asyncload run``."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from pathlib import Path

import anyio
import click
from rich.console import Console

from asyncload.api import LoadTest, Result, make_config
from asyncload.commands.loop import Output, run_loop
from asyncload.live.terminal import run_plain, run_terminal
from asyncload.report.table import print_summary


def run_command(
    path: Path, *, overrides: Sequence[str] = (), log: Path | None = None, quiet: bool = False
) -> int:
    """Run the config at ``path``; return the exit code."""
    console = Output()
    test = LoadTest(make_config(path, overrides=overrides, log=log))

    async def watched() -> Result | None:
        return await _run_watched(test, console, quiet=quiet)

    result = run_loop(watched)
    if result is None:
        click.echo("asyncload: stopped before the load began; nothing was sent", err=True)
        return 130
    print_summary(
        result.summary,
        result.thresholds,
        console,
        log_path=result.log,
        artifacts=result.files,
        notes=test.stats.snapshot(result.summary.t).notes,
        interrupted=result.interrupted,
        problems=result.problems,
    )
    if not console.is_terminal:  # the table with its problems went to a file
        for problem in result.problems:
            click.echo(f"asyncload: {problem}", err=True)
    return result.exit_code


async def _run_watched(test: LoadTest, console: Console, *, quiet: bool) -> Result | None:
    """Run the test with a live view beside it and Ctrl-C in hand."""
    result: Result | None = None
    async with anyio.create_task_group() as group:
        await group.start(_mind_signals, test, console.is_terminal and not quiet)
        if not quiet:
            group.start_soon(_view, test, console)
        try:
            result = await test.run()
        except asyncio.CancelledError:
            if not test.interrupted:
                raise
        group.cancel_scope.cancel()
    return result


async def _view(test: LoadTest, console: Console) -> None:
    view = run_terminal if console.is_terminal else run_plain
    with contextlib.suppress(Exception):  # whatever ails the terminal, the run goes on
        await view(test.stats, test.progress, console=console)


async def _mind_signals(
    test: LoadTest, drawn: bool, *, task_status: anyio.abc.TaskStatus[None]
) -> None:
    """Ctrl-C once: stop the load, drain, report. Twice: stop now, still report.

    ``drawn``: there is a live view on a terminal.
    """
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            if test.interrupted:
                test.abort()
                continue
            loading = test.progress().phase != "setup"
            test.stop()
            # A live view says so itself; text between its frames would tear it.
            if loading and not drawn:
                with contextlib.suppress(OSError):
                    click.echo(
                        "stopping: waiting for open jobs; Ctrl-C again to stop now", err=True
                    )
