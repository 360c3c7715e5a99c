"""Reads a log of millions of lines into columns.

Blocks of whole lines go to polars' JSON reader in threads, a few ahead of
their turn; it releases the GIL. Only the few lines that are neither requests
nor jobs are decoded one by one. A block with a line that polars refuses is
decoded line by line instead, so one bad line costs itself and nothing else.

Memory is that of the columns, about 75 bytes a request, as much again of one
whose answer was a stream, and 80 bytes a job: free text (errors, job ids, image
names) and the gaps of streams stay in the file.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from asyncload.errors import LogError
from asyncload.records.lines import LONGEST, checked, is_record
from asyncload.records.log import log_errors
from asyncload.records.record import (
    Clock,
    Delivery,
    Ledger,
    Level,
    Note,
    Record,
    RunHeader,
    Stream,
    SummaryRecord,
    System,
)
from asyncload.records.schemas import (
    JOBS,
    LEDGERS,
    LEVELS,
    REQUESTS,
    REQUIRED,
    STREAM,
    STREAMS,
    SYSTEMS,
    TEXT,
    Schema,
    Streamed,
    streams_in,
)

BLOCK: Final = 8 << 20
"""Bytes read at a time."""
_AHEAD: Final = 2
"""Blocks that are parsed while one is taken in."""

# What polars reads of every line. `status` is a number in requests and a word in jobs.
_BOTH: Final[Schema] = {
    "type": pl.String,
    **{name: pl.String if kind == TEXT else kind for name, kind in (REQUESTS | JOBS).items()},
}
_WITH_STREAMS: Final[Schema] = _BOTH | {"stream": STREAM}


class _Request(Record, tag="request"):
    scenario: str
    name: str
    due: float
    end: float
    outcome: str
    start: float | None = None
    status: int | None = None
    stream: Stream | None = None
    begun: float | None = None
    ready: float | None = None
    sent: float | None = None
    first_byte: float | None = None


class _Job(Record, tag="job"):
    scenario: str
    name: str
    t: float
    due: float
    start: float
    status: str
    accepted: float | None = None
    started: float | None = None
    finished: float | None = None
    observed: float | None = None


_Line = (
    RunHeader | _Request | _Job | Level | Ledger | Clock | System | Note | Delivery | SummaryRecord
)
_FAST: Final[dict[str, type[Record]]] = {"request": _Request, "job": _Job}
_SCHEMAS: Final[dict[type[Record], Schema]] = {
    _Request: REQUESTS,
    Streamed: STREAMS,
    _Job: JOBS,
    Level: LEVELS,
    Ledger: LEDGERS,
    System: SYSTEMS,
}


@dataclass(frozen=True, slots=True, eq=False)
class LogColumns:
    """A log as columns. The frames have all columns of their schema, whatever the log holds.

    Fields that a line leaves out are null; times are seconds since the start
    of the run.
    """

    path: Path
    header: RunHeader | None
    """The first line; ``None`` when it is missing or unreadable."""
    requests: pl.DataFrame
    """Columns :data:`REQUESTS`, in the order of the log."""
    jobs: pl.DataFrame
    """Columns :data:`JOBS`."""
    levels: pl.DataFrame
    """Columns :data:`LEVELS`."""
    ledgers: pl.DataFrame
    """Columns :data:`LEDGERS`."""
    systems: pl.DataFrame
    """Columns :data:`SYSTEMS`; ``gpu`` and ``metrics`` hold a list of structs in each row."""
    notes: list[Note]
    summary: dict[str, Any] | None
    """Of the last line; ``None`` when the run did not end in order, or has not ended."""
    skipped: int
    """Lines left out: a torn last line, unreadable lines, records of unknown types."""
    unknown: int = 0
    """Those of them that are records of other versions."""
    streams: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=STREAMS))
    """Columns :data:`STREAMS`: the requests whose answers were streams, again."""


def read_columns(path: Path, *, progress: Callable[[int, int], None] | None = None) -> LogColumns:
    """Read the log at ``path``.

    ``progress`` is called after each block with the bytes read and the bytes
    of the file. Raises :class:`LogError` when the file is missing, empty, not
    readable or not a log.
    """
    path = Path(path)
    columns = _Columns(path)
    with log_errors(path), path.open("rb") as file:
        size = _size(file)
        done = 0
        for block in _parsed(_blocks(file)):
            columns.add(block)
            if not columns.records:
                break  # a log starts with a record: this is something else, however long
            done += len(block.lines)
            if progress is not None:
                progress(done, max(size, done))
    if not columns.records and not columns.skipped:
        raise LogError(f"the log {path} is empty; it has a first line once a run has started")
    if not columns.records:
        raise LogError(
            f"{path} is not an asyncload log: no line of it is a record; "
            "name a .jsonl file that a run has written"
        )
    return columns.finish()


def _size(file: BinaryIO) -> int:
    about = os.fstat(file.fileno())
    return about.st_size if stat.S_ISREG(about.st_mode) else 0


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """Blocks of whole lines; the last one may end in a line without its newline."""
    while block := file.read(BLOCK):
        yield block + file.readline(LONGEST)


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Some lines, and what polars made of them; no frames where it refused them."""

    lines: bytes
    frames: dict[type[Record], pl.DataFrame] | None
    others: list[bytes]
    """Lines that are neither requests nor jobs."""
    skipped: int
    """Requests and jobs without a field they need."""


def _parsed(blocks: Iterable[bytes]) -> Iterator[_Block]:
    """Parse ``blocks`` in threads, :data:`_AHEAD` of them ahead, and give them in order."""
    waiting: deque[Future[_Block]] = deque()
    with ThreadPoolExecutor(_AHEAD) as pool:
        for block in blocks:
            waiting.append(pool.submit(_parse, block))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _parse(block: bytes) -> _Block:
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
    lines = len(ends) + (not block.endswith(b"\n"))
    streams = b'"stream"' in block  # to look for it in every line takes a third more time
    try:
        both = pl.read_ndjson(block, schema=_WITH_STREAMS if streams else _BOTH)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):  # a panic is no Exception
        both = None
    if both is None or both.height != lines:  # polars passes over blank lines
        return _Block(block, None, [], 0)
    frames = {}
    skipped = 0
    for tag, kind in _FAST.items():
        mine = (
            both.lazy()
            .filter(pl.col("type") == tag)
            .select(pl.col(name).cast(to, strict=False) for name, to in _SCHEMAS[kind].items())
            .collect()
        )
        required = REQUIRED[tag]
        holes = any(mine[name].has_nulls() for name in required)
        frames[kind] = mine.drop_nulls(required) if holes else mine
        skipped += mine.height - frames[kind].height
    if streams:
        frames[Streamed] = streams_in(both)
    return _Block(block, frames, _others(block, ends, both["type"]), skipped)


def _others(block: bytes, ends: NDArray[np.intp], types: pl.Series) -> list[bytes]:
    """Lines that are neither requests nor jobs. Row i of ``types`` is line i of the block."""
    rows = (~types.is_in(list(_FAST)).fill_null(value=False)).arg_true()
    return [
        block[int(ends[row - 1]) + 1 if row else 0 : int(ends[row]) if row < len(ends) else None]
        for row in rows.to_list()
    ]


class _Columns:
    """Collects the frames of one log, block by block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.records = 0
        self.skipped = 0
        self.unknown = 0
        self._decoder: msgspec.json.Decoder[_Line] = msgspec.json.Decoder(_Line)
        self._header: RunHeader | None = None
        self._notes: list[Note] = []
        self._summary: dict[str, Any] | None = None
        self._rows: dict[type[Record], list[Record]] = {kind: [] for kind in _SCHEMAS}
        self._frames: dict[type[Record], list[pl.DataFrame]] = {
            kind: [pl.DataFrame(schema=schema)] for kind, schema in _SCHEMAS.items()
        }

    def add(self, block: _Block) -> None:
        """Take in a block of lines."""
        if block.frames is None:
            lines = block.lines.removesuffix(b"\n").split(b"\n")
        else:
            lines = block.others
            self.skipped += block.skipped
            for kind, frame in block.frames.items():
                self._frames[kind].append(frame)
                self.records += 0 if kind is Streamed else frame.height
        for line in lines:
            self._add_line(line)
        for kind, rows in self._rows.items():
            if rows:
                self._frames[kind].append(_frame(rows, _SCHEMAS[kind]))
                rows.clear()

    def _add_line(self, line: bytes) -> None:
        try:
            record = self._decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.skipped += 1
            self.unknown += is_record(line)
            return
        self.records += 1
        checked(self._path, record)
        match record:
            case RunHeader():
                self._header = self._header or record
            case Note():
                self._notes.append(record)
            case SummaryRecord():
                self._summary = record.summary
            case Clock() | Delivery():
                pass  # nothing that is drawn or compared needs them
            case _:
                self._rows[type(record)].append(record)
        if isinstance(record, _Request) and record.stream is not None:
            self._rows[Streamed].append(Streamed.of(record, record.stream))

    def finish(self) -> LogColumns:
        """Put the frames of all blocks together."""
        whole = {kind: pl.concat(frames, rechunk=False) for kind, frames in self._frames.items()}
        return LogColumns(
            path=self._path,
            header=self._header,
            requests=whole[_Request],
            streams=whole[Streamed],
            jobs=whole[_Job],
            levels=whole[Level],
            ledgers=whole[Ledger],
            systems=whole[System],
            notes=self._notes,
            summary=self._summary,
            skipped=self.skipped,
            unknown=self.unknown,
        )


def _frame(rows: list[Record], schema: Schema) -> pl.DataFrame:
    values = {name: [_plain(getattr(row, name)) for row in rows] for name in schema}
    return pl.DataFrame(values, schema=schema, strict=False)


def _plain(value: Any) -> Any:
    """Give a mapping of names of the user's choice as a list of structs, which a column can hold."""
    if isinstance(value, dict):
        return [{"name": name, "value": inner} for name, inner in value.items()]
    return value
