import gc

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.records.record import Level, Note, System
from asyncload.stats.live import HISTORY, LATEST, MAX_NOTES, WINDOW, LiveStats
from tests.stats.feeds import header, job, ledger, records, request

pytestmark = pytest.mark.slow


def watched(*feed):
    stats = LiveStats()
    for record in feed:
        stats.write(record)
    return stats


def test_the_rate_is_that_of_the_last_whole_seconds():
    # 10 a second for 10 s, then 20 a second for 5 s, then one in the second under way.
    feed = [request(t=0.1 * i) for i in range(100)]
    feed += [request(t=10 + 0.05 * i) for i in range(100)]
    stats = watched(*feed, request(t=15.01))
    assert stats.snapshot(15.9).scenarios[0].rate == pytest.approx(20.0)
    assert stats.snapshot(12.0).scenarios[0].rate == pytest.approx((3 * 10 + 2 * 20) / 5)


@pytest.mark.parametrize(
    ("levels", "now", "mean"),
    [
        ([], 9.0, None),
        ([(0.0, 4.0)], 0.5, None),  # no second is over
        ([(0.0, 4.0), (1.002, 6.0)], 1.5, 5.0),
        ([(float(t), 10.0 * t) for t in range(21)], 20.7, 175.0),
        ([(float(t), 8.0) for t in range(21)], 20.0, 8.0),
        ([(3.0, 8.0)], 60.0, None),  # long ago
    ],
)
def test_the_target_lately_is_the_mean_over_the_seconds_of_the_rate(levels, now, mean):
    stats = watched(
        request(t=0.0, scenario="a"), *(Level(t, "a", level, 1, 1, 0) for t, level in levels)
    )
    (found,) = stats.snapshot(now).scenarios
    assert found.target_lately == pytest.approx(mean)


def test_there_is_no_rate_before_the_first_second_is_over():
    stats = watched(request(t=0.2))
    assert stats.snapshot(0.9).scenarios[0].rate is None
    assert stats.snapshot(1.0).scenarios[0].rate == 1.0


def test_recent_percentiles_forget_what_is_older_than_the_window():
    slow = [request(t=0.01 * i, latency=9.0) for i in range(1000)]
    fast = [request(t=10 + 0.01 * i, latency=0.05) for i in range(1000 * WINDOW // 10)]
    stats = watched(*slow, *fast)
    now = stats.snapshot(10 + WINDOW - 0.01).scenarios[0]
    assert now.submit.p95 == pytest.approx(0.05, rel=0.001)
    assert stats.fold.metric("request.latency.p95") == pytest.approx(9.0, rel=0.001)


def test_where_little_comes_percentiles_are_over_the_latest_values():
    stats = watched(*(job(t=20.0 * i, latency=float(i)) for i in range(1, 6)))
    for now in (100.5, 500.0):  # one of them in the window, none of them
        job_times = stats.snapshot(now).scenarios[0].job
        assert job_times.p50 == pytest.approx(3.0, rel=0.001)
        assert job_times.p95 == pytest.approx(5.0, rel=0.001)


def test_recent_percentiles_are_those_of_the_window():
    rng = np.random.default_rng(5)
    latencies = rng.lognormal(-4, 1, 3000)
    stats = watched(*(request(t=0.003 * i, latency=float(x)) for i, x in enumerate(latencies)))
    now = stats.snapshot(8.999).scenarios[0].submit
    for percent, value in ((50, now.p50), (95, now.p95)):
        exact = np.percentile(latencies, percent, method="inverted_cdf")
        assert value == pytest.approx(exact, rel=0.001)


def test_the_series_tell_of_every_whole_second():
    feed = [
        # Sent in second 0, answered in second 2.
        request(t=2.5, latency=2.0),
        request(t=1.5, latency=0.25),
        request(t=1.6, outcome="dropped"),
        job(t=2.25, latency=2.0),
        request(t=3.5),
    ]
    series = watched(*feed).snapshot(3.9).series
    assert series.start == 0
    assert series.arrivals == [1, 1, 0]
    assert series.answered == [0, 1, 1]
    assert series.dropped == [0, 1, 0]
    assert series.jobs == [0, 0, 1]
    assert series.request_p95 == [None, pytest.approx(0.25), pytest.approx(2.0)]
    assert series.job_p95 == [None, None, pytest.approx(2.0)]


def test_the_series_keep_their_percentiles_when_the_histograms_are_gone():
    stats = watched(*(request(t=float(i), latency=0.5) for i in range(WINDOW * 3)))
    assert stats.snapshot(WINDOW * 3).series.request_p95 == [pytest.approx(0.5)] * (WINDOW * 3)


def test_percentiles_of_a_second_are_those_of_all_scenarios_together():
    feed = [request(t=1.5, latency=0.1, scenario="a") for _ in range(97)]
    feed += [request(t=1.5, latency=0.9, scenario="b") for _ in range(3)]
    series = watched(*feed).snapshot(2.0).series
    assert series.request_p95[1] == pytest.approx(0.1, rel=0.001)


def test_a_record_that_comes_very_late_is_counted_in_the_summary_only():
    stats = watched(request(t=1000.0), request(t=1.0))
    assert stats.fold.summary().requests.count == 2
    assert sum(stats.snapshot(1001.0).series.answered) == 1


def test_the_latest_level_and_ledger_and_health_are_shown():
    stats = watched(
        header(s={"model": "closed", "duration": 10}),
        Level(2.0, "s", 8.0, 8, 5, 3),
        Level(1.0, "s", 4.0, 4, 1, 1),
        ledger(t=2.0, succeeded=4, backlog=3),
        System(1.0, "h", 12.0, 1, loop_lag=0.001),
        System(2.0, "gpu-box", 99.0, 1),
    )
    snapshot = stats.snapshot(2.5)
    now = snapshot.scenarios[0]
    assert (now.model, now.target, now.users, now.in_flight, now.backlog) == ("closed", 8, 8, 5, 3)
    assert snapshot.ledger is not None
    assert snapshot.ledger.backlog == 3
    assert snapshot.system is not None
    assert snapshot.system.cpu == 12.0


def test_warnings_that_repeat_are_told_once_with_their_number():
    feed = [Note(float(i), "warning", "throttled") for i in range(4)]
    feed += [Note(5.0, "info", "all is well"), Note(6.0, "error", "disk full")]
    told = [(note.text, note.times, note.t) for note in watched(*feed).snapshot(7.0).notes]
    assert told == [("throttled", 4, 3.0), ("disk full", 1, 6.0)]


def test_failures_of_requests_and_jobs_are_told_together_the_most_frequent_first():
    feed = [request(outcome="failed", error="boom"), job(status="FAILED", error="no image")]
    feed.append(job(status="FAILED", error="no image"))
    snapshot = watched(*feed).snapshot(20.0)
    assert list(snapshot.failures.items()) == [("FAILED: no image", 2), ("boom", 1)]
    assert (snapshot.scenarios[0].failed, snapshot.scenarios[0].jobs_failed) == (1, 2)


def test_where_there_is_a_ledger_all_totals_are_of_the_moment_of_its_record():
    feed = [request(t=0.1 * i) for i in range(5)]
    feed += [request(t=0.8, name="(dropped)", outcome="dropped"), job(t=0.9, status="FAILED")]
    late = [request(t=1.2), request(t=1.3, outcome="failed"), job(t=1.4, status="LOST")]
    late.append(request(t=1.5, name="(dropped)", outcome="dropped"))

    def totals(*records):
        snapshot = watched(*records).snapshot(1.9)
        now = snapshot.scenarios[0]
        counts = (now.sent, now.failed, now.dropped, now.jobs_failed)
        return counts, sum(snapshot.failures.values())

    assert totals(*feed, ledger(t=1.0, failed=1, backlog=4), *late) == ((5, 0, 1, 1), 1)
    assert totals(*feed, *late) == ((7, 1, 2, 2), 3)
    after = ledger(t=2.0, failed=1, lost=1, backlog=5)
    assert totals(*feed, ledger(t=1.0, failed=1, backlog=4), *late, after) == ((7, 1, 2, 2), 3)


@settings(deadline=None, max_examples=30)
@given(st.lists(records, max_size=40), st.floats(0, 200))
def test_a_snapshot_can_be_taken_at_any_moment_and_is_json(feed, now):
    snapshot = watched(*feed).snapshot(now)
    assert msgspec.json.decode(msgspec.json.encode(snapshot))["t"] == now


def reachable(root):
    """Count the objects that hang on ``root``, and the elements of its containers."""
    seen, todo, total = {id(root)}, [root], 0
    while todo:
        for child in gc.get_referents(todo.pop()):
            if id(child) not in seen and not isinstance(child, type | type(gc)):
                seen.add(id(child))
                total += len(child) if isinstance(child, list | dict | set) else 1
                todo.append(child)
    return total


def test_memory_does_not_grow_with_the_length_of_a_run():
    stats = LiveStats()

    def run_for(seconds):
        nonlocal moment
        for _ in range(seconds):
            moment += 1
            for _ in range(3):
                stats.write(request(t=moment + 0.5, latency=0.1, outcome="failed", error="boom"))
            stats.write(job(t=moment + 0.5))
            stats.write(Level(moment, "s", 1.0, 1, 1, 1))
            letters = str(moment).translate(str.maketrans("0123456789", "abcdefghij"))
            stats.write(Note(moment, "warning", f"a kind of its own: {letters}"))
            stats.write(ledger(t=moment))

    moment = 0.0
    run_for(HISTORY + 700)
    before = reachable(stats)
    run_for(4000)
    assert reachable(stats) <= before * 1.02
    assert len(stats._seconds) == HISTORY
    assert sum(second.cells is not None for second in stats._seconds.values()) == WINDOW
    assert len(stats._scenarios["s"].request_times) == LATEST
    assert len(stats._notes) == MAX_NOTES
    assert stats.fold.summary().requests.count == 3 * (HISTORY + 4700)


def test_warnings_of_a_kind_are_one_with_a_count_and_examples():
    stats = LiveStats()
    for n in range(14):
        stats.write(Note(n, "warning", f"skipped s3://bucket/{'abcdefghijklmn'[n]}.tif: no image"))
    stats.write(Note(20.0, "warning", "'jobs' answers late"))
    stats.write(Note(21.0, "warning", "'other jobs' answers late"))
    images, queues = stats.snapshot(30.0).notes
    assert (images.t, images.times, images.text) == (
        13, 14, "skipped s3://bucket/a.tif: no image",
    )  # fmt: skip
    assert images.examples == [
        "skipped s3://bucket/b.tif: no image", "skipped s3://bucket/c.tif: no image",
    ]  # fmt: skip
    assert (queues.times, queues.examples) == (2, ["'other jobs' answers late"])
    assert stats.snapshot(30.0).more_notes == 0


def test_warnings_beyond_the_kinds_that_are_kept_are_counted_and_an_error_is_always_kept():
    stats = LiveStats()
    kinds = [f"trouble with {letter}" for letter in "abcdefghijklm"]
    for t, text in enumerate([*kinds, kinds[-1], kinds[0]]):
        stats.write(Note(t, "warning", text))
    seen = stats.snapshot(30.0)
    assert [note.text for note in seen.notes] == [*kinds[1:MAX_NOTES], kinds[0]]
    assert (seen.more_notes, seen.notes[-1].times) == (4, 2)
    stats.write(Note(40.0, "error", "the run broke off"))
    seen = stats.snapshot(50.0)
    assert len(seen.notes) == MAX_NOTES
    assert seen.notes[-1].text == "the run broke off"
    assert seen.more_notes == 5
