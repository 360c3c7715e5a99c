"""``asyncload calibrate``, and what a certificate says before a run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import anyio
import click
from rich.console import Console
from rich.status import Status

from asyncload.calibration.certificate import (
    Certificate,
    certificate_path,
    read_certificate,
    write_certificate,
)
from asyncload.calibration.certificate_table import print_certificate
from asyncload.calibration.top_rate import Say
from asyncload.commands.loop import Output, run_loop
from asyncload.errors import ConfigError
from asyncload.process import stop_signals
from asyncload.records.files import cannot_write, check_place


def calibrate_command(*, quick: bool, show: bool, output: Path | None) -> int:
    """Measure this machine, print its certificate and save it; or ``show`` the saved one.

    Returns the exit code.
    """
    console = Output()
    path = certificate_path()
    if show:
        certificate = read_certificate(path)
        if output is not None:
            write_certificate(certificate, output)
        print_certificate(certificate, console)
        console.print(f"\n{path}", soft_wrap=True)
        return 0
    places = [path, *([] if output is None else [output])]
    for place in places:
        _check(place)
    made = _measured(console, quick=quick)
    if made is None:
        click.echo("asyncload: interrupted; nothing was saved", err=True)
        return 130
    print_certificate(made, console)
    console.print()
    for place in places:
        write_certificate(made, place)
        console.print(str(place), soft_wrap=True)
    return 0


def _measured(console: Console, *, quick: bool) -> Certificate | None:
    """Calibrate in view; ``None`` when it was interrupted."""
    from asyncload.calibration.procedure import calibrate

    made: Certificate | None = None

    async def watched() -> None:
        nonlocal made
        async with anyio.create_task_group() as group:
            await group.start(_mind_signals, group.cancel_scope)
            made = await calibrate(quick=quick, say=say)
            group.cancel_scope.cancel()

    with _view(console) as say:
        say("calibrating")
        try:
            run_loop(watched)
        except KeyboardInterrupt:  # one more, while the loop was being closed
            return None
    return made


async def _mind_signals(
    scope: anyio.CancelScope, *, task_status: anyio.abc.TaskStatus[None]
) -> None:
    """Ctrl-C: end at once; there is nothing worth keeping of half a calibration."""
    with anyio.open_signal_receiver(*stop_signals()) as signals:
        task_status.started()
        async for _ in signals:
            scope.cancel()


@contextlib.contextmanager
def _view(console: Console) -> Iterator[Say]:
    """Show what is being done: in one line on a terminal, else a line each on stderr."""
    if console.is_terminal:
        with Status("", console=console) as status:
            yield status.update
    else:
        yield lambda text: click.echo(text, err=True)


def _check(place: Path) -> None:
    """Make sure that a file can be written, before a minute is spent on what it will hold."""
    try:
        check_place(place)
    except (OSError, ValueError) as problem:
        reason = problem if isinstance(problem, OSError) else OSError(str(problem))
        raise ConfigError(cannot_write(place, reason)) from None
