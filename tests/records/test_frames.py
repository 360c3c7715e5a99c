"""A table of a log as a data frame."""

from __future__ import annotations

import msgspec
import polars as pl
import pytest

from asyncload.errors import ConfigError, LogError
from asyncload.records.frames import read_frame
from asyncload.records.record import Job, Level, Note, Request, Stream

RECORDS = [
    Level(0.0, "s", 2.0, 1, 0, 0),
    Request(1.0, "s", 3, "n", 0.5, 1.0, "ok", start=0.6, first_byte=0.9, status=200, bytes_in=7,
            stream=Stream(chunks=2, first_token=0.8, gaps=[0.1])),
    Request(2.0, "s", 4, "n", 1.5, 2.0, "dropped", error="too many “at once”"),
    Note(2.0, "warning", "nothing"),
    Job(t=3.0, scenario="s", job_id="j1", name="img", due=1.0, start=1.1, status="SUCCESS", size=9),
    Job(t=4.0, scenario="s", job_id="j2", name="img", due=1.0, start=1.1, status="LOST",
        duplicates=2, attempt=3),
    Level(4.0, "s", 0.0, 0, 0, 0, ended=True),
]  # fmt: skip
OF = {"requests": Request, "jobs": Job, "levels": Level}


def written(path, *more):
    lines = [msgspec.json.encode(one) for one in RECORDS] + list(more)
    path.write_bytes(b"\n".join(lines))
    return path


@pytest.mark.parametrize("more", [(), (b'{"type":"request","t":9',), (b"\x00\xff", b"[]")])
@pytest.mark.parametrize("table", OF)
def test_a_frame_has_every_field_of_its_records_with_their_values(table, more, tmp_path):
    frame = read_frame(written(tmp_path / "run[1]*.jsonl", *more), table)
    wanted = [one for one in RECORDS if type(one) is OF[table]]
    assert frame.columns == list(OF[table].__struct_fields__)
    for row, record in zip(frame.to_dicts(), wanted, strict=True):
        if row.get("stream") is not None:
            row["stream"] = msgspec.convert(row["stream"], Stream)
        assert row == {name: getattr(record, name) for name in record.__struct_fields__}


@pytest.mark.parametrize("table", OF)
def test_a_log_without_such_records_gives_an_empty_frame_of_the_same_columns(table, tmp_path):
    (tmp_path / "run.jsonl").write_bytes(msgspec.json.encode(Note(0.0, "info", "x")))
    empty = read_frame(tmp_path / "run.jsonl", table)
    full = read_frame(written(tmp_path / "full.jsonl"), table)
    assert empty.height == 0
    assert empty.schema == full.schema
    assert pl.Null not in full.dtypes


def test_a_table_or_a_log_that_there_is_not_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no table 'rows'; choose one of requests, jobs, levels"):
        read_frame(written(tmp_path / "run.jsonl"), "rows")
    with pytest.raises(LogError, match=r"there is no log .*none\.jsonl; check the path"):
        read_frame(tmp_path / "none.jsonl", "jobs")
