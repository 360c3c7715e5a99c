import pytest

from asyncload.errors import ConfigError
from asyncload.stats.summary import SummaryFold
from asyncload.verdict.thresholds import Threshold, evaluate
from tests.stats.feeds import header, job, ledger, request


@pytest.fixture(scope="module")
def fold():
    """100 requests of 10 to 1000 ms in 10 s, one of them failed; 10 jobs of 1 to 10 s, one lost."""
    fold = SummaryFold()
    fold.write(header(s={"duration": "10s"}))
    for i in range(1, 101):
        outcome = "failed" if i == 50 else "ok"
        fold.write(request(t=0.1 * i, latency=0.01 * i, outcome=outcome))
    for i in range(1, 10):
        fold.write(job(t=20, latency=i))
    fold.write(job(status="LOST"))
    fold.write(ledger(succeeded=9, lost=1))
    return fold


@pytest.mark.parametrize(
    ("text", "passed", "measured"),
    [
        ("request.latency.p95 < 1s", True, "950 ms"),
        ("request.latency.p95 < 0.5", False, "950 ms"),
        ("request.latency.p50<=501ms", True, "500 ms"),
        ("request.latency.p50<499.9ms", False, "0.500223 s"),
        ("request.latency.p50 > 5µs", True, "500 ms"),
        ("request.error_rate < 100%", True, "1.00 %"),
        ("  request.error_rate <= 1 %  ", True, "1.00 %"),
        ("request.error_rate < 0.01", False, "1 %"),
        ("request.rate >= 10/s", True, "10.0/s"),
        ("request.rate > 10.5", False, "10.0/s"),
        ("request.failed == 1", True, "1"),
        ("request.dropped != 0", False, "0"),
        ("request[get].count > 99", True, "100"),
        ("request[s].count > 99", True, "100"),
        ("job.latency.max < 2m", True, "9.00 s (of those that ended)"),
        ("job.latency.p90 < 10s", True, "9.00 s"),
        ("job.latency.p95 < 100h", False, "never"),
        ("job.latency.p95 > 1s", False, "never"),
        ("job.lost == 0", False, "1"),
        ("job.success_rate > 80%", True, "90.0 %"),
        ("job[x.tif:m].queue_wait.mean < 1.5s", True, "1.00 s"),
    ],
)
def test_a_threshold_is_held_against_what_was_measured(fold, text, passed, measured):
    result = Threshold.parse(text).evaluate(fold)
    assert (result.passed, result.measured) == (passed, measured)
    assert result.text == text.strip()
    assert bool(result.reason) != passed


@pytest.mark.parametrize(
    ("text", "ended", "reason"),
    [
        ("job.latency.p95 < 1h", 90, "more than 5 % of the jobs never ended"),
        ("job.latency.p99.9 < 1h", 999, "more than 0.1 % of the jobs never ended"),
        ("job.latency.p100 < 1h", 999, "some of the jobs never ended"),
        ("job[x.tif:m].latency.p50 < 1h", 3, "more than 50 % of the jobs never ended"),
        ("job.latency.mean < 1h", 3, "half of the jobs or more never ended"),
        ("job.latency.p1 < 1h", 0, "none of the jobs ended"),
        ("job.latency.p90 < 1h", 90, ""),
        ("job.latency.mean < 1h", 90, ""),
    ],
)
def test_no_latency_passes_while_too_many_jobs_never_end(text, ended, reason):
    fold = SummaryFold()
    for _ in range(ended):
        fold.write(job(latency=1.0))
    for i in range(10):
        fold.write(job(status="LOST" if i % 2 else "TIMED_OUT"))
    result = Threshold.parse(text).evaluate(fold)
    assert (result.passed, result.reason) == (not reason, reason)
    if reason:
        assert (result.value, result.measured) == (None, "never")


def test_a_drop_rate_of_one_name_of_several_does_not_pass_unknown():
    fold = SummaryFold()
    for name in ("a", "b"):
        fold.write(request(name=name, scenario="web"))
    assert Threshold.parse("request[a].drop_rate < 1%").evaluate(fold).passed
    fold.write(request(name="(dropped)", scenario="web", outcome="dropped"))
    result = Threshold.parse("request[a].drop_rate < 1%").evaluate(fold)
    assert (result.passed, result.measured) == (False, "no data")
    assert result.reason == "dropped arrivals have no name; use request[web].drop_rate"


def test_a_metric_without_data_does_not_pass(fold):
    results = evaluate(
        [Threshold.parse("request[nobody].latency.p95 < 1s"), Threshold.parse("job.size >= 0")],
        fold,
    )
    assert [result.passed for result in results] == [False, True]
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
