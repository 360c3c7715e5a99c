import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.errors import ConfigError
from asyncload.records.record import AnyRecord, Level, Note, System
from asyncload.stats.by_name import MAX_NAMES, OTHER_NAMES
from asyncload.stats.failures import MAX_ERRORS, OTHER_ERRORS
from asyncload.stats.live import LiveStats
from asyncload.stats.metrics import STAGES, Summary
from asyncload.stats.summary import SummaryFold
from tests.stats.feeds import header, job, ledger, records, request

pytestmark = pytest.mark.slow


def folded(*feed):
    fold = SummaryFold()
    for record in feed:
        fold.write(record)
    return fold


@settings(deadline=None, max_examples=60)
@given(st.lists(records, max_size=60), st.randoms())
def test_the_order_of_records_does_not_matter(feed, rng):
    shuffled = feed.copy()
    rng.shuffle(shuffled)
    assert folded(*shuffled).summary() == folded(*feed).summary()


@settings(deadline=None, max_examples=40)
@given(st.lists(records, max_size=40))
def test_a_replayed_log_and_a_watched_run_give_the_same_numbers(feed):
    feed = [header(a={"model": "open", "duration": "50s"}), *feed, ledger(succeeded=3, backlog=1)]
    watched = LiveStats()
    for record in feed:
        watched.write(record)
    lines = msgspec.json.Encoder().encode_lines(feed).splitlines()
    decoder = msgspec.json.Decoder(AnyRecord)
    replayed = folded(*(decoder.decode(line) for line in lines))
    assert watched.fold.summary() == replayed.summary() == folded(*feed).summary()


@settings(deadline=None, max_examples=40)
@given(st.lists(records, max_size=60))
def test_totals_are_the_sum_of_the_rows_and_all_job_counters_add_up(feed):
    summary = folded(*feed).summary()
    rows = summary.requests_by_name
    assert summary.requests.count == sum(row.count for row in rows)
    assert summary.requests.dropped == sum(summary.dropped_by_scenario.values())
    assert summary.requests.ok_latency.count == summary.requests.ok
    assert sum(summary.requests.failures.values()) == sum(r.failed + r.timeout for r in rows)
    for row in [summary.requests, *rows]:
        assert row.count == row.ok + row.failed + row.timeout
        assert row.latency.count == row.ok
        assert row.latency.beyond == row.failed + row.timeout + row.dropped
        assert row.service_time.beyond == row.failed + row.timeout
        stages = row.lateness, row.preparation, row.queued
        assert {stage.count for stage in stages} == {row.lateness.count}
    for row in [summary.jobs, *summary.jobs_by_name]:
        ended = row.succeeded + row.partial + row.failed
        assert row.submitted == ended + row.timed_out + row.lost + row.backlog
        assert row.latency.count == ended
        assert row.latency.beyond == row.timed_out + row.lost


@settings(deadline=None, max_examples=30)
@given(st.lists(records, max_size=30))
def test_a_summary_is_json_and_comes_back_the_same(feed):
    summary = folded(*feed).summary()
    text = json.dumps(summary.to_dict())
    assert msgspec.convert(json.loads(text), Summary) == summary


def test_latency_counts_from_when_a_request_was_due():
    fold = folded(request(t=5.0, latency=1.0, lateness=0.75))
    assert fold.metric("request.latency.mean") == 1.0
    assert fold.metric("request.service_time.mean") == 0.25
    assert fold.metric("request.lateness.mean") == 0.75


def test_what_did_not_end_well_is_longer_than_any_latency_and_what_was_interrupted_is_none():
    requests = (
        folded(
            request(latency=0.1, status=200),
            request(latency=0.2, outcome="failed", status=503),
            request(latency=5.0, t=6, outcome="timeout"),
            request(latency=0.0, outcome="dropped"),
            request(latency=9.0, t=9, outcome="interrupted"),
        )
        .summary()
        .requests
    )
    assert (requests.latency.count, requests.latency.beyond) == (1, 3)
    assert (requests.latency.p50, requests.latency.max) == (None, pytest.approx(0.1))
    assert (requests.ok_latency.count, requests.ok_latency.beyond) == (1, 0)
    assert requests.ok_latency.p50 == pytest.approx(0.1)
    assert (requests.count, requests.interrupted) == (3, 1)
    assert requests.error_rate == pytest.approx(2 / 3)
    assert requests.drop_rate == pytest.approx(1 / 4)
    assert requests.failures == {"HTTP 503": 1, "timeout": 1}
    assert requests.statuses == {"200": 1, "503": 1}


def test_the_stages_of_a_request_add_up_to_its_latency():
    times = {"due": 1.0, "begun": 1.25, "ready": 1.5, "start": 2.0, "sent": 2.25}
    one = request(t=4.0, first_byte=3.5, **times)
    requests = folded(one, request(t=4.0, latency=1.0)).summary().requests
    seen = {stage: getattr(requests, stage) for stage in STAGES}
    assert {stage: times.max for stage, times in seen.items()} == {
        "lateness": 0.25, "preparation": 0.25, "queued": 0.5, "sending": 0.25, "waiting": 1.25,
        "receiving": 0.5,
    }  # fmt: skip
    assert sum(times.max for times in seen.values()) == requests.latency.max == 3.0
    assert requests.service_time.max == 2.0
    # The second one had nothing of its own to do and a free connection.
    assert (requests.queued.count, requests.queued.min) == (2, 0.0)


def test_a_request_that_never_got_a_connection_has_waited_for_one():
    waited = request(
        t=9.0, latency=9.0, outcome="timeout", start=None, ready=0.5, error="none became free"
    )
    requests = folded(waited).summary().requests
    assert (requests.queued.max, requests.lateness.max) == (8.5, 0.5)
    assert requests.service_time.beyond == 1


def test_a_warm_up_is_left_out_of_the_figures_and_both_stand_in_the_summary():
    start = header(s={"model": "open", "duration": 20})
    start.config["warmup"] = 10.0
    early = [request(t=i / 10 + 1, latency=1.0) for i in range(100)]
    late = [request(t=10.1 + i / 10, latency=0.1) for i in range(100)]
    summary = folded(start, *early, *late).summary()
    assert (summary.warmup, summary.requests.count) == (10.0, 100)
    assert summary.requests.latency.max == pytest.approx(0.1)
    assert summary.requests.rate == pytest.approx(10.0)
    whole = summary.with_warmup.requests
    assert (whole.count, whole.rate) == (200, pytest.approx(10.0))
    assert whole.latency.max == pytest.approx(1.0)


def test_a_rate_is_per_second_of_the_planned_load_however_long_the_last_answers_take():
    feed = [request(t=0.1 * i) for i in range(1, 101)] + [request(t=25.0, latency=16)]
    planned = header(s={"model": "open", "duration": 10})
    assert folded(planned, *feed).metric("request.rate") == pytest.approx(10.1)
    # Without a header only the last record tells how long the load was.
    assert folded(*feed).metric("request.rate") == pytest.approx(101 / 25)


def test_a_rate_is_no_higher_because_nothing_was_due_at_the_end():
    planned = header(s={"model": "open", "duration": "5s"})
    answers = [request(t=0.5 + i) for i in range(5)]
    ended = Level(5.001, "s", 0, 0, 0, 0, ended=True)
    assert folded(planned, *answers, ended).metric("request.rate") == pytest.approx(1.0)


def test_a_load_that_was_stopped_is_measured_to_where_it_was_stopped():
    planned = header(s={"model": "open", "duration": "60s"})
    feed = [request(t=0.1 * i, latency=5) for i in range(50, 150)]
    stopped = Level(10, "s", 0, 0, 50, 0, ended=True)
    drained = Level(15, "s", 0, 0, 0, 0, ended=True)
    fold = folded(planned, *feed, stopped, drained)
    assert fold.metric("request.rate") == pytest.approx(10.0)
    # One that goes on, or was killed, is measured to the last thing that is known of it.
    going_on = Level(20, "s", 10, 1, 0, 0)
    assert folded(planned, *feed, going_on).metric("request.rate") == pytest.approx(5.0)


def test_a_request_that_could_not_be_made_fails_and_has_no_latency():
    answers = [request(t=float(i), latency=2.0) for i in range(2, 6)]
    unmade = [request(t=float(i), latency=0.0001, outcome="failed", start=None) for i in range(9)]
    fold = folded(*answers, *unmade)
    assert fold.metric("request.failed") == 9
    assert fold.metric("request.error_rate") == pytest.approx(9 / 13)
    assert fold.metric("request.latency.min") == pytest.approx(2.0, rel=1e-3)
    live = LiveStats()
    for record in (*answers, *unmade):
        live.write(record)
    assert live.fold.metric("request.ok_latency.p50") == pytest.approx(2.0, rel=1e-3)
    assert live.fold.metric("request.latency.p50") == math.inf


def test_a_header_that_tells_no_duration_is_passed_over():
    planned = header(s={"duration": "soon"}, t={"duration": None}, u={})
    assert folded(planned, request(t=4.0)).metric("request.rate") == pytest.approx(0.25)


def test_each_scenario_has_its_own_span_and_all_have_the_longest():
    loads = header(short={"duration": 10}, long={"duration": "1m"})
    feed = [request(t=10.0, scenario="short") for _ in range(50)]
    feed += [request(t=60.0, scenario="long") for _ in range(60)]
    fold = folded(loads, *feed)
    assert fold.metric("request[short].rate") == pytest.approx(5.0)
    assert fold.metric("request[long].rate") == pytest.approx(1.0)
    assert fold.metric("request.rate") == pytest.approx(110 / 60)


def test_the_latest_ledger_has_the_totals_whatever_order_they_come_in():
    early, late = ledger(t=5, succeeded=1, backlog=9), ledger(t=6, succeeded=7, lost=3, orphans=2)
    for feed in ([early, late], [late, early]):
        jobs = folded(*feed, job()).summary().jobs
        assert (jobs.submitted, jobs.succeeded, jobs.lost, jobs.backlog) == (10, 7, 3, 0)
        assert jobs.orphans == 2
        assert jobs.error_rate == pytest.approx(0.3)
        assert jobs.success_rate == pytest.approx(0.7)


def test_a_jobs_latency_is_split_into_its_stages():
    fold = folded(job(latency=10.0))
    stages = ("lateness", "submit", "queue_wait", "processing", "notification")
    means = [fold.metric(f"job.{stage}.mean") for stage in stages]
    assert means == pytest.approx([1, 1, 2, 5, 1])
    assert fold.metric("job.latency.mean") == pytest.approx(10)


def test_a_job_that_was_given_up_is_counted_and_its_latency_is_beyond_all_others():
    fold = folded(job(), job(status="LOST", error="the drain ended"), job(status="TIMED_OUT"))
    jobs = fold.summary().jobs
    latency = jobs.latency
    assert (jobs.submitted, jobs.lost, jobs.timed_out) == (3, 1, 1)
    assert (latency.count, latency.beyond, latency.p50, latency.max) == (1, 2, None, 4.0)
    assert fold.metric("job.latency.p33") == pytest.approx(4.0, rel=0.001)
    assert fold.metric("job.latency.p34") == math.inf
    assert jobs.queue_wait.beyond == 0
    assert jobs.failures == {"LOST: the drain ended": 1, "TIMED_OUT": 1}
    assert jobs.error_rate == pytest.approx(2 / 3)


def test_what_became_of_the_jobs_given_up_is_what_the_ledger_says_of_the_whole_run():
    fold = folded(job(status="LOST"), ledger(timed_out=2, lost=4, rejected=3, stuck=1))
    jobs = fold.summary().jobs
    assert (jobs.rejected, jobs.stuck, jobs.never_started) == (3, 1, 0)
    assert fold.metric("job.rejected") == 3
    with pytest.raises(ConfigError, match=r"whole run only; write job\.stuck"):
        fold.metric("job[x.tif:m].stuck")


def test_failures_tell_when_the_first_and_the_last_of_them_were_over():
    boom = [request(t=t, outcome="failed", error="boom", name=name) for t, name in
            ((7.0, "get"), (4.0, "put"), (9.0, "get"))]  # fmt: skip
    summary = folded(
        *boom, request(t=5.0, outcome="timeout"), job(t=8.0, status="FAILED")
    ).summary()
    assert summary.requests.failure_times == {"boom": (4.0, 9.0), "timeout": (5.0, 5.0)}
    assert list(summary.requests.failure_times) == list(summary.requests.failures)
    assert summary.jobs.failure_times == {"FAILED": (8.0, 8.0)}


def test_a_service_clock_slightly_ahead_of_ours_makes_no_negative_times():
    jobs = folded(job(t=10.0, finished=10.002)).summary().jobs
    assert jobs.notification.min == 0.0
    assert jobs.notification.clamped == 1


def test_size_and_pixels_add_up_over_the_jobs_that_ended():
    fold = folded(
        job(size=100, pixels=7), job(size=20, status="FAILED"), job(size=3, status="LOST")
    )
    assert (fold.metric("job.size"), fold.metric("job.pixels")) == (120, 7)


def test_notes_and_the_longest_loop_lag_are_kept():
    lags = [System(t, "h", 1.0, 1, loop_lag=lag) for t, lag in ((1, 0.01), (2, 0.3), (3, None))]
    summary = folded(*lags, Note(4, "warning", "x"), Note(5, "warning", "y")).summary()
    assert summary.peak_loop_lag == 0.3
    assert summary.notes == {"warning": 2}
    assert summary.t == 5


def test_different_errors_beyond_the_limit_are_counted_together():
    feed = [request(outcome="failed", error="x" * (i + 1)) for i in range(MAX_ERRORS + 30)]
    failures = folded(*feed).summary().requests.failures
    assert len(failures) == MAX_ERRORS + 1
    assert next(iter(failures)) == OTHER_ERRORS
    assert failures[OTHER_ERRORS] == 30


def test_names_beyond_the_limit_are_counted_together():
    summary = folded(*(request(name=f"/item/{i}") for i in range(MAX_NAMES + 20))).summary()
    assert len(summary.requests_by_name) == MAX_NAMES + 1
    others = [row for row in summary.requests_by_name if row.name == OTHER_NAMES]
    assert [row.count for row in others] == [20]


def test_any_percentile_can_be_asked_for():
    fold = folded(*(request(latency=0.001 * i, t=50) for i in range(1, 1001)))
    exact = np.percentile(np.arange(1, 1001) * 0.001, 97.3, method="inverted_cdf")
    assert fold.metric("request.latency.p97.3") == pytest.approx(exact, rel=0.001)


def test_a_name_in_brackets_is_that_of_a_request_and_of_a_scenario():
    feed = [
        request(scenario="s", name="get", latency=0.1),
        request(scenario="s", name="a[0].b", latency=0.2),
        request(scenario="get", name="put", latency=0.3),
        request(scenario="get", name="get", latency=0.4),
    ]
    fold = folded(*feed)
    assert fold.metric("request[put].latency.max") == pytest.approx(0.3)
    assert fold.metric("request[s].count") == 2
    assert fold.metric("request[get].count") == 3
    assert fold.metric("request[a[0].b].latency.max") == pytest.approx(0.2)


@pytest.mark.parametrize("name", ["(dropped)", "jobs", "sqs.SendMessage"])
def test_a_dropped_arrival_is_one_of_its_scenario_whatever_its_record_is_named(name):
    planned = header(jobs={"duration": 10}, web={"duration": 10})
    feed = [planned]
    for i in range(60):
        sent = {"scenario": "jobs", "name": "sqs.SendMessage", "t": 9.0}
        feed.append(request(latency=0.1 * (i + 1), outcome="failed" if i < 6 else "ok", **sent))
        feed.append(request(scenario="web", name="GET /", t=9.0))
    feed += 20 * [request(scenario="jobs", name=name, outcome="dropped", latency=0.0, t=10.0)]
    fold = folded(*feed)
    for of in ("jobs", "sqs.SendMessage"):
        assert fold.metric(f"request[{of}].count") == 60
        assert fold.metric(f"request[{of}].drop_rate") == pytest.approx(0.25)
        assert fold.metric(f"request[{of}].error_rate") == pytest.approx(0.1)
        assert fold.metric(f"request[{of}].ok_latency.p95") == pytest.approx(5.8, rel=0.001)
        # 54 of 80 arrivals ended well.
        assert fold.metric(f"request[{of}].latency.p60") == pytest.approx(5.4, rel=0.001)
        assert fold.metric(f"request[{of}].latency.p70") == math.inf
        assert fold.metric(f"request[{of}].rate") == pytest.approx(6.0)
    assert fold.metric("request[web].drop_rate") == 0
    assert fold.metric("request.dropped") == 20
    summary = fold.summary()
    rows = {(row.scenario, row.name): row.dropped for row in summary.requests_by_name}
    assert rows == {("jobs", "sqs.SendMessage"): 20, ("web", "GET /"): 0}
    assert summary.dropped_by_scenario == {"jobs": 20}


def test_drops_of_a_scenario_of_several_names_are_of_none_of_them():
    feed = [request(scenario="web", name=name) for name in ("a", "b", "b")]
    feed += [request(scenario="web", name="(dropped)", outcome="dropped")]
    fold = folded(*feed)
    assert fold.metric("request[web].drop_rate") == pytest.approx(0.25)
    assert fold.metric("request[b].drop_rate") is None
    assert fold.metric("request[b].count") == 2
    assert [row.dropped for row in fold.summary().requests_by_name] == [0, 0]


def test_a_scenario_that_dropped_everything_has_a_drop_rate():
    fold = folded(request(scenario="jobs", name="(dropped)", outcome="dropped"))
    assert fold.metric("request[jobs].drop_rate") == 1
    assert fold.metric("request[jobs].error_rate") is None
    assert fold.summary().requests_by_name == []


def test_rates_of_jobs_by_name_add_up_to_that_of_their_scenario():
    feed = [job(t=5.0 * (i + 1), name=f"image {i % 7}", scenario="a") for i in range(20)]
    feed += [job(t=200.0, scenario="b")]
    fold = folded(*feed)
    rows = [row for row in fold.summary().jobs_by_name if row.scenario == "a"]
    assert sum(row.rate for row in rows) == pytest.approx(20 / 100)
    assert fold.metric("job[a].rate") == pytest.approx(20 / 100)
    assert fold.metric("job[image 0].rate") == pytest.approx(3 / 100)
    assert fold.metric("job.rate") == fold.summary().jobs.rate == pytest.approx(21 / 200)


def test_failures_of_jobs_group_whatever_their_ids():
    feed = []
    for i in range(4):
        number = f"{i:032x}"
        told = "StatusMonitor update: RequestStatus.FAILED"
        reason = "Failed to process image region!"
        feed.append(job(status="FAILED", job_id=number, error=f"{told} {number}: {reason}"))
        feed.append(job(status="FAILED", job_id=number, error=f"no image for {number}"))
        feed.append(job(status="FAILED", job_id=number, error=f"{told} {number}: "))
    assert folded(*feed).summary().jobs.failures == {
        "FAILED: Failed to process image region!": 4,
        "FAILED: StatusMonitor update: RequestStatus.FAILED …": 4,
        "FAILED: no image for …": 4,
    }


def test_a_metric_of_nothing_is_none():
    fold = folded(request(start=None))
    assert fold.metric("request[nobody].count") is None
    assert fold.metric("request.lateness.p50") is None
    assert fold.metric("job.lost") is None
    assert SummaryFold().metric("request.error_rate") is None


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("request.latncy.p95", "nearest are request.latency.p95 and"),
        ("request[x].latency.median", r"nearest are request\[x\].latency.mean"),
        ("job.p95", r"nearest are .*job\.latency\.p95"),
        ("error_rate", "nearest are job.error_rate and request.error_rate"),
        ("job[x].orphans", "whole run only; write job.orphans"),
        ("job.latency.p0", "above 0 and at most at 100"),
        ("job.latency.p100.1", "above 0 and at most at 100"),
        ("", "there is no such metric"),
    ],
)
def test_an_unknown_metric_is_refused_with_the_nearest_name(path, message):
    with pytest.raises(ConfigError, match=message):
        SummaryFold().metric(path)
