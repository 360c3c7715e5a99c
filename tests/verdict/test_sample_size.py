"""How many samples prove a percentile."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.verdict.sample_size import CONFIDENCE, chance_of_at_most, least_samples, most_over

# MLPerf LoadGen: with 0, 1, 2 samples over the limit, at 99 %.
PUBLISHED = {99: (459, 662, 838), 95: (90, 130, 165), 90: (44, 64, 81)}
percents = st.floats(50, 99.9)


@pytest.mark.parametrize(("percent", "numbers"), PUBLISHED.items())
def test_the_numbers_are_those_of_mlperf(percent, numbers):
    assert tuple(least_samples(percent, over) for over in range(3)) == numbers


@given(st.integers(1, 60), st.integers(0, 60), st.integers(1, 99))
def test_the_chance_is_the_exact_one(samples, over, hundredths):
    share = Fraction(hundredths, 100)
    exact = sum(
        math.comb(samples, k) * share**k * (1 - share) ** (samples - k)
        for k in range(min(over, samples) + 1)
    )
    assert chance_of_at_most(over, samples, float(share)) == pytest.approx(float(exact), rel=1e-9)


@given(percents, st.integers(0, 50))
def test_so_many_samples_prove_it_and_one_fewer_does_not(percent, over):
    least = least_samples(percent, over)
    share = 1 - percent / 100
    assert chance_of_at_most(over, least, share) <= 1 - CONFIDENCE
    assert chance_of_at_most(over, least - 1, share) > 1 - CONFIDENCE


@given(percents, st.integers(0, 5_000))
def test_both_directions_agree(percent, samples):
    over = most_over(percent, samples)
    assert over == -1 or least_samples(percent, over) <= samples
    assert samples < least_samples(percent, over + 1)


@given(percents, st.integers(1, 100_000))
def test_what_is_proven_keeps_the_limit_in_the_sample_too(percent, samples):
    assert most_over(percent, samples) <= samples * (1 - percent / 100)


def test_millions_of_samples_are_no_trouble():
    assert 9_500 < most_over(99, 1_000_000) < 10_000
