"""Files of data rows, real ones, good and bad."""

from __future__ import annotations

import csv
import io
import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.errors import ConfigError
from asyncload.users.templates import tables
from asyncload.users.templates.functions import as_json
from asyncload.users.templates.rows import DataOptions, read_data
from asyncload.users.templates.tables import Column


def table(tmp_path, content, name="rows.csv", **options):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.write_text(content, encoding="utf-8", newline="")
    return read_data(
        DataOptions(file=name, **options), key="data", find=lambda name: tmp_path / name
    )


def rows(table):
    columns = [table.column(name).values for name in table.names]
    return [dict(zip(table.names, row, strict=True)) for row in zip(*columns, strict=True)]


def test_csv_has_named_columns_and_numbers_where_every_field_is_one(tmp_path):
    found = table(tmp_path, 'rev_id,lang,note\n1,en,"a, ""b"""\n22,de,\n')
    assert rows(found) == [
        {"rev_id": 1, "lang": "en", "note": 'a, "b"'},
        {"rev_id": 22, "lang": "de", "note": ""},
    ]


def test_a_number_keeps_the_text_that_the_file_has_for_it(tmp_path):
    found = table(tmp_path, "score\n1.10\n2e3\n")
    assert found.column("score") == Column([1.1, 2000.0], ["1.10", "2e3"])


@pytest.mark.parametrize("text", ["007", "+1", "1_000", "1.", ".5", "0x1", "NaN", "1" * 101, "1 "])
def test_what_is_not_written_as_a_number_stays_a_text(text, tmp_path):
    assert table(tmp_path, f"a\n{text}\n12\n").column("a").values == [text, "12"]


def test_a_long_whole_number_is_never_rounded(tmp_path):
    texts = ["12345678901234567", "0.5"]
    assert table(tmp_path, "a\n" + "\n".join(texts)).column("a").values == texts
    assert table(tmp_path, f"a\n{texts[0]}\n").column("a").values == [12345678901234567]


@pytest.mark.parametrize("text", ["12345678901234567890", "-" + "9" * 39, str(2**64)])
def test_a_whole_number_of_more_than_64_bits_is_exact_and_makes_no_texts_of_the_others(
    text, tmp_path
):
    values = table(tmp_path, f"id\n7\n{text}\n\n").column("id").values
    assert values == [7, int(text)]
    assert as_json(values) == f"[7,{text}]".encode()


def test_an_empty_field_among_numbers_is_null_and_among_texts_empty(tmp_path):
    found = table(tmp_path, "a,b\n1,x\n,\n")
    assert rows(found) == [{"a": 1, "b": "x"}, {"a": None, "b": ""}]


def test_without_header_columns_are_numbered_or_named(tmp_path):
    assert table(tmp_path, "1\ten\n2\tde\n", "r.tsv", header=False).names == ["c1", "c2"]
    named = table(tmp_path, None, "r.tsv", header=False, columns=["id", "lang"])
    assert rows(named) == [{"id": 1, "lang": "en"}, {"id": 2, "lang": "de"}]


def test_quotes_are_signs_like_others_where_the_config_says_so(tmp_path):
    found = table(tmp_path, '"Weird_Al"_Yankovic\t1\n', "r.tsv", header=False, quotes=False)
    assert found.column("c1").values == ['"Weird_Al"_Yankovic']


def test_a_byte_order_mark_blank_lines_and_windows_line_ends_do_not_matter(tmp_path):
    found = table(tmp_path, b"\xef\xbb\xbfa;b\r\n\r\n1;x\r\n", delimiter=";")
    assert rows(found) == [{"a": 1, "b": "x"}]


def test_a_field_may_be_as_long_as_an_image_in_base64(tmp_path):
    assert table(tmp_path, f"a,b\nx,{'A' * 300_000}\n").column("b").values == ["A" * 300_000]


def test_a_panic_of_polars_is_not_written_to_the_terminal(tmp_path, capfd):
    """Its footer says that its parts lie beyond its end."""
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"a": list(range(1000))}).write_parquet(path, compression="uncompressed")
    path.write_bytes(b"PAR1" + path.read_bytes()[5000:])
    with pytest.raises(ConfigError, match=r"^data\.file: cannot read '.*' as Parquet \("):
        tables.read_parquet(path, key="data.file").column("a")
    assert capfd.readouterr() == ("", "")


def test_parquet_that_makes_polars_panic_is_damaged(tmp_path, monkeypatch, capfd):
    def panic(*_arguments, **_options):
        os.write(2, b"thread panicked at src")  # as Rust does
        raise pl.exceptions.PanicException("assertion failed: offset + length <= self.length")

    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "rows.parquet")
    monkeypatch.setattr(pl, "read_parquet", panic)
    found = read_data(
        DataOptions(file="rows.parquet"), key="data", find=lambda name: tmp_path / name
    )
    with pytest.raises(ConfigError) as caught:
        found.column("a")
    assert str(caught.value) == (
        f"data.file: cannot read {str(tmp_path / 'rows.parquet')!r} as Parquet (it is damaged); "
        "name a file that is whole"
    )
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"


@given(
    st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=2
        ),
        min_size=1,
    )
)
def test_what_pythons_writer_writes_is_read_back(tmp_path_factory, wanted):
    file = io.StringIO(newline="")
    csv.writer(file).writerows(wanted)
    found = table(tmp_path_factory.mktemp("csv"), file.getvalue(), header=False)
    texts = [column.texts or column.values for column in map(found.column, found.names)]
    assert [list(row) for row in zip(*texts, strict=True)] == wanted


def test_json_lines_keep_their_types_and_may_differ_in_their_members(tmp_path):
    found = table(tmp_path, '{"a":1,"b":[true]}\n\n{"a":null,"c":{"d":1.5}}', "r.jsonl")
    assert found.names == ["a", "b", "c"]
    assert found.column("a").values == [1, None]
    assert found.column("b").values[0] == [True]
    assert found.place(1) == "line 3"


def test_parquet_keeps_its_types(tmp_path):
    when = datetime(2026, 1, 2, tzinfo=UTC)
    frame = pl.DataFrame(
        {"i": [1], "f": [0.5], "t": ["x"], "b": [b"\xff"], "l": [[1, 2]], "n": [None], "w": [when],
         "d": [Decimal("1.10")], "u": [2**64 - 1], "h": [Decimal(10**30)], "s": [{"a": 1}]}
    )  # fmt: skip
    frame.write_parquet(tmp_path / "r.parquet")
    assert rows(table(tmp_path, None, "r.parquet")) == [
        {"i": 1, "f": 0.5, "t": "x", "b": b"\xff", "l": [1, 2], "n": None, "w": when, "d": 1.1,
         "u": 2**64 - 1, "h": 10**30, "s": {"a": 1}}
    ]  # fmt: skip


def test_a_folder_has_a_row_for_each_file(tmp_path):
    folder = tmp_path / "images"
    (folder / "below").mkdir(parents=True)
    for name, content in {"b.jpg": b"\xff\x00", "a.png": b"a", ".hidden": b"h"}.items():
        (folder / name).write_bytes(content)
    found = rows(table(tmp_path, None, "images"))
    assert found == [
        {"name": "a.png", "bytes": b"a", "base64": "YQ=="},
        {"name": "b.jpg", "bytes": b"\xff\x00", "base64": "/wA="},
    ]
    assert [row["name"] for row in rows(table(tmp_path, None, "images/*.jpg"))] == ["b.jpg"]


def test_rows_that_do_not_meet_a_condition_are_left_out(tmp_path):
    content = "".join(
        json.dumps(row) + "\n"
        for row in [
            {"text": "x" * 9, "lang": "en"},
            {"text": "x" * 10, "lang": "en"},
            {"text": "x" * 2001, "lang": "en"},
            {"text": "x" * 2000, "lang": "xx"},
            {"text": "x" * 2000, "lang": "de"},
            {"lang": "de"},
        ]
    )
    where = {"text": {"min_length": 10, "max_length": 2000}, "lang": ["en", "de"]}
    found = table(tmp_path, content, "r.jsonl", where=where)
    assert [len(text) for text in found.column("text").values] == [10, 2000]
    assert [found.place(row) for row in range(found.count)] == ["line 2", "line 5"]
    found = table(tmp_path, content, "r.jsonl", where={"lang": {"not": ["en", "xx"]}})
    assert found.column("lang").values == ["de", "de"]
    where = {"text": {"max_length": 9, "when_present": True}}
    assert table(tmp_path, content, "r.jsonl", where=where).column("lang").values == ["en", "de"]


@pytest.mark.parametrize(
    ("name", "content", "options", "words"),
    [
        ("r.csv", None, {}, "No such file"),
        ("r.csv", "", {}, "is empty; put rows into it"),
        ("r.csv", "a,b\n", {}, "has no rows"),
        ("r.csv", "a,b\n1,2\n3\n", {}, "line 3 .* has 1 of 2 fields"),
        ("r.csv", "a,a\n1,2\n", {}, "two columns called 'a'"),
        ("r.csv", b"a\n\xff\n", {}, "is not text in UTF-8"),
        ("r.tsv", 'a\tb\n"W"x\t1\n', {}, "after line 1: a field goes on .* quotes: false"),
        ("r.csv", 'a\n"x', {}, "cannot be read after line 1"),
        ("r.jsonl", '{"a":1}\n{"a"', {}, "line 2 .* is not JSON"),
        ("r.jsonl", "[1]\n", {}, "line 1 .* is not an object"),
        ("r.jsonl", "\n", {}, "has no rows"),
        ("r.parquet", "no", {}, r"cannot read .* as Parquet \([^:]*12 bytes\); name a file that"),
        ("r.parquet", "PAR1" * 99 + "x", {}, r"as Parquet \(The file must end with PAR1[^:]*\); "),
        ("r.parquet", None, {}, "No such file"),
        ("images/", None, {}, "there is no file in"),
        ("r.csv", "a\n1\n", {"where": {"a": 2}}, "none of the 1 rows of 'r.csv' meets it"),
        ("r.csv", "lang\nen\n", {"where": {"lng": 2}}, "no column 'lng' .* did you mean 'lang'"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(name, content, options, words, tmp_path):
    with pytest.raises(ConfigError, match=words) as caught:
        table(tmp_path, content, name, **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("data.")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"file": "rows.txt"}, "format is missing"),
        ({"file": "r.jsonl", "header": False}, "header is for CSV and TSV, not for jsonl"),
        ({"file": "r.parquet", "delimiter": ";"}, "delimiter is for CSV and TSV"),
        ({"file": "r.csv", "columns": ["a"]}, "add header: false"),
        ({"file": "r.csv", "columns": [], "header": False}, "columns is empty"),
        ({"file": "r.csv", "delimiter": ";;"}, "give a single character"),
        ({"file": "r.csv", "where": {"a": {"low": 1}}}, "where: a: .* is no condition"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        DataOptions(**options)


def test_a_file_is_looked_for_where_the_config_says(tmp_path):
    (tmp_path / "x.csv").write_text("a\n1\n")
    found = read_data(DataOptions(file="x.csv"), key="data", find=lambda name: Path(tmp_path, name))
    assert found.count == 1
