"""Options of user classes: any struct, with errors that name key, value and remedy."""

import copy
from typing import Annotated, Any, Literal

import msgspec
import pytest

from asyncload.config.convert import convert
from asyncload.errors import ConfigError
from asyncload.plan.duration import Duration

pytestmark = pytest.mark.quick


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    weight: float = 1.0


class Options(msgspec.Struct, forbid_unknown_fields=True):
    """One of each kind of field a user's class may have."""

    count: int = 0
    name: str | None = None
    pair: tuple[int, str] = (0, "")
    inner: Inner | None = None
    items: list[Inner] = []
    by_name: dict[str, Inner] = {}
    counts: dict[str, int] = {}
    texts: dict[str, str] = {}
    parts: dict[str, str | Inner] = {}
    nested: dict[str, dict[str, int]] = {}
    by_number: dict[int, str] = {}
    mode: Literal["fast", "slow"] = "fast"
    some: Annotated[list[int], msgspec.Meta(min_length=1)] = []
    many: Annotated[int, msgspec.Meta(ge=1)] = 1
    small: Annotated[str, msgspec.Meta(pattern="^[a-z]+$")] = "a"
    either: int | str | None = None
    flag: bool = False
    wait: Duration = Duration(1)
    any: Any = None

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"count is {self.count}; give 0 or more")


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    pass


NOT_A_DURATION = (
    "-1 is not a duration; give seconds as a number of 0 or more, or a text such as 250ms, "
    "20s, 10m, 2h or 1m30s"
)
REFUSALS = [
    ({"coutn": 1}, "user.coutn: there is no such key; did you mean 'count'?"),
    ({"count": "x"}, "user.count: expected a whole number, got 'x'"),
    ({"count": -1}, "user.count: is -1; give 0 or more"),
    ({"count": None}, "user.count: is empty; give a whole number, or leave the key out"),
    ({"name": [1]}, "user.name: expected a text, got [1]"),
    ({"name": 1.5}, "user.name: expected a text, got 1.5; put it in quotes"),
    ({"pair": [1]}, "user.pair: expected a list of length 2, got [1]"),
    ({"pair": ["x", "y"]}, "user.pair.0: expected a whole number, got 'x'"),
    ({"inner": {}}, "user.inner.name: is missing; add it"),
    ({"inner": {"name": "a", "wieght": 1}},
     "user.inner.wieght: there is no such key; did you mean 'weight'?"),
    ({"inner": 5}, "user.inner: expected keys and values, got 5"),
    ({"items": [{"name": "a"}, {"name": "b", "weight": "x"}]},
     "user.items.1.weight: expected a number, got 'x'"),
    ({"items": [{"name": "a"}, {"nam": "b"}]},
     "user.items.1.nam: there is no such key; did you mean 'name'?"),
    ({"items": {"name": "a"}}, "user.items: expected a list, got {'name': 'a'}"),
    ({"by_name": {"x": {"nam": "b"}}},
     "user.by_name.nam: there is no such key; did you mean 'name'?"),
    ({"counts": {"a": "x"}}, "user.counts.a: expected a whole number, got 'x'"),
    ({"counts": {"a": 1, "b": 2.5, "c": "x"}}, "user.counts.b: expected a whole number, got 2.5"),
    ({"texts": {"X-A": "x", "X-B": 0.5}},
     "user.texts.X-B: expected a text, got 0.5; put it in quotes"),
    ({"parts": {"a": "x", "b": True}},
     "user.parts.b: expected a text or keys and values, got true; put it in quotes"),
    ({"parts": {"a": {"name": "x", "weight": "y"}}},
     "user.parts.a.weight: expected a number, got 'y'"),
    ({"nested": {"a": {"b": 1}, "c": {"d": [1], "e": None}}},
     "user.nested.c.d: expected a whole number, got [1]"),
    ({"by_number": {"a": "x"}}, "user.by_number: a key there is not a whole number; write it as that"),
    ({"mode": "fats"}, "user.mode: 'fats' is not one of fast, slow; did you mean 'fast'?"),
    ({"mode": "medium"}, "user.mode: 'medium' is not one of fast, slow"),
    ({"some": []}, "user.some: expected a list of length of at least 1, got []"),
    ({"many": 0}, "user.many: expected a whole number of at least 1, got 0"),
    ({"either": [1]}, "user.either: expected a whole number or a text, got [1]"),
    ({"flag": "yes"}, "user.flag: expected true or false, got 'yes'"),
    ({"wait": -1}, f"user.wait: {NOT_A_DURATION}"),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "sentence"), REFUSALS, ids=[str(raw) for raw, _ in REFUSALS])
def test_what_is_wrong_is_named_with_its_key_value_and_remedy(raw, sentence):
    with pytest.raises(ConfigError) as caught:
        convert(raw, Options, where="user")
    assert str(caught.value) == sentence


def test_options_of_a_class_that_has_none_are_refused():
    with pytest.raises(ConfigError) as caught:
        convert({"a": 1}, Nothing, where="user")
    assert str(caught.value) == "user.a: there is no such key, and no other here; leave it out"


def test_whole_numbers_become_texts_where_texts_are_wanted_at_any_depth():
    raw = {
        "name": 5,
        "items": [{"name": 1}, {"name": 2}],
        "pair": [1, 2],
        "any": 5,
        "texts": {"a": "x", "b": 7, "c": 8},
        "parts": {"a": 9, "b": {"name": 10}},
    }
    before = copy.deepcopy(raw)
    options = convert(raw, Options)
    assert (options.name, options.pair, options.any) == ("5", (1, "2"), 5)
    assert [item.name for item in options.items] == ["1", "2"]
    assert options.texts == {"a": "x", "b": "7", "c": "8"}
    assert options.parts == {"a": "9", "b": Inner(name="10")}
    assert raw == before


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(ConfigError) as caught:
        convert({"count": "x" * 500}, Options, where="user")
    assert len(str(caught.value)) < 120


def test_the_value_of_a_secret_is_not_in_the_message():
    class Secretive(msgspec.Struct):
        api_token: int
        login: dict[str, int] = {}

    for raw in ({"api_token": "hunter2"}, {"api_token": 1, "login": {"password": "hunter2"}}):
        with pytest.raises(ConfigError) as caught:
            convert(raw, Secretive, where="user")
        assert "hunter2" not in str(caught.value)
        assert "***" in str(caught.value)
