import hypothesis.strategies as st
import pytest
from hypothesis import given

from asyncload.config.model import ThresholdOptions
from asyncload.errors import ConfigError
from asyncload.plan.duration import Duration
from asyncload.stats.summary import SummaryFold
from asyncload.verdict.evaluate import Windows, evaluate, evaluate_one
from asyncload.verdict.sample_size import least_samples
from asyncload.verdict.thresholds import Threshold, check_consistent
from tests.stats.feeds import header, job, ledger, request


def held(text, fold):
    return evaluate_one(Threshold.parse(text), fold)


@pytest.fixture(scope="module")
def fold():
    """1,000 requests of 1 to 1,000 ms in 10 s, one of them failed; 200 jobs, five lost."""
    fold = SummaryFold()
    fold.write(header(s={"duration": "10s"}))
    for i in range(1, 1001):
        outcome = "failed" if i == 500 else "ok"
        fold.write(request(t=0.01 * i, latency=0.001 * i, outcome=outcome))
    for i in range(1, 196):
        fold.write(job(t=20, latency=i / 20))
    for _ in range(5):
        fold.write(job(status="LOST"))
    fold.write(ledger(succeeded=195, lost=5))
    return fold


@pytest.mark.parametrize(
    ("text", "result", "measured"),
    [
        ("request.latency.p95 < 1s", "pass", "951 ms"),
        ("request.latency.p95 < 950ms", "fail", "951 ms"),
        ("request.latency.p95 < 0.95s", "fail", "951 ms"),
        ("request.latency.p95 < 960ms", "inconclusive", "951 ms"),
        ("request.latency.p50<=541ms", "pass", "501 ms"),
        ("request.latency.p50<499.9ms", "fail", "501 ms"),
        ("request.latency.p50 > 5µs", "pass", "501 ms"),
        ("request.latency.p99.9 < 10s", "inconclusive", "1.00 s"),
        ("request.latency.p99.9 < 1ms", "fail", "1.00 s"),
        ("request.latency.max < 1h", "fail", "never"),
        ("request.ok_latency.max < 1h", "pass", "1.00 s"),
        ("request.ok_latency.p95 < 1s", "pass", "951 ms"),
        ("request.latency.mean < 1s", "pass", "501 ms (of those that ended)"),
        ("request.service_time.p95 < 1s", "pass", "951 ms"),
        ("request.queued.p99 < 1ms", "pass", "0 s"),
        ("request.latency.p95 < 0", "fail", "951 ms"),
        ("request.error_rate < 100%", "pass", "0.100 %"),
        ("  request.error_rate <= .1 %  ", "pass", "0.100 %"),
        ("request.error_rate < 0.001", "fail", "0.1 %"),
        ("request.rate >= 100/s", "pass", "100/s"),
        ("request.rate > 100.5", "fail", "100/s"),
        ("request.failed == 1", "pass", "1"),
        ("request.dropped != 0", "fail", "0"),
        ("request[get].count > 999", "pass", "1,000"),
        ("request[s].count > 999", "pass", "1,000"),
        ("request.count > 999 for get", "pass", "1,000"),
        ("request.count > 999 for 's'", "pass", "1,000"),
        ("request.latency.p95 < 1s for nobody", "inconclusive", "no data"),
        ("job.latency.max < 2m", "fail", "never"),
        ("job.latency.mean < 2m", "pass", "4.90 s (of those that ended)"),
        ("job.latency.p90 < 10s", "pass", "9.00 s"),
        ("job.latency.p99 < 100h", "inconclusive", "never"),
        ("job.latency.p99 > 1s", "inconclusive", "never"),
        ("job.lost == 0", "fail", "5"),
        ("job.success_rate > 80%", "pass", "97.5 %"),
        ("job[x.tif:m].queue_wait.mean < 1.5s", "pass", "980 ms"),
    ],
)
def test_a_threshold_is_held_against_what_was_measured(fold, text, result, measured):
    came = held(text, fold)
    assert (came.result, came.measured) == (result, measured)
    assert came.passed is (result == "pass")
    assert came.text == text.strip()
    assert bool(came.reason) is (result != "pass")


@pytest.mark.parametrize(
    ("text", "ended", "reason"),
    [
        ("job.latency.p95 < 1h", 90, "more than 5 % of the jobs never ended"),
        ("job.latency.p99.9 < 1h", 999, "more than 0.1 % of the jobs never ended"),
        ("job.latency.p100 < 1h", 999, "some of the jobs never ended"),
        ("job[x.tif:m].latency.p50 < 1h", 3, "more than 50 % of the jobs never ended"),
        ("job.latency.mean < 1h", 3, "half of the jobs or more never ended"),
        ("job.latency.p1 < 1h", 0, "all jobs never ended"),
        ("job.latency.p90 < 1h", 900, ""),
        ("job.latency.mean < 1h", 90, ""),
    ],
)
def test_no_latency_passes_while_too_many_jobs_never_end(text, ended, reason):
    fold = SummaryFold()
    for _ in range(ended):
        fold.write(job(latency=1.0))
    for i in range(10):
        fold.write(job(status="LOST" if i % 2 else "TIMED_OUT"))
    result = held(text, fold)
    assert (result.passed, result.reason) == (not reason, reason)
    if reason:
        assert (result.value, result.measured) == (None, "never")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("request.latency.p95 < 1h", "more than 5 % of the requests failed"),
        ("request.service_time.p95 < 1h", "more than 5 % of the requests failed"),
        ("request.latency.mean < 1h", ""),
        ("request.ok_latency.p95 < 1h", ""),
    ],
)
def test_a_service_that_sheds_load_by_fast_failures_has_no_fast_latency(text, reason):
    fold = SummaryFold()
    for i in range(1000):
        fold.write(request(latency=0.001, outcome="failed" if i % 3 == 0 else "ok"))
    result = held(text, fold)
    assert (result.passed, result.reason) == (not reason, reason)


@pytest.mark.parametrize(
    ("percent", "samples", "over", "result"),
    [
        ("99", 458, 0, "inconclusive"),
        ("99", 459, 0, "pass"),
        ("99", 661, 1, "inconclusive"),
        ("99", 662, 1, "pass"),
        ("95", 164, 2, "inconclusive"),
        ("95", 165, 2, "pass"),
        ("90", 43, 0, "inconclusive"),
        ("90", 44, 0, "pass"),
        ("99", 10, 1, "inconclusive"),
        ("99", 10, 10, "fail"),
        ("99", 1000, 11, "fail"),
        ("99", 1000, 9, "inconclusive"),
    ],
)
def test_a_percentile_of_too_few_samples_is_inconclusive(percent, samples, over, result):
    fold = SummaryFold()
    for i in range(samples):
        fold.write(request(latency=2.0 if i < over else 0.1))
    came = held(f"request.latency.p{percent} < 1s", fold)
    assert (came.result, came.samples) == (result, samples)
    if result == "inconclusive" and over < 5:
        assert came.needed > samples
        assert f"{samples:,} " in came.reason


@given(
    percent=st.sampled_from([50, 90, 95, 99]), samples=st.integers(0, 700), share=st.floats(0, 0.6)
)
def test_what_passes_is_proven_and_what_is_inconclusive_says_how_many_it_takes(
    percent, samples, share
):
    fold = SummaryFold()
    over = round(share * samples)
    for i in range(samples):
        fold.write(request(latency=2.0 if i < over else 0.1))
    came = held(f"request.latency.p{percent} < 1s", fold)
    if came.result == "pass":
        assert samples >= least_samples(percent, over)
    elif came.needed is not None and samples >= least_samples(percent):
        assert samples < came.needed == least_samples(percent, over)
    if came.result == "fail":
        assert over > samples * (100 - percent) / 100 - 1


def test_over_a_duration_every_part_of_the_load_must_hold_and_the_worst_is_told():
    thresholds = [
        Threshold.parse("request.latency.p90 < 100ms over 2s"),
        Threshold.parse("request.rate >= 50 over 2s"),
        Threshold.parse("request.rate >= 101 for get over 2s"),
        Threshold.parse("request.latency.p90 < 100ms over 20s"),
    ]
    fold, windows = SummaryFold(), Windows(thresholds)
    records = [header(s={"duration": "11s"})]
    for i in range(1000):
        due = i / 100
        slow = 4 <= due < 4.5
        records.append(request(t=due + 0.05, latency=0.5 if slow else 0.05))
    for record in records:
        fold.write(record)
        windows.write(record)
    slow, fast_enough, too_few, too_short = evaluate(thresholds, fold, windows)
    assert (slow.result, slow.measured) == ("fail", "500 ms")
    assert slow.window == (2.0, 4.0)  # due 0.45 s before it was over
    assert fast_enough.result == "pass"
    assert too_few.result == "fail"
    assert (too_short.result, too_short.reason) == ("inconclusive", "no part of 20 s is complete")


def test_a_drop_rate_of_one_name_of_several_does_not_pass_unknown():
    fold = SummaryFold()
    for name in ("a", "b"):
        fold.write(request(name=name, scenario="web"))
    assert held("request[a].drop_rate < 1%", fold).passed
    fold.write(request(name="(dropped)", scenario="web", outcome="dropped"))
    result = held("request[a].drop_rate < 1%", fold)
    assert (result.result, result.measured) == ("inconclusive", "no data")
    assert result.reason == "dropped arrivals have no name; use request[web].drop_rate"


def test_a_metric_without_data_does_not_pass(fold):
    results = evaluate(
        [Threshold.parse("request[nobody].latency.p95 < 1s"), Threshold.parse("job.size >= 0")],
        fold,
    )
    assert [result.result for result in results] == ["inconclusive", "pass"]
    assert (results[0].value, results[0].reason) == (None, "no data")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be a metric, a comparison and a limit"),
        ("request.rate", "must be a metric, a comparison and a limit"),
        ("< 3", "must be a metric, a comparison and a limit"),
        ("request.rate = 3", "'=' is no comparison; use one of < <= > >= == !="),
        ("request.rate =< 3", "'=<' is no comparison"),
        ("request.rate <", "'' is no limit for request.rate"),
        ("job.latency.p95 < 5%", "'5%' is no limit for job.latency.p95, which is a time"),
        ("job.latency.p95 < 10 parsecs", "something like 10s or 250ms"),
        ("request.latency.p95 < 200", "200 has no unit, and request.latency.p95 is a time; write"),
        ("job.latency.p95 < 1.5 over 10s", "write 1.5ms or 1.5s"),
        ("request.latency.p95 < 1s over 10", "over 10: it has no unit; write 10s or 10m"),
        ("request.latency.p95 < 1s over ten", "over ten: 'ten' is not a duration"),
        ("request.latency.p95 < 1s over 100ms", "that is too short; give 1s or more"),
        ("request[a].rate > 1 for b", "names what it is of already; leave 'for b' out"),
        ("job.orphans < 1 over 10s", "orphans is counted for the whole run only"),
        ("request.error_rate < 5", "a share between 0 and 1; write something like 1% or 0.01"),
        ("request.error_rate < 1", "is 100 %; write 1% or 0.01, or 100% if that is meant"),
        ("job.success_rate == 1.0", "without % a limit of 1.0 for job.success_rate is 100 %"),
        ("request.error_rate < 101%", "a share between 0 and 1; write something like 1% or 0.01"),
        ("request.error_rate < -1", "a share between 0 and 1; write something like 1% or 0.01"),
        ("request.error_rate < 10ms", "is no limit for request.error_rate"),
        ("request.rate > 10s", "a rate per second"),
        ("job.lost < 1%", "which is a number"),
        ("job.latncy.p95 < 10s", "no such metric; the nearest are job.latency.p95"),
    ],
)
def test_a_bad_threshold_is_refused_with_its_text_and_what_is_wrong(text, message):
    with pytest.raises(ConfigError) as refusal:
        Threshold.parse(text)
    assert message in str(refusal.value)
    assert repr(text) in str(refusal.value)


def test_a_name_in_brackets_may_hold_an_operator():
    threshold = Threshold.parse("request[if a<b].latency.p99.9 <= 250ms")
    assert threshold.metric.name == "if a<b"
    assert (threshold.operator, threshold.limit) == ("<=", 0.25)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("predct", "did you mean 'predict'?"),
        ("GET /x", "did you mean 'GET /x?m=a'?"),
        ("zzz", "there are: GET /gz, GET /x?m=a, predict"),
    ],
)
def test_a_name_that_no_request_has_is_refused_with_the_nearest_there_is(name, hint):
    names = ["predict", "GET /x?m=a", "GET /gz"]
    text = f"request[{name}].latency.p95 < 1s"
    with pytest.raises(ConfigError) as refusal:
        Threshold.parse(text).check_name(names)
    assert str(refusal.value) == (
        f"threshold {text!r}: no request and no scenario is called {name!r}; {hint}"
    )
    for known in ("request[predict].rate > 1", "request.rate > 1", "job[x].rate > 1"):
        Threshold.parse(known).check_name(names)


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("request.latency.p95 < 100ms", "request.latency.p95 > 200ms", False),
        ("request.latency.p95 < 100ms", "request.latency.p95 > 50ms", True),
        ("request.latency.p95 < 100ms", "request.latency.p95 >= 100ms", False),
        ("request.latency.p95 <= 100ms", "request.latency.p95 >= 100ms", True),
        ("request.failed == 0", "request.failed > 0", False),
        ("request.failed == 0", "request.failed == 0", True),
        ("request.failed == 0", "request.failed != 0", False),
        ("request.failed < 1", "request.failed < 5", True),
        ("request.rate > 5 for a", "request[a].rate < 2", False),
        ("request.rate > 5 for a", "request.rate < 2 for b", True),
    ],
)
def test_thresholds_that_cannot_both_hold_are_refused(one, other, agree):
    thresholds = [Threshold.parse(one), Threshold.parse(other)]
    if agree:
        check_consistent(thresholds)
        return
    with pytest.raises(ConfigError) as refusal:
        check_consistent(thresholds)
    assert str(refusal.value) == (
        f"thresholds {one!r} and {other!r} cannot both hold; leave one of them out"
    )


def test_a_window_or_a_delay_must_fit_into_the_load():
    threshold = Threshold.parse("request.rate > 1 over 10s")
    threshold.check_length(10.0)
    with pytest.raises(ConfigError, match="over 10s is longer than the 9 s of load"):
        threshold.check_length(9.0)
    options = ThresholdOptions(threshold="request.rate > 1", abort=True, delay=Duration("10s"))
    late = Threshold.parse(options)
    assert (late.abort, late.delay) == (True, 10.0)
    with pytest.raises(ConfigError, match="delay 10s is no shorter than the 10 s of load"):
        late.check_length(10.0)
