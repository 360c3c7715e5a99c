"""Waits between iterations: what a config may say, and when the next iteration is due."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.users.wait import NO_WAIT, Wait, between, constant, pacing, parse_wait, rate

seconds = st.floats(0, 1e6)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        (0, Wait(0, 0)),
        (1.5, Wait(1.5, 1.5)),
        ("250ms", Wait(0.25, 0.25)),
        ("3", Wait(3, 3)),
        ({"between": ["1s", "5s"]}, Wait(1, 5)),
        ({"between": (1, 1)}, Wait(1, 1)),
        ({"pacing": "2s"}, Wait(pacing=2)),
        ({"rate": 10}, Wait(pacing=0.1)),
        ({"rate": 0.5}, Wait(pacing=2)),
        (between(1, 2), Wait(1, 2)),
    ],
)
def test_a_wait_is_read_in_every_form(value, wait):
    assert parse_wait(value) == wait


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([1, 5], ("[1, 5] is no wait; give a duration, {between: [1s, 5s]}, {pacing: 1s} or "
                 "{rate: 10}")),
        ({}, "{} is no wait; "),
        (None, "None is no wait; "),
        ({"between": [1]}, "{'between': [1]} is no wait; "),
        ({"between": [1, 2], "rate": 3}, "is no wait; "),
        ({"rate": "10"}, "{'rate': '10'} is no wait; "),
        ({"rate": True}, "{'rate': True} is no wait; "),
        ({"often": 1}, "{'often': 1} is no wait; "),
        (True, "True is not a duration; give seconds"),
        ("soon", "'soon' is not a duration; give seconds"),
        (-1, "-1 is not a duration; give seconds"),
        ({"pacing": "x"}, "'x' is not a duration; give seconds"),
        ({"between": [5, 1]}, "between is 5 to 1; give the shorter time first"),
        ({"rate": 0}, "rate is 0; give a number of iterations per second, over 0"),
        ({"rate": -3}, "rate is -3; give a number of iterations per second, over 0"),
        ({"rate": math.inf}, "rate is inf; give a number of iterations per second, over 0"),
        ({"rate": math.nan}, "rate is nan; give a number of iterations per second, over 0"),
    ],
)  # fmt: skip
def test_what_is_no_wait_is_refused_in_a_sentence(value, says):
    with pytest.raises(ValueError) as caught:
        parse_wait(value)
    assert says in str(caught.value)


@settings(deadline=None)
@given(seconds, seconds, seconds, seconds, st.integers())
def test_a_random_wait_lies_between_its_bounds_after_the_end(due, took, low, more, seed):
    end = due + took
    wait = between(low, low + more)
    next_due = wait.next_due(due, end, lambda: random.Random(seed))
    assert end + wait.low <= next_due <= end + wait.high + 1e-9


@settings(deadline=None)
@given(seconds, seconds, seconds)
def test_pacing_counts_from_when_the_iteration_was_due_and_never_lies_in_the_past(due, took, pace):
    next_due = pacing(pace).next_due(due, due + took, lambda: random.Random(0))
    assert next_due == max(due + pace, due + took)


def test_no_wait_means_at_once():
    assert NO_WAIT.next_due(1.0, 2.5, lambda: random.Random(0)) == 2.5


def test_the_same_random_numbers_give_the_same_waits():
    waits = [between(1, 3).next_due(0, 0, lambda: random.Random(7)) for _ in range(2)]
    assert waits[0] == waits[1]


def test_rate_and_pacing_are_two_names_of_one_thing():
    assert rate(4) == pacing("250ms")
    assert constant("1m") == constant(60)
