"""The rules of the verdict, on records: each code, its limit, and that clean runs have none."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.config.validity import Validity
from asyncload.plan.duration import Duration
from asyncload.records.record import Level, System
from asyncload.stats.summary import SummaryFold
from asyncload.verdict.evaluate import evaluate
from asyncload.verdict.judge import limits_of, verdict_of
from asyncload.verdict.thresholds import Threshold
from asyncload.verdict.verdict import WEIGHTS, Reason, Verdict
from tests.stats.feeds import header, job, records, request

SECONDS = 20


def run_of(*more, latency=0.1, lateness=0.0, rate=50, **fields):
    """Make a clean run of 20 s, but for what is given."""
    start = header(s={"model": "open", "duration": SECONDS})
    start.config["connections"] = 64
    records = [start]
    for i in range(rate * SECONDS):
        due = i / rate
        records.append(request(t=due + latency, latency=latency, lateness=lateness, **fields))
    for t in range(SECONDS + 1):
        ended = t == SECONDS
        records.append(Level(float(t), "s", 0.0 if ended else rate, 5, 5, 0, ended=ended))
        records.append(System(float(t), "here", cpu=40.0, cpu_wait=3.0, steal=0.0, loop_lag=0.004))
    return [*records, *more]


def verdict(records, *texts, limits=None, problems=()):
    fold = SummaryFold()
    for record in records:
        fold.write(record)
    thresholds = [Threshold.parse(text) for text in texts]
    results = evaluate(thresholds, fold)
    return verdict_of(fold, thresholds, results, limits=limits, problems=problems)


def codes(*arguments, **options):
    return [reason.code for reason in verdict(*arguments, **options).reasons]


def changed(records, **fields):
    """Change every sample of the generator."""
    return [
        msgspec.structs.replace(one, **fields) if isinstance(one, System) else one
        for one in records
    ]


def test_a_clean_run_has_no_reasons():
    came = verdict(run_of(), "request.latency.p95 < 1s", "request.error_rate < 1%")
    assert came == Verdict("valid", True, ())
    assert came.exit_code() == 0


@pytest.mark.parametrize(
    ("latency", "lateness", "late"),
    [(0.1, 0.009, False), (0.1, 0.011, True), (1.0, 0.09, False), (1.0, 0.11, True)],
)
def test_lateness_over_ten_ms_and_a_tenth_of_the_latency_is_the_generators(latency, lateness, late):
    came = verdict(run_of(latency=latency, lateness=lateness))
    assert came.has("generator_late") is late
    assert (came.state, came.exit_code()) == (("invalid", 3) if late else ("valid", 0))
    loose = Validity(lateness=Duration(1))
    assert not verdict(run_of(latency=latency, lateness=lateness), limits=loose).reasons


def test_one_hiccup_among_few_requests_is_no_lateness():
    few = [request(t=float(t), latency=0.1) for t in range(20)]
    few.append(request(t=9.0, latency=0.3, lateness=0.2))
    assert codes([header(s={"duration": SECONDS}), *few]) == []


def test_of_jobs_the_lateness_is_held_against_the_latency_of_jobs():
    sends = run_of(latency=0.05, lateness=0.04)
    jobs = [job(t=10.0 + i / 50, latency=5.0) for i in range(500)]
    assert codes(sends) == ["generator_late"]
    assert codes([*sends, *jobs]) == []


def test_a_busy_process_a_wait_for_cores_and_steal_are_a_busy_generator():
    run = run_of()
    assert codes(changed(run, cpu=96.0)) == ["generator_busy"]
    assert codes(changed(run, cpu=80.0)) == []
    assert codes(changed(run, cpu=50.0, cpu_wait=50.0)) == ["generator_busy"]
    assert codes(changed(run, cpu=50.0, cpu_wait=30.0)) == []
    assert codes(changed(run, cpu=96.0, cpu_wait=None)) == ["generator_busy"]
    assert codes(changed(run, steal=5.0)) == ["generator_busy"]
    assert codes(changed(run, cpu=None, cpu_wait=None, steal=None)) == []
    brief = [
        msgspec.structs.replace(one, cpu=99.0) if isinstance(one, System) and one.t < 4 else one
        for one in run
    ]
    assert codes(brief) == []


def test_a_block_is_named_when_it_is_long_or_comes_often():
    once = System(5.0, "here", loop_lag=0.0, blocked=0.15, blocked_by="Slow.go at slow.py:6")
    came = verdict(run_of(once))
    assert [reason.code for reason in came.reasons] == ["loop_blocked"]
    assert came.reasons[0].text.startswith(
        "Slow.go at slow.py:6 blocked the event loop, for 150 ms"
    )
    short = msgspec.structs.replace(once, blocked=0.04)
    assert codes(run_of(short)) == []
    often = changed(run_of(), blocked=0.04, blocked_by="Slow.go at slow.py:6")
    assert codes(often) == ["loop_blocked"]


def test_a_jump_of_the_clock_and_a_suspended_host_spoil_a_run():
    assert codes(run_of(System(5.0, "here", loop_lag=0.0, clock_jump=-3.0))) == ["clock_jumped"]
    assert codes(run_of(System(5.0, "here", loop_lag=0.0, suspended=30.0))) == ["clock_jumped"]
    assert codes(run_of(System(5.0, "here", loop_lag=0.0, clock_jump=0.02))) == []


def test_a_share_of_dropped_arrivals_is_a_load_not_delivered_unless_it_is_asked_about():
    drops = [request(t=float(i), latency=0.0, outcome="dropped") for i in range(2)]
    assert codes(run_of(*drops)) == ["load_not_delivered"]
    assert codes(run_of(*drops[:1])) == []
    assert codes(run_of(*drops), "request.drop_rate < 1%") == []
    assert codes(run_of(*drops), "request.dropped < 1") == ["threshold_failed"]


def test_a_wait_for_connections_is_held_against_the_service_time():
    waiting = [
        request(t=i / 50 + 0.1, latency=0.1, ready=i / 50, start=i / 50 + 0.05) for i in range(1000)
    ]
    came = verdict([run_of()[0], *waiting])
    assert [reason.code for reason in came.reasons] == ["connections_limited"]
    assert "at most 64 are open to a target" in came.reasons[0].text


def test_nothing_all_failed_and_never_answered_are_told_apart():
    start = header(s={"duration": SECONDS})
    assert codes([start]) == ["nothing_measured"]
    refused = [request(outcome="failed", error="No connection to h: refused") for _ in range(9)]
    came = verdict([start, *refused])
    assert [reason.code for reason in came.reasons] == ["target_unreachable"]
    assert (came.state, came.exit_code()) == ("valid", 1)
    late = "h:80 did not begin to answer within 5 s (timeout)"
    hanging = [request(outcome="timeout", error=late) for _ in range(9)]
    assert codes([start, *hanging]) == ["all_failed"]
    answered = [request(outcome="failed", status=503, error="HTTP 503") for _ in range(9)]
    came = verdict([start, *answered], "request.latency.p50 < 1s")
    assert {reason.code for reason in came.reasons} == {"all_failed", "threshold_failed"}
    lost = [job(status="LOST") for _ in range(9)]
    assert codes([start, *lost]) == ["all_failed"]
    interrupted = [request(outcome="interrupted")]
    assert codes([start, *interrupted]) == ["nothing_measured"]


def test_what_makes_a_run_invalid_weighs_most_then_failures_then_doubts():
    late = run_of(lateness=0.05)
    came = verdict(late, "request.latency.p99.9 < 1ms", "request.ok_latency.p99.9 < 1s")
    assert [reason.code for reason in came.reasons] == [
        "generator_late", "threshold_failed", "too_few_samples",
    ]  # fmt: skip
    assert (came.state, came.passed, came.exit_code()) == ("invalid", False, 3)
    came = verdict(run_of(), "request.latency.p99.9 < 1ms", "request.ok_latency.p99.9 < 1s")
    assert (came.state, came.passed, came.exit_code()) == ("inconclusive", False, 1)
    came = verdict(run_of(), "request.latency.p99.9 < 1s")
    assert (came.state, came.passed, came.exit_code()) == ("inconclusive", True, 3)
    assert came.exit_code(inconclusive_passes=True) == 0
    problem = Reason("run_incomplete", "the run broke off", "mend it")
    assert verdict(run_of(), problems=[problem]).exit_code() == 3


def test_every_code_has_a_weight_and_a_verdict_is_plain_data():
    assert set(WEIGHTS.values()) == {"invalid", "failed", "inconclusive"}
    came = verdict(run_of(lateness=0.05), "request.latency.p99.9 < 1s")
    text = msgspec.json.encode(came)
    assert msgspec.json.decode(text, type=Verdict) == came


def test_limits_come_back_from_the_header_of_a_log():
    fold = SummaryFold()
    start = header(s={"duration": SECONDS})
    start.config["validity"] = {"lateness": 0.5, "drop_rate": 0.1}
    fold.write(start)
    assert limits_of(fold) == Validity(lateness=Duration(0.5), drop_rate=0.1)
    start.config["validity"] = {"lateness": "soon", "other": 1}
    assert limits_of(fold) == limits_of(SummaryFold()) == Validity()


def test_a_warm_up_is_advised_and_never_cut():
    fold = SummaryFold()
    for record in run_of(latency=0.1):
        fold.write(record)
    slow = [request(t=i / 50, latency=2.0) for i in range(100)]
    for record in slow:
        fold.write(record)
    assert fold.request_total().count == 1100
    assert set(fold.summary().warm_ups) == {"s"}


@settings(deadline=None, max_examples=80)
@given(st.lists(records, max_size=40), st.booleans())
def test_a_verdict_comes_of_whatever_was_recorded(feed, with_header):
    start = [header(a={"model": "open", "duration": 100})] if with_header else []
    texts = ["request.latency.p95 < 1s", "job.latency.p50 < 1s", "request.rate > 1 for a"]
    came = verdict([*start, *feed], *texts)
    assert came.exit_code() in {0, 1, 3}
    assert (came.exit_code() == 0) is (came.state == "valid" and came.passed)
    assert msgspec.json.decode(msgspec.json.encode(came), type=Verdict) == came
    for reason in came.reasons:
        assert reason.text
        assert reason.remedy
        assert reason.code in WEIGHTS
