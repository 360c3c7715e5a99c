"""The run API: :func:`run` carries out a plan or config and returns its result.

:class:`LoadTest` does the same and can be watched and stopped while it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from asyncload.config.load import load_config
from asyncload.config.model import AwsConfig, Config
from asyncload.config.redact import hide_texts, redact
from asyncload.cost.estimate import Estimate, estimate
from asyncload.cost.meter import Meter
from asyncload.engine.header import resolved_plan, run_header, set_start
from asyncload.engine.run import Engine
from asyncload.engine.run_files import RunFiles
from asyncload.engine.scenario_settings import describe_settings, region_setting
from asyncload.engine.setup import request_names, resolve_user
from asyncload.errors import AsyncloadError, ConfigError, TargetError, first_of, own_error
from asyncload.local.settings import LocalSettings
from asyncload.plan.plan import Plan
from asyncload.progress import Progress
from asyncload.records.record import Sink, SummaryRecord, Tee
from asyncload.result import Result
from asyncload.stats.live import LiveStats
from asyncload.stats.thresholds import Threshold, evaluate
from asyncload.target import LOCAL_REGION, aws_of, embedded_stack, local_source
from asyncload.transport.aws.session import Aws
from asyncload.transport.error_text import describe
from asyncload.users.settings_source import AwsSource, OfflineSource, Setting, SettingsSource

if TYPE_CHECKING:
    from asyncload.local.stack.stack import LocalStack

Watch = Callable[[], Awaitable[None]]
"""Waits until the embedded stack dies, then raises TargetError."""


async def run(
    target: Plan | Config | Mapping[str, Any] | str | Path,
    *,
    overrides: Iterable[str] = (),
    aws: AwsConfig | None = None,
    local: LocalSettings | None = None,
    thresholds: Sequence[str] | None = None,
    log: str | Path | None = None,
    csv: str | None = None,
) -> Result:
    """Run a load test and return its result.

    ``target`` is a plan, a config, the path of a config file, or a dict with the content of one.
    ``overrides`` (``KEY=VALUE``, as for ``--set``) change a file or dict before it is read; the
    other arguments replace the config's settings. A plan writes a log only if ``log`` is given.
    ``csv`` is the path prefix of CSV files in Locust's format.

    Raises :class:`~asyncload.errors.ConfigError` or :class:`~asyncload.errors.TargetError` when
    the run cannot start. Later problems are in the result.
    """
    config = make_config(
        target, overrides=overrides, aws=aws, local=local, thresholds=thresholds, log=log
    )
    return await LoadTest(config, csv=csv).run()


def make_config(
    target: Plan | Config | Mapping[str, Any] | str | Path,
    *,
    overrides: Iterable[str] = (),
    aws: AwsConfig | None = None,
    local: LocalSettings | None = None,
    thresholds: Sequence[str] | None = None,
    log: str | Path | None = None,
) -> Config:
    """Make the config that :func:`run` carries out. Raises :class:`ConfigError`."""
    if isinstance(target, Plan | Config) and list(overrides):
        raise ConfigError(
            f"overrides change a config file or dict, not a {type(target).__name__}; "
            "set the values in the object itself"
        )
    if isinstance(target, Plan):
        config = Config(plan=target, log="", resolved=resolved_plan(target))
    elif isinstance(target, Config):
        config = target
    else:
        config = load_config(target, overrides=overrides)
    changes: dict[str, Any] = {"aws": aws, "local": local}
    changes["log"] = None if log is None else str(log)
    changes["thresholds"] = None if thresholds is None else tuple(thresholds)
    given = {name: value for name, value in changes.items() if value is not None}
    shown = redact(msgspec.to_builtins(given, enc_hook=float), secrets=config.secrets)
    return msgspec.structs.replace(config, **given, resolved={**config.resolved, **shown})


class LoadTest:
    """One run that can be watched (``stats``, :meth:`progress`) and stopped.

    ``csv`` is the path prefix of CSV files in Locust's format. ``sink`` receives every record.
    ``stack`` is a running embedded stack (:func:`embedded_stack`) to use instead of a new one.

    Raises :class:`ConfigError` when a user class, an option, a threshold or a file path is wrong,
    before anything is sent.
    """

    def __init__(
        self,
        config: Config,
        *,
        csv: str | None = None,
        sink: Sink | None = None,
        stack: LocalStack | None = None,
    ) -> None:
        self.config = config
        self._sinks = () if sink is None else (sink,)
        self._stack = stack
        self.stats = LiveStats()
        self.interrupted = False
        self.problems: list[str] = []
        with _naming(config):
            self._users = [
                resolve_user(scenario, index)
                for index, scenario in enumerate(config.plan.scenarios)
            ]
            self._thresholds = [Threshold.parse(text) for text in config.thresholds]
            if (names := request_names(config.plan, self._users)) is not None:
                for threshold in self._thresholds:
                    threshold.check_name(names)
        self._files = RunFiles(Path(config.log) if config.log else None, csv, self.stats.fold)
        self._doing = "starting"
        self._engine: Engine | None = None
        self._setup: anyio.CancelScope | None = None
        """Scope of the set-up; ``None`` before and after it."""
        self._target_lost = False

    def estimate(self) -> Estimate:
        """Estimate the requests to AWS and their cost, without sending anything."""
        return estimate(self.config.plan, self._users, self.config.prices)

    async def describe_settings(self, *, discover: bool = False) -> list[Sequence[Setting]]:
        """Give each scenario's settings and their sources; only ``discover`` calls AWS.

        Raises :class:`ConfigError` and :class:`TargetError`.
        """
        async with contextlib.AsyncExitStack() as stack:
            source: SettingsSource = local_source() if self.config.aws.is_local else OfflineSource()
            aws = None
            if discover:
                aws, _ = await self._connect(stack)
                source = AwsSource(aws)
            with _naming(self.config):
                region = functools.partial(
                    region_setting, self.config.aws, local=LOCAL_REGION, asked=aws
                )
                return await describe_settings(self._users, source, region)

    def describe_work(self) -> list[Sequence[tuple[str, str]]]:
        """Describe in words what one iteration of each scenario does, without sending anything."""
        with _naming(self.config):
            return [kind.describe_work(options) for kind, options in self._users]

    def progress(self) -> Progress:
        """Give the phase and the times of the run at this moment."""
        engine = self._engine
        plan = self.config.plan
        return Progress(
            name=plan.name,
            phase=engine.phase if engine else "setup",
            t=engine.clock() if engine else 0.0,
            end=plan.end,
            drain_end=engine.drain_end if engine else None,
            has_jobs=engine is not None and engine.has_jobs,
            doing=engine.doing if engine and engine.phase == "setup" else self._doing,
            stopping=self.interrupted,
            load_end=engine.load_end if engine else None,
            unconfirmed=engine.unconfirmed if engine else 0,
            given_up=engine is not None and engine.given_up,
        )

    def stop(self) -> None:
        """End the load, wait for requests in flight, drain, and report."""
        if not self._cancel_setup() and self._engine is not None:
            self._engine.stop()

    def give_up(self) -> None:
        """End the drain, give up all open jobs, and report. No effect before the drain."""
        if self._engine is not None and self._engine.phase == "drain":
            self.interrupted = True
            self._engine.give_up()

    def abort(self) -> None:
        """End at once and report what was measured."""
        if not self._cancel_setup() and self._engine is not None:
            self._engine.abort()

    def _cancel_setup(self) -> bool:
        if self._engine is not None and self._engine.phase == "done":
            return False
        self.interrupted = True
        if self._setup is not None:
            self._setup.cancel()
        return self._setup is not None

    async def run(self) -> Result:
        """Carry out the run and return its result.

        Raises :class:`ConfigError` or :class:`TargetError` when it cannot start, and
        ``asyncio.CancelledError`` when it was stopped before the load began.
        """
        try:
            return await self._run(secrets.token_hex(6))
        except BaseExceptionGroup as group:
            problem = own_error(group)
            if problem is None:
                raise
            raise problem from None

    async def _run(self, run_id: str) -> Result:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._files.close)
            sinks = Tee(self.stats, *self._sinks)
            with anyio.CancelScope() as self._setup:
                aws, watch = await self._connect(stack)
                engine = Engine(
                    self.config.plan,
                    sink=sinks,
                    aws=aws,
                    run_id=run_id,
                    log_backlog=lambda: self._files.backlog,
                    meter=Meter.up_to(
                        self.config.max_requests, self.config.max_cost, self.config.prices
                    ),
                    monitor=self.config.monitor,
                )
                self._engine = engine
                with _naming(self.config):
                    await engine.prepare()
            if self._setup.cancel_called:
                raise asyncio.CancelledError
            self._setup = None
            return await self._carry_out(engine, sinks, run_id, watch)

    async def _connect(self, resources: contextlib.AsyncExitStack) -> tuple[Aws, Watch | None]:
        """Start the embedded stack if the config asks for it, then open the AWS session."""
        stack = self._stack if self.config.aws.is_local else None
        if self.config.aws.is_local and stack is None:
            self._doing = "starting the embedded stack"
            stack = await resources.enter_async_context(embedded_stack(self.config))
        aws = await resources.enter_async_context(aws_of(self.config.aws, stack))
        return aws, None if stack is None else stack.watch

    async def _carry_out(
        self, engine: Engine, sinks: Tee, run_id: str, watch: Watch | None
    ) -> Result:
        loop = asyncio.get_running_loop()

        def log_failed(sentence: str) -> None:  # from the log's thread
            self.problems.append(sentence)
            loop.call_soon_threadsafe(engine.stop)

        # What set-up has made lives until the end. Collections during the load need
        # not look at it: one of them would stop the loop for 20 ms.
        gc.collect()
        gc.freeze()
        self._open(engine, sinks, run_id, log_failed)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._files.keep_up_to_date)
                if watch is not None:
                    group.start_soon(self._watch, watch, engine)
                await engine.run()
                group.cancel_scope.cancel()
        except Exception as problem:
            # A bug, or a shape of the user's own that raises: what has been
            # measured is reported all the same.
            self.problems.append(f"the run broke off: {describe(first_of(problem))}")
            engine.note("error", self.problems[-1])
        finally:
            gc.unfreeze()
        return await self._conclude(engine, sinks, run_id)

    def _open(self, engine: Engine, sinks: Tee, run_id: str, log_failed: Any) -> None:
        """Open the files, start the clock, and write the header."""
        self._files.open(sinks, has_jobs=engine.has_jobs, on_error=log_failed)
        header = run_header(self.config, run_id)
        epoch = engine.begin()
        set_start(header, epoch)
        self._files.begin(engine.ledger, epoch=epoch, interval=self.config.stats_interval)
        sinks.write(header)

    async def _watch(self, watch: Watch, engine: Engine) -> None:
        """End the run when the embedded stack dies: there is nothing left to send to."""
        try:
            await watch()
        except TargetError as problem:
            self._target_lost = True
            self.problems.append(str(problem))
            engine.note("error", str(problem))
            engine.abort()

    async def _conclude(self, engine: Engine, sinks: Tee, run_id: str) -> Result:
        summary = self.stats.fold.summary()
        results = evaluate(self._thresholds, self.stats.fold)
        if engine.cut_short is not None:
            self.problems.append(engine.cut_short)
        sinks.write(
            SummaryRecord(
                t=engine.clock(),
                summary={**summary.to_dict(), "thresholds": msgspec.to_builtins(results)},
            )
        )
        await self._files.finish()
        self.problems += self._files.problems
        end = self.stats.snapshot(summary.t)
        return Result(
            summary=summary,
            thresholds=results,
            log=self._files.log_path,
            files=self._files.paths,
            interrupted=self.interrupted,
            problems=tuple(dict.fromkeys(self.problems)),
            target_lost=self._target_lost,
            calls=dict(engine.calls),
            run_id=run_id,
            notes=tuple(note for note in end.notes if note.text not in self.problems),
            found=tuple(end.found),
        )


@contextlib.contextmanager
def _naming(config: Config) -> Iterator[None]:
    """Prefix errors with the config file's name, and hide the config's secrets in them."""
    try:
        yield
    except AsyncloadError as problem:
        text = f"{config.source}: {problem}" if config.source else str(problem)
        raise type(problem)(hide_texts(text, config.secrets)) from problem.__cause__
