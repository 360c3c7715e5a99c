"""Sizes as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.plan.size import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (0, 0),
        (2000, 2000),
        ("2000", 2000),
        ("100kB", 100_000),
        ("1.5 MB", 1_500_000),
        (".5GB", 500_000_000),
        ("64KiB", 65_536),
        ("1mib", 1_048_576),
        ("7B", 7),
        (" 7 b ", 7),
    ],
)
def test_a_size_is_bytes_or_has_a_unit(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "kB", "-1", -1, True, 1.5, None, "10 pounds", "1,000", "1e3"])
def test_what_is_no_size_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="is not a size; give bytes"):
        parse_size(text)


@given(st.integers(0, 2**50))
def test_a_whole_number_is_itself_as_number_and_as_text(size):
    assert parse_size(size) == parse_size(str(size)) == size
