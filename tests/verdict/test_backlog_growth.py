"""Whether work piles up, on runs whose queue is worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from asyncload.records.record import DROPPED, FAILED, OK, Job, Request, System
from asyncload.verdict.backlog_growth import Watch


def request(due, end, outcome=OK):
    return Request(
        t=end, scenario="s", user=0, name="n", due=due, start=due, end=end, outcome=outcome
    )


def queue(rate, *, capacity, seconds=60.0, workers=4, poisson=None):
    """What a service that ends ``capacity`` a second makes of ``rate``, until all is done."""
    watch = Watch()
    if poisson is None:
        dues = (np.arange(round(rate * seconds)) + 0.5) / rate
    else:
        rng = np.random.default_rng(poisson)
        dues = np.sort(rng.uniform(0, seconds, rng.poisson(rate * seconds)))
    free = [0.0] * workers
    for due in dues.tolist():
        first = free.index(min(free))
        free[first] = max(due, free[first]) + workers / capacity
        watch.write(request(due, free[first]))
    return watch


@pytest.mark.parametrize("rate", [10, 60, 78, 80])
def test_a_queue_up_to_its_capacity_does_not_grow(rate):
    growth = queue(rate, capacity=80).growth(10, 60)
    assert not growth.grows
    assert growth.ended == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize("rate", [82, 100, 160])
def test_a_queue_beyond_its_capacity_grows_by_the_difference(rate):
    growth = queue(rate, capacity=80).growth(10, 60)
    assert growth.grows
    assert growth.per_second == pytest.approx(rate - 80, rel=0.1)
    assert growth.ended == pytest.approx(80, rel=0.01)
    assert growth.at_end == pytest.approx((rate - 80) * 60, abs=5)


def test_random_arrivals_below_the_capacity_are_rarely_taken_for_growth():
    found = [queue(68, capacity=80, poisson=seed).growth(10, 60).grows for seed in range(100)]
    assert sum(found) <= 5


def test_random_arrivals_beyond_the_capacity_are_found_out():
    found = [queue(96, capacity=80, poisson=seed).growth(10, 60).grows for seed in range(20)]
    assert all(found)


def test_the_time_to_drain_is_from_the_end_of_the_load_to_the_last_answer():
    assert queue(160, capacity=80, seconds=30).drained(30) == pytest.approx(30, abs=0.2)


def test_of_a_scenario_with_jobs_the_jobs_are_open_and_not_the_requests_that_send_them():
    watch = Watch()
    for second in range(60):
        watch.write(request(second, second + 0.01))
        watch.write(
            Job(t=200.0, scenario="s", job_id=str(second), name="n", due=second, start=second,
                observed=200.0, status="SUCCESS")
        )  # fmt: skip
    growth = watch.growth(10, 60)
    assert growth.grows
    assert growth.at_end == 60


def test_errors_are_told_by_the_latest_results():
    watch = Watch()
    for moment in range(100):
        watch.write(request(moment, moment + 0.1))
    assert watch.error_share() == 0
    for moment in range(100, 110):
        for _ in range(4):
            watch.write(request(moment, moment + 0.1, FAILED))
    assert watch.error_share() == 1


def test_a_few_errors_say_nothing_yet():
    watch = Watch()
    for moment in range(19):
        watch.write(request(moment, moment + 0.1, FAILED))
    assert watch.error_share() == 0


def test_dropped_arrivals_and_the_lag_of_the_loop_are_kept():
    watch = Watch()
    watch.write(request(1, 1, DROPPED))
    watch.write(System(1.0, "here", loop_lag=0.2))
    watch.write(System(1.0, "a service", host_cpu=10.0))
    assert (watch.dropped, watch.lags) == (1, [0.2])
