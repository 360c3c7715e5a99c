"""What is fuzzed: a name, inputs that are right, and what must hold whatever becomes of them.

Each check is a function of bytes. It raises where an input is met with anything but a right value
or an error that is documented.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import polars as pl
from rich.console import Console

from asyncload.calibration.certificate import read_certificate
from asyncload.capacity import state
from asyncload.compare.csv_side import read_csv_side
from asyncload.compare.log_side import side_of
from asyncload.config.load import load_config
from asyncload.cost.totals import read_summary
from asyncload.engine.setup import resolve_user
from asyncload.errors import AsyncloadError, ConfigError
from asyncload.jobs.inference_status import parse_inference
from asyncload.jobs.status import parse_status
from asyncload.load_test import LoadTest
from asyncload.monitor.exposition import NotExpositionError, read_samples
from asyncload.records.columns import read_columns
from asyncload.records.log import LogReader, archive
from asyncload.report.plots.data import run_of
from asyncload.report.tables.summary_table import print_summary
from asyncload.stats.live import LiveStats
from asyncload.transport.aws.event_stream import DamagedStream, EventStreamDecoder
from asyncload.transport.aws.sqs_wire import (
    decode_deleted_batch,
    decode_received,
    decode_sent_batch,
)
from asyncload.transport.http.http_errors import ProtocolError
from asyncload.users.http.streaming import READERS
from asyncload.users.sagemaker.streaming import PartReader
from asyncload.users.templates.compiled import FirstRow, TemplateError, attempted
from asyncload.users.templates.expressions import Compiler
from asyncload.users.templates.rows import DataOptions, read_data
from asyncload.users.templates.tables import Column, Table
from asyncload.users.templates.template import JSON, RAW, joined, parts, value
from tests.fuzz import corpus
from tests.fuzz.http_answer import check_answer
from tests.fuzz.mutate import pieces_of


@dataclass(frozen=True)
class Target:
    """One thing that reads."""

    check: Callable[[bytes], None]
    corpus: tuple[bytes, ...]
    odd: tuple[bytes, ...] = ()
    """What belongs to its form, to be put in anywhere."""


_TEMPORARY = tempfile.TemporaryDirectory(prefix="asyncload-fuzz-")
_FOLDER = Path(_TEMPORARY.name)
REFUSED: deque[str] = deque(maxlen=10)
"""The latest sentences with which inputs were refused."""


def _file(name: str, data: bytes) -> Path:
    path = _FOLDER / name
    path.write_bytes(data)
    return path


def _sentence(problem: Exception) -> None:
    """A person is to read it: one line. A name of the user's own is quoted whole."""
    text = str(problem)
    assert 10 < len(text) < 200_000, text[:200]
    assert "\n" not in text, text[:200]
    assert "Traceback" not in text
    REFUSED.append(text)


@contextlib.contextmanager
def _or_a_sentence(kind: type[Exception] = AsyncloadError) -> Iterator[None]:
    try:
        yield
    except kind as problem:
        _sentence(problem)


# -- what a user writes --------------------------------------------------------------


def check_config(data: bytes) -> None:
    """A config is taken, with all that is checked before a run; or refused."""
    path = _file("test.yaml", data)
    with _or_a_sentence():
        config = load_config(path, environment={"X": "1"})
        msgspec.json.encode(config.resolved)
        for index, scenario in enumerate(config.plan.scenarios):
            resolve_user(scenario, index)
        LoadTest(config)


_TABLE = Table(
    ["rev_id", "lang", "tags", "image", "nothing"],
    1,
    column=lambda name: Column(
        {"rev_id": [5], "lang": ["dé"], "tags": [["a", 1]], "image": [b"\xff"], "nothing": [None]}[
            name
        ]
    ),
    place=lambda row: f"line {row}",
)


def check_template(data: bytes) -> None:
    """A template is filled, or refused in set-up."""
    text = data.decode(errors="replace")
    with _or_a_sentence(TemplateError):
        compiler = Compiler(
            _TABLE, find=lambda name: _FOLDER / name, captured=frozenset({"n"}), environment={}
        )
        scope = FirstRow()
        scope.captured = {"n": 3}
        part = joined(parts(text, RAW, compiler))
        # What only a captured value can break is told in the request's record, in these words.
        made = part if isinstance(part, bytes) else attempted(part, scope)
        assert isinstance(made, bytes)
        assert len(made) < 2**26
        with contextlib.suppress(ValueError, TypeError):  # what is no JSON is told when it is sent
            JSON.encode(value(text, compiler).make(scope))


def _check_rows(name: str) -> Callable[[bytes], None]:
    def check(data: bytes) -> None:
        """A file of rows is read, each column of it; or refused."""
        _file(name, data)
        with _or_a_sentence(ConfigError):
            table = read_data(
                DataOptions(file=name), key="data", find=lambda wanted: _FOLDER / wanted
            )
            for column in table.names:
                assert len(table.column(column).values) == table.count

    return check


# -- what a service sends ------------------------------------------------------------


def check_status(data: bytes) -> None:
    """A message is a status, or none."""
    message = {"Body": data.decode(errors="replace"), "Attributes": {"SentTimestamp": "1"}}
    for read in (parse_status, parse_inference):
        status = read(message)
        assert status is None or (isinstance(status.job_id, str) and status.job_id)


def check_sqs_answer(data: bytes) -> None:
    """An answer of SQS is read, or refused."""
    with _or_a_sentence(ProtocolError):
        for message in decode_received(data):
            parse_status(message)
            parse_inference(message)
    with _or_a_sentence(ProtocolError):
        assert len(decode_sent_batch(data, 3)) == 3
    with _or_a_sentence(ProtocolError):
        assert set(decode_deleted_batch(data, 3)) <= {0, 1, 2}


def check_stream(data: bytes) -> None:
    """No reader of streams ever raises, and what it says is a line."""
    for kind in READERS:
        for reader in (READERS[kind](), PartReader(READERS[kind]())):
            for at, piece in enumerate(pieces_of(data)):
                reader.feed(piece, float(at))
            problem = reader.end()
            assert problem is None or (problem and "\n" not in problem and len(problem) < 500)
            assert reader.snapshot().chunks >= 0


def check_event_stream(data: bytes) -> None:
    """Messages, or a damaged stream; in whatever pieces it comes."""
    found = []
    for pieces in ([data], pieces_of(data)):
        decoder, messages = EventStreamDecoder(), []
        try:
            for piece in pieces:
                messages += decoder.feed(piece)
        except DamagedStream as problem:
            _sentence(problem)
            messages.append(None)
        found.append(messages)
    if None not in found[0]:
        assert found[0] == found[1]
    check_stream(data)


def check_exposition(data: bytes) -> None:
    """Samples, or why there are none."""
    try:
        samples = read_samples(data, ["up", "requests_total", "latency_bucket"])
    except NotExpositionError as problem:
        assert "\n" not in str(problem)
    else:
        assert all(isinstance(sample.value, float) for sample in samples)


# -- what other programs, or we, left behind -----------------------------------------


def check_log(data: bytes) -> None:
    """Every reader of a log gives numbers, or refuses it."""
    path = _file("run.jsonl", data)
    stats = LiveStats()
    for record in LogReader(path):
        stats.write(record)
    summary = stats.fold.summary()
    msgspec.json.encode(summary.to_dict())
    console = Console(file=io.StringIO(), width=120)
    print_summary(summary, None, console, notes=stats.snapshot(summary.t).notes)
    with _or_a_sentence():
        columns = read_columns(path)
        with _or_a_sentence():
            side_of(columns)
        run_of(columns)
    moved = archive(path)
    assert moved is not None
    moved.unlink()


def check_locust_csv(data: bytes) -> None:
    """A side of a comparison, or why it is none."""
    path = _file("x_stats.csv", data)
    with _or_a_sentence(ConfigError):
        assert read_csv_side(path).rows


def check_own_file(data: bytes) -> None:
    """Files that we keep ourselves may be damaged all the same."""
    path = _file(state.FILE, data)
    for read in (
        lambda: read_certificate(path),
        lambda: read_summary(path),
        lambda: state.load(path.parent, "f"),
    ):
        with _or_a_sentence(ConfigError):
            read()


def _parquet() -> tuple[bytes, ...]:
    found = []
    for compression in ("uncompressed", "zstd", "snappy"):
        file = io.BytesIO()
        frame = pl.DataFrame(
            {"a": [1, 2, 3], "b": ["x", None, "z"], "c": [[1.5], [], None], "d": [b"\0", b"", None]}
        )
        frame.write_parquet(file, compression=compression)
        found.append(file.getvalue())
    return tuple(found)


TARGETS = {
    "config": Target(check_config, corpus.CONFIGS, corpus.CONFIG_WORDS),
    "template": Target(check_template, corpus.TEMPLATES, corpus.TEMPLATE_WORDS),
    "csv": Target(_check_rows("rows.csv"), corpus.ROWS),
    "tsv": Target(_check_rows("rows.tsv"), corpus.ROWS),
    "jsonl": Target(_check_rows("rows.jsonl"), corpus.JSON_ROWS),
    "parquet": Target(_check_rows("rows.parquet"), _parquet(), (b"PAR1",)),
    "status": Target(check_status, corpus.STATUSES),
    "sqs": Target(check_sqs_answer, corpus.SQS_ANSWERS),
    "http": Target(check_answer, corpus.HTTP_ANSWERS, corpus.HTTP_WORDS),
    "stream": Target(check_stream, corpus.STREAMS, corpus.STREAM_WORDS),
    "event stream": Target(check_event_stream, corpus.event_streams()),
    "prometheus": Target(check_exposition, corpus.EXPOSITIONS, corpus.EXPOSITION_WORDS),
    "log": Target(check_log, corpus.logs(), corpus.LOG_WORDS),
    "locust csv": Target(check_locust_csv, corpus.LOCUST),
    "own files": Target(check_own_file, corpus.own_files()),
}
