"""One run with handles: the command line watches its statistics and stops it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import secrets
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from asyncload.config.model import Config
from asyncload.config.redact import naming
from asyncload.cost.estimate import Estimate, estimate
from asyncload.cost.meter import Meter
from asyncload.engine.descriptors import shortage
from asyncload.engine.ending import Limited
from asyncload.engine.header import run_header, set_start
from asyncload.engine.run import Engine
from asyncload.engine.run_files import RunFiles
from asyncload.engine.scenario_settings import describe_settings, region_setting
from asyncload.engine.setup import request_names, resolve_user
from asyncload.errors import (
    AsyncloadError,
    ConfigError,
    StoppedError,
    TargetError,
    first_of,
    own_error,
)  # fmt: skip
from asyncload.progress import Progress
from asyncload.records.record import Sink, SummaryRecord, Tee
from asyncload.result import Result
from asyncload.stats.live import LiveStats
from asyncload.target import LOCAL_REGION, aws_of, embedded_stack, local_source
from asyncload.transport.aws.session import Aws
from asyncload.transport.error_text import describe, hide_known
from asyncload.users.settings_source import AwsSource, OfflineSource, Setting, SettingsSource
from asyncload.verdict.run_judge import RunJudge
from asyncload.verdict.thresholds import ThresholdResult
from asyncload.verdict.verdict import Reason, Verdict

if TYPE_CHECKING:
    from asyncload.local.stack.stack import LocalStack

Watch = Callable[[], Awaitable[None]]
"""Waits for as long as the embedded stack lives; raises TargetError when it dies."""


class LoadTest:
    """One run, with handles to watch and stop it.

    ``stats`` holds live statistics and answers at any moment. User classes and
    their options, thresholds and the places of files are checked here, so that a
    mistake in them costs nothing: raises :class:`ConfigError`. ``csv`` is as in :func:`run`.
    ``sink`` gets every record, too. ``stack`` is an embedded stack that is up already
    (:func:`embedded_stack`), for the run to use instead of one of its own.
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
        self.notes: list[tuple[str, str]] = []
        """Levels and texts, for the log and the report: what was known before the start."""
        with naming(config.source, config.secrets):
            scenarios = enumerate(config.plan.scenarios)
            self._users = [resolve_user(scenario, index) for index, scenario in scenarios]
            of_load = {"load": config.plan.end, "warmup": config.warmup}
            self._judge = RunJudge(
                config.thresholds, self.stats.fold, limits=config.validity, **of_load
            )
            if (names := request_names(config.plan, self._users)) is not None:
                self._judge.check_names(names)
        log, mode = Path(config.log) if config.log else None, int(config.log_mode, 8)
        self._files = RunFiles(log, csv, self.stats.fold, log_mode=mode)
        self._doing = "starting"
        self._begun = False
        """Whether :meth:`run` has been called."""
        self._engine: Engine | None = None
        self._setup: anyio.CancelScope | None = None
        """Around all that comes before the load, while that is under way."""
        self._target_lost = False
        self._log_problem: str | None = None

    def estimate(self) -> Estimate:
        """What the run is expected to send to AWS, and to cost; sends nothing."""
        return estimate(self.config.plan, self._users, self.config.prices)

    async def describe_settings(self, *, discover: bool = False) -> list[Sequence[Setting]]:
        """Where each scenario's settings come from; AWS is asked only to ``discover`` them.

        Raises what :func:`run` raises.
        """
        async with contextlib.AsyncExitStack() as stack:
            source: SettingsSource = local_source() if self.config.aws.is_local else OfflineSource()
            aws = None
            if discover:
                aws, _ = await self._connect(stack)
                source = AwsSource(aws)
            with naming(self.config.source, self.config.secrets):
                region = functools.partial(
                    region_setting, self.config.aws, local=LOCAL_REGION, asked=aws
                )
                return await describe_settings(self._users, source, region)

    def describe_work(self) -> list[Sequence[tuple[str, str]]]:
        """Describe in words what an iteration of each scenario does; sends nothing."""
        with naming(self.config.source, self.config.secrets):
            return [kind.describe_work(options) for kind, options in self._users]

    def progress(self) -> Progress:
        """Where the run stands."""
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
            thresholds=() if engine is None else self._judge.now(engine.clock()),
        )

    def stop(self) -> None:
        """End the load, let what is in flight finish, drain, and report."""
        if not self._cancel_setup() and self._engine is not None:
            self._engine.stop()

    def give_up(self) -> None:
        """End the drain, if the load is over: what is still open is given up. Then report."""
        if self._engine is not None and self._engine.phase == "drain":
            self.interrupted = True
            self._engine.give_up()

    def abort(self) -> None:
        """End now, and still report."""
        if not self._cancel_setup() and self._engine is not None:
            self._engine.abort()

    def rescue_log(self) -> None:
        """Write what is queued of the log, from any thread: the process is about to be ended."""
        self._files.rescue_log()

    def _cancel_setup(self) -> bool:
        if self._engine is not None and self._engine.phase == "done":
            return False
        self.interrupted = True
        if self._setup is not None:
            self._setup.cancel()
        return self._setup is not None

    async def run(self) -> Result:
        """Carry out the run and return its result; once.

        Raises what :func:`run` raises, and :class:`StoppedError` when it
        was stopped before the load began, also before this call.
        """
        if self._begun:
            raise ConfigError(
                "this LoadTest has been run, and its statistics are of that run; make another "
                "LoadTest to run the config again"
            )
        self._begun = True
        try:
            return await self._run(secrets.token_hex(6))
        except (AsyncloadError, BaseExceptionGroup) as group:
            problem = group if isinstance(group, AsyncloadError) else own_error(group)
            if problem is None:
                raise
            problem.args = (hide_known(str(problem)),)
            raise problem from None

    async def _run(self, run_id: str) -> Result:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._files.close)
            sinks = Tee(self.stats, *self._judge.sinks, *self._sinks)
            if self.interrupted:
                raise StoppedError
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
                    connections=self.config.connections,
                )
                self._engine = engine
                for level, text in self.notes:
                    engine.note(level, text)
                if (few := shortage(self.config.plan, self.config.connections)) is not None:
                    engine.note("warning", few)
                with naming(self.config.source, self.config.secrets):
                    await engine.prepare()
                    if self.config.probe:
                        engine.doing = "connecting to the service"
                        await engine.http.probe()
            if self._setup.cancel_called:
                raise StoppedError
            self._setup = None
            return await self._carry_out(engine, sinks, run_id, watch)

    async def _connect(self, resources: contextlib.AsyncExitStack) -> tuple[Aws, Watch | None]:
        """Open the AWS session, and start the embedded stack first where it is asked for."""
        stack = self._stack if self.config.aws.is_local else None
        if self.config.aws.is_local and stack is None:
            self._doing = "starting the embedded stack"
            stack = await resources.enter_async_context(embedded_stack(self.config))
        session = aws_of(self.config.aws, stack, connections=self.config.connections)
        aws = await resources.enter_async_context(Limited(session, lambda *_: None))
        return aws, None if stack is None else stack.watch

    async def _carry_out(
        self, engine: Engine, sinks: Tee, run_id: str, watch: Watch | None
    ) -> Result:
        loop = asyncio.get_running_loop()

        def log_failed(sentence: str) -> None:  # from the log's thread
            self.problems.append(sentence)
            self._log_problem = sentence
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
                if self._judge.may_abort:
                    group.start_soon(self._watch_thresholds, engine)
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

    async def _watch_thresholds(self, engine: Engine) -> None:
        """End the load when a threshold that may do so has failed."""
        while engine.phase == "load":
            await anyio.sleep(1.0)
            result = self._judge.ends_load(engine.clock())
            if result is not None and engine.phase == "load":
                text = f"{result.text} failed, which ends the load: {result.reason}"
                engine.note("warning", text)
                engine.stop()
                return

    async def _conclude(self, engine: Engine, sinks: Tee, run_id: str) -> Result:
        summary = self.stats.fold.summary()
        results = self._judge.results()
        if engine.cut_short is not None:
            self.problems.append(engine.cut_short)
        verdict = self._verdict(results)
        judged = {"thresholds": results, "verdict": verdict}
        sinks.write(
            SummaryRecord(
                t=engine.clock(), summary={**summary.to_dict(), **msgspec.to_builtins(judged)}
            )
        )
        await self._files.finish()
        self.problems = [hide_known(one) for one in (*self.problems, *self._files.problems)]
        verdict = self._verdict(results)  # the log itself may have told of one at its end
        end = self.stats.snapshot(summary.t)
        return Result(
            summary=summary,
            thresholds=results,
            verdict=verdict,
            inconclusive=self.config.inconclusive,
            log=self._files.log_path,
            files=self._files.paths,
            interrupted=self.interrupted,
            problems=tuple(dict.fromkeys(self.problems)),
            target_lost=self._target_lost,
            calls=dict(engine.calls),
            run_id=run_id,
            notes=tuple(note for note in end.notes if note.text not in self.problems),
            more_notes=end.more_notes,
            found=tuple(end.found),
        )

    def _verdict(self, results: Sequence[ThresholdResult]) -> Verdict:
        of_log = {self._log_problem, self._files.log_problem}
        problems = [
            Reason(
                "log_incomplete" if problem in of_log else "run_incomplete",
                problem.rstrip("."),
                "mend it and run again: the record of the run is not whole",
            )
            for problem in dict.fromkeys(self.problems)
        ]
        if self._target_lost:
            problems = [msgspec.structs.replace(one, code="target_lost") for one in problems]
        return self._judge.verdict(results, problems)
