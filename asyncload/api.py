"""The run API: from a plan or a config file to a result.

:func:`run` is what a library user calls. :class:`LoadTest` is the same with
handles: the command line watches its statistics and stops it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import secrets
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import anyio
import msgspec

from asyncload.config.load import load_config
from asyncload.config.model import AwsConfig, Config
from asyncload.config.redact import hide_texts, redact
from asyncload.engine.header import resolved_plan, run_header, set_start
from asyncload.engine.run import Engine
from asyncload.engine.setup import resolve_user
from asyncload.errors import AsyncloadError, ConfigError, TargetError, first_of, own_error
from asyncload.jobs.artifacts import STATUS_FILE, SUMMARY_FILE, JobFiles
from asyncload.live.progress import Progress
from asyncload.local.settings import LocalSettings
from asyncload.plan.plan import Plan
from asyncload.records.log import LogWriter, archive, check_log, log_stamp
from asyncload.records.record import SummaryRecord
from asyncload.records.sinks import Tee
from asyncload.stats.live import LiveStats
from asyncload.stats.summary import Summary
from asyncload.stats.thresholds import Threshold, ThresholdResult, evaluate
from asyncload.transport.aws import Aws
from asyncload.transport.describe import describe

LOCAL_REGION: Final = "us-west-2"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How a run came out."""

    summary: Summary
    thresholds: list[ThresholdResult]
    log: Path | None
    files: tuple[Path, ...]
    """Job files, where there were jobs."""
    interrupted: bool
    problems: tuple[str, ...]
    """What kept the run from going as planned, a sentence each."""
    target_lost: bool = False
    """The service under test went away for good."""

    @property
    def passed(self) -> bool:
        """Whether every threshold held."""
        return all(result.passed for result in self.thresholds)

    @property
    def exit_code(self) -> int:
        """What the command line exits with."""
        if self.target_lost:
            return 4
        if self.interrupted:
            return 130
        if self.problems:
            return 3
        return 0 if self.passed else 1


async def run(
    target: Plan | Config | str | Path,
    *,
    overrides: Iterable[str] = (),
    aws: AwsConfig | None = None,
    local: LocalSettings | None = None,
    thresholds: Sequence[str] | None = None,
    log: str | Path | None = None,
) -> Result:
    """Carry out a plan, a config, or the config file at a path, and return its result.

    ``overrides`` are ``KEY=VALUE`` texts for a config file, as ``--set``
    takes them. The other arguments win over what a config says; a plan that
    is given without ``log`` writes none. Raises
    :class:`~asyncload.errors.ConfigError` and
    :class:`~asyncload.errors.TargetError` when the run cannot start; what goes
    wrong later is in the result.
    """
    config = make_config(
        target, overrides=overrides, aws=aws, local=local, thresholds=thresholds, log=log
    )
    return await LoadTest(config).run()


def make_config(
    target: Plan | Config | str | Path,
    *,
    overrides: Iterable[str] = (),
    aws: AwsConfig | None = None,
    local: LocalSettings | None = None,
    thresholds: Sequence[str] | None = None,
    log: str | Path | None = None,
) -> Config:
    """Make the config that :func:`run` would carry out. Raises :class:`ConfigError`."""
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
    told = redact(msgspec.to_builtins(given, enc_hook=float), secrets=config.secrets)
    return msgspec.structs.replace(config, **given, resolved={**config.resolved, **told})


class LoadTest:
    """One run, with handles to watch and stop it.

    ``stats`` holds live statistics and answers at any moment. User classes and
    their options, thresholds and the log's place are checked here, so that a
    mistake in them costs nothing: raises :class:`ConfigError`.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.stats = LiveStats()
        self.interrupted = False
        self.problems: list[str] = []
        with _naming(config):
            for index, scenario in enumerate(config.plan.scenarios):
                resolve_user(scenario, index)
            self._thresholds = [Threshold.parse(text) for text in config.thresholds]
        self._log_path = Path(config.log) if config.log else None
        if self._log_path is not None:
            check_log(self._log_path)
        self._doing = "starting"
        self._engine: Engine | None = None
        self._log: LogWriter | None = None
        self._setup: anyio.CancelScope | None = None
        """Around all that comes before the load, while that is under way."""
        self._target_lost = False

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
        )

    def stop(self) -> None:
        """End the load, let what is in flight finish, drain, and report."""
        if not self._cancel_setup() and self._engine is not None:
            self._engine.stop()

    def abort(self) -> None:
        """End now, and still report."""
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
        """Carry it out.

        Raises what :func:`run` raises, and ``asyncio.CancelledError`` when it
        was stopped before the load began.
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
            stack.push_async_callback(self._close_log)
            sinks = Tee(self.stats)
            with anyio.CancelScope() as self._setup:
                aws, watch = await self._connect(stack)
                engine = Engine(
                    self.config.plan,
                    sink=sinks,
                    aws=aws,
                    run_id=run_id,
                    log_backlog=lambda: self._log.backlog if self._log else 0,
                )
                self._engine = engine
                with _naming(self.config):
                    await engine.prepare()
            if self._setup.cancel_called:
                raise asyncio.CancelledError
            self._setup = None
            return await self._carry_out(engine, sinks, run_id, watch)

    async def _connect(self, stack: contextlib.AsyncExitStack) -> tuple[Aws, Any]:
        """Open the AWS session, and start the embedded stack first where it is asked for."""
        settings = self.config.aws
        if not settings.is_local:
            aws = Aws(
                endpoint_url=settings.endpoint_url,
                region=settings.region,
                profile=settings.profile,
                endpoints=settings.endpoints,
            )
            return await stack.enter_async_context(aws), None
        from asyncload.local.stack import LocalStack

        self._doing = "starting the embedded stack"
        region = settings.region or LOCAL_REGION
        local = await stack.enter_async_context(LocalStack(self.config.local, region=region))
        aws = Aws(
            endpoint_url=local.endpoint_url,
            region=region,
            credentials=(local.access_key, local.secret_key),
            endpoints=settings.endpoints,
        )
        return await stack.enter_async_context(aws), local.watch

    async def _carry_out(self, engine: Engine, sinks: Tee, run_id: str, watch: Any) -> Result:
        loop = asyncio.get_running_loop()

        def log_failed(sentence: str) -> None:  # from the log's thread
            self.problems.append(sentence)
            loop.call_soon_threadsafe(engine.stop)

        # What set-up has made lives until the end. Collections during the load need
        # not look at it: one of them would stop the loop for 20 ms.
        gc.collect()
        gc.freeze()
        files = await self._open(engine, sinks, run_id, log_failed)
        try:
            async with anyio.create_task_group() as group:
                if files is not None:
                    group.start_soon(files.keep_up_to_date)
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
        return await self._conclude(engine, sinks, files)

    async def _open(
        self, engine: Engine, sinks: Tee, run_id: str, log_failed: Any
    ) -> JobFiles | None:
        """Open log and job files, start the clock, and write the header."""
        files = folder = None
        prefix = ""
        path = self._log_path
        if path is not None:
            stamp = log_stamp(path) if path.is_file() else None
            self._log = LogWriter(path, on_error=log_failed)
            sinks.add(self._log)
            # With a log like /dev/null there is no folder for other files.
            if engine.has_jobs and path.is_file():
                folder = path.parent
                # Each log has job files of its own; those of run.jsonl need no prefix.
                prefix = "" if path.stem == "run" else f"{path.stem}."
                _make_way(folder, prefix, stamp)
        header = run_header(self.config, run_id)
        epoch = engine.begin()
        set_start(header, epoch)
        if folder is not None:
            files = JobFiles(folder, engine.ledger, epoch=epoch, prefix=prefix)
            sinks.add(files)
        sinks.write(header)
        return files

    async def _watch(self, watch: Any, engine: Engine) -> None:
        """End the run when the embedded stack dies: there is nothing left to send to."""
        try:
            await watch()
        except TargetError as problem:
            self._target_lost = True
            self.problems.append(str(problem))
            engine.note("error", str(problem))
            engine.abort()

    async def _close_log(self) -> None:
        if self._log is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._log.close)

    async def _conclude(self, engine: Engine, sinks: Tee, files: JobFiles | None) -> Result:
        summary = self.stats.fold.summary()
        results = evaluate(self._thresholds, self.stats.fold)
        sinks.write(
            SummaryRecord(
                t=engine.clock(),
                summary={**summary.to_dict(), "thresholds": msgspec.to_builtins(results)},
            )
        )
        paths: tuple[Path, ...] = ()
        if files is not None:
            await files.rewrite()
            files.close()
            if files.error:
                self.problems.append(files.error)
            else:
                paths = (files.status_path, files.summary_path)
        await self._close_log()
        if self._log is not None and self._log.unwritten:
            self.problems.append(
                f"{self._log.unwritten} records are not in {self._log_path}; "
                "graphs of it will lack them"
            )
        return Result(
            summary=summary,
            thresholds=results,
            log=self._log_path,
            files=paths,
            interrupted=self.interrupted,
            problems=tuple(dict.fromkeys(self.problems)),
            target_lost=self._target_lost,
        )


def _make_way(folder: Path, prefix: str, stamp: str | None) -> None:
    """Move the job files of an earlier run aside, under the same ``stamp`` as its log."""
    try:
        archive(folder / f"{prefix}{STATUS_FILE}", stamp)
        archive(folder / f"{prefix}{SUMMARY_FILE}", stamp)
    except OSError as problem:
        raise ConfigError(
            f"log: cannot write job files to {folder}: {problem.strerror}; "
            "choose another place with --log"
        ) from None


@contextlib.contextmanager
def _naming(config: Config) -> Iterator[None]:
    """Put the config file's name before an error about it, and take its secrets out."""
    try:
        yield
    except AsyncloadError as problem:
        text = f"{config.source}: {problem}" if config.source else str(problem)
        raise type(problem)(hide_texts(text, config.secrets)) from problem.__cause__
