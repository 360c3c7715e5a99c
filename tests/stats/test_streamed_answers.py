"""Numbers about answers that came in as streams: folds, thresholds, log and table."""

from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console

from asyncload.records.columns import read_columns
from asyncload.records.log import LogReader, LogWriter
from asyncload.records.record import Request, Stream
from asyncload.report.tables.summary_table import print_summary
from asyncload.stats.groups import RequestGroup
from asyncload.stats.summary import SummaryFold
from asyncload.verdict.evaluate import evaluate_one
from asyncload.verdict.thresholds import Threshold
from tests.stats.feeds import header, request


def streamed(due, stream, *, first_byte=0.01, took=2.0, outcome="ok", name="chat"):
    """A request that was due at ``due`` and sent 0.1 s later; times of the stream are from due."""
    if stream.first_token is not None:
        stream = msgspec.structs.replace(stream, first_token=due + stream.first_token)
    return Request(
        t=due + took,
        scenario="s",
        user=0,
        name=name,
        due=due,
        end=due + took,
        outcome=outcome,
        start=due + 0.1,
        first_byte=None if first_byte is None else due + first_byte,
        stream=stream,
        error=None if outcome == "ok" else "gone",
    )


RECORDS = [
    streamed(0.0, Stream(3, 0.5, 30, [0.1, 0.3])),
    streamed(1.0, Stream(2, 0.7, 12, [0.2])),
    streamed(2.0, Stream(1, 0.9, 1), outcome="failed"),
    streamed(3.0, Stream(0), outcome="timeout", took=5.0, first_byte=None),
    streamed(4.0, Stream(0), outcome="failed", first_byte=None),
    streamed(5.0, Stream(4, 0.2, None, [0.4, 0.4, 0.4]), name="events"),
]
RUN = [
    header(s={"model": "open", "duration": 10}),
    *RECORDS,
    request(t=10.0, name="plain", latency=1.0),
]


@pytest.fixture
def fold():
    """Streams of two names, a request without one, and a load of 10 s."""
    fold = SummaryFold()
    for record in RUN:
        fold.write(record)
    return fold


def test_times_of_streams_count_from_when_the_request_was_due(fold):
    summary = fold.summary()
    stream = summary.requests.stream
    assert (stream.chunks, stream.tokens) == (10, 43)
    assert stream.first_byte.max == pytest.approx(0.01)
    assert stream.token_gap.count == 6
    assert stream.token_gap.mean == pytest.approx(1.8 / 6)


def test_the_first_token_of_a_stream_that_did_not_end_well_is_later_than_any(fold):
    requests = fold.summary().requests
    first = requests.stream.first_token
    assert first.beyond == sum(
        record.outcome != "ok" for record in RECORDS if record.stream is not None
    )
    assert first.count + first.beyond == sum(record.stream is not None for record in RECORDS)
    assert first.beyond > 0


def test_tokens_per_second_are_over_the_span_of_the_load(fold):
    assert fold.metric("request.token_rate") == pytest.approx(4.3)
    assert fold.metric("request[chat].token_rate") == pytest.approx(4.3)
    assert fold.metric("request[events].token_rate") == 0


def test_names_without_streams_have_no_such_numbers(fold):
    by_name = {row.name: row.stream for row in fold.summary().requests_by_name}
    assert by_name["plain"] is None
    assert by_name["events"].chunks == 4
    for metric in ("first_token.p95", "token_gap.max", "first_byte.mean", "chunks", "token_rate"):
        assert fold.metric(f"request[plain].{metric}") is None


@pytest.mark.parametrize(
    ("text", "passed", "measured"),
    [
        ("request.first_token.max < 1s", False, "never"),
        ("request[events].first_token.max < 100ms", False, "200 ms"),
        ("request[chat].token_gap.max <= 0.3s", True, "300 ms"),
        ("request.first_byte.min < 1s", True, "10.0 ms"),
        ("request.tokens >= 43", True, "43"),
        ("request.chunks == 10", True, "10"),
        ("request.token_rate > 4/s", True, "4.30/s"),
        ("request[plain].first_token.max < 1s", False, "no data"),
    ],
)
def test_thresholds_may_be_about_streams(fold, text, passed, measured):
    result = evaluate_one(Threshold.parse(text), fold)
    assert (result.passed, result.measured) == (passed, measured)


def test_groups_of_streams_merge_without_loss():
    whole, first, second = RequestGroup(), RequestGroup(), RequestGroup()
    for index, record in enumerate(RECORDS):
        whole.add(record)
        (first if index % 2 else second).add(record)
    first.merge(second)
    first.merge(RequestGroup())
    assert first.fields(1.0) == whole.fields(1.0)


def test_a_log_keeps_streams_and_is_read_back_to_the_same_numbers(fold, tmp_path):
    log = LogWriter(tmp_path / "run.jsonl")
    for record in RUN:
        log.write(record)
    log.close()
    again = SummaryFold()
    for record in LogReader(tmp_path / "run.jsonl"):
        again.write(record)
    assert again.summary().requests.stream == fold.summary().requests.stream
    columns = read_columns(tmp_path / "run.jsonl")
    assert (columns.requests.height, columns.skipped) == (len(RECORDS) + 1, 0)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_final_table_has_streams_where_there_are_any(fold, width):
    def printed(fold):
        out = io.StringIO()
        print_summary(fold.summary(), None, Console(file=out, width=width, color_system=None))
        return out.getvalue()

    text = printed(fold)
    streams = text[text.index("Streams") :]
    assert "10" in streams
    assert "43" in streams
    assert "4.30/s" in streams
    assert "plain" not in streams
    assert all(len(line) <= width for line in streams.splitlines())
    without = SummaryFold()
    without.write(request(t=1.0))
    assert "Streams" not in printed(without)
