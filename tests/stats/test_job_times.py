"""The times of jobs come with how exactly they are known."""

from asyncload.records.record import Clock
from asyncload.report.tables.jobs_table import clamped, stage_label
from asyncload.stats.summary import SummaryFold
from tests.stats.feeds import job

CLOCK = Clock(t=9.0, skew=3.0, uncertainty=0.02, observed=1204, rejected=3)


def folded(*records):
    fold = SummaryFold()
    for record in records:
        fold.write(record)
    return fold.summary().jobs


def test_each_part_has_the_uncertainty_of_the_clocks_it_is_told_by():
    jobs = folded(job(), CLOCK)
    assert {part: (it.clock, it.uncertainty) for part, it in jobs.uncertainty.items()} == {
        "lateness": ("ours", 1e-6),
        "submit": ("ours", 1e-6),
        "queue_wait": ("both", 0.021),
        "processing": ("service's", 0.001),
        "notification": ("both", 0.021),
        "latency": ("ours", 1e-6),
    }
    assert (jobs.service_clock.skew, jobs.service_clock.rejected) == (3.0, 3)


def test_the_latest_that_is_known_of_the_clock_counts_whatever_the_order():
    late = Clock(t=10.0, skew=3.1, uncertainty=0.01)
    assert folded(CLOCK, late) == folded(late, CLOCK)
    assert folded(late, CLOCK).service_clock.skew == 3.1


def test_a_log_without_it_says_nothing_of_it():
    jobs = folded(job())
    assert (jobs.uncertainty, jobs.service_clock) == ({}, None)
    assert stage_label("queue_wait", jobs).plain == "queue wait"


def test_a_clock_of_which_nothing_is_known_leaves_the_parts_without_a_limit():
    jobs = folded(job(), Clock(t=9.0, skew=0.0))
    assert jobs.uncertainty["queue_wait"].uncertainty is None
    assert stage_label("queue_wait", jobs).plain == "queue wait ± ?"


def test_the_table_shows_an_uncertainty_of_more_than_a_hundredth_of_the_median():
    jobs = folded(job(latency=4.0), CLOCK)  # queue wait 0.8 s, processing 2 s
    assert stage_label("queue_wait", jobs).plain == "queue wait ± 21.0 ms"
    assert stage_label("processing", jobs).plain == "processing"
    assert stage_label("latency", jobs).plain == "latency"
    assert stage_label("queue_wait", folded(job(latency=40.0), CLOCK)).plain == "queue wait"


def test_times_below_nothing_are_explained_by_the_uncertainty():
    assert clamped(folded(job(), CLOCK)) is None
    text = clamped(folded(job(t=10.0, finished=10.002), CLOCK)).plain
    assert text == (
        "1 time below 0 (the service's clock is not ours, and is known to ± 21.0 ms) is counted as 0."
    )
