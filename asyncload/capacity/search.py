"""The highest rate that a service sustains: trials of load, each a run of its own.

::

    search = CapacitySearch(load_config("test.yaml"), Options(start=10))
    capacity = await search.run()

What a trial is and when it passes is in :mod:`asyncload.capacity.trial`, which rate
comes next in :mod:`asyncload.capacity.strategy`.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import math
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import anyio
import msgspec

from asyncload.capacity import state as states
from asyncload.capacity.messages import rules, sentence
from asyncload.capacity.result import Capacity, Ending, TrialResult, kept_as
from asyncload.capacity.scaling import sagemaker_scenarios, scaling
from asyncload.capacity.state import State
from asyncload.capacity.strategy import SearchRange, Trial, bounds, next_trial
from asyncload.capacity.trial import config_of, duration_of, judge, shares_of
from asyncload.config.model import Config
from asyncload.errors import ConfigError, StoppedError, TargetError
from asyncload.load_test import LoadTest
from asyncload.records.log import check_log
from asyncload.result import Result
from asyncload.stats import units
from asyncload.target import embedded_stack
from asyncload.verdict.backlog_growth import Watch
from asyncload.verdict.thresholds import Threshold

MOST: Final = 1000.0
"""The highest rate is so many times the first one, unless it is given."""
MOST_ERRORS: Final = 0.5
"""A trial ends early when more than this share of what ended lately were errors."""
_LOOK: Final = 0.25  # seconds between two looks at a trial


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to search. Rates are arrivals per second of all scenarios together."""

    start: float | None = None
    """The first rate; ``None``: the mean rate of the config's own load."""
    most: float | None = None
    """The highest rate to try; ``None``: 1000 times the first one."""
    factor: float = 2.0
    precision: float = 0.05
    step_duration: float = 30.0
    """Seconds; trials are longer where a percentile or slow answers ask for it."""
    safety_factor: float = 0.5
    instances: int | None = None
    """Of the SageMaker variant; given, the scaling target is told for any kind of user."""

    def search_range(self, config: Config) -> SearchRange:
        """Make the range to search. Raises :class:`ConfigError` for what cannot be."""
        start = _config_rate(config) if self.start is None else self.start
        most = MOST * start if self.most is None else self.most
        for name, value, allowed, right in (
            ("--start", start, "a rate over 0, such as 10", start > 0),
            ("--max", most, f"a rate of {start:g} or more, where the search starts", most >= start),
            ("--step", self.factor, "a factor over 1, such as 2", self.factor >= 1.01),
            ("--precision", self.precision, "0.1% to 100%",
             0.001 <= self.precision <= 1),
            ("--step-duration", self.step_duration, "a time of 1s or more", self.step_duration >= 1),
            ("--safety-factor", self.safety_factor, "a number over 0, up to 1",
             0 < self.safety_factor <= 1),
            ("--instances", self.instances, "1 or more", self.instances is None or self.instances > 0),
        ):  # fmt: skip
            if not right or not math.isfinite(value or 0):
                shown = f"{value:.6g}" if name != "--precision" else f"{100 * self.precision:g}%"
                raise ConfigError(f"{name} is {shown}; give {allowed}")
        return SearchRange(start=start, most=most, factor=self.factor, precision=self.precision)


class Observer(Protocol):
    """Is told how a search goes on."""

    def resumed(self, started_at: str, trials: list[TrialResult]) -> None:
        """An earlier search goes on; its ``trials`` are not run again."""

    def begins(self, number: int, trial: Trial, duration: float, test: LoadTest) -> None:
        """A trial begins, whose load lasts ``duration`` seconds."""

    def ended(self, number: int, trial: TrialResult) -> None:
        """A trial is over, and kept."""


class CapacitySearch:
    """One search, with handles to stop it.

    ``folder`` gets the log of each trial and the state of the search. Mistakes
    in config and options are found here: raises :class:`ConfigError`. With
    ``fresh`` an unfinished search in the folder is not gone on with.
    """

    def __init__(
        self,
        config: Config,
        options: Options,
        *,
        folder: Path | None = None,
        fresh: bool = False,
        observer: Observer | None = None,
    ) -> None:
        self.config = config
        self.options = options
        self.folder = folder or folder_of(config)
        self.interrupted = False
        self._observer = observer
        self._search_range = options.search_range(config)
        self._shares = shares_of(config.plan)
        self._thresholds = [Threshold.parse(text) for text in config.thresholds]
        self._test: LoadTest | None = None
        mark = states.fingerprint(
            {**config.resolved, "log": None}, self._search_range, options.step_duration
        )
        found = None if fresh else states.load(self.folder, mark)
        self._resumed = found is not None
        self._state = found or State(fingerprint=mark, started_at=_now())
        check_log(self._log(1, self._search_range.start))
        LoadTest(self._trial_config(1, Trial(self._search_range.start), 1.0))

    @property
    def trials(self) -> list[TrialResult]:
        """The trials that are finished."""
        return self._state.steps

    def rescue_log(self) -> None:
        """Write what is queued of the trial's log: the process is about to be ended."""
        if self._test is not None:
            self._test.rescue_log()

    def stop(self) -> None:
        """End the trial under way, let what is open finish, and end the search."""
        self.interrupted = True
        if self._test is not None:
            self._test.give_up()
            self._test.stop()

    def abort(self) -> None:
        """End the search now."""
        self.interrupted = True
        if self._test is not None:
            self._test.abort()

    async def run(self) -> Capacity:
        """Search to the end.

        Raises what :func:`asyncload.run` raises when a trial cannot start, and
        :class:`TargetError` when the service goes away for good. Trials that
        were finished are kept.
        """
        states.save(self.folder, self._state)
        if self._resumed and self._observer is not None:
            self._observer.resumed(self._state.started_at, self.trials)
        async with self._tests() as make_test:
            while not self.interrupted:
                coming = next_trial(self._search_range, self.trials)
                if not isinstance(coming, Trial):
                    self._state.finished = coming != "broken"
                    return self._conclude(coming)
                trial = await self._run_trial(coming, make_test)
                if trial is None:
                    continue
                self.trials.append(trial)
                # What broke a trial is not the service's: it is run again another day.
                if trial.outcome != "broken":
                    states.save(self.folder, self._state)
                if self._observer is not None:
                    self._observer.ended(len(self.trials), trial)
        return self._conclude("interrupted")

    @contextlib.asynccontextmanager
    async def _tests(self) -> AsyncIterator[Callable[..., LoadTest]]:
        """Give what makes the run of a trial. Where they use the embedded stack, they share one."""
        over = not isinstance(next_trial(self._search_range, self.trials), Trial)
        if over or not self.config.aws.is_local:
            yield LoadTest
            return
        async with embedded_stack(self.config) as stack:
            yield partial(LoadTest, stack=stack)

    async def _run_trial(
        self, coming: Trial, make_test: Callable[..., LoadTest]
    ) -> TrialResult | None:
        """Run a trial; ``None`` when it was interrupted."""
        number = len(self.trials) + 1
        duration = duration_of(
            coming.rate,
            least=max(self.options.step_duration, coming.at_least),
            thresholds=self._thresholds,
            shares=self._shares,
            trials=self.trials,
        )
        config = self._trial_config(number, coming, duration)
        watch = Watch()
        test = self._test = make_test(config, sink=watch)
        if self._observer is not None:
            self._observer.begins(number, coming, duration, test)
        started_at = _now()
        stopped: list[str] = []
        result: Result | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(_guard, test, watch, stopped)
            try:
                result = await test.run()
            except StoppedError:
                if not self.interrupted:
                    raise
            group.cancel_scope.cancel()
        self._test = None
        if result is None or self.interrupted:
            return None
        if result.target_lost:
            raise TargetError("; ".join(result.problems))
        trial = judge(
            result,
            test.stats.fold,
            watch,
            self._thresholds,
            rate=coming.rate,
            duration=duration,
            load_end=min(test.progress().load_end or duration, duration),
            stopped=stopped[0] if stopped else None,
        )
        outcome = trial.outcome
        if outcome == "close" and coming.attempt > 1:
            outcome = "failed"
        return msgspec.structs.replace(
            trial, started_at=started_at, attempt=coming.attempt, outcome=outcome
        )

    def _trial_config(self, number: int, coming: Trial, duration: float) -> Config:
        return config_of(
            self.config,
            rate=coming.rate,
            duration=duration,
            shares=self._shares,
            number=number,
            log=self._log(number, coming.rate),
        )

    def _log(self, number: int, rate: float) -> Path:
        return self.folder / f"step-{number:02}-at-{rate:.4g}.jsonl"

    def _conclude(self, ending: Ending) -> Capacity:
        if self._state.finished:
            states.save(self.folder, self._state)
        known = bounds(self.trials)
        target = None
        chosen = sagemaker_scenarios(self.config.plan)
        if known.passed is not None and (chosen or self.options.instances is not None):
            share = sum(self._shares[name] for name in chosen) if chosen else 1.0
            target = scaling(
                known.passed * share,
                instances=self.options.instances or 1,
                safety_factor=self.options.safety_factor,
            )
        return Capacity(
            name=self.config.plan.name,
            ending=ending,
            sentence=sentence(ending, self._search_range, self.trials),
            capacity=known.passed,
            failed_at=known.failed,
            precision=self._search_range.precision,
            rules=self.rules,
            steps=list(self.trials),
            scaling=target,
        )

    @property
    def rules(self) -> list[str]:
        """What a trial has to keep, in words."""
        return rules(self._thresholds)


def folder_of(config: Config) -> Path:
    """Where the logs of a search go, unless it is said: beside the config's log."""
    return Path(config.log or "logs/run.jsonl").parent / kept_as(config.plan.name)


async def _guard(test: LoadTest, watch: Watch, stopped: list[str]) -> None:
    """End a trial early that can only fail, before it does more harm."""
    while True:
        await asyncio.sleep(_LOOK)
        if test.progress().phase != "load":
            continue
        share = watch.error_share()
        if share > MOST_ERRORS:
            stopped.append(f"stopped early: {units.percent(share)} of the latest ended in errors")
        elif watch.dropped:
            dropped = units.counted(watch.dropped, "arrival was", "arrivals were")
            stopped.append(f"stopped early: {dropped} dropped, with max_in_flight open")
        if stopped:
            test.stop()
            return


def _config_rate(config: Config) -> float:
    """Mean arrivals per second of the config's own load."""
    rate = 0.0
    for scenario in config.plan.scenarios:
        if scenario.model != "open":
            raise ConfigError(
                f"scenario {scenario.name!r} is closed, so its config has no rate to start from; "
                "give one with --start, such as --start 1"
            )
        rate += scenario.expected_arrivals() / scenario.end
    if not rate:
        raise ConfigError("the config's load is 0 all the time; give a rate with --start")
    return float(f"{rate:.3g}")


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
