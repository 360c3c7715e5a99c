"""Reading logs into columns."""

import math
from pathlib import Path

import msgspec
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncload.errors import LogError
from asyncload.records import columns
from asyncload.records.columns import LogColumns, read_columns
from asyncload.records.log import LogReader
from asyncload.records.record import (
    Job,
    Ledger,
    Level,
    Note,
    Record,
    Request,
    RunHeader,
    Stream,
    SummaryRecord,
    System,
)

pytestmark = [pytest.mark.slow, pytest.mark.every_python]

ENCODER = msgspec.json.Encoder()
HEADER = RunHeader(
    schema=1, run_id="r", name="été 🌞", started_at="2025-03-04T09:30:00Z", seed=7,
    config={"a": {"type": "job"}}, host={}, versions={},
)  # fmt: skip
OTHERS: list[Record] = [
    Level(1, "web", 5.5, 3, 2, 1),
    Ledger(
        t=1.5, submitted=9, succeeded=5, partial=1, failed=1, timed_out=0, lost=0, backlog=2,
        duplicates=3, late=0, orphans=1, unreadable=0,
    ),
    System(
        2.0, "host", 12.5, 1 << 33, loop_lag=0.001, host_memory=1 << 34, network_in=12.5,
        gpu=[{"id": 1.0, "utilisation": 3.0, "memory": 2e9, "memory_total": 3e9}],
        metrics={"queue": 4.0, "": -0.5},
    ),
    Note(2.5, "warning", 'a "quoted" line\nwith {"type":"job"} in it'),
]  # fmt: skip
SUMMARY = SummaryRecord(t=9.0, summary={"verdict": "valid"})

text = st.text(max_size=12)
seconds = st.floats(0, 1e6) | st.integers(0, 10**6)
maybe = st.none() | seconds
streams = st.builds(
    Stream, chunks=st.integers(0, 10**6), first_token=maybe, tokens=st.none() | st.integers(0, 10**6),
    gaps=st.none() | st.lists(seconds, min_size=1, max_size=5),
)  # fmt: skip
requests = st.builds(
    Request, t=seconds, scenario=text, user=st.integers(0, 9), name=text, due=seconds, end=seconds,
    outcome=st.sampled_from(["ok", "failed", "timeout", "dropped"]), start=maybe, first_byte=maybe,
    status=st.none() | st.integers(100, 599), bytes_in=st.none() | st.integers(0, 2**62),
    error=st.none() | text, stream=st.none() | streams,
)  # fmt: skip
jobs = st.builds(
    Job, t=seconds, scenario=text, job_id=text, name=text, due=seconds, start=seconds,
    accepted=maybe, started=maybe, finished=maybe, observed=maybe,
    status=st.sampled_from(["SUCCESS", "PARTIAL", "FAILED", "TIMED_OUT", "LOST"]),
    processing_s=maybe, duplicates=st.integers(0, 3), error=st.none() | text,
)  # fmt: skip
records = st.lists(requests | jobs | st.sampled_from(OTHERS), max_size=12)
in_a_folder = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def log(path: Path, *parts: Record | bytes) -> Path:
    lines = (part if isinstance(part, bytes) else ENCODER.encode(part) for part in parts)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def plain(frame: pl.DataFrame) -> list[dict]:
    return frame.cast({pl.Categorical: pl.String}).to_dicts()


def expected(rows: list[Record], kind: type[Record], schema: dict) -> list[dict]:
    return [
        {name: listed(getattr(row, name)) for name in schema} for row in rows if type(row) is kind
    ]  # fmt: skip


def expected_streams(rows: list[Record]) -> list[dict]:
    """The streams of requests, with what is kept of their gaps."""
    found = []
    for row in rows:
        if type(row) is Request and row.stream is not None:
            one, gaps = row.stream, row.stream.gaps or []
            first = one.first_token
            found.append({
                "scenario": row.scenario, "name": row.name, "due": row.due, "end": row.end,
                "outcome": row.outcome, "chunks": one.chunks, "tokens": one.tokens,
                "first_token": first, "last_token": None if first is None else first + sum(gaps),
                "mean_gap": sum(gaps) / len(gaps) if gaps else None,
                "longest_gap": max(gaps, default=None),
            })  # fmt: skip
    return found


def listed(value: object) -> object:
    """A column cannot hold names of the user's choice: it has a list of names and values."""
    if isinstance(value, dict):
        return [{"name": name, "value": inner} for name, inner in value.items()]
    return value


def assert_holds(got: LogColumns, rows: list[Record]) -> None:
    assert plain(got.requests) == expected(rows, Request, columns.REQUESTS)
    streams = expected_streams(rows)
    assert len(plain(got.streams)) == len(streams)
    for row, wanted in zip(plain(got.streams), streams, strict=True):
        assert row == pytest.approx(wanted)
    assert plain(got.jobs) == expected(rows, Job, columns.JOBS)
    assert plain(got.levels) == expected(rows, Level, columns.LEVELS)
    assert plain(got.ledgers) == expected(rows, Ledger, columns.LEDGERS)
    assert plain(got.systems) == expected(rows, System, columns.SYSTEMS)
    assert got.notes == [row for row in rows if type(row) is Note]


@in_a_folder
@given(rows=records)
def test_every_record_of_a_log_comes_back_in_order(rows, tmp_path):
    got = read_columns(log(tmp_path / "run.jsonl", HEADER, *rows, SUMMARY))
    assert_holds(got, rows)
    assert got.header == HEADER
    assert got.summary == SUMMARY.summary
    assert got.skipped == 0


@in_a_folder
@given(rows=records, block=st.integers(1, 700))
def test_lines_may_lie_across_blocks(rows, block, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "BLOCK", block)
        got = read_columns(log(tmp_path / "run.jsonl", HEADER, *rows, SUMMARY))
    assert_holds(got, rows)
    assert got.summary == SUMMARY.summary


@in_a_folder
@given(rows=records, cut=st.integers(1, 2000))
def test_a_log_cut_at_any_byte_gives_its_whole_lines(rows, cut, tmp_path):
    path = log(tmp_path / "run.jsonl", HEADER, *rows, SUMMARY)
    first = len(ENCODER.encode(HEADER))
    left = path.read_bytes()[: first + cut]
    path.write_bytes(left)
    reader = LogReader(path)
    whole = list(reader)
    got = read_columns(path)
    assert_holds(got, whole)
    assert got.skipped == reader.skipped
    assert (got.summary is None) == (SUMMARY not in whole)


BAD_LINES = [
    b"garbage", b"", b"{", b"[1, 2]", b"null", b"17", b'"request"', b"\x00\x00\x00", b"\xff\xfe",
    b'{"type":"request"}', b'{"type":"job","t":1}', b'{"type":"level","t":1}', b"{}",
    b'{"type":"hologram","t":1,"due":"soon"}', b'{"type":7}', b'{"t":1}', b'{"type":"run"}',
    b'{"type":"request","t":1,"scenario":"a","user":1,"name":"b","due":"1","end":2,"outcome":"ok"}',
    b'{"type":"request","t":1,"scenario":"a","user":1,"name":"b","due":null,"end":2,"outcome":"ok"}',
    b'{"type":"request","t":1,"scenario":"a","user":1,"name":"b","due":1e999,"end":2,"outcome":"ok"}',
    b'{"type":"request","t":1,"scenario":"a","user":1,"name":"\xe9","due":1,"end":2,"outcome":"ok"}',
    b'{"type":"request","t":1,"scenario":"a","user":1,"name":"b","due":1,"end":2,"outc',
    b'{"type":"request","t":1,"scenario":"a"{"type":"request","t":1}',
    b'{"type":"request","t":1,"scenario":"a","user":1,"name":"b","due":1,"end":2,"outcome":"ok","stream":5}',
]  # fmt: skip


@in_a_folder
@given(
    rows=records,
    bad=st.lists(st.tuples(st.integers(0, 12), st.sampled_from(BAD_LINES)), min_size=1, max_size=4),
)
def test_bad_lines_anywhere_cost_only_themselves_and_are_counted(rows, bad, tmp_path):
    mixed = list(rows)
    for place, line in bad:
        mixed.insert(place, line)
    path = log(tmp_path / "run.jsonl", HEADER, *mixed, SUMMARY)
    got = read_columns(path)
    assert_holds(got, rows)
    assert got.skipped == len(bad)
    reader = LogReader(path)
    list(reader)
    assert got.skipped == reader.skipped


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_line_between_two_records_is_skipped(line, tmp_path):
    got = read_columns(log(tmp_path / "run.jsonl", OTHERS[0], line, OTHERS[3]))
    assert_holds(got, [OTHERS[0], OTHERS[3]])
    assert got.skipped == 1


def test_unknown_fields_are_passed_over(tmp_path):
    line = (
        b'{"type":"request","t":1,"scenario":"a","user":1,"name":"b","due":0,"end":1,'
        b'"outcome":"ok","colour":{"type":"job","deep":[1,{"x":null}]}}'
    )
    got = read_columns(log(tmp_path / "run.jsonl", HEADER, line))
    assert got.skipped == 0
    assert got.requests["due"].to_list() == [0.0]


def test_spaces_and_the_order_of_fields_do_not_matter(tmp_path):
    lines = [
        b'{"outcome": "ok", "end": 1, "due": 0, "name": "b", "user": 1, "scenario": "a", "t": 1, "type": "request"}\r',
        b' {"t" : 2.5 , "level" : "error" , "type" : "note" , "text" : "x" } ',
    ]
    got = read_columns(log(tmp_path / "run.jsonl", HEADER, *lines))
    assert got.requests.height == 1
    assert got.notes == [Note(2.5, "error", "x")]
    assert got.skipped == 0


def test_the_line_by_line_way_gives_the_same_frames(tmp_path):
    stream = Stream(chunks=3, first_token=0.5, tokens=4, gaps=[0.1, 0.3])
    rows = [Request(1, "a", 1, "b", 0, 1, "ok", status=200, stream=stream), Job(
        t=3, scenario="é", job_id="1", name="n", due=1, start=1, status="LOST")]  # fmt: skip
    fast = read_columns(log(tmp_path / "fast.jsonl", HEADER, *rows))
    slow = read_columns(log(tmp_path / "slow.jsonl", HEADER, b"garbage", *rows))
    assert (fast.skipped, slow.skipped) == (0, 1)
    for name in ("requests", "streams", "jobs", "levels", "ledgers", "systems"):
        assert getattr(fast, name).schema == getattr(slow, name).schema
        assert plain(getattr(fast, name)) == plain(getattr(slow, name))


def test_frames_have_all_their_columns_when_the_log_has_no_such_record(tmp_path):
    got = read_columns(log(tmp_path / "run.jsonl", HEADER))
    assert dict(got.requests.schema) == columns.REQUESTS
    assert dict(got.jobs.schema) == columns.JOBS
    assert got.requests.is_empty()


def test_a_log_without_its_first_line_is_still_read(tmp_path):
    got = read_columns(log(tmp_path / "run.jsonl", *OTHERS))
    assert got.header is None
    assert got.summary is None
    assert_holds(got, OTHERS)


def test_progress_ends_at_the_size_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(columns, "BLOCK", 100)
    path = log(tmp_path / "run.jsonl", HEADER, *OTHERS, SUMMARY)
    calls = []
    read_columns(path, progress=lambda done, total: calls.append((done, total)))
    size = path.stat().st_size
    assert len(calls) > 2
    assert calls == sorted(calls)
    assert calls[-1] == (size, size)
    assert {total for _, total in calls} == {size}


def test_floats_come_back_to_the_last_bit(tmp_path):
    values = [math.pi, 1 / 3, 5e-324, 1.7976931348623157e308, 123456.7890123456]
    rows = [Request(value, "a", 1, "b", value, value, "ok") for value in values]
    assert (
        read_columns(log(tmp_path / "run.jsonl", HEADER, *rows)).requests["end"].to_list() == values
    )


@pytest.mark.parametrize(
    "content", [b"not json\n", b"a,b\n1,2\n" * 50, b"\x89PNG\r\n\x1a\n\x00", b'{"a": 1}\n', b"\n"]
)
def test_a_file_without_a_single_record_is_not_a_log(content, tmp_path):
    path = tmp_path / "other.txt"
    path.write_bytes(content)
    with pytest.raises(LogError, match=r"other\.txt is not an asyncload log"):
        read_columns(path)


def test_a_long_file_that_is_no_log_is_given_up_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(columns, "BLOCK", 1 << 10)
    monkeypatch.setattr(columns, "LONGEST", 1 << 12)
    path = tmp_path / "other.bin"
    path.write_bytes(b"\x00" * (1 << 20))
    calls = []
    with pytest.raises(LogError, match="not an asyncload log"):
        read_columns(path, progress=lambda done, _: calls.append(done))
    assert not calls


def test_a_missing_log_is_named(tmp_path):
    with pytest.raises(LogError, match=r"there is no log .*missing\.jsonl"):
        read_columns(tmp_path / "missing.jsonl")


def test_a_directory_is_not_a_log(tmp_path):
    with pytest.raises(LogError, match="is a directory, not a log"):
        read_columns(tmp_path)


def test_an_empty_log_is_named_as_such(tmp_path):
    path = tmp_path / "empty.jsonl"
    path.touch()
    with pytest.raises(LogError, match=r"empty\.jsonl is empty"):
        read_columns(path)


def test_after_a_panic_of_polars_lines_are_read_one_by_one(tmp_path, monkeypatch):
    request = Request(1, "web", 0, "GET /", 0.5, 1.0, "ok")
    path = log(tmp_path / "run.jsonl", HEADER, request, *OTHERS, SUMMARY)
    whole = read_columns(path)

    def panic(*_arguments, **_options):
        raise pl.exceptions.PanicException("index out of bounds")

    monkeypatch.setattr(pl, "read_ndjson", panic)
    found = read_columns(path)
    assert (found.skipped, found.requests.height) == (0, 1)
    assert found.requests.equals(whole.requests)
    assert found.levels.equals(whole.levels)
