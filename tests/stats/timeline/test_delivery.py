"""Arrivals that were sent, held against the plan."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.stats.timeline.delivery import DeliveryMeter

times = st.lists(st.floats(0, 100, allow_nan=False), max_size=60).map(sorted)


def delivered(due, begun, *, span=100.0, pieces=1):
    meter = DeliveryMeter("s", np.array(due, np.float64))
    for piece in np.array_split(np.array(begun, np.float64), pieces):
        meter.add(array("d", piece))
    return meter.record(span, span)


def test_a_load_that_goes_out_when_it_is_due_is_at_no_distance_from_its_plan():
    due = np.arange(0.0, 10.0, 0.01)
    delivery = delivered(due, due + 1e-6, span=10.0)
    assert delivery.planned.count == delivery.sent.count == 1000
    assert delivery.planned.rate == delivery.sent.rate == 100.0
    assert delivery.planned.mean_gap == pytest.approx(0.01)
    assert delivery.sent.cv == pytest.approx(0.0, abs=1e-6)
    assert delivery.ks == pytest.approx(1 / 1000)  # the one that is just due


def test_the_gaps_of_poisson_arrivals_have_a_coefficient_of_variation_of_one():
    due = np.cumsum(np.random.default_rng(3).exponential(0.01, 20_000))
    delivery = delivered(due, due, span=float(due[-1]))
    assert delivery.planned.cv == pytest.approx(1.0, abs=0.03)
    assert delivery.sent == delivery.planned


def test_what_was_never_sent_is_missing_to_the_end():
    due = np.arange(0.0, 10.0, 0.1)
    assert delivered(due, due[:20], span=10.0).ks == pytest.approx(0.8)
    assert delivered(due, [], span=10.0).ks == 1.0
    assert delivered([], [], span=10.0).ks == 0.0


def test_a_pause_is_seen_though_everything_was_sent_in_the_end():
    due = np.arange(0.0, 10.0, 0.1)
    begun = np.where((due >= 4) & (due < 6), 6.0, due)
    delivery = delivered(due, begun, span=10.0)
    assert delivery.sent.count == delivery.planned.count
    assert delivery.ks == pytest.approx(0.2, abs=0.011)


@given(times, times, st.integers(1, 4))
def test_the_distance_is_that_of_the_two_distributions_however_the_starts_come_in(
    due, begun, pieces
):
    begun = begun[: len(due)]
    delivery = delivered(due, begun, pieces=pieces)
    # Slowly: at each moment at which something happens, before and at it.
    worst = 0
    for t in [*due, *begun, 100.0]:
        due_by_then = sum(one <= t for one in due)
        worst = max(worst, due_by_then - sum(one < t for one in begun))
        worst = max(worst, due_by_then - sum(one <= t for one in begun))
    before_end = sum(one < 100.0 for one in begun)
    worst = max(worst, len(due) - len(begun)) if before_end <= len(begun) else worst
    assert delivery.ks == pytest.approx(worst / len(due) if due else 0.0)
    gaps = np.diff(begun)
    if len(gaps) and gaps.mean() > 1e-9:
        assert delivery.sent.mean_gap == pytest.approx(gaps.mean())
        assert delivery.sent.cv == pytest.approx(gaps.std() / gaps.mean(), abs=1e-4)
