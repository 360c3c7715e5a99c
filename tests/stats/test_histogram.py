import math
import random

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.errors import ConfigError
from asyncload.stats.histogram import LatencyHistogram

pytestmark = pytest.mark.quick

times = st.lists(st.floats(0, 86_400), min_size=1, max_size=3000) | st.lists(
    st.floats(1e-6, 30), min_size=1, max_size=200
)


def recorded(values):
    histogram = LatencyHistogram()
    for value in values:
        histogram.record(value)
    return histogram


def picture(histogram):
    return (
        histogram.count,
        histogram.min,
        histogram.max,
        histogram.mean,
        histogram.clamped,
        histogram.percentiles([0.1, 1, 25, 50, 75, 90, 95, 99, 99.9, 100]),
        histogram.encode(),
    )


@settings(deadline=None, max_examples=60)
@given(times, st.sampled_from([1, 10, 50, 66, 90, 95, 99, 99.9, 99.99, 100]))
def test_a_percentile_is_within_a_thousandth_or_half_a_microsecond_of_the_exact_one(
    values, percent
):
    exact = float(np.percentile(values, percent, method="inverted_cdf"))
    assert recorded(values).percentile(percent) == pytest.approx(exact, rel=0.001, abs=0.51e-6)


@settings(deadline=None, max_examples=40)
@given(times)
def test_count_minimum_maximum_and_mean_are_exact(values):
    histogram = recorded(values)
    assert histogram.count == len(values)
    assert histogram.min == min(values)
    assert histogram.max == max(values)
    assert histogram.mean == pytest.approx(float(np.mean(values)), rel=1e-9, abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(times, times, st.randoms())
def test_merging_is_the_same_as_recording_everything_in_any_order(left, right, rng):
    merged = recorded(left)
    merged.merge(recorded(right))
    together = left + right
    rng.shuffle(together)
    assert picture(merged) == picture(recorded(together))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 86_400_000_000), min_size=1, max_size=300))
def test_the_buckets_are_those_of_the_hdrhistogram_package(microseconds):
    theirs = HdrHistogram(1, 86_400_000_000, 3)
    for value in microseconds:
        theirs.record_value(value)
    ours = HdrHistogram.decode(recorded([value / 1e6 for value in microseconds]).encode())
    assert list(ours.counts) == list(theirs.counts)
    assert ours.get_total_count() == theirs.get_total_count()


@settings(deadline=None, max_examples=30)
@given(times)
def test_a_decoded_histogram_tells_the_same_to_the_width_of_a_bucket(values):
    original = recorded(values)
    decoded = LatencyHistogram.decode(original.encode())
    assert decoded.count == original.count
    for name in ("min", "max", "mean"):
        expected = getattr(original, name)
        assert getattr(decoded, name) == pytest.approx(expected, rel=0.001, abs=1e-6)
    for percent in (1, 50, 99.9):
        expected = original.percentile(percent)
        assert decoded.percentile(percent) == pytest.approx(expected, rel=0.001, abs=1e-6)
    assert decoded.encode() == original.encode()


def test_the_rank_of_a_percentile_is_not_disturbed_by_rounding():
    # 99.9 % of 1000 values are 999 of them; in floats 0.999 * 1000 is a little less or more.
    values = [0.001 * (i + 1) for i in range(1000)]
    assert recorded(values).percentile(99.9) == pytest.approx(0.999, rel=0.001)
    assert recorded(values).percentile(99.9001) == pytest.approx(1.0, rel=0.0001)
    assert recorded(values).percentile(100) == 1.0


def test_values_out_of_range_are_counted_at_the_limits():
    histogram = recorded([-0.001, 0.5, 90_000.0, float("inf"), float("nan")])
    assert histogram.clamped == 4
    assert histogram.count == 5
    assert (histogram.min, histogram.max) == (0.0, 86_400.0)
    assert histogram.percentile(60) == pytest.approx(0.5, rel=0.001)


def test_rounding_noise_below_zero_is_not_called_out_of_range():
    assert recorded([-1e-12, 0.0]).clamped == 0


@settings(deadline=None, max_examples=60)
@given(times, st.integers(0, 300), st.sampled_from([1, 50, 90, 95, 99.9, 100]))
def test_values_beyond_all_others_are_counted_in_percentiles_as_infinite(values, beyond, percent):
    everything = values + [math.inf] * beyond
    exact = sorted(everything)[max(math.ceil(round(percent * 10) * len(everything) / 1000), 1) - 1]
    (told,) = recorded(values).percentiles([percent], beyond=beyond)
    assert told == (exact if math.isinf(exact) else pytest.approx(exact, rel=0.001, abs=0.51e-6))


def test_where_all_values_are_beyond_every_percentile_is_infinite():
    assert LatencyHistogram().percentiles([1, 95], beyond=3) == [math.inf, math.inf]


def test_an_empty_histogram_has_no_values():
    histogram = LatencyHistogram()
    assert histogram.count == 0
    assert histogram.percentiles([50, 99]) == [None, None]
    assert (histogram.min, histogram.max, histogram.mean) == (None, None, None)
    assert LatencyHistogram.decode(histogram.encode()).count == 0


def test_merging_an_empty_one_changes_nothing():
    histogram = recorded([0.25])
    histogram.merge(LatencyHistogram())
    assert picture(histogram) == picture(recorded([0.25]))


def test_reading_in_between_does_not_disturb():
    rng = random.Random(1)
    values = [rng.lognormvariate(-4, 2) for _ in range(5000)]
    read_often = LatencyHistogram()
    for index, value in enumerate(values):
        read_often.record(value)
        if index % 37 == 0:
            read_often.percentile(50)
    assert picture(read_often) == picture(recorded(values))


@pytest.mark.parametrize("text", ["", "no histogram", "HISTFAAAAB", "AAAA" * 20])
def test_a_damaged_text_is_refused_with_a_sentence(text):
    with pytest.raises(ConfigError, match=r"damaged.*must be the base64 text"):
        LatencyHistogram.decode(text)


def test_a_histogram_of_another_range_is_refused():
    other = HdrHistogram(1, 3_600_000, 2).encode().decode()
    with pytest.raises(ConfigError, match="counts 1 to 3600000 with 2 digits"):
        LatencyHistogram.decode(other)
