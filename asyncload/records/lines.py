"""What every reader of a log does with a line: how long it may be, and whether we know its form."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

import msgspec

from asyncload.errors import LogError
from asyncload.records.record import SCHEMA, Record, RunHeader

LONGEST: Final = 8 << 20
"""A line of more bytes than this is not a record (a log full of zeros after a power cut)."""


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Give the lines of a file; of one that is too long, only its beginning."""
    while line := file.readline(LONGEST):
        yield line
        while len(line) == LONGEST and not line.endswith(b"\n"):
            line = file.readline(LONGEST)


R = TypeVar("R", bound=Record)


def checked(path: Path, record: R) -> R:
    """Refuse the header of a log that would be misread. Raises :class:`LogError`."""
    if isinstance(record, RunHeader):
        _check(path, record)
    return record


def _check(path: Path, header: RunHeader) -> None:
    if header.schema > SCHEMA:
        raise LogError(
            f"{path} was written by a newer asyncload (schema {header.schema}, and this one reads "
            f"{SCHEMA}); install a newer asyncload"
        )
    try:
        dt.datetime.fromisoformat(header.started_at).astimezone(dt.UTC).timestamp()
    except (ValueError, OverflowError):
        raise LogError(
            f"{path} is damaged: its started_at, {header.started_at[:40]!r}, is no time; write one "
            "such as 2026-11-28T12:00:00Z into its first line"
        ) from None


class _Any(msgspec.Struct):
    type: str


def is_record(line: bytes) -> bool:
    """Whether a line that is no record of ours may be one of another version."""
    try:
        msgspec.json.decode(line, type=_Any)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def lines_left_out(skipped: int, unknown: int) -> str:
    """Say how many lines a reader left out; ``unknown`` of them are of forms we do not know."""
    torn = skipped - unknown
    parts = []
    if torn or not unknown:
        parts.append(f"{torn:,} {'line' if torn == 1 else 'lines'} that could not be read")
    if unknown:
        what = "record" if unknown == 1 else "records"
        parts.append(f"{unknown:,} {what} of a form that this version does not know")
    return f"left out {' and '.join(parts)}"
