"""Options of user classes: any struct, with errors that name key, value and remedy."""

import copy
import dataclasses
import datetime as dt
import enum
import re
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.config.convert import convert
from asyncload.errors import ConfigError
from asyncload.plan.duration import Duration

pytestmark = pytest.mark.every_python


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


class Circle(msgspec.Struct, tag="circle", tag_field="form", forbid_unknown_fields=True):
    radius: Annotated[float, msgspec.Meta(gt=0, le=10)]


class Square(msgspec.Struct, tag="square", tag_field="form", forbid_unknown_fields=True):
    side: float


Unit = TypeVar("Unit")


class Amount(msgspec.Struct, Generic[Unit], forbid_unknown_fields=True):
    of: Unit
    number: int


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class More(msgspec.Struct, forbid_unknown_fields=True):
    """Fields of rarer kinds."""

    drawn: Circle | Square | None = None
    only: Circle | None = None
    point: Point | None = None
    colour: Colour = Colour.RED
    day: dt.date | None = None
    amount: Amount[str] | None = None
    by_colour: dict[Literal["red", "blue"], int] = {}
    places: list[tuple[float, float]] = []
    name: Annotated[str, msgspec.Meta(pattern="^[a-z]+$", max_length=3)] = ""


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
     "user.by_name.x.nam: there is no such key; did you mean 'name'?"),
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


MORE_REFUSALS = [
    ({"drawn": {"form": "circel", "radius": 1}},
     "drawn.form: 'circel' is not one of circle, square; did you mean 'circle'?"),
    ({"drawn": {"radius": 1}}, "drawn.form: is missing; add it"),
    ({"drawn": {"form": 5}}, "drawn.form: '5' is not one of circle, square"),
    ({"drawn": {"form": "square"}}, "drawn.side: is missing; add it"),
    ({"drawn": {"form": "square", "radius": 1}},
     "drawn.radius: there is no such key; allowed here: side"),
    ({"drawn": {"form": "circle", "radius": 0}},
     "drawn.radius: expected a number over 0, got 0"),
    ({"drawn": {"form": "circle", "radius": 10.5}},
     "drawn.radius: expected a number of at most 10, got 10.5"),
    ({"drawn": {"form": "square", "side": 10**400}}, f"drawn.side: 1{'0' * 58}… is too large"),
    ({"only": {"form": "square", "radius": 1}}, "only.form: 'square' is not one of circle"),
    ({"point": {"x": "a"}}, "point.x: expected a whole number, got 'a'"),
    ({"point": {"y": 1}}, "point.x: is missing; add it"),
    ({"point": 5}, "point: expected keys and values, got 5"),
    ({"colour": "rde"}, "colour: 'rde' is not one of red, blue; did you mean 'red'?"),
    ({"day": "soon"}, "day: Invalid "),
    ({"by_colour": {"green": 1}},
     "by_colour: a key there is not one of blue, red; write it as that"),
    ({"amount": {"of": "g", "number": "x"}}, "amount.number: expected a whole number, got 'x'"),
    ({"amount": {"of": 1.5, "number": 1}}, "amount: "),
    ({"places": [[1, 2], [3, "x"]]}, "places.1.1: expected a number, got 'x'"),
    ({"name": "Tom"}, "name: expected a text that matches '^[a-z]+$', got 'Tom'"),
    ({"name": "abcd"}, "name: expected a text of length of at most 3, got 'abcd'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "words"), MORE_REFUSALS, ids=[str(r)[:60] for r, _ in MORE_REFUSALS]
)
def test_types_that_only_users_classes_have_are_told_in_the_same_words(raw, words):
    with pytest.raises(ConfigError) as caught:
        convert(raw, More)
    assert str(caught.value).startswith(words)


KEYS = st.sampled_from([*Options.__struct_fields__, *More.__struct_fields__, "x", "radius", "form"])
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "a", "circle"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=300)
@given(raw=st.dictionaries(KEYS, PLAIN, max_size=4), kind=st.sampled_from([Options, More]))
def test_whatever_is_given_is_converted_or_refused_with_a_key_that_it_has(raw, kind):
    said = "user.x: "
    try:
        convert(raw, kind, where="user")
    except ConfigError as problem:
        said = str(problem)
    assert re.match(r"user\.[\w.]+: ", said)
    assert "\n" not in said


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
