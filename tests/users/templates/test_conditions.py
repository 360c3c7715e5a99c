"""Conditions on one value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.users.templates.conditions import parse_condition, same


@pytest.mark.parametrize(
    ("condition", "value", "wrong"),
    [
        ("cat", "cat", None),
        ("cat", "dog", "is 'dog', not 'cat'"),
        (1, 1.0, None),
        (1, True, "is true, not 1"),
        (None, None, None),
        (None, 0, "is 0, not null"),
        (["a", "b"], "b", None),
        (["a", "b"], "c", "is 'c', not one of the 2 values allowed"),
        ({}, None, None),
        ({"min": 0, "max": 1}, 0.5, None),
        ({"min": 0, "max": 1}, 1.5, "is above 1"),
        ({"min": 0, "max": 1}, -1, "is below 0"),
        ({"min": 0}, "1", "is a text, not a number"),
        ({"max": 0}, True, "is true or false, not a number"),
        ({"min": 0}, float("nan"), "is below 0"),
        ({"min_length": 2, "max_length": 3}, "ab", None),
        ({"min_length": 2}, "a", "is shorter than 2"),
        ({"max_length": 3}, [1, 2, 3, 4], "is longer than 3"),
        ({"max_length": 3}, 7, "is a number and has no length"),
        ({"equals": ["a"]}, ["a"], None),
        ({"equals": {"a": 1}}, {"a": 1.0}, None),
        ({"equals": ["a"]}, ["b"], "is a list, not a list"),
        ({"not": ["en", "de"]}, "fr", None),
        ({"not": ["en", "de"]}, "de", "is 'de', which is not allowed"),
        ({"not": "en", "min_length": 2}, "x", "is shorter than 2"),
        ({"not": {"min": 5}}, 7, "is 7, which is not allowed"),
        ({"not": None}, None, "is null, which is not allowed"),
        ({"when_present": True, "min": 1}, 0, "is below 1"),
    ],
)
def test_a_condition_says_what_is_wrong_with_a_value(condition, value, wrong):
    assert parse_condition(condition)(value) == wrong


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ([], "the list is empty"),
        ({"mn": 1}, "is no condition; give a value"),
        ({"not": {"mn": 1}}, "is no condition; give a value"),
        ({"not": []}, "the list is empty"),
        ({"min": "a"}, "is no condition"),
        ({"min": 2, "max": 1}, "min is 2 and max 1"),
        ({"min_length": 2, "max_length": 1}, "min_length is 2"),
    ],
)
def test_what_is_no_condition_is_refused(condition, words):
    with pytest.raises(ValueError, match=words):
        parse_condition(condition)


def test_a_secret_in_a_value_is_not_told():
    told = parse_condition("x")("Authorization: Bearer abcDEF123456789")
    assert "abcDEF" not in told


def test_a_long_value_is_told_in_short():
    told = parse_condition("x")("y" * 500)
    assert told is not None
    assert len(told) < 70


@given(st.floats(), st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_limits_hold_exactly_where_the_value_lies_between_them(value, one, other):
    low, high = sorted((one, other))
    assert (parse_condition({"min": low, "max": high})(value) is None) == (low <= value <= high)


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=3)


@given(VALUES, VALUES)
def test_equality_is_that_of_json(one, other):
    assert same(one, one)
    assert same(one, other) == same(other, one)
    assert same([one], [other]) == same({"a": one}, {"a": other}) == same(one, other)
