"""Templates: what they give, and what is refused in set-up."""

from __future__ import annotations

import json
import math
import random
import re
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from asyncload.users.templates.compiled import TemplateError
from asyncload.users.templates.expressions import Compiler
from asyncload.users.templates.functions import LONGEST
from asyncload.users.templates.tables import Column, Table
from asyncload.users.templates.template import (
    AS_TARGET,
    IN_HEADER,
    IN_JSON_TEXT,
    IN_URL,
    JSON,
    RAW,
    has_places,
    joined,
    parts,
    value,
)

ROWS = {
    "rev_id": [123, 456],
    "lang": ["en", "dé"],
    "page title": ["AC/DC?x=1&y", "x y"],
    "text": ["hello", "good bye"],
    "nothing": [None, None],
    "tags": [["a", "b"], []],
    "ok": [True, False],
    "score": [1.1, 0.5],
    "image": [b"\xff\x00", b"abc"],
}
SCORES = ["1.10", "0.5"]


class User:
    """A user in an iteration."""

    def __init__(self, row=0, seed=1, **captured):
        self.row = row
        self.rng = random.Random(seed)
        self.captured = captured


def compiler(captured=(), **environment):
    table = Table(
        list(ROWS),
        2,
        column=lambda name: Column(ROWS[name], SCORES if name == "score" else None),
        place=lambda row: f"line {row + 2}",
    )
    return Compiler(table, find=Path, captured=frozenset(captured), environment=environment)


def filled(text, form=RAW, user=None, **environment):
    user = user or User()
    part = joined(parts(text, form, compiler(user.captured, **environment)))
    return part if isinstance(part, bytes) else part(user)


# -- places ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("no place", b"no place"),
        ("", b""),
        ("{{ rev_id }}", b"123"),
        ("a {{ lang }} b{{lang}}", b"a en ben"),
        ("{{ row['page title'] }}", b"AC/DC?x=1&y"),
        ("{{ row.lang }}", b"en"),
        ("{{ nothing }}{{ ok }}", b"true"),
        ("{{ tags }}", b'["a","b"]'),
        ("{{ image }}", b"\xff\x00"),
        ("{{ score }}", b"1.10"),
        ("{{ score + 1 }}", b"2.1"),
        ("{{ rev_id + 1 }} {{ rev_id // 10 }} {{ -rev_id }} {{ 2 ** 3 }}", b"124 12 -123 8"),
        ("{{ lang ~ '-' ~ rev_id }}", b"en-123"),
        ("{{ text[:2] }}{{ text[-1] }}", b"heo"),
        ("{{ 'a' if rev_id > 200 else 'b' }}", b"b"),
        ("{{ lang == 'en' and rev_id in [123] }}", b"true"),
        ("{{ 1 < rev_id < 100 or not ok }}", b"false"),
        ("{{ {'a': [rev_id, none]} }}", b'{"a":[123,null]}'),
        ("{{ text | upper }} {{ lang | length }}", b"HELLO 2"),
        ("{{ text | replace('l', 'L') | trim | lower }}", b"hello"),
        ("{{ '12' | int + 1 }} {{ 2.567 | round(1) }} {{ 2.5 | round }}", b"13 2.6 2"),
        ("{{ tags | join('+') }} {{ lang | tojson }}", b'a+b "en"'),
        ("{{ image | base64 }} {{ text | base64 }}", b"/wA= aGVsbG8="),
        ("{{ 'a b/ü' | urlencode }}", b"a%20b%2F%C3%BC"),
        ("{{ nothing | default('x') }}", b"x"),
        ("{{ repeat('ab', 2) }} {{ repeat('ab', 2, ', ') }}", b"abab ab, ab"),
        ("line\r\n{{ lang }}\r\n", b"line\r\nen\r\n"),
        ('{{ "{%" }} {# {{ "{{" }} }}', b"{% {# {{ }}"),
    ],
)
def test_a_place_is_filled(text, body):
    assert filled(text) == body


def test_a_row_is_that_of_the_iteration():
    assert filled("{{ rev_id }} {{ lang }} {{ score }}", user=User(row=1)) == "456 dé 0.5".encode()


def test_the_environment_is_read_once_and_may_have_a_default():
    assert filled("{{ env.KEY }}{{ env['KEY'] }}", KEY="k") == b"kk"
    assert filled("{{ env.NO | default('d') }}") == b"d"


def test_what_an_answer_said_keeps_its_type():
    user = User(token="t", ids=[{"n": 5}])
    assert filled("{{ token }}/{{ ids[0].n + 1 }}", user=user) == b"t/6"
    assert filled("{{ ids }}", JSON, user) == b'[{"n":5}]'


# -- forms ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "form", "written"),
    [
        ("{{ rev_id }}", JSON, b"123"),
        ("{{ lang }}", JSON, b'"en"'),
        ("{{ nothing }}", JSON, b"null"),
        ("{{ ok }}", JSON, b"true"),
        ("{{ image }}", JSON, b'"/wA="'),
        ("{{ 'say \"ü\"\n' }}", IN_JSON_TEXT, 'say \\"ü\\"\\n'.encode()),
        ("{{ row['page title'] }}", IN_URL, b"AC%2FDC%3Fx%3D1%26y"),
        ("{{ row['page title'] }}", AS_TARGET, b"AC/DC?x=1&y"),
        ("{{ '/v1/ü' }}", AS_TARGET, b"v1/%C3%BC"),
        ("{{ lang }}", IN_HEADER, b"en"),
    ],
)
def test_a_value_is_written_as_its_place_wants_it(text, form, written):
    assert filled(text, form) == written


def test_a_row_as_a_whole_is_an_object():
    names = ("image", "nothing")
    row = json.loads(filled("{{ row }}", JSON))
    assert {name: row[name] for name in ROWS if name not in names} == {
        name: values[0] for name, values in ROWS.items() if name not in names
    }


def test_a_header_of_two_lines_is_refused_in_set_up_or_fails_the_request():
    with pytest.raises(TemplateError, match="must be one line"):
        filled("{{ 'a\\r\\nX-Evil: 1' }}", IN_HEADER)
    with pytest.raises(ValueError, match="must be one line"):
        filled("{{ token }}", IN_HEADER, User(token="a\nb"))


# -- functions ------------------------------------------------------------------------


def test_random_numbers_come_from_the_users_own_seed():
    text = "{{ random_int(10, 1000) }} {{ choice('a', 'b', 'c') }} {{ choice(tags) }} {{ uuid() }}"
    assert filled(text, user=User(seed=7)) == filled(text, user=User(seed=7))
    assert filled(text, user=User(seed=7)) != filled(text, user=User(seed=8))


def test_random_numbers_have_all_values_of_their_range_and_no_others():
    part = joined(parts("{{ random_int(-1, 2) }}", JSON, compiler()))
    user = User()
    assert {part(user) for _ in range(200)} == {b"-1", b"0", b"1", b"2"}


def test_a_text_is_repeated_a_random_number_of_times():
    part = joined(parts("{{ repeat('ab', random_int(5, 7), ' ') }}", RAW, compiler()))
    user = User()
    assert {part(user).count(b"ab") for _ in range(100)} == {5, 6, 7}


def test_a_uuid_is_one_of_version_4():
    assert uuid.UUID(filled("{{ uuid() }}").decode()).version == 4


def test_the_time_is_written_as_asked():
    assert re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", filled("{{ now() }}"))
    assert re.fullmatch(rb"\d{4}/\d\d", filled("{{ now('%Y/%m') }}"))
    assert 1.7e9 < float(filled("{{ timestamp() }}")) < 4e9


def test_a_random_file_is_one_of_its_folder_and_its_base64_goes_into_json(tmp_path):
    for name, content in {"a.jpg": b"\xff\xfe", "b.jpg": b"b", "c.txt": b"c"}.items():
        (tmp_path / name).write_bytes(content)
    some = Compiler(None, find=lambda name: tmp_path / name)
    whole = joined(parts("{{ random_file('*.jpg') }}", RAW, some))
    text = joined(parts("{{ random_file('*.jpg') | base64 }}", JSON, some))
    user = User()
    assert {whole(user) for _ in range(50)} == {b"\xff\xfe", b"b"}
    assert {text(user) for _ in range(50)} == {b'"//4="', b'"Yg=="'}


# -- what is refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ lagn }}", "no column 'lagn'; did you mean 'lang'"),
        ("{{ row.x }}", "no column 'x'"),
        ("{{ foo() }}", "no function 'foo'; there are: choice"),
        ("{{ lang | uper }}", "no filter 'uper'; did you mean 'upper'"),
        ("{{ lang.upper() }}", "values have no functions of their own"),
        ("{{ now }}", "now is a function; write now"),
        ("{{ env }}", "write env.NAME"),
        ("{{ env.NOPE }}", "the environment variable NOPE is not set"),
        ("{{ lang", "is no template: unexpected end of template"),
        ("{{ }}", "is no template"),
        ("{{ lang }} {{ 'x }}", "is no template"),
        ("{% if ok %}x{% endif %}", "has a {% … %} statement"),
        ("{% if", "has a {% … %} statement"),
        ("{{ lang is defined }}", "test is more than a template can do"),
        ("{{ 'a' if ok }}", "an if needs an else"),
        ("{{ repeat(text='a', times=2) }}", "arguments have no names"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ rev_id + 'a' }}", "line 2 of the data: TypeError"),
        ("{{ text | int }}", "line 2 of the data: int: the value is not"),
        ("{{ 100 // (rev_id - 456) }}", "line 3 of the data: ZeroDivisionError"),
        ("{{ random_int(5, 1) }}", "the smaller first"),
        ("{{ random_int(1, 2.5) }}", "two whole numbers"),
        ("{{ random_int(1) }}", "missing 1 required"),
        ("{{ choice([]) }}", "nothing to choose from"),
        ("{{ random_int(1, 2) + 'a' }}", "TypeError"),
        ("{{ repeat('a', -1) }}", "0 or more"),
        ("{{ '%2000000000d' % 1 }}", "a text % values would be a text of 2,000,000,0"),
        ("{{ '%.2000000000f' % 1.5 }}", "and 16,777,216 are the most; make it shorter"),
        ("{{ '%*d' % [2000000000, 1] }}", "a text % values would be"),
        ("{{ 5 | round(-(10**7)) }}", "round(-10000000): give a whole number from -400 to 400"),
        ("{{ repeat('a', 16777216) | replace('a', repeat('b', 200)) }}", "replace would be a text"),
        ("{{ ([repeat('a', 16777216)] * 200) | join }}", "join would be a text of 33,554,432 ch"),
        ("{{ repeat('a', 16777216) ~ repeat('a', 16777216) }}", "join would be a text of"),
        ("{{ repeat('a', 16777216) + repeat('a', 16777216) }}", "… + … would be a text of"),
        ("{{ repeat('a', 1000000000) }}", "of 1,000,000,000 characters, and 16,777,216 are the"),
        ("{{ repeat('', 20000000, 'ab') }}", "a text of 39,999,998 characters"),
        ("{{ 'ab' * 1000000000 }}", "a length of 2,000,000,000, and 16,777,216 is the most"),
        ("{{ 9 ** (9 ** 9) }}", "bits, and 4,096 are the most; give a smaller number"),
        ("{{ 1e400 }}", "NaN or infinity cannot be sent, for JSON has no such number; take it out"),
        ("{{ [1, {'a': -1e400}] | tojson }}", "NaN or infinity cannot be sent"),
        ("{{ random_file(lang) }}", "takes a folder in quotes"),
        ("{{ random_file('/no/such/folder') }}", "there is no file"),
        ("{{ 'x' ~ image }}", "write | base64"),
    ],
)
def test_what_cannot_work_is_refused_in_set_up_with_the_text_it_stands_in(text, words):
    with pytest.raises(TemplateError, match=re.escape(words)) as caught:
        filled(text)
    assert text[:20] in str(caught.value).replace('\\"', '"')
    assert "\n" not in str(caught.value)


def test_a_number_that_json_does_not_have_is_refused_for_its_row_and_fails_the_request():
    table = Table(
        ["score"], 2, column=lambda _: Column([None, math.nan]), place=lambda row: f"row {row + 1}"
    )
    with pytest.raises(TemplateError, match=r"row 2 of the data: NaN or infinity cannot be sent"):
        parts("{{ score }}", JSON, Compiler(table, find=Path))
    with pytest.raises(ValueError, match="NaN or infinity cannot be sent"):
        filled("{{ n * 1e308 }}", JSON, User(n=1e10))
    assert filled("{{ [nothing, 'null', 1.5] }}", JSON) == b'[null,"null",1.5]'


def test_a_text_is_repeated_as_often_as_its_limit_allows():
    assert len(filled("{{ repeat('ab', 8388608) }}")) == LONGEST
    with pytest.raises(ValueError, match=r"repeat\(…, 16777217\) would be a text of 16,777,217"):
        filled("{{ repeat('a', n) }}", user=User(n=LONGEST + 1))


def test_a_secret_of_the_environment_is_in_no_message():
    for text in (
        "{{ env.KEY | int }}",
        "{{ env.KEY | float }}",
        "{{ env.KEY + 1 }}",
        "{{ env.KEY.x }}",
    ):
        with pytest.raises(TemplateError) as caught:
            filled(text, KEY="s3cr3t")
        assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    "inside", ["(" * 500 + "1" + ")" * 500, "[" * 500, "1" + " + 1" * 3000, "-" * 900 + "1"]
)
def test_what_is_nested_too_deeply_is_refused(inside):
    for compile_it in (filled, lambda text: value(text, compiler())):
        with pytest.raises(TemplateError, match=r"^'\{\{ [^ ]+.*…' is nested too deeply; write it"):
            compile_it("{{ " + inside + " }}")


@given(st.text())
def test_any_text_is_a_template_or_refused_in_a_sentence(text):
    try:
        body = filled("{{ " + text + " }}")
    except TemplateError as problem:
        body = str(problem).encode()
        if b"\n" in body:
            raise AssertionError("more than a line") from problem
    assert isinstance(body, bytes)


@given(st.text().filter(lambda text: not has_places(text + "{")))
def test_a_text_without_places_is_sent_as_it_is(text):
    assert filled(text) == text.encode()
    assert filled(text + "{{ '' }}") == text.encode()


# -- the same as Jinja2 -----------------------------------------------------------------

NUMBERS = st.integers(-9, 9).map(str) | st.sampled_from(["rev_id", "n", "text | length"])
TEXTS = st.sampled_from(["lang", "text", "'x y'", "'Ü'", "text | upper", "text[1:]", "lang ~ n"])
LEAVES = NUMBERS | TEXTS | st.sampled_from(["true", "none", "tags", "[n, lang]"])
OPERATORS = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", ">=", "and", "or", "in", "not in"]
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        inner.map(lambda one: f"(not {one})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
    ),
    max_leaves=6,
)


@given(EXPRESSIONS, st.integers(0, 1))
def test_an_expression_has_the_value_that_jinja2_gives_it(expression, row):
    names = {name: values[row] for name, values in ROWS.items() if name.isidentifier()}
    wanted = Environment(autoescape=False).compile_expression(expression, undefined_to_none=False)
    try:
        expected = wanted(**names, n=3)
    except Exception:
        return  # where Jinja2 has no value there is nothing to compare
    try:
        code = value("{{ " + expression + " }}", compiler(["n"]))
        got = code.make(User(row=row, n=3))
    except TemplateError:
        return  # refused for another row
    # In a text ours writes JSON's words, Jinja2 Python's.
    if "~" in expression and re.search("True|False|None|\\[", str(expected)):
        return
    assert got == expected
