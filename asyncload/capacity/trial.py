"""One trial of a search: what is run, for how long, and whether it passed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import msgspec

from asyncload.capacity.result import Outcome, Times, TrialResult
from asyncload.config.model import Config
from asyncload.engine.header import resolved_plan
from asyncload.errors import ConfigError
from asyncload.plan.builtin import Constant
from asyncload.plan.plan import Plan, Scenario, UserSpec
from asyncload.result import Result
from asyncload.stats import units
from asyncload.stats.metrics import Distribution, Summary
from asyncload.stats.summary import SummaryFold
from asyncload.users.registry import KINDS
from asyncload.verdict.backlog_growth import Growth, Watch
from asyncload.verdict.sample_size import least_samples
from asyncload.verdict.thresholds import Threshold
from asyncload.verdict.verdict import Verdict

ACHIEVED: Final = 0.95
SUCCEEDED: Final = 0.99
"""Shares of the expected rate (without thresholds) and of success that make a steady state."""
CLOSE: Final = 0.25
"""A share of a threshold's limit: what misses it by no more is run again."""
LATE: Final = 0.02
"""Seconds of lateness that never matter; beyond them a tenth of the latency does not."""
_LAG: Final = 0.05  # seconds; a loop that is so late in most seconds is overloaded
_LONGER: Final = 2.0  # times that a close trial lasts when it is repeated
_SURER: Final = 4.0  # the same, where there were too few samples to be sure
_LATENCIES: Final = 6.0  # shortest latencies that a trial lasts at least
_FILLING: Final = 1.5  # shortest latencies until work begins to end as it comes
_WARM_UP: Final = 1 / 6  # of a trial, left out of what is looked at for growth


_OF_GENERATOR: Final = {"generator_busy", "loop_blocked", "connections_limited"}
OF_SUCCESS: Final = {"error_rate", "success_rate"}
"""Metrics that say what share succeeds."""


class Reason(NamedTuple):
    """Why a trial did not pass."""

    text: str
    close: bool = False
    """Whether another run may well pass."""
    wants: float = 0.0
    """Seconds that run should last."""


def shares_of(plan: Plan) -> dict[str, float]:
    """Give each scenario's share of all arrivals, by the mean rates of the plan.

    Raises :class:`ConfigError` where there are several and one has no rate.
    """
    if len(plan.scenarios) == 1:
        return {plan.scenarios[0].name: 1.0}
    for scenario in plan.scenarios:
        if scenario.model != "open":
            raise ConfigError(
                f"scenario {scenario.name!r} is closed and has no rate that could be scaled with "
                "the others; make it open, or leave one scenario in the config"
            )
    rates = {one.name: one.expected_arrivals() / one.end for one in plan.scenarios}
    total = sum(rates.values())
    if not total:
        raise ConfigError("no scenario has a level over 0; give one of them some load")
    return {name: rate / total for name, rate in rates.items()}


def duration_of(
    rate: float,
    *,
    least: float,
    thresholds: Sequence[Threshold],
    shares: Mapping[str, float],
    trials: Sequence[TrialResult],
) -> float:
    """How long a trial at ``rate`` lasts, seconds: ``least``, or longer where it must be.

    Percentiles need their samples (with one of them over the limit), and a
    service that takes long needs time to get from the first answer to a
    steady state: six times the shortest latency of the ``trials`` so far.
    """
    needed = least
    for threshold in thresholds:
        percent = _limited_percentile(threshold)
        share = shares.get(threshold.metric.name or "", 1.0)
        if percent is not None and share > 0:
            needed = max(needed, least_samples(percent, 1) / (rate * share))
    shortest = min((trial.shortest for trial in trials if trial.shortest is not None), default=0.0)
    return float(math.ceil(max(needed, _LATENCIES * shortest) * 10 - 1e-6)) / 10


def config_of(
    config: Config,
    *,
    rate: float,
    duration: float,
    shares: Mapping[str, float],
    number: int,
    log: Path,
) -> Config:
    """Make the config of trial ``number``: a constant rate, in the open model."""

    def at_rate(scenario: Scenario) -> Scenario:
        level = rate * shares[scenario.name]
        return dataclasses.replace(
            scenario,
            model="open",
            shape=Constant(level=level),
            duration=duration,
            user=_without_wait(scenario.user),
        )

    plan = dataclasses.replace(
        config.plan,
        scenarios=tuple(at_rate(scenario) for scenario in config.plan.scenarios),
        seed=config.plan.seed + number,
        drain=max(config.plan.drain, 2 * duration),
    )
    settings = resolved_plan(plan)
    resolved = config.resolved.get("scenarios", settings["scenarios"])
    for scenario, known in zip(settings["scenarios"], resolved, strict=True):
        scenario["user"] = known["user"]
    return msgspec.structs.replace(
        config,
        plan=plan,
        log=str(log),
        warmup=0.0,
        resolved={**config.resolved, **settings, "log": str(log)},
    )


def _without_wait(user: Any) -> Any:
    """Give the user of a closed scenario as the open model takes it: there nobody waits."""
    if not isinstance(user, UserSpec) or user.kind not in KINDS:
        return user
    options = {key: value for key, value in user.options.items() if key != "wait"}
    return dataclasses.replace(user, options=options)


def judge(
    result: Result,
    fold: SummaryFold,
    watch: Watch,
    thresholds: Sequence[Threshold],
    *,
    rate: float,
    duration: float,
    load_end: float,
    stopped: str | None,
) -> TrialResult:
    """Say how a run of a trial came out. ``stopped``: why it was ended early."""
    summary = result.summary
    jobs = summary.jobs.submitted > 0
    latency = summary.jobs.latency if jobs else summary.requests.latency
    start = max(load_end * _WARM_UP, _FILLING * (latency.min or 0.0))
    level = start <= load_end / 2
    growth = watch.growth(start if level else load_end / 2, load_end)
    if stopped is not None:
        reasons = [Reason(stopped + _mostly(summary))]
    else:
        reasons = _threshold_reasons(result, thresholds, duration)
        if not latency.count:
            reasons.append(Reason("nothing ended"))
        elif not level:
            reasons.append(_too_short(latency, duration))
        else:
            reasons += _growth_reasons(growth, duration)
            if not thresholds:
                reasons += _pace_reasons(growth, load_end - start, duration)
        reasons += _success_reasons(summary, thresholds, duration)
    overload = _overload(fold, watch, thresholds, jobs=jobs) or _own_limit(result.verdict)
    outcome, texts = _outcome(result, reasons, overload)
    drain = max(watch.drained(load_end), 0.0)
    sends_failed = summary.requests.errors
    wrong = summary.jobs.errors
    return TrialResult(
        rate=rate,
        duration=duration,
        outcome=outcome,
        reasons=texts,
        jobs=jobs,
        count=summary.jobs.submitted if jobs else summary.requests.count,
        failed=wrong + sends_failed,
        dropped=summary.requests.dropped,
        ended=growth.ended,
        latency=Times(latency.p50, latency.p95, latency.p99, latency.max),
        lateness_p99=summary.requests.lateness.p99,
        growth=growth.per_second,
        backlog=growth.at_end,
        drain=drain,
        drain_rate=growth.at_end / drain if growth.at_end >= 10 and drain >= 0.5 else None,
        shortest=latency.min,
        wants=max((reason.wants for reason in reasons), default=0.0),
        left_behind=_left_behind(summary),
        stopped_early=stopped is not None,
        thresholds=result.thresholds,
        log=None if result.log is None else str(result.log),
    )


def _mostly(summary: Summary) -> str:
    """Name the error that came most often."""
    failures = [*summary.requests.failures, *summary.jobs.failures]
    return f", most often {units.one_line(failures[0])!r}" if failures else ""


def _outcome(
    result: Result, reasons: Sequence[Reason], overload: str | None
) -> tuple[Outcome, list[str]]:
    if result.problems:
        return "broken", list(result.problems)
    # Latency counts from when work was due: what passes although the generator was
    # late passes all the more without it.
    if not reasons:
        return "passed", []
    if overload is not None:
        return "generator", [overload]
    texts = list(dict.fromkeys(reason.text for reason in reasons))
    return "close" if all(reason.close for reason in reasons) else "failed", texts


def _limited_percentile(threshold: Threshold) -> float | None:
    """The percentile that ``threshold`` keeps from rising, if it is about one."""
    metric = threshold.metric
    if metric.statistic != "p" or threshold.operator not in {"<", "<="} or metric.percent >= 100:
        return None
    return metric.percent


def _threshold_reasons(
    result: Result, thresholds: Sequence[Threshold], duration: float
) -> list[Reason]:
    reasons = []
    for threshold, held in zip(thresholds, result.thresholds, strict=True):
        if held.result == "pass":
            continue
        text = f"{threshold.text}: {held.reason}"
        if held.result == "fail":
            missed = math.inf if held.value is None else abs(held.value - threshold.limit)
            close = missed <= CLOSE * abs(threshold.limit)
            reasons.append(Reason(text, close, _LONGER * duration))
        elif held.needed is None or not held.samples:
            reasons.append(Reason(text))
        else:
            # Near the limit it may take more samples than anyone would wait for.
            times = min(1.1 * held.needed / held.samples, _SURER)
            reasons.append(Reason(text, close=True, wants=times * duration))
    return reasons


def _too_short(latency: Distribution, duration: float) -> Reason:
    assert latency.min is not None
    return Reason(
        f"{duration:g} s are too short: the fastest answer took {units.seconds(latency.min)}",
        close=True,
        wants=_LATENCIES * latency.min,
    )


def _growth_reasons(growth: Growth, duration: float) -> list[Reason]:
    if not growth.grows:
        return []
    close = growth.per_second < 0.1 * growth.arrived
    text = f"what is open grows by {units.rate(growth.per_second)}"
    return [Reason(text, close, _LONGER * duration)]


def _pace_reasons(growth: Growth, span: float, duration: float) -> list[Reason]:
    """Without thresholds: what comes ends, at the pace it comes."""
    missing = (growth.arrived - growth.ended) * span
    if missing <= max((1 - ACHIEVED) * growth.arrived * span, 2):
        return []
    share = growth.ended / growth.arrived
    text = f"{units.percent(share)} of what came ended, under {ACHIEVED:.0%}"
    return [Reason(text, share > ACHIEVED - 0.1, _LONGER * duration)]


def _success_reasons(
    summary: Summary, thresholds: Sequence[Threshold], duration: float
) -> list[Reason]:
    """Next to all must succeed, whatever else is asked for; unless a threshold says how many."""
    if any(one.metric.field in OF_SUCCESS for one in thresholds):
        return []
    jobs, requests = summary.jobs, summary.requests
    sent = requests.count + requests.dropped + jobs.submitted
    wrong = requests.errors + requests.dropped + jobs.errors
    if wrong <= (1 - SUCCEEDED) * sent:
        return []
    share = 1 - wrong / sent
    text = f"{units.percent(share)} succeeded, under {SUCCEEDED:.0%}"
    return [Reason(text, share > SUCCEEDED - 0.01, _LONGER * duration)]


def _overload(
    fold: SummaryFold, watch: Watch, thresholds: Sequence[Threshold], *, jobs: bool
) -> str | None:
    """Say why the generator was the limit, if it was: it sent late, or its loop was late.

    Of lateness that percentile counts which the thresholds ask for: a pause that
    makes 2 % of the requests late can make a p99 fail, and no p95.
    """
    percents = [_limited_percentile(threshold) for threshold in thresholds]
    percent = max((one for one in percents if one is not None), default=95.0)
    late = fold.metric(f"request.lateness.p{percent:g}") or 0.0
    latency = fold.metric(f"{'job' if jobs else 'request'}.latency.p{percent:g}") or 0.0
    if late > max(LATE, (latency if math.isfinite(latency) else 0.0) / 10):
        return f"the generator was late: p{percent:g} of lateness {units.seconds(late)}"
    if watch.lags and median(watch.lags) > _LAG:
        return f"the generator's event loop was late by {units.seconds(median(watch.lags))}"
    return None


def _own_limit(verdict: Verdict) -> str | None:
    """Say why the verdict blames the generator, if it does."""
    blamed = (reason.text for reason in verdict.reasons if reason.code in _OF_GENERATOR)
    return next(blamed, None)


def _left_behind(summary: Summary) -> int:
    """Jobs that the service may still do when the next trial has begun, if they are notable."""
    left = summary.jobs.given_up - summary.jobs.rejected
    return left if left > max(1, 0.01 * summary.jobs.submitted) else 0
