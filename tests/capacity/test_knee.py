"""Where latency begins to rise much faster than the rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.capacity.knee import FEWEST, knee

# Two straight lines that meet at 80: the knee is where they meet.
BENT = [(rate, 0.05 if rate <= 80 else 0.05 + (rate - 80) * 0.1) for rate in range(10, 170, 10)]


def test_the_knee_of_two_lines_is_where_they_meet():
    assert knee(BENT) == 80


def test_the_knee_of_a_queue_is_near_its_capacity():
    # Mean time in an M/M/1 queue of 100/s: 1/(μ − λ).
    points = [(float(rate), 1 / (100 - rate)) for rate in range(10, 100, 5)]
    assert 75 <= knee(points) <= 95


@given(st.permutations(BENT), st.floats(0.01, 100), st.floats(0.01, 100))
def test_order_and_units_do_not_matter(points, wide, high):
    assert knee([(x * wide, y * high) for x, y in points]) == pytest.approx(80 * wide)


@pytest.mark.parametrize(
    "points",
    [
        [],
        BENT[: FEWEST - 1],
        [(rate, 0.05) for rate, _ in BENT],
        [(rate, rate / 1000) for rate, _ in BENT],
        [(rate, 1.0 - 0.9 * (rate / 170) ** 4) for rate, _ in BENT],
    ],
    ids=["none", "too few", "flat", "straight", "falling"],
)
def test_a_curve_that_does_not_bend_upwards_has_none(points):
    assert knee(points) is None


@given(st.dictionaries(st.floats(0.1, 1e5), st.floats(1e-6, 1e3), min_size=FEWEST, max_size=20))
def test_it_is_one_of_the_rates_and_not_an_end_of_the_curve(points):
    found = knee(list(points.items()))
    assert found is None or min(points) < found < max(points)
