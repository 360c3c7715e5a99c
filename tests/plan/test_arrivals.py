import hashlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.plan import (
    Constant,
    CustomRamp,
    FunctionShape,
    Linear,
    PeriodicBurst,
    Ramp,
    Spawn,
    due_times,
    expected_arrivals,
    rng_for,
)

MICROSECOND = 1e-6


def even(shape, duration):
    return due_times(shape, duration, arrivals="even", rng=rng_for(0, "unused"))


def poisson(shape, duration, seed=0, name="test"):
    return due_times(shape, duration, arrivals="poisson", rng=rng_for(seed, name))


levels = st.just(0.0) | st.floats(min_value=1e-6, max_value=200)
positive = st.floats(min_value=0.05, max_value=60)


@st.composite
def bursts(draw):
    period = draw(positive)
    low, high = sorted(draw(st.tuples(levels, levels)))
    low = draw(st.sampled_from([0.0, low]))
    mean = period * draw(st.floats(min_value=0, max_value=1))
    return PeriodicBurst(period, low, high, mean=mean, std=draw(positive))


any_shape = st.one_of(
    st.builds(Constant, levels),
    st.builds(Ramp, positive, positive, positive),
    st.builds(
        CustomRamp,
        stages=st.lists(st.tuples(levels, positive), min_size=1, max_size=6).map(tuple),
    ),
    st.builds(Linear, levels, levels, positive),
    st.builds(Spawn, levels, positive),
    bursts(),
)
durations = st.floats(min_value=0.01, max_value=100)


@settings(deadline=None, max_examples=150)
@given(any_shape, durations)
def test_even_arrivals_are_where_the_area_is_a_half_more_than_a_whole(shape, duration):
    due = even(shape, duration)
    assert np.all(np.diff(due) >= 0)
    assert np.all((due >= 0) & (due < duration))
    assert abs(due.size - expected_arrivals(shape, duration)) <= 0.5 + 1e-9
    # Due times are rounded to 1 µs: the target lies within the area of 1 µs around.
    targets = np.arange(due.size) + 0.5
    slack = 1e-9 * np.maximum(1, targets)
    assert np.all(shape.area(np.maximum(due - 1.1 * MICROSECOND, 0)) <= targets + slack)
    assert np.all(shape.area(due + 1.1 * MICROSECOND) >= targets - slack)


@settings(deadline=None, max_examples=100)
@given(any_shape, durations, st.integers(min_value=0, max_value=2**63))
def test_poisson_arrivals_are_sorted_and_in_range_and_the_same_for_a_seed(shape, duration, seed):
    due = poisson(shape, duration, seed)
    assert np.all(np.diff(due) >= 0)
    assert np.all((due >= 0) & (due < duration))
    mean = expected_arrivals(shape, duration)
    assert abs(due.size - mean) <= 7 * math.sqrt(mean) + 25
    assert np.array_equal(due, poisson(shape, duration, seed))


@settings(deadline=None, max_examples=60)
@given(any_shape, durations)
def test_due_times_are_whole_microseconds(shape, duration):
    for due in (even(shape, duration), poisson(shape, duration)):
        assert np.array_equal(due, np.rint(due * 1e6) / 1e6)


def test_a_constant_level_gives_evenly_spaced_arrivals():
    assert even(Constant(2), 3.0).tolist() == [0.25, 0.75, 1.25, 1.75, 2.25, 2.75]
    assert even(Constant(0.001), 3000.0).tolist() == [500.0, 1500.0, 2500.0]
    np.testing.assert_allclose(
        even(Constant(64), 60.0), (np.arange(3840) + 0.5) / 64, rtol=0, atol=0.51e-6
    )


def test_a_straight_rise_gives_arrivals_at_square_roots():
    # area = t²/2 = k + 1/2
    expected = np.sqrt(2 * np.arange(5000) + 1)
    np.testing.assert_allclose(even(Linear(0, 100, 100), 100.0), expected, rtol=0, atol=0.6e-6)


def test_an_arrival_that_would_be_due_at_the_very_end_is_not_part_of_the_load():
    assert even(Constant(1), 2.5).tolist() == [0.5, 1.5]
    assert even(Constant(1), 2.500001).tolist() == [0.5, 1.5, 2.5]


@pytest.mark.parametrize("duration", [1e-7, 1e-6, 0.0123456789, 1.0000004])
def test_rounding_never_moves_an_arrival_past_the_end(duration):
    due = poisson(Constant(1000 / duration), duration)
    assert due.size > 800
    assert due.max() < duration


def test_no_level_gives_no_arrivals():
    for due in (even(Constant(0), 10.0), poisson(Constant(0), 10.0), even(Constant(0.01), 10.0)):
        assert due.shape == (0,)
        assert due.dtype == np.float64


GAPS = CustomRamp(stages=((0, 5), (10, 5), (0, 30), (4, 10), (0, 10)))


@pytest.mark.parametrize(
    "shape", [GAPS, FunctionShape(GAPS.level, "gaps", 60.0)], ids=["closed form", "function"]
)
def test_nothing_is_due_where_the_level_is_zero(shape):
    for due in (even(shape, 60.0), poisson(shape, 60.0), poisson(shape, 60.0, seed=1)):
        assert due.size > 60
        edge = MICROSECOND
        assert np.all(
            ((due > 5 - edge) & (due < 10 + edge)) | ((due > 40 - edge) & (due < 50 + edge))
        )


@pytest.mark.parametrize("gap", [1.0, 100.0, 86400.0])
def test_an_arrival_on_the_height_of_a_gap_is_due_at_its_start(gap):
    shape = CustomRamp(stages=((1, 10.5), (0, gap), (1, 5)))
    due = even(shape, 10.5 + gap + 5)
    assert due[10] == 10.5
    assert due[11] == 10.5 + gap + 1


def test_bursts_from_nothing_have_their_arrivals_in_the_bursts():
    shape = PeriodicBurst(100, 0, 30)
    for due in (even(shape, 1000.0), poisson(shape, 1000.0)):
        # The burst has σ = std/√(2π) = 4 s; almost all is within 6 σ.
        assert due.size == pytest.approx(3000, abs=200)
        assert np.all(np.abs(due % 100 - 50) < 24)


def test_steep_steps_are_inverted_exactly():
    shape = CustomRamp(stages=((1e-3, 1000.5), (1e5, 0.1), (1e-3, 1000)))
    due = even(shape, 2000.6)
    inside = (due >= 1000.5) & (due <= 1000.6)
    assert inside.sum() in (10_000, 10_001)
    first = due[inside][0]
    assert first == pytest.approx(1000.5 + (1.5 - 1.0005) / 1e5, abs=0.6e-6)


def test_the_fast_inversion_agrees_with_a_slow_one_in_plain_arithmetic():
    period, low, peak, mean, std = 20, 0.5, 12, 6.0, 3.0

    def area(t):
        whole, phase = divmod(t, period)
        scale = math.sqrt(math.pi) / std
        bell = [math.erf((at - mean) * scale) for at in (0, phase, period)]
        bursts = whole * (bell[2] - bell[0]) + bell[1] - bell[0]
        return low * t + (peak - low) * std / 2 * bursts

    def first_time(target):
        before, after = 0.0, 200.0
        while after - before > 1e-10:
            middle = (before + after) / 2
            before, after = (middle, after) if area(middle) < target else (before, middle)
        return after

    due = even(PeriodicBurst(period, low, peak, mean=mean, std=std), 200.0)
    slow = [first_time(k + 0.5) for k in range(due.size)]
    np.testing.assert_allclose(due, slow, rtol=0, atol=0.56e-6)


def test_a_function_gives_the_schedule_of_the_shape_it_copies():
    shape = PeriodicBurst(20, 2, 40)
    copy = FunctionShape(shape.level, "copy", 600.0)
    np.testing.assert_allclose(even(copy, 600.0), even(shape, 600.0), rtol=0, atol=1.1e-6)
    np.testing.assert_allclose(poisson(copy, 600.0), poisson(shape, 600.0), rtol=0, atol=1.1e-6)


def test_different_seeds_and_different_names_give_different_schedules():
    shape = Constant(10)
    first = poisson(shape, 100.0, seed=1, name="a")
    for other in (
        poisson(shape, 100.0, seed=2, name="a"),
        poisson(shape, 100.0, seed=1, name="b"),
        poisson(shape, 100.0, seed=2**32 + 1, name="a"),
    ):
        assert np.intersect1d(first, other).size < 5


def test_even_arrivals_take_no_random_numbers():
    rng = rng_for(5, "a")
    due_times(Constant(10), 100.0, arrivals="even", rng=rng)
    assert rng.random() == rng_for(5, "a").random()


def test_poisson_counts_have_the_mean_and_the_variance_of_poisson():
    # 2000 periods, counted in a rising, a steep, a falling stretch and in all.
    shape = PeriodicBurst(10, 1, 21)
    due = poisson(shape, 20_000.0, seed=11)
    phase, period = due % 10, (due // 10).astype(int)
    for low, high in [(0.0, 3.0), (4.0, 5.0), (5.0, 7.0), (0.0, 10.0)]:
        mean = float(shape.area(high) - shape.area(low))
        counts = np.bincount(period[(phase >= low) & (phase < high)], minlength=2000)
        assert counts.mean() == pytest.approx(mean, abs=4 * math.sqrt(mean / 2000))
        # Variance of the sample variance of a Poisson count: (2 m² + m) / n.
        spread = math.sqrt((2 * mean**2 + mean) / 2000)
        assert counts.var() == pytest.approx(mean, abs=4 * spread)


def test_poisson_gaps_in_warped_time_are_exponential():
    shape = PeriodicBurst(20, 2, 40)
    gaps = np.diff(shape.area(poisson(shape, 2000.0, seed=3)))
    # Kolmogorov-Smirnov against 1 - exp(-x); 1.95/√n is the 0.1 % point.
    ordered = np.sort(gaps)
    steps = np.arange(1, ordered.size + 1) / ordered.size
    distance = np.max(np.abs(steps - (1 - np.exp(-ordered))))
    assert distance < 1.95 / math.sqrt(ordered.size)


def digest(due):
    return hashlib.sha256(np.rint(due * 1e6).astype("<i8").tobytes()).hexdigest()[:16]


def test_a_seeded_schedule_is_the_same_on_every_machine_and_numpy():
    # No due time of these is within 1e-4 µs of a rounding point, so no ulp matters.
    shape = PeriodicBurst(20, 2, 40)
    due = poisson(shape, 600.0, seed=7, name="jobs")
    assert due[:3].tolist() == [0.066873, 0.141305, 0.904046]
    assert (due.size, digest(due)) == (3428, "88c79d60d80c6263")
    due = even(shape, 600.0)
    assert (due.size, digest(due)) == (3480, "5787b2d3f451cd79")


def test_a_million_arrivals_of_a_day_of_bursts_are_all_where_they_belong():
    shape = PeriodicBurst(20, 3, 89.5)
    due = even(shape, 86400.0)
    assert due.size == pytest.approx(1_000_000, rel=0.01)
    assert np.max(np.abs(shape.area(due) - (np.arange(due.size) + 0.5))) < 90 * 0.6e-6
