"""How long a trial lasts, what it runs, and when it passes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import pytest

from asyncload.capacity.result import TrialResult
from asyncload.capacity.trial import config_of, duration_of, judge, shares_of
from asyncload.config.load import config_from
from asyncload.errors import ConfigError
from asyncload.load_test import LoadTest
from asyncload.records.record import FAILED, OK, Job, Ledger, Request, RunHeader, System
from asyncload.result import Result
from asyncload.stats.summary import SummaryFold
from asyncload.verdict.backlog_growth import Watch
from asyncload.verdict.evaluate import evaluate
from asyncload.verdict.judge import verdict_of
from asyncload.verdict.thresholds import Threshold

RAW = {
    "name": "two",
    "seed": 7,
    "scenarios": [
        {
            "name": name,
            "load": {"shape": {"kind": "constant", "level": level}, "duration": "10s"},
            "user": {"kind": "http", "base_url": "http://127.0.0.1:9", "requests": [{"path": "/"}]},
        }
        for name, level in (("fast", 3), ("slow", 1))
    ],
}
DURATION = 10.0


def outcome(records, *texts, stopped=None, problems=()):
    """Judge a trial of 10 s at 100/s whose records are these."""
    watch, fold = Watch(), SummaryFold()
    header = RunHeader(
        schema=1, run_id="", name="", started_at="", seed=0, host={}, versions={},
        config={"scenarios": [{"name": "s", "load": {"duration": DURATION}}]},
    )  # fmt: skip
    for record in [header, *records]:
        watch.write(record)
        fold.write(record)
    thresholds = [Threshold.parse(text) for text in texts]
    results = evaluate(thresholds, fold)
    result = Result(
        summary=fold.summary(),
        thresholds=results,
        verdict=verdict_of(fold, thresholds, results),
        log=None,
        files=(),
        interrupted=False,
        problems=problems,
    )
    return judge(
        result, fold, watch, thresholds,
        rate=100, duration=DURATION, load_end=DURATION, stopped=stopped,
    )  # fmt: skip


def requests(*, rate=100, latency=0.05, lateness=0.0, failed=0.0):
    """Requests that all take ``latency`` s (a number, or a function of the due time) after due."""
    for index in range(round(rate * DURATION)):
        due = (index + 0.5) / rate
        took = latency(due) if callable(latency) else latency
        late = lateness(due) if callable(lateness) else lateness
        result = FAILED if index % 1000 < failed * 1000 else OK
        yield Request(due + took, "s", 0, "n", due, due + took, result, start=due + late)


def jobs(*, rate=100, latency=0.5, given_up=0):
    for index in range(round(rate * DURATION)):
        due = (index + 0.5) / rate
        yield Request(due + 0.01, "s", 0, "send", due, due + 0.01, OK, start=due)
        lost = index < given_up
        yield Job(
            t=60.0 if lost else due + latency, scenario="s", job_id=f"{index}", name="j", due=due,
            start=due, accepted=due + 0.01, observed=None if lost else due + latency,
            status="LOST" if lost else "SUCCESS",
        )  # fmt: skip
    yield Ledger(
        t=60.0, submitted=round(rate * DURATION), succeeded=round(rate * DURATION) - given_up,
        partial=0, failed=0, timed_out=0, lost=given_up, backlog=0, duplicates=0, late=0,
        orphans=0, unreadable=0, never_started=given_up,
    )  # fmt: skip


LIMIT = "request.latency.p95 < 100ms"


def test_a_step_that_keeps_every_threshold_passes():
    trial = outcome(requests(), LIMIT, "request.error_rate < 1%")
    assert (trial.outcome, trial.reasons) == ("passed", [])
    assert trial.ended == pytest.approx(100, rel=0.02)
    assert trial.latency.p95 == pytest.approx(0.05, rel=0.01)
    assert [held.text for held in trial.thresholds] == [LIMIT, "request.error_rate < 1%"]


def test_a_threshold_that_is_missed_by_far_fails_and_one_that_is_missed_by_little_is_close():
    assert outcome(requests(latency=0.2), LIMIT).outcome == "failed"
    trial = outcome(requests(latency=0.11), LIMIT)
    assert (trial.outcome, trial.wants) == ("close", 2 * DURATION)
    assert trial.reasons == [f"{LIMIT}: it is 110 ms"]


def test_a_percentile_from_too_few_samples_is_close_and_wants_as_long_as_it_takes():
    trial = outcome(requests(rate=8), LIMIT)
    assert trial.outcome == "close"
    assert trial.reasons == [f"{LIMIT}: 80 of the 90 samples that a p95 takes"]
    assert trial.wants == pytest.approx(DURATION * 1.1 * 90 / 80)


def test_a_percentile_that_is_kept_but_not_surely_is_close():
    # 45 of 1000 are over the limit: p95 keeps it, but so would 34 % of services that do not.
    trial = outcome(requests(latency=lambda due: 0.2 if due * 100 % 1000 < 45 else 0.05), LIMIT)
    assert trial.outcome == "close"
    assert trial.reasons == [
        f"{LIMIT}: 45 of 1,000 samples are over the limit: too many to be sure, it takes 1,256"
    ]
    assert trial.wants == pytest.approx(DURATION * 1.1 * 1.256, rel=1e-3)


def test_work_that_piles_up_fails_even_where_every_threshold_holds():
    trial = outcome(requests(latency=lambda due: 0.01 + due * 0.3), "request.latency.p95 < 10s")
    assert trial.outcome == "failed"
    # Due at d it ends at 1.3 d + 0.01, so 1/1.3 of what comes ends.
    assert trial.growth == pytest.approx(100 - 100 / 1.3, rel=0.02)
    assert trial.reasons == [f"what is open grows by {trial.growth:.1f}/s"]


def test_without_thresholds_success_and_pace_decide():
    assert outcome(requests()).outcome == "passed"
    trial = outcome(requests(failed=0.1))
    assert (trial.outcome, trial.reasons) == ("failed", ["90.0 % succeeded, under 99%"])
    assert outcome(requests(failed=0.015)).outcome == "close"
    # A fast failure is no success, whatever the thresholds are about.
    shed = outcome(requests(failed=0.46), "request.ok_latency.p95 < 100ms")
    assert (shed.outcome, shed.reasons) == ("failed", ["54.0 % succeeded, under 99%"])
    assert outcome(requests(failed=0.04), "request.error_rate < 5%").outcome == "passed"
    slow = outcome(requests(latency=lambda due: 0.01 + due * 0.3))
    assert any("of what came ended, under 95%" in reason for reason in slow.reasons)


def test_a_step_that_fails_while_the_generator_was_late_says_nothing_of_the_service():
    trial = outcome(requests(latency=0.2, lateness=0.15), LIMIT)
    assert trial.outcome == "generator"
    assert trial.reasons == ["the generator was late: p95 of lateness 150 ms"]


def test_a_pause_of_the_generator_spoils_a_p99_but_no_p95():
    def pause(due):
        return 0.15 if 5 <= due < 5.3 else 0.0

    records = list(requests(latency=lambda due: 0.2, lateness=pause))
    assert outcome(records, LIMIT).outcome == "failed"
    assert outcome(records, "request.latency.p99 < 100ms").outcome == "generator"


def test_a_step_that_passes_although_the_generator_was_late_has_passed():
    assert outcome(requests(latency=0.08, lateness=0.05), LIMIT).outcome == "passed"


def test_an_event_loop_that_is_late_most_of_the_time_is_the_generators_limit():
    lags = [System(float(t), "here", loop_lag=0.3) for t in range(10)]
    trial = outcome([*requests(latency=0.2), *lags], LIMIT)
    assert trial.outcome == "generator"
    assert trial.reasons == ["the generator's event loop was late by 300 ms"]


def test_a_step_shorter_than_two_answers_proves_nothing_and_wants_six():
    trial = outcome(requests(latency=7.0), "request.latency.p95 < 60s")
    assert trial.outcome == "close"
    assert trial.reasons == ["10 s are too short: the fastest answer took 7.00 s"]
    assert trial.wants == pytest.approx(42)


def test_a_step_that_was_stopped_early_fails_and_says_the_most_frequent_error():
    trial = outcome(requests(failed=1.0), LIMIT, stopped="stopped early: too many errors")
    assert (trial.outcome, trial.stopped_early) == ("failed", True)
    assert trial.reasons == ["stopped early: too many errors, most often 'failed'"]


def test_what_broke_a_run_is_no_verdict_on_the_service():
    trial = outcome(requests(), LIMIT, problems=("the disk is full",))
    assert (trial.outcome, trial.reasons) == ("broken", ["the disk is full"])


def test_of_jobs_the_latency_and_pace_of_jobs_count():
    trial = outcome(jobs(), "job.latency.p95 < 1s")
    assert (trial.outcome, trial.jobs, trial.count) == ("passed", True, 1000)
    assert trial.latency.p50 == pytest.approx(0.5, rel=0.01)
    assert trial.left_behind == 0


def test_jobs_that_the_service_had_not_begun_are_left_behind():
    trial = outcome(jobs(given_up=300), "job.latency.p95 < 1s")
    assert (trial.outcome, trial.left_behind) == ("failed", 300)
    assert outcome(jobs(given_up=5), "job.latency.p95 < 1s").left_behind == 0


# -- how long, and what --------------------------------------------------------------


def length(rate, *texts, trials=(), least=1.0, shares=None):
    thresholds = [Threshold.parse(text) for text in texts]
    return duration_of(rate, least=least, thresholds=thresholds, shares=shares or {}, trials=trials)


def test_a_step_is_long_enough_for_the_percentile_asked_for():
    assert length(10, "request.latency.p99 < 1s") == 66.2
    assert length(10, "request.latency.p95 < 1s") == 13.0
    assert length(10, "request.latency.p95 < 1s", "job.latency.p99 < 1s") == 66.2
    assert length(1000, "request.latency.p99 < 1s", least=30) == 30
    assert length(10, "request.latency.mean < 1s", "request.rate > 5") == 1


def test_a_scenario_with_a_share_of_the_load_takes_longer():
    assert length(10, "request[slow].latency.p95 < 1s", shares={"slow": 0.25}) == 52


def test_a_step_lasts_six_of_the_shortest_answers_seen():
    seen = [
        TrialResult(rate=1, duration=1, outcome="passed", shortest=shortest)
        for shortest in (30.0, 20.0)
    ]
    assert length(10, trials=seen) == 120


def test_scenarios_keep_their_shares_of_the_load(tmp_path):
    config = config_from(RAW)
    shares = shares_of(config.plan)
    assert shares == pytest.approx({"fast": 0.75, "slow": 0.25})
    trial = config_of(
        config, rate=100, duration=20, shares=shares, number=3, log=tmp_path / "x.jsonl"
    )
    assert [scenario.model for scenario in trial.plan.scenarios] == ["open", "open"]
    assert [len(scenario.due_times(1)) for scenario in trial.plan.scenarios] == [1500, 500]
    assert (trial.plan.seed, trial.plan.drain) == (10, 40)
    told = trial.resolved["scenarios"][0]
    assert told["load"]["duration"] == 20
    assert told["user"] == config.resolved["scenarios"][0]["user"]
    assert Path(trial.log) == tmp_path / "x.jsonl"
    msgspec.json.encode(trial.resolved)


def test_a_closed_scenario_does_not_wait_where_it_is_made_open(tmp_path):
    (one, _) = RAW["scenarios"]
    closed = {
        **one,
        "load": {**one["load"], "model": "closed"},
        "user": {**one["user"], "wait": "1s"},
    }
    config = config_from({**RAW, "scenarios": [closed]})
    trial = config_of(
        config, rate=9, duration=2, shares={"fast": 1.0}, number=1, log=tmp_path / "x.jsonl"
    )
    assert "wait" not in trial.plan.scenarios[0].user.options
    LoadTest(trial)
    with pytest.raises(ConfigError, match=r"user.wait: is '1s', and in the open model nobody"):
        LoadTest(config_from({**RAW, "scenarios": [{**closed, "load": one["load"]}]}))


def test_a_closed_scenario_alone_is_made_open_and_beside_others_refused():
    plan = config_from(RAW).plan
    closed = dataclasses.replace(plan.scenarios[0], model="closed")
    assert shares_of(dataclasses.replace(plan, scenarios=(closed,))) == {"fast": 1.0}
    with pytest.raises(ConfigError, match="'fast' is closed and has no rate"):
        shares_of(dataclasses.replace(plan, scenarios=(closed, plan.scenarios[1])))


def test_a_load_of_nothing_has_no_shares():
    silent = {**RAW, "scenarios": [
        {**one, "load": {"shape": {"kind": "constant", "level": 0}, "duration": 1}}
        for one in RAW["scenarios"]
    ]}  # fmt: skip
    with pytest.raises(ConfigError, match="no scenario has a level over 0"):
        shares_of(config_from(silent).plan)


def test_numbers_of_a_step_are_plain_json():
    trial = outcome(requests(), LIMIT)
    assert msgspec.json.decode(msgspec.json.encode(trial), type=TrialResult) == trial
    assert np.isfinite(trial.drain)
