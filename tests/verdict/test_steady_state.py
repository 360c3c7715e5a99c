"""Where a warm-up ends, and whether what is open grows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.records.record import Level
from asyncload.stats.timeline.batch_means import MOST, BatchMeans
from asyncload.stats.timeline.levels import Levels
from asyncload.stats.timeline.mser import warm_up
from asyncload.verdict.steady_state import constant_stretches, growth


def means_of(values):
    batches = BatchMeans()
    for index, value in enumerate(values):
        batches.add(float(index), value)
    return batches


def test_mser_cuts_the_beginning_that_is_otherwise():
    random = np.random.default_rng(1)
    values = 0.1 + 0.01 * random.standard_normal(2000)
    values[:300] += np.linspace(1.0, 0.0, 300)
    found = warm_up(*means_of(values).read())
    assert 200 <= found.until <= 400
    assert found.settled
    assert found.notable


def test_mser_cuts_next_to_nothing_where_nothing_changes():
    shares = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        found = warm_up(*means_of(random.exponential(0.1, 3000)).read())
        assert found.settled
        assert not found.notable
        shares.append(found.share)
    assert np.median(shares) < 0.1


def test_what_goes_on_rising_never_settles():
    values = np.linspace(0.1, 5.0, 3000)
    assert not warm_up(*means_of(values).read()).settled
    step = np.concatenate((np.full(1800, 0.1), np.full(1200, 0.5)))
    assert not warm_up(*means_of(step).read()).settled


def test_of_few_values_nothing_is_told():
    assert warm_up(*means_of([0.1] * 99).read()) is None
    assert warm_up(*means_of([0.1] * 100).read()) is not None


@given(st.integers(1, 12_000))
def test_batches_stay_few_and_keep_the_mean(count):
    batches = means_of(range(count))
    times, means = batches.read()
    assert len(times) == len(means) < MOST
    whole = len(means) * batches.size
    assert count - whole < batches.size
    if whole:
        assert np.mean(means) == pytest.approx((whole - 1) / 2)
        assert times[-1] == whole - 1


def levels_of(targets, open_):
    levels = Levels()
    for t, (target, number) in enumerate(zip(targets, open_, strict=True)):
        levels.add(Level(float(t), "s", target, 1, number, 0))
    levels.add(Level(float(len(targets)), "s", 0.0, 1, 0, 0, ended=True))
    return levels


def test_stretches_are_where_the_target_is_constant_and_over_0():
    targets = np.array([0.0, 5, 5, 5, 3, 3, 0, 0, 4])
    assert constant_stretches(np.arange(9.0), targets) == [(1, 3), (4, 5)]


def test_an_overdriven_service_grows_and_a_busy_one_does_not():
    random = np.random.default_rng(2)
    steady = random.poisson(4, 60)
    assert not growth(levels_of([50.0] * 60, steady), 0.0).grows
    rising = growth(levels_of([50.0] * 60, steady + 5 * np.arange(60)), 0.0)
    assert rising.grows
    assert rising.per_second == pytest.approx(5, rel=0.1)
    assert rising.arrived == pytest.approx(50)


def test_a_ramp_or_a_burst_is_not_unsteady():
    assert growth(levels_of(np.arange(1.0, 61.0), np.arange(60)), 0.0) is None
    assert growth(levels_of([50.0] * 15, np.arange(15)), 0.0) is None
    # The warm-up is left out.
    filling = np.minimum(np.arange(60), 30)
    assert not growth(levels_of([50.0] * 60, filling), 30.0).grows


def test_a_queue_near_its_capacity_wanders_and_is_rarely_called_growing():
    false = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        waiting, seen = 0, []
        for _ in range(40):
            for _ in range(25):  # a second of arrivals at 80 % of what is served
                waiting = max(waiting + random.poisson(0.8) - 1, 0)
            seen.append(waiting)
        false += growth(levels_of([20.0] * 40, seen), 0.0).grows
    assert false <= 4
