"""Places in a JSON document."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.users.http.json_path import MISSING, find, find_each, parse_path

DOCUMENT = {
    "predictions": [{"score": 0.25, "a b": {"it's": None}}, {"score": 1}],
    "item-id": 7,
    "größe": True,
    "": {"": "empty"},
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", DOCUMENT),
        ("$.predictions[0].score", 0.25),
        ("$.predictions[-1].score", 1),
        ("$['predictions'][1][\"score\"]", 1),
        ("$.predictions[0]['a b']['it\\'s']", None),
        ("$.item-id", 7),
        ("$.größe", True),
        ("$['']['']", "empty"),
        ("$[ 'item-id' ]", 7),
    ],
)
def test_a_path_finds_its_value(path, value):
    assert find(DOCUMENT, parse_path(path)) == value


@pytest.mark.parametrize(
    "path",
    [
        "$.nope",
        "$.predictions[2]",
        "$.predictions[-3]",
        "$.predictions.score",
        "$[0]",
        "$.item-id.x",
    ],
)
def test_what_is_not_there_is_missing_and_not_null(path):
    assert find(DOCUMENT, parse_path(path)) is MISSING


@pytest.mark.parametrize(
    "path",
    [
        "", "predictions", ".a", "$a", "$.", "$..a", "$.a.", "$[", "$[]", "$.*", "$[01]", "$[1",
        "$['a]", "$.a b", "$[?(@.x)]", "$[1:2]", "$.1a", " $", "$[1e3]",
    ],
)  # fmt: skip
def test_a_malformed_path_is_refused_in_one_sentence(path):
    with pytest.raises(ValueError, match="is not a path into JSON; write \\$ and then"):
        parse_path(path)


@given(st.text())
def test_any_text_is_a_path_or_refused(text):
    try:
        steps = parse_path(text)
    except ValueError:
        return
    assert text.startswith("$")
    find({}, steps)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def places(document, path="$"):
    """Every place of a document with its path, written in quotes."""
    yield path, document
    if isinstance(document, dict):
        for name, inner in document.items():
            quoted = name.replace("\\", "\\\\").replace("'", "\\'")
            yield from places(inner, f"{path}['{quoted}']")
    elif isinstance(document, list):
        for index, inner in enumerate(document):
            yield from places(inner, f"{path}[{index}]")


@given(JSON)
def test_every_place_of_any_document_can_be_named(document):
    document = json.loads(json.dumps(document))
    for path, value in places(document):
        assert find(document, parse_path(path)) is value


ANSWER = {"p": [{"s": 1, "q": [1, 2]}, {"s": 2, "q": []}, {"q": [3]}], "n": 1}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("$.n", [1]),
        ("$.p[*].s", [1, 2, MISSING]),
        ("$.p[*].q[*]", [1, 2, 3]),
        ("$.p[1].q[*]", []),
        ("$.n[*]", [MISSING]),
        ("$.nope[*].s", [MISSING]),
    ],
)
def test_a_star_names_each_element_of_a_list(path, values):
    assert list(find_each(ANSWER, parse_path(path, each=True))) == values


def test_a_star_is_refused_where_one_value_is_wanted():
    with pytest.raises(ValueError, match=r"names several values; name one, such as \[0\]"):
        parse_path("$.p[*].s")
