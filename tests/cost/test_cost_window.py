"""The hours and days around a run."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.cost.window import STEPS, Span, check_kept, covering, read_time, span_of
from asyncload.errors import ConfigError

UTC = dt.UTC
NOW = dt.datetime(2026, 11, 21, 10, 30, tzinfo=UTC)

times = st.datetimes(
    dt.datetime(1971, 1, 1), dt.datetime(9000, 1, 1), timezones=st.just(UTC)
)  # fmt: skip
spans = st.builds(
    lambda start, length: Span(start, start + length),
    times,
    st.timedeltas(dt.timedelta(microseconds=1), dt.timedelta(days=40)),
)


@given(spans, st.sampled_from(["daily", "hourly"]))
def test_a_window_is_the_fewest_whole_steps_around_a_span(span, granularity):
    window = covering(span, granularity)
    step = STEPS[granularity]
    for edge in (window.start, window.stop):
        assert edge.minute == edge.second == edge.microsecond == 0
        assert granularity == "hourly" or edge.hour == 0
    assert window.start <= span.start < window.start + step
    assert window.stop - step < span.stop <= window.stop
    assert span.hours <= window.hours
    assert window.hours % (24 if granularity == "daily" else 1) == 0


def test_a_window_of_whole_days_is_itself():
    span = Span(dt.datetime(2026, 1, 1, tzinfo=UTC), dt.datetime(2026, 1, 8, tzinfo=UTC))
    assert covering(span, "daily") == covering(span, "hourly") == span
    assert span.hours == 7 * 24


@pytest.mark.parametrize(
    ("text", "time", "zone"),
    [
        ("2026-11-20T09:30:00Z", dt.datetime(2026, 11, 20, 9, 30, tzinfo=UTC), True),
        ("2026-11-20T09:30:00.5+02:00", dt.datetime(2026, 11, 20, 7, 30, 0, 500_000, UTC), True),
        ("2026-11-20T09:30:00", dt.datetime(2026, 11, 20, 9, 30, tzinfo=UTC), False),
        (" 2026-11-20 ", dt.datetime(2026, 11, 20, tzinfo=UTC), False),
    ],
)
def test_times_are_iso_8601_and_utc_where_they_name_no_zone(text, time, zone):
    assert read_time(text, "--start") == (time, zone)


@pytest.mark.parametrize("text", ["", "yesterday", "20/11/2026", "2026-13-01", "0001-01-01T00:00+10:00"])  # fmt: skip
def test_what_is_no_time_is_refused_by_name(text):
    with pytest.raises(ConfigError, match=r"^--start: .* is no time; write it like 2026-"):
        read_time(text, "--start")


def test_a_span_without_length_is_refused():
    for stop in (NOW, NOW - dt.timedelta(seconds=1)):
        with pytest.raises(ConfigError, match=r"^--end: the end, .*, is not after the start, "):
            span_of(NOW, stop, "--end")


def test_a_window_at_the_end_of_time_is_refused_in_words():
    last = dt.datetime(9999, 12, 31, 23, tzinfo=UTC)
    with pytest.raises(ConfigError, match="too late a time"):
        covering(Span(last, last + dt.timedelta(minutes=30)), "daily")


def test_hours_are_asked_for_only_while_cost_explorer_keeps_them():
    def hours_ago(hours):
        start = NOW - dt.timedelta(hours=hours)
        return covering(Span(start, start + dt.timedelta(minutes=5)), "hourly")

    check_kept(hours_ago(13 * 24), "hourly", NOW)
    check_kept(hours_ago(400 * 24), "daily", NOW)
    with pytest.raises(ConfigError, match=r"keeps hours for 14 days.*use --granularity daily"):
        check_kept(hours_ago(14 * 24 + 1), "hourly", NOW)
    with pytest.raises(ConfigError, match="which is still to come"):
        check_kept(hours_ago(-2), "daily", NOW)


@given(spans)
def test_hours_are_exact_to_the_microsecond(span):
    microseconds = (span.stop - span.start) // dt.timedelta(microseconds=1)
    assert round(span.hours * 3_600_000_000) == microseconds
