"""The service's times are put on our clock."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.jobs.clock import RESOLUTION, ServiceClock

pytestmark = pytest.mark.slow

EPOCH = 1_705_314_600.0
TINY = 2e-6  # epoch seconds are doubles with steps of a quarter of a microsecond

seconds = st.floats(0, 1e4).map(lambda t: round(t, 6))
delays = st.floats(0, 30).map(lambda t: round(t, 6))
skews = st.sampled_from([0.0, 1e-3, -1e-3]) | st.floats(-1e5, 1e5)
journeys = st.lists(st.tuples(seconds, delays, delays), min_size=1, max_size=20)


def cut(moment):
    """A timestamp as SNS and SQS write it."""
    return math.floor(moment * 1000) / 1000


def observed(clock, skew, journeys, stamp):
    """(sent, published on our clock, received, what the clock makes of it) of each message."""
    for sent, until_published, until_received in journeys:
        published = sent + until_published
        received = round(published + until_received, 6)
        time = clock.observe(stamp(EPOCH + published + skew), sent=sent, received=received)
        yield sent, published, received, time


@settings(deadline=None, max_examples=150)
@given(skews, journeys, st.sampled_from([cut, float]))
def test_a_constant_skew_puts_every_message_between_its_sending_and_its_receipt(
    skew, journeys, stamp
):
    clock = ServiceClock(EPOCH)
    for sent, _, received, time in observed(clock, skew, journeys, stamp):
        assert sent - TINY <= time <= received + TINY


@settings(deadline=None, max_examples=150)
@given(skews, journeys, st.sampled_from([cut, float]))
def test_the_bounds_close_in_on_the_true_skew(skew, journeys, stamp):
    clock = ServiceClock(EPOCH)
    before = (clock.lowest, clock.highest)
    for _ in observed(clock, skew, journeys, stamp):
        assert before[0] <= clock.lowest <= skew + TINY
        assert skew - TINY <= clock.highest <= before[1]
        assert clock.lowest - TINY <= clock.skew <= clock.highest + TINY
        before = (clock.lowest, clock.highest)


@settings(deadline=None, max_examples=100)
@given(st.floats(-0.19, 0.19), journeys)
def test_a_skew_smaller_than_the_journeys_is_left_at_nothing(skew, journeys):
    slow = [(sent, out + 0.2, back + 0.2) for sent, out, back in journeys]
    clock = ServiceClock(EPOCH)
    for _, published, _, time in observed(clock, skew, slow, float):
        assert clock.skew == 0
        assert time == pytest.approx(published + skew, abs=TINY)


def test_a_skew_larger_than_the_journeys_is_found_to_within_the_shortest_of_them():
    clock = ServiceClock(EPOCH)
    assert clock.skew == 0
    clock.observe(EPOCH + 101.0, sent=0.0, received=2.0)
    assert clock.skew == pytest.approx(99.0, abs=TINY)
    clock.observe(EPOCH + 111.0, sent=10.5, received=11.1)
    assert clock.skew == pytest.approx(99.9, abs=TINY)
    # A longer journey teaches nothing.
    clock.observe(EPOCH + 125.0, sent=20.0, received=40.0)
    assert clock.skew == pytest.approx(99.9, abs=TINY)
    behind = ServiceClock(EPOCH)
    behind.observe(EPOCH - 99.0, sent=0.0, received=2.0)
    assert behind.skew == pytest.approx(-99.0 + RESOLUTION, abs=TINY)


def test_a_timestamp_cut_to_milliseconds_is_no_skew():
    clock = ServiceClock(EPOCH)
    time = clock.observe(EPOCH + 1.234, sent=1.2349, received=1.2352)
    assert clock.skew == 0
    assert time == pytest.approx(1.2349, abs=TINY)
