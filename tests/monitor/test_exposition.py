"""The text format of Prometheus endpoints."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.monitor.exposition import NotExpositionError, Sample, parse_line, read_samples

names = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,8}", fullmatch=True)
label_names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,5}", fullmatch=True)
label_values = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.floats(allow_nan=False, allow_infinity=False)
samples = st.builds(Sample, names, st.dictionaries(label_names, label_values, max_size=3), values, st.just("")
)  # fmt: skip
blanks = st.sampled_from(["", " ", "\t", "  "])


def bare(found: list[Sample]) -> list[Sample]:
    """Leave out how the series was written."""
    return [one._replace(series="") for one in found]


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def line(sample: Sample, blank: str = "", end: str = "") -> str:
    """Write a sample as an exporter may, with ``blank`` wherever blanks may stand."""
    labels = f"{blank},{blank}".join(
        f'{name}{blank}={blank}"{escaped(value)}"' for name, value in sample.labels.items()
    )
    braces = f"{blank}{{{blank}{labels}{blank}}}" if labels else ""
    return f"{sample.name}{braces} {blank}{sample.value!r}{end}"


@given(sample=samples, blank=blanks, end=st.sampled_from(["", " ", " 1700000000123", "\r"]))
def test_what_an_exporter_writes_is_read_back_exactly(sample, blank, end):
    body = f"# HELP x y\n\n{line(sample, blank, end)}\n".encode()
    assert bare(read_samples(body, {sample.name})) == [sample]


@given(rows=st.lists(samples, max_size=6), others=st.lists(values, max_size=6))
def test_what_is_known_of_an_answer_before_changes_nothing(rows, others):
    known: dict[str, Sample] = {}
    for row, other in [*((row, row.value) for row in rows), *zip(rows, others, strict=False)]:
        now = row._replace(value=other)
        body = f"{line(now)}\n".encode()
        assert bare(read_samples(body, {row.name}, known)) == [now]


@given(rows=st.lists(samples, max_size=8), wanted=st.lists(names, max_size=3))
def test_the_series_that_are_wanted_are_read_in_order_and_no_others(rows, wanted):
    chosen = {*wanted, *(row.name for row in rows[::2])}
    body = "".join(f"{line(row)}\n" for row in [*rows, Sample("last", {}, 1.0)]).encode()
    assert bare(read_samples(body, chosen - {"last"})) == [
        row for row in rows if row.name in chosen - {"last"}
    ]


@given(body=st.binary(max_size=60) | st.text('a{}=",\\1.e+# \n', max_size=40).map(str.encode))
def test_whatever_comes_is_read_or_refused(body):
    try:
        found = read_samples(body, {"a"})
    except NotExpositionError:
        return
    assert all(sample.name == "a" and math.isfinite(sample.value) for sample in found)


@pytest.mark.parametrize(
    ("text", "value", "labels"),
    [
        ("up 1", 1.0, {}),
        ("up\t1", 1.0, {}),
        ("up{} 1", 1.0, {}),
        ('up{a="b",} 1', 1.0, {"a": "b"}),
        ('up{ a = "b" , c="}" } -1.5e-3 1700000000', -0.0015, {"a": "b", "c": "}"}),
        (r'up{path="C:\\new\"x\n"} .5', 0.5, {"path": 'C:\\new"x\n'}),
        ('up 3 1.5 # {trace_id="abc"} 0.5 1700000000.1', 3.0, {}),
        ("up 5.", 5.0, {}),
    ],
)
def test_every_form_that_the_format_allows_is_read(text, value, labels):
    assert bare([parse_line(text)]) == [Sample("up", labels, value)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("up", "no value follows 'up'"),
        ("up one", "no number follows 'up'"),
        ("up 1_000", "no number follows 'up'"),
        ("up ٣", "no number follows 'up'"),
        ("up 0x10", "no number follows 'up'"),
        ("up 1 2 3", "no number follows 'up'"),
        ('up{a="1"', "its labels cannot be read"),
        ("up{a=1} 1", "its labels cannot be read"),
        ('up{a="1";b="2"} 1', "its labels cannot be read"),
        ('up{a="1",a="2"} 1', "the label 'a' stands there twice"),
        ("9lives 1", "it does not begin with the name of a series"),
        ("up{} ", "no number follows 'up{}'"),
    ],
)
def test_a_line_that_is_not_of_the_format_is_refused_with_the_reason(text, why):
    with pytest.raises(NotExpositionError, match=f"^{re.escape(why)}$"):
        parse_line(text)


def test_a_bad_line_of_a_wanted_series_is_named_and_one_of_another_is_passed_over():
    body = b"up 1\nother {{{\nup x\n"
    with pytest.raises(NotExpositionError, match=r"^has no sample in line 3: no number follows"):
        read_samples(body, {"up"})
    assert read_samples(body, {"down"}) == []


@pytest.mark.parametrize(
    "body", [b"", b"\n# HELP up x\n", b"<html>\n<body>up</body>\n", b'{"a": 1}']
)
def test_a_body_without_any_sample_is_not_of_the_format(body):
    with pytest.raises(NotExpositionError, match=r"^holds no series with a value$"):
        read_samples(body, {"up"})


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "nan", "inf", "1e999"])
def test_a_value_that_is_no_finite_number_says_nothing(value):
    assert bare(read_samples(f"up {value}\nup 2\n".encode(), {"up"})) == [Sample("up", {}, 2.0)]


def test_a_name_that_begins_like_a_wanted_one_is_another_series():
    body = b"up_total 1\nup 2\nupper 3\n"
    assert bare(read_samples(body, {"up"})) == [Sample("up", {}, 2.0)]


def test_a_series_is_known_again_by_its_name_and_labels_as_written():
    body = b'up{a="1", b="2"} 5 1700000000\nup 3\n'
    assert [one.series for one in read_samples(body, {"up"})] == ['up{a="1", b="2"}', "up"]
