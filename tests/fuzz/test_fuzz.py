"""Each target on a few inputs; ``python -m tests.fuzz`` tries many (docs/reliability.md)."""

from __future__ import annotations

import pytest

from tests.fuzz.fuzz import BrokenError, attempt, run
from tests.fuzz.targets import REFUSED, TARGETS, Target

pytestmark = pytest.mark.slow

REFUSING = {"event stream", "own files"}
"""Some of their examples are wrong on purpose, or right for one of several readers."""
FEW = {"http": 60, "log": 30, "config": 30, "parquet": 40}
"""Inputs of the slower targets; the others have 150."""


@pytest.mark.parametrize("name", [name for name in TARGETS if name not in REFUSING])
def test_inputs_that_are_right_are_taken(name):
    REFUSED.clear()
    for data in TARGETS[name].corpus:
        attempt(TARGETS[name], data)
    assert not REFUSED


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_is_met_with_a_value_or_an_error_that_is_documented(name):
    run(TARGETS[name], examples=FEW.get(name, 150), number=1)


def test_what_breaks_a_target_is_told_with_the_input():
    def check(data: bytes) -> None:
        if b"\xff" in data:
            raise KeyError("oh")

    with pytest.raises(BrokenError, match=r"KeyError: 'oh' on b'\\xff'"):
        run(Target(check, (b"abc", b"\xff")), examples=200, number=1)
