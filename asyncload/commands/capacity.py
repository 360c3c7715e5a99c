"""``asyncload capacity``."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import anyio
import click
from rich.console import Console
from rich.status import Status
from rich.text import Text

from asyncload.api import make_config
from asyncload.capacity.result import Capacity, TrialResult, kept_as
from asyncload.capacity.search import CapacitySearch, Options
from asyncload.capacity.strategy import Trial
from asyncload.capacity.table import print_capacity, trial_line, write_json
from asyncload.commands.loop import Output, run_loop
from asyncload.commands.runs.advise import advise
from asyncload.errors import ConfigError
from asyncload.load_test import LoadTest
from asyncload.plan.duration import parse_duration
from asyncload.process import WayOut, leave_terminal, say, stop_signals
from asyncload.records.files import cannot_write, check_place
from asyncload.stats import units

_LOOK = 0.5  # seconds between two pictures of a trial


def capacity_command(
    path: Path,
    *,
    overrides: Sequence[str],
    start: float | None,
    most: float | None,
    factor: float,
    precision: str,
    step_duration: str,
    safety_factor: float,
    instances: int | None,
    log: Path | None,
    fresh: bool,
    output: Path,
    json: Path | None,
) -> int:
    """Search for the capacity of the service that the config at ``path`` loads.

    Prints each trial and the result, draws it, and returns the exit code.
    """
    options = Options(
        start=start,
        most=most,
        factor=factor,
        precision=_share("--precision", precision),
        step_duration=_seconds("--step-duration", step_duration),
        safety_factor=safety_factor,
        instances=instances,
    )
    config = make_config(path, overrides=overrides)
    for place in (json, output / f"{kept_as(config.plan.name)}.png"):
        _check(place)
    console = Output()
    view = _View(console)
    search = CapacitySearch(config, options, folder=log, fresh=fresh, observer=view)

    async def watched() -> Capacity:
        async with anyio.create_task_group() as group:
            await group.start(_mind_signals, search, view)
            group.start_soon(view.keep_up_to_date)
            result = await search.run()
            group.cancel_scope.cancel()
        return result

    view.opens(search)
    with view.drawn():
        capacity = run_loop(watched)
    files = [search.folder]
    if json is not None:
        write_json(capacity, json)
        files.append(json)
    from asyncload.capacity.plot import plot_capacity

    drawn = plot_capacity(capacity, output)
    print_capacity(capacity, console, files=[*files, *([drawn] if drawn else [])])
    return capacity.exit_code


class _View:
    """Prints each trial when it is over, and on a terminal shows the one under way."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = Status("starting", console=console)
        self._text = "starting"
        self._test: LoadTest | None = None
        self._duration = 0.0
        self._warned = False

    def opens(self, search: CapacitySearch) -> None:
        """Say what is searched for."""
        rules = "; ".join(search.rules)
        name = units.one_line(search.config.plan.name)
        self._console.print(
            Text(f"Highest rate of {name!r} with: ").append(units.one_line(rules), "bold"),
            soft_wrap=True,
        )

    @contextlib.contextmanager
    def drawn(self) -> Iterator[None]:
        """Show the trial under way, on a terminal."""
        if not self._console.is_terminal:
            yield
            return
        with self._status:
            yield

    async def keep_up_to_date(self) -> None:
        """Say where the trial under way stands, until cancelled."""
        while True:
            await anyio.sleep(_LOOK)
            if self._test is None:
                continue
            progress = self._test.progress()
            done = f"{progress.phase} {units.clock(progress.t)}"
            if progress.phase == "load":
                done += f" of {units.clock(self._duration)}"
            self._status.update(Text(f"{self._text}  {done}"))

    def stops(self) -> None:
        """Say that the search is about to end: in the line that is drawn, if there is one."""
        text = "stopping: waiting for what is open; Ctrl-C again to stop now"
        if self._console.is_terminal:
            self._text = text
            return
        with contextlib.suppress(OSError):
            click.echo(text, err=True)

    def resumed(self, started_at: str, trials: list[TrialResult]) -> None:
        """Say that an earlier search goes on."""
        kept = units.counted(len(trials), "trial")
        self._console.print(
            f"Going on with the search of {started_at}, {kept} kept; --fresh starts anew.",
            soft_wrap=True,
        )
        for number, trial in enumerate(trials, 1):
            self.ended(number, trial)

    def begins(self, number: int, trial: Trial, duration: float, test: LoadTest) -> None:
        """Begin to show a trial, and say once that this machine is not certified for its rate."""
        for advice in advise(test):
            if advice.level == "warning" and not self._warned:
                self._warned = True
                say(advice.text)
        self._test, self._duration = test, duration
        again = ", once more" if trial.attempt > 1 else ""
        self._text = f"trial {number}: {trial.rate:.4g}/s for {duration:g} s{again}"
        self._status.update(Text(self._text))

    def ended(self, number: int, trial: TrialResult) -> None:
        """Print a trial that is over."""
        self._test = None
        self._console.print(Text(f"{number:>3}").append(trial_line(trial)), soft_wrap=True)


async def _mind_signals(
    search: CapacitySearch, view: _View, *, task_status: anyio.abc.TaskStatus[None]
) -> None:
    """Ctrl-C once: stop the trial, drain, report. Twice: stop now, still report.

    The fourth ends the process, whatever it waits for.
    """
    with anyio.open_signal_receiver(*stop_signals()) as signals, WayOut(search):
        task_status.started()
        async for number in signals:
            if number == signal.SIGHUP:
                leave_terminal()
                if search.interrupted:
                    continue
            if search.interrupted:
                search.abort()
                continue
            search.stop()
            view.stops()


def _share(option: str, text: str) -> float:
    number = text.strip().removesuffix("%")
    try:
        value = float(number)
    except ValueError:
        raise ConfigError(f"{option} is {text!r}; give a percentage such as 5%") from None
    return value / 100 if "%" in text else value


def _seconds(option: str, text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as problem:
        raise ConfigError(f"{option}: {problem}") from None


def _check(place: Path | None) -> None:
    """Make sure that a file can be written, before hours are spent on what it will hold."""
    if place is None:
        return
    try:
        check_place(place)
    except (OSError, ValueError) as problem:
        reason = problem if isinstance(problem, OSError) else OSError(str(problem))
        raise ConfigError(cannot_write(place, reason)) from None
