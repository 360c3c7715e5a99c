import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.plan import Duration, dec_hook, parse_duration
from asyncload.plan.duration import Drain, enc_hook


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (0, 0.0),
        (20, 20.0),
        (1.5, 1.5),
        ("20", 20.0),
        (" 2.5 ", 2.5),
        ("1e3", 1000.0),
        ("250ms", 0.25),
        ("300ms", 0.3),
        ("20s", 20.0),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("10m", 600.0),
        ("2h", 7200.0),
        ("1m30s", 90.0),
        ("1h 30m", 5400.0),
        ("1h2m3s4ms", 3723.004),
        ("20 s", 20.0),
        ("0s", 0.0),
        ("500us", 0.0005),
        ("1.5µs", 1.5e-6),
        ("2 μs", 2e-6),
        ("1ms 500us", 0.0015),
    ],
)
def test_durations_are_read_as_people_write_them(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value",
    [
        *[-1, -0.5, math.nan, math.inf, 10**400, True, False, None, [], {}],
        *["-5s", "nan", "inf", "1e400", "", " ", "s", "ten", "20 sec", "2d"],
        *["1s1m", "1m1m", "10ms5s", "5us1ms", "5u"],
    ],
)
def test_what_is_no_duration_is_refused_with_what_is_allowed(value):
    with pytest.raises(ValueError, match=r"is not a duration; give seconds .* 250ms, 20s, 10m, 2h"):
        parse_duration(value)


@settings(deadline=None, max_examples=50)
@given(st.floats(min_value=0, max_value=1e9))
def test_a_number_its_text_and_its_seconds_mean_the_same(seconds):
    assert parse_duration(seconds) == parse_duration(str(seconds)) == seconds
    assert parse_duration(f"{seconds:.3f}s") == pytest.approx(seconds, abs=1e-3)


class Timed(msgspec.Struct):
    wait: Duration
    stages: tuple[tuple[float, Duration], ...] = ()


def test_config_fields_of_type_duration_take_numbers_and_texts_also_in_lists():
    timed = msgspec.convert(
        {"wait": "250ms", "stages": [[5, "1m"], [10, 30]]}, Timed, dec_hook=dec_hook
    )
    assert timed == Timed(wait=Duration(0.25), stages=((5.0, Duration(60)), (10.0, Duration(30))))
    assert all(isinstance(span, Duration) for _, span in timed.stages)


def test_a_wrong_duration_in_a_config_is_refused_with_its_path():
    with pytest.raises(msgspec.ValidationError, match=r"'soon' is not a duration.*\$\.stages\[1\]"):
        msgspec.convert({"wait": 1, "stages": [[5, 1], [10, "soon"]]}, Timed, dec_hook=dec_hook)


@pytest.mark.parametrize(
    ("written", "seconds"), [("unlimited", math.inf), (0, 0.0), ("10m", 600.0), (1.5, 1.5)]
)
def test_a_drain_is_a_duration_or_unlimited_and_is_written_as_it_was_read(written, seconds):
    class Draining(msgspec.Struct):
        drain: Drain

    read = msgspec.convert({"drain": written}, Draining, dec_hook=dec_hook)
    assert read.drain == seconds
    again = msgspec.to_builtins(read, enc_hook=enc_hook)
    assert again == {"drain": "unlimited" if seconds == math.inf else seconds}
    assert msgspec.convert(again, Draining, dec_hook=dec_hook) == read


@pytest.mark.parametrize("value", [math.inf, -1, "forever", "Unlimited", None, True])
def test_what_is_no_drain_is_refused_with_what_is_allowed(value):
    with pytest.raises(ValueError, match=r"is not a duration; .*, or unlimited to wait for every"):
        Drain(value)
