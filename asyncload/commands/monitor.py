"""``asyncload monitor``."""

from __future__ import annotations

import math
import os
import platform
import secrets
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread
import click
from rich.console import Console
from rich.text import Text

from asyncload.commands.loop import Output, run_loop
from asyncload.config.redact import redact
from asyncload.engine.clock import RunClock
from asyncload.engine.header import make_header, set_start
from asyncload.errors import ConfigError, TargetError
from asyncload.live.sources import figures
from asyncload.monitor.gaps import Gaps
from asyncload.monitor.gpu import GpuMonitor
from asyncload.monitor.host import HostMonitor
from asyncload.monitor.remote import RemoteMonitor
from asyncload.monitor.settings import SHORTEST, MonitorSource, url_problem
from asyncload.plan.duration import Duration, parse_duration
from asyncload.process import stop_signals
from asyncload.records.log import LogWriter, check_log
from asyncload.records.record import Note, Record, Sink, SummaryRecord, System, Tee
from asyncload.report.tables.hosts_table import print_hosts
from asyncload.stats import units
from asyncload.stats.summary import SummaryFold
from asyncload.transport.error_text import hide_secrets

GRACE: Final = 2.0
"""Seconds that the last sample may take."""


def monitor_command(
    *, duration: str, url: str | None, interval: str, output: Path, log: Path | None
) -> int:
    """Print samples of this host or of ``url``, then draw them; return the exit code."""
    every = _time("--interval", interval, SHORTEST, "a time of 100ms or more")
    seconds = _time("--duration", duration, math.ulp(0.0), "a time over 0, such as 60s")
    if every > seconds:
        raise ConfigError(
            f"--interval is {interval}, longer than the --duration of {duration}; give a shorter one"
        )
    source = None
    if url is not None:
        if problem := url_problem(url):
            raise ConfigError(f"--url is {hide_secrets(url)!r}; {problem}")
        source = MonitorSource(url=url, interval=Duration(every))
    _make_folder(output)
    with tempfile.TemporaryDirectory(prefix="asyncload-") as scratch:
        path = log or Path(scratch) / "monitor.jsonl"
        watch = _Watch(source, seconds, every, path, Output())
        run_loop(watch.run)
        return watch.conclude(output, log)


def _time(option: str, text: str, least: float, wanted: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as problem:
        raise ConfigError(f"{option}: {problem}") from None
    if seconds < least:
        raise ConfigError(f"{option} is {text}; give {wanted}")
    return seconds


def _make_folder(folder: Path) -> None:
    """Make the folder for the graphs now: an hour later would be too late to say it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, os.strerror(13))
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise ConfigError(
            f"cannot write graphs to {folder}: {reason}; choose another folder"
        ) from None


class _Printer:
    """A sink that prints each sample and note as a line."""

    def __init__(self, console: Console, *, tenths: bool) -> None:
        self._console = console
        self._tenths = tenths

    def write(self, record: Record) -> None:
        if isinstance(record, System):
            text = ", ".join(figures(record)) or "no figures"
        elif isinstance(record, Note):
            text = units.one_line(record.text)
        else:
            return
        t = record.t + 0.005  # a sample may come a moment before its second
        clock = f"{t:.1f} s" if self._tenths else units.clock(t)
        self._console.print(Text(f"{clock:>8}  {text}"), soft_wrap=True)


class _Watch:
    """Samples one host for a time."""

    def __init__(
        self,
        source: MonitorSource | None,
        duration: float,
        interval: float,
        path: Path,
        console: Console,
    ) -> None:
        self._source = source
        self._duration = duration
        self._interval = interval
        self._path = path
        self._console = console
        self._fold = SummaryFold()
        self._interrupted = False
        self._problems: list[str] = []

    async def run(self) -> None:
        """Sample until the time is over or Ctrl-C."""
        async with AsyncExitStack() as stack:
            clock = RunClock()
            check_log(self._path)
            remote = first = None
            if self._source is not None:
                remote = RemoteMonitor(self._source, clock, guess=True)
                await stack.enter_async_context(remote)
                first = await self._first(remote)
            name = remote.name if remote else platform.node()
            header = make_header(secrets.token_hex(6), name, seed=0, config=self._config())
            log = LogWriter(self._path, on_error=self._problems.append)
            stack.push_async_callback(anyio.to_thread.run_sync, log.close)
            printer = _Printer(self._console, tenths=self._interval % 1 != 0)
            sink = Tee(self._fold, printer, log)
            clock.start()
            set_start(header, clock.epoch)
            log.write(header)
            self._console.print(
                Text(
                    f"monitoring {units.one_line(name)} for {self._duration:g} s, every "
                    f"{self._interval:g} s; Ctrl-C ends it sooner"
                ),
                soft_wrap=True,
            )
            if first is not None:
                sink.write(first)
            await self._until_over(clock, sink, remote)
            sink.write(SummaryRecord(clock(), self._fold.summary().to_dict()))

    async def _first(self, remote: RemoteMonitor) -> System:
        """Ask once before anything else: a wrong URL is told at once."""
        try:
            return await remote.sample()
        except TargetError as problem:
            raise TargetError(
                f"cannot monitor {hide_secrets(remote.source.address)}: {problem}; check the URL"
            ) from None

    async def _until_over(self, clock: RunClock, sink: Sink, remote: RemoteMonitor | None) -> None:
        def note(level: str, text: str) -> None:
            sink.write(Note(clock(), level, text))

        deadline = anyio.current_time() + self._duration + GRACE
        with anyio.CancelScope(deadline=deadline) as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(self._mind_signals, scope)
                if remote is not None:
                    await remote.watch(sink, note, until=self._duration)
                else:
                    await self._watch_host(clock, sink)
                group.cancel_scope.cancel()

    async def _mind_signals(self, scope: anyio.CancelScope) -> None:
        with anyio.open_signal_receiver(*stop_signals()) as signals:
            async for _ in signals:
                self._interrupted = True
                scope.cancel()

    async def _watch_host(self, clock: RunClock, sink: Sink) -> None:
        """Sample this host until the time is over."""
        gpus = await anyio.to_thread.run_sync(GpuMonitor.open)
        host = HostMonitor(Gaps(lambda level, text: sink.write(Note(clock(), level, text))))
        try:
            tick, every = 0, self._interval
            while (tick := max(tick + 1, int(clock() / every) + 1)) * every <= self._duration:
                await clock.sleep_until(tick * every)
                gpu = None
                if gpus is not None:
                    gpu = await anyio.to_thread.run_sync(gpus.sample, abandon_on_cancel=True)
                sample = host.sample()
                sink.write(
                    System(
                        clock(),
                        host.host,
                        host_cpu=sample.host_cpu,
                        gpu=gpu or None,
                        host_memory=sample.host_memory,
                        memory_total=sample.memory_total,
                        network_in=sample.network_in,
                        network_out=sample.network_out,
                    )
                )
        finally:
            host.close()
            if gpus is not None:
                gpus.close()

    def _config(self) -> dict[str, Any]:
        """Give what the log's header tells of the command."""
        section: dict[str, Any] = {"interval": self._interval}
        if self._source is not None:
            section["url"] = self._source.address
        cleaned: dict[str, Any] = redact({"duration": self._duration, "monitor": [section]})
        return cleaned

    def conclude(self, output: Path, log: Path | None) -> int:
        """Print means and maxima, draw the graphs, and return the exit code."""
        hosts = self._fold.summary().hosts
        if hosts:
            from asyncload.report.plots.run_plots import (
                plot_log,  # matplotlib: nothing for `--url` mistakes
            )

            self._console.print()
            print_hosts(hosts, self._console)
            self._console.print()
            for path in (*([log] if log else ()), *plot_log(self._path, output)):
                self._console.print(str(path), soft_wrap=True)
        else:
            self._problems.append("no sample was taken, so there is nothing to draw")
        for problem in self._problems:
            click.echo(f"asyncload: {problem}", err=True)
        if self._interrupted:
            return 130
        return 3 if self._problems else 0
