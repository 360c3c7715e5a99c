"""The service's times are put on our clock."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.jobs.clock import (
    COARSE,
    CONVINCING,
    DRIFT,
    RESOLUTION,
    WINDOW,
    ServiceClock,
)
from asyncload.records.record import Clock

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
def test_without_outliers_the_bounds_are_those_of_all_messages_but_for_drift(skew, journeys, stamp):
    clock = ServiceClock(EPOCH)
    lowest, highest, latest = -math.inf, math.inf, 0.0
    for sent, published, received, _ in observed(clock, skew, journeys, stamp):
        seconds = stamp(EPOCH + published + skew) - EPOCH
        lowest = max(lowest, seconds - received)
        cut_to = COARSE if float(seconds + EPOCH).is_integer() else RESOLUTION
        highest = min(highest, seconds + cut_to - sent)
        latest = max(latest, received)
        drift = DRIFT * latest + TINY
        assert lowest - drift <= clock.lowest <= skew + TINY
        assert skew - TINY <= clock.highest <= highest + drift
        assert abs(clock.skew - skew) <= clock.uncertainty + TINY
    assert clock.rejected == clock.changes == 0


@settings(deadline=None, max_examples=100)
@given(st.floats(-0.19, 0.19), journeys)
def test_a_skew_smaller_than_the_journeys_is_left_at_nothing(skew, journeys):
    slow = [(sent, out + 0.2, back + 0.2) for sent, out, back in journeys]
    clock = ServiceClock(EPOCH)
    for _, published, _, time in observed(clock, skew, slow, float):
        assert clock.skew == 0
        assert time == pytest.approx(published + skew, abs=TINY)


def test_a_skew_larger_than_the_journeys_is_found_to_within_the_shortest_two_of_them():
    clock = ServiceClock(EPOCH)
    assert clock.skew == 0
    clock.observe(EPOCH + 101.0, sent=0.0, received=2.0)
    assert clock.skew == pytest.approx(99.0, abs=TINY)
    clock.observe(EPOCH + 111.0, sent=10.5, received=11.1)
    assert clock.skew == pytest.approx(99.0 - DRIFT * 9.1, abs=TINY)
    clock.observe(EPOCH + 112.0, sent=11.5, received=12.2)
    assert clock.skew == pytest.approx(99.8, abs=TINY)
    # A longer journey teaches nothing. Meanwhile the clocks may have run apart.
    clock.observe(EPOCH + 125.0, sent=20.0, received=40.0)
    assert clock.skew == pytest.approx(99.8 - DRIFT * (40.0 - 12.2), abs=TINY)
    behind = ServiceClock(EPOCH)
    behind.observe(EPOCH - 98.9, sent=0.0, received=2.0)
    assert behind.skew == pytest.approx(-98.9 + RESOLUTION, abs=2 * DRIFT + TINY)


def test_a_timestamp_cut_to_milliseconds_is_no_skew():
    clock = ServiceClock(EPOCH)
    time = clock.observe(EPOCH + 1.234, sent=1.2349, received=1.2352)
    assert clock.skew == 0
    assert time == pytest.approx(1.2349, abs=TINY)


# -- messages with wrong times --------------------------------------------------


def traffic(seed, count, *, gap=0.1, first=0.0):
    """(sent, published, received) of messages as they come in, from quick ones to slow jobs."""
    rng = random.Random(seed)
    messages = []
    for number in range(count):
        received = first + (number + 1) * gap
        published = received - rng.choice([0.02, 0.05, 0.2]) * (1 + rng.random())
        sent = published - rng.choice([0.03, 0.5, 5.0]) * rng.random()
        messages.append((sent, published, received))
    return messages


def feed(clock, messages, skew, wrong=lambda number: 0.0, stamp=cut):
    """Show messages to the clock; for each its true time and what the clock makes of it."""
    for number, (sent, published, received) in enumerate(messages):
        theta = skew(published) if callable(skew) else skew
        shown = stamp(EPOCH + published + theta + wrong(number))
        yield published, clock.observe(shown, sent, received, f"job {number}")


far_off = st.floats(20, 1e5).flatmap(lambda size: st.sampled_from([size, -size]))


@settings(deadline=None, max_examples=60)
@given(
    st.floats(-1e4, 1e4),
    st.integers(0, 1000),
    st.integers(5, 400).flatmap(
        lambda count: st.tuples(
            st.just(count), st.sets(st.integers(0, count - 1), max_size=(count * 2 - 1) // 5)
        )
    ),
    far_off | st.none(),
)
def test_less_than_two_of_five_wrong_times_leave_the_skew_within_its_bounds(
    skew, seed, which, same_error
):
    count, places = which
    rng = random.Random(seed)
    errors = dict.fromkeys(places, 0.0)
    for place in places:
        errors[place] = same_error or rng.choice([-1, 1]) * rng.uniform(20, 1e5)
    clock = ServiceClock(EPOCH)
    for _ in feed(clock, traffic(seed, count), skew, lambda number: errors.get(number, 0.0)):
        pass
    # As many wrong ones in a row as are convincing are a clock that was set.
    longest = max(
        map(len, "".join("x" if n in places else " " for n in range(count)).split()), default=0
    )
    if longest < CONVINCING:
        assert clock.lowest - TINY <= skew <= clock.highest + TINY
        assert clock.uncertainty < 12


@pytest.mark.parametrize("error", [3600.0, -3600.0, 30.0])
@pytest.mark.parametrize("place", [1, 5, WINDOW, 500])
def test_one_wrong_time_is_rejected_and_changes_nothing(error, place):
    messages = traffic(1, 1000)
    clean, clock = ServiceClock(EPOCH), ServiceClock(EPOCH)
    right = [time for _, time in feed(clean, messages, 0.3)]
    times = [time for _, time in feed(clock, messages, 0.3, lambda n: error if n == place else 0.0)]
    assert times.pop(place) is None
    right.pop(place)
    # Before much is known of the skew, each message counts.
    assert times[100:] == pytest.approx(right[100:], abs=0.002)
    assert None not in times
    assert (clock.rejected, clock.observed) == (1, 1000)
    job, ahead = clock.first_rejected
    assert job == f"job {place}"
    assert ahead == pytest.approx(error, abs=12)


def test_when_the_first_time_of_all_is_wrong_the_next_ones_outvote_it():
    clock = ServiceClock(EPOCH)
    times = list(feed(clock, traffic(2, 50), 0.0, lambda n: 0.0 if n else 3600.0))
    assert None not in [time for _, time in times]
    assert clock.skew == pytest.approx(0, abs=TINY)
    # Its own time was used, as nobody could know; put on our clock later it is not.
    assert clock.place_later(EPOCH + 3600.0, 0.0, "job 0") is None
    assert (clock.rejected, clock.first_rejected[0]) == (1, "job 0")
    assert clock.place_later(EPOCH + 4.0, 0.0, "job 1") == 4.0


@pytest.mark.parametrize("step", [3.0, -3.0, 3600.0, -86_400.0])
@pytest.mark.parametrize("share", [0.0, 0.25])
def test_a_clock_that_is_set_is_followed(step, share):
    rng = random.Random(5)
    clock = ServiceClock(EPOCH)
    before, after = traffic(3, 300), traffic(4, 600, first=30.0)

    def wrong(number):
        return rng.uniform(50, 5000) if rng.random() < share else 0.0

    for _ in feed(clock, before, 0.5, wrong):
        pass
    assert clock.changes == 0
    for _ in feed(clock, after, 0.5 + step, wrong):
        pass
    assert clock.changes == 1
    assert clock.changed_at < 30 + 60 / (1 - 2 * share) ** 2
    assert clock.lowest - TINY <= 0.5 + step <= clock.highest + TINY
    assert clock.uncertainty < 0.1
    # A job that was sent before has times of both clocks.
    assert clock.place_later(EPOCH + 29.0, 28.0, "job") is None


@pytest.mark.parametrize("ppm", [50, -50, 90])
def test_a_clock_that_runs_fast_or_slow_is_followed_for_hours(ppm):
    clock = ServiceClock(EPOCH)
    messages = traffic(6, 3600, gap=10.0)
    for published, time in feed(clock, messages, lambda t: 0.2 + ppm * 1e-6 * t):
        assert time == pytest.approx(published, abs=clock.uncertainty + RESOLUTION)
    assert (clock.rejected, clock.changes) == (0, 0)
    assert clock.skew == pytest.approx(0.2 + ppm * 1e-6 * 36_000, abs=0.1)
    assert clock.uncertainty < 0.1


def test_times_cut_to_whole_seconds_are_placed_in_the_middle_of_their_second():
    clock = ServiceClock(EPOCH)
    placed = list(feed(clock, traffic(7, 500), 0.0, stamp=math.floor))
    assert (clock.resolution, clock.rejected) == (COARSE, 0)
    assert clock.lowest <= 0 <= clock.highest
    errors = [abs(time - published) for published, time in placed[50:]]
    assert max(errors) <= COARSE / 2 + TINY
    fine = ServiceClock(EPOCH)
    for _ in feed(fine, traffic(7, 500), 0.0):
        pass
    assert fine.resolution == RESOLUTION


def test_the_memory_of_the_clock_is_bounded():
    clock = ServiceClock(EPOCH)
    for _ in feed(clock, traffic(8, 5000), 0.0, lambda n: 100.0 * (n % 3 == 0)):
        assert len(clock._window) <= WINDOW


def test_what_is_logged_of_the_clock():
    clock = ServiceClock(EPOCH)
    assert clock.state(1.0) == Clock(t=1.0, skew=0.0, uncertainty=None)
    for _ in feed(clock, traffic(9, 200), 3.0, lambda n: 3600.0 * (n == 100)):
        pass
    state = clock.state(20.0)
    assert (state.observed, state.rejected, state.changes) == (200, 1, 0)
    assert abs(state.skew - 3.0) <= state.uncertainty < 0.1


@pytest.mark.parametrize("error", [2.0, -2.0])
@pytest.mark.parametrize("place", [0, 30, 500])
def test_a_wrong_time_that_contradicts_no_other_does_not_move_the_skew(error, place):
    # Each job waits for seconds and so does its message, so the bounds are seconds apart.
    slow = [
        (sent - 5.0, published, received + 5.0) for sent, published, received in traffic(1, 1000)
    ]
    clock = ServiceClock(EPOCH)
    for number, (published, time) in enumerate(
        feed(clock, slow, 0.0, lambda n: 1.8 * error if n == place else 0.0)
    ):
        if number != place and number > 0:
            assert time == pytest.approx(published, abs=RESOLUTION + TINY)
    assert clock.skew == 0
    assert clock.lowest - TINY <= 0 <= clock.highest + TINY
