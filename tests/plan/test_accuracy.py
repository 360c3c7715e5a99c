"""What docs/config.md promises of due times: right to 1 µs."""

import decimal
import math
from decimal import Decimal
from fractions import Fraction

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
    Stages,
    due_times,
    rng_for,
)

pytestmark = pytest.mark.slow

MICROSECOND = 1e-6


def even(shape, duration):
    return due_times(shape, duration, arrivals="even", rng=rng_for(0, "unused"))


# -- built-in shapes, against areas in exact arithmetic -------------------------------------


def exact_area(shape, t):
    """The area as a fraction; that of bursts to 40 digits."""
    match shape:
        case Constant():
            return Fraction(shape.height) * t
        case Spawn():
            rate, users = Fraction(shape.spawn_rate), Fraction(shape.users)
            rising = min(t, users / rate)
            return rate * rising**2 / 2 + users * (t - rising)
        case Linear():
            start, target, over = map(Fraction, (shape.start, shape.target, shape.over))
            slanted = min(t, over)
            return (
                start * slanted + (target - start) * slanted**2 / over / 2 + target * (t - slanted)
            )
        case Ramp():
            step, every = Fraction(shape.step), Fraction(shape.every)
            heights = [min(step * (i + 1), Fraction(shape.max)) for i in range(shape.stairs)]
            return area_of_stages([(height, every) for height in heights], t)
        case Stages():
            return area_of_lines(shape, t)
        case CustomRamp():
            return area_of_stages([tuple(map(Fraction, stage)) for stage in shape.stages], t)
        case PeriodicBurst():
            periods, phase = divmod(t, Fraction(shape.period))
            bursts = periods * bell(shape, Fraction(shape.period)) + bell(shape, phase)
            low, peak = Fraction(shape.min), Fraction(shape.peak)
            return low * t + (peak - low) * bursts
    raise AssertionError(shape)


def area_of_lines(shape, t):
    area, before = Fraction(0), Fraction(0)
    for level, duration in (tuple(map(Fraction, stage)) for stage in shape.stages):
        past = min(t, duration)
        reached = level
        if shape.interpolate == "linear":
            reached = before + (level - before) * past / duration
            area += (before + reached) / 2 * past
        else:
            area += level * past
        t, before = t - past, level
        if not t:
            return area
    return area + before * t


def area_of_stages(stages, t):
    """Levels one after the other; the last one holds for ever."""
    area = Fraction(0)
    for index, (level, duration) in enumerate(stages):
        lasts = t if index == len(stages) - 1 else min(t, duration)
        area, t = area + level * lasts, t - lasts
    return area


def bell(shape, phase):
    """∫ exp(−π ((t − mean)/std)²) dt from 0 to ``phase``."""
    mean, std = Fraction(shape.mean), Fraction(shape.std)
    return std / 2 * (erf((phase - mean) / std) + erf(mean / std))


def erf(z):
    """erf(√π z) = 2 z Σ (−π z²)^k / (k! (2k + 1))."""
    if abs(z) > 6:
        return Fraction(1 if z > 0 else -1)  # to 49 digits
    with decimal.localcontext(prec=100):
        z = Decimal(z.numerator) / Decimal(z.denominator)
        square, power, total, k = PI * z * z, Decimal(1), Decimal(0), 0
        while k < square or abs(power) > Decimal("1e-50"):
            total += power / (2 * k + 1)
            k += 1
            power *= -square / k
        return Fraction(2 * z * total)


# erf with π to 50 digits.
PI = Decimal("3.14159265358979323846264338327950288419716939937511")

levels = st.just(0.0) | st.floats(min_value=1e-6, max_value=200)
positive = st.floats(min_value=0.05, max_value=60)


@st.composite
def bursts(draw):
    period = draw(positive)
    low, high = sorted(draw(st.tuples(levels, levels)))
    low = draw(st.sampled_from([0.0, low]))
    mean = period * draw(st.floats(min_value=0, max_value=1))
    return PeriodicBurst(period, low, high, mean=mean, std=draw(positive))


built_in = st.one_of(
    st.builds(Constant, levels),
    st.builds(Ramp, positive, positive, positive),
    st.builds(
        CustomRamp,
        stages=st.lists(st.tuples(levels, positive), min_size=1, max_size=6).map(tuple),
    ),
    st.builds(Linear, levels, levels, positive),
    st.builds(Spawn, levels, positive),
    st.builds(
        Stages,
        st.lists(st.tuples(levels, positive), min_size=1, max_size=5).map(tuple),
        st.sampled_from(["linear", "hold"]),
    ),
    bursts(),
)


def check_built_in(shape, duration, due, arrivals):
    """Each of the arrivals is due within 1 µs of when the area has grown to its number."""
    one_burst = float(shape.area(shape.period)) if isinstance(shape, PeriodicBurst) else 0.0
    seen = 0
    for k in arrivals:
        before, after = (max(0.0, due[k] - MICROSECOND), due[k] + MICROSECOND)
        least = shape.level(np.array([before, due[k], after])).min()
        if least < 1e-7 * max(k + 0.5, one_burst):
            continue
        target = k + Fraction(1, 2)
        assert exact_area(shape, Fraction(before)) <= target <= exact_area(shape, Fraction(after))
        seen += 1
    return seen


@settings(deadline=None, max_examples=150)
@given(built_in, st.floats(min_value=0.01, max_value=100), st.data())
def test_due_times_of_built_in_shapes_are_right_to_a_microsecond(shape, duration, data):
    due = even(shape, duration)
    if due.size:
        any_arrival = st.integers(min_value=0, max_value=due.size - 1)
        some = data.draw(st.sets(any_arrival, max_size=4))
        check_built_in(shape, duration, due, some | {0, due.size - 1})


@pytest.mark.parametrize(
    "shape",
    [
        Constant(20.3),
        PeriodicBurst(20, 10, 110, mean=10, std=2),
        PeriodicBurst(20, 0, 203, mean=7, std=2),
        PeriodicBurst(0.7, 0, 60, mean=0, std=0.3),
        Ramp(40, 1, 2000),
    ],
)
def test_due_times_of_a_day_of_a_built_in_shape_are_right_to_a_microsecond(shape):
    due = even(shape, 86400.0)
    arrivals = np.linspace(0, due.size - 1, 60).astype(int).tolist()
    assert check_built_in(shape, 86400.0, due, arrivals) > 45


# -- functions, against their closed forms --------------------------------------------------


def constant(level):
    return lambda t: level + 0 * t, lambda t: level * t


def wave(height, per_second):
    return (
        lambda t: height * (1 + np.sin(per_second * t)),
        lambda t: height * (t + (1 - np.cos(per_second * t)) / per_second),
    )


def growth(height, seconds):
    return (
        lambda t: height * np.exp(t / seconds),
        lambda t: height * seconds * np.expm1(t / seconds),
    )


def decay(height, seconds):
    return (
        lambda t: height * np.exp(-t / seconds),
        lambda t: -height * seconds * np.expm1(-t / seconds),
    )


def power(height, exponent):
    return (
        lambda t: height * (t / 50) ** exponent,
        lambda t: height * 50 * (t / 50) ** (exponent + 1) / (exponent + 1),
    )


def step_up(height, at):
    return lambda t: np.where(t < at, 0, height), lambda t: height * np.maximum(t - at, 0)


def step_down(height, at):
    """It is the one that still has its old level at the very moment."""
    return lambda t: np.where(t <= at, height, 0), lambda t: height * np.minimum(t, at)


def kink(slope, at):
    return lambda t: slope * np.maximum(t - at, 0), lambda t: slope * np.maximum(t - at, 0) ** 2 / 2


def half_waves(height, per_second):
    """Kinks where the level is 0."""

    def area(t):
        turns, phase = np.divmod(per_second * t, 2 * np.pi)
        return height * (2 * turns + 1 - np.cos(np.minimum(phase, np.pi))) / per_second

    return lambda t: height * np.maximum(0, np.sin(per_second * t)), area


heights = st.floats(min_value=0.01, max_value=100)
places = st.floats(min_value=0, max_value=100)
scales = st.floats(min_value=0.1, max_value=1000)
pieces = st.one_of(
    st.builds(constant, heights),
    st.builds(wave, heights, st.floats(min_value=0.01, max_value=20)),
    st.builds(growth, st.floats(min_value=0.01, max_value=1), st.floats(20, 1000)),
    st.builds(decay, heights, scales),
    st.builds(power, heights, st.sampled_from([0.5, 1, 1.5, 2, 3, 4])),
    st.builds(step_up, heights, places),
    st.builds(step_down, heights, places),
    st.builds(kink, st.floats(min_value=0.01, max_value=10), places),
    st.builds(half_waves, heights, st.floats(min_value=0.01, max_value=10)),
)


def check_function(parts, duration):
    """Return how many arrivals were looked at: those where the level is a tenth of its mean."""

    def level(t):
        return sum(level(t) for level, _ in parts)

    def area(t):
        return sum(area(t) for _, area in parts)

    due = even(FunctionShape(level, "mine", duration), duration)
    target = np.arange(due.size) + 0.5
    before, after = np.maximum(due - MICROSECOND, 0), due + MICROSECOND
    least = np.minimum.reduce([level(before), level(due), level(after)])
    looked_at = least >= 0.1 * area(duration) / duration
    assert np.all(np.diff(due) >= 0)
    assert np.all(area(before)[looked_at] <= target[looked_at])
    assert np.all(area(after)[looked_at] >= target[looked_at])
    return int(looked_at.sum())


@settings(deadline=None, max_examples=80)
@given(
    st.lists(pieces, min_size=1, max_size=5),
    st.floats(min_value=0.1, max_value=200),
)
def test_due_times_of_a_function_are_right_to_a_microsecond(parts, duration):
    check_function(parts, duration)


@pytest.mark.parametrize(
    "parts",
    [
        [constant(20)],
        [constant(1), wave(10, 0.2)],
        [wave(10, 3)],
        [wave(10, 2.645886730998962)],
        [half_waves(10, 0.01)],
        [growth(0.1, 20_000), decay(20, 3)],
        [step_up(0.9, at / 7) for at in range(0, 600_000, 40_000)],
        [constant(50), step_up(-45, 10)],
    ],
)
def test_due_times_of_a_day_of_a_function_are_right_to_a_microsecond(parts):
    assert check_function(parts, 86400.0) > 5000


def test_a_thousand_steps_shift_no_due_time_even_where_the_level_is_low():
    every = 86400 / 1000.5

    def level(t):
        return 8 * (np.floor(t / every) % 2) + 1

    def area(t):
        pairs, rest = np.divmod(t, 2 * every)
        return 8 * (every * pairs + np.maximum(rest - every, 0)) + t

    assert check_function([(level, area)], 86400.0) > 300_000


def test_a_day_of_bursts_from_nothing_is_right_to_a_microsecond_as_a_function_too():
    burst = PeriodicBurst(20, 0, 50)
    assert check_function([(burst.level, burst.area)], 86400.0) > 400_000


@settings(deadline=None, max_examples=40)
@given(st.floats(min_value=0, max_value=99), st.floats(min_value=0.04, max_value=1))
def test_a_pulse_of_forty_milliseconds_is_not_overlooked(start, width):
    pulse = [step_up(1000, start), step_up(-1000, start + width)]
    assert check_function([constant(1), *pulse], 100.0) > 100


def test_a_pulse_of_a_400_000th_of_a_day_is_not_overlooked():
    for start in np.linspace(40_000, 40_010, 15):
        pulse = [step_up(1000, start), step_up(-1000, start + 86400 / 400_000)]
        assert check_function([constant(0.1), *pulse], 86400.0) > 8000


def test_a_level_that_is_zero_at_every_quarter_of_a_second_has_its_mean():
    # There are the edges of the panels that a function is first looked at in.
    assert check_function([wave(10, 8 * math.pi)], 100.0) > 900
    shape = FunctionShape(lambda t: 1 - np.cos(8 * np.pi * t), "mine", 100.0)
    assert float(shape.area(100.0)) == pytest.approx(100, rel=1e-9)


def test_a_load_of_months_is_integrated_to_the_last_digit_of_its_seconds():
    shape = FunctionShape(lambda t: np.where(t < 7e6, 1e-3, 2e-3), "mine", 1e7)
    assert float(shape.area(1e7)) == pytest.approx(7e3 + 6e3, rel=1e-12)
