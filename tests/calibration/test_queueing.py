"""Formulas of M/M/c against other ways to the same numbers."""

from __future__ import annotations

import heapq
import math

import numpy as np
import pytest

from asyncload.calibration.queueing import (
    erlang_c,
    percentile_interval,
    relaxation_time,
    sojourn_percentile,
    sojourn_tail,
)


@pytest.mark.parametrize(
    ("workers", "load", "waits"),
    [(1, 0.5, 0.5), (1, 0.8, 0.8), (2, 1.0, 1 / 3), (4, 3.2, 0.5964), (10, 8.0, 0.4092)],
)
def test_erlang_c_has_the_values_of_the_tables(workers, load, waits):
    assert erlang_c(workers, load) == pytest.approx(waits, abs=5e-5)


@pytest.mark.parametrize(("workers", "load"), [(3, 1.7), (7, 6.5)])
def test_erlang_c_is_what_its_definition_says(workers, load):
    busy = load**workers / math.factorial(workers) * workers / (workers - load)
    free = sum(load**k / math.factorial(k) for k in range(workers))
    assert erlang_c(workers, load) == pytest.approx(busy / (free + busy))


@pytest.mark.parametrize("percent", [50, 90, 99])
@pytest.mark.parametrize("utilisation", [0.1, 0.5, 0.8, 0.95])
def test_the_sojourn_in_one_queue_is_exponential_with_the_rate_mu_minus_lambda(
    percent, utilisation
):
    mu = 1 / 0.005
    expected = -math.log(1 - percent / 100) / (mu - utilisation * mu)
    found = sojourn_percentile(percent, workers=1, service_time=0.005, utilisation=utilisation)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(("workers", "utilisation"), [(2, 0.5), (2, 0.9), (4, 0.8), (8, 0.3)])
def test_the_mean_of_the_tail_is_that_of_erlangs_delay_formula(workers, utilisation):
    queue = {"workers": workers, "service_time": 1.0, "utilisation": utilisation}
    t = np.linspace(0, 200, 400_001)
    mean = np.trapezoid([sojourn_tail(x, **queue) for x in t], t)
    load = workers * utilisation
    assert mean == pytest.approx(1 + erlang_c(workers, load) / (workers - load), rel=1e-4)


def test_the_tail_does_not_jump_where_its_formula_divides_by_nothing():
    near = [
        sojourn_tail(1.3, workers=2, service_time=1.0, utilisation=0.5 + off)
        for off in (-1e-6, 0.0, 1e-6)
    ]
    assert near[0] == pytest.approx(near[1], rel=1e-5) == pytest.approx(near[2], rel=1e-5)


@pytest.mark.parametrize(("workers", "utilisation"), [(1, 0.8), (4, 0.8)])
def test_a_simulated_queue_has_the_percentiles_of_the_formula(workers, utilisation):
    rng = np.random.default_rng(3)
    number = 400_000
    arrivals = np.cumsum(rng.exponential(1 / (workers * utilisation), number))
    services = rng.exponential(1.0, number)
    free = [0.0] * workers
    sojourns = np.empty(number)
    for index, (arrival, service) in enumerate(zip(arrivals, services, strict=True)):
        done = max(arrival, free[0]) + service
        heapq.heapreplace(free, done)
        sojourns[index] = done - arrival
    for percent in (50, 90, 99):
        expected = sojourn_percentile(
            percent, workers=workers, service_time=1.0, utilisation=utilisation
        )
        assert np.percentile(sojourns, percent) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(("workers", "load"), [(0, 0.5), (1, 1.0), (2, 0.0), (2, 2.5)])
def test_a_queue_without_a_steady_state_is_refused(workers, load):
    with pytest.raises(ValueError, match="steady state"):
        erlang_c(workers, load)


@pytest.mark.parametrize("percent", [0, 100, -1])
def test_a_percentile_that_is_none_is_refused(percent):
    with pytest.raises(ValueError, match="between 0 and 100"):
        sojourn_percentile(percent, workers=1, service_time=1.0, utilisation=0.5)


def test_a_busier_queue_forgets_more_slowly():
    half, most = (
        relaxation_time(workers=1, service_time=0.005, utilisation=utilisation)
        for utilisation in (0.5, 0.8)
    )
    assert half == pytest.approx(0.005 / (1 - math.sqrt(0.5)) ** 2)
    assert most > 5 * half


@pytest.mark.parametrize("percent", [50, 90])
def test_the_interval_of_a_percentile_holds_it_nineteen_times_in_twenty(percent):
    true = -math.log(1 - percent / 100)
    held = 0
    for seed in range(300):
        low, high = percentile_interval(np.random.default_rng(seed).exponential(size=2000), percent)
        assert low is not None
        assert high is not None
        held += low <= true <= high
    assert 0.9 <= held / 300 <= 0.99


@pytest.mark.parametrize(("number", "percent"), [(5, 50), (60, 99)])
def test_the_interval_is_open_when_there_are_too_few_samples(number, percent):
    values = np.random.default_rng(1).exponential(size=number)
    assert None in percentile_interval(values, percent)
