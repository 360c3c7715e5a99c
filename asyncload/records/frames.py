"""A table of a log as a data frame with all fields of its records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, Final, Literal, get_args, get_type_hints

import msgspec
import polars as pl

from asyncload.errors import ConfigError
from asyncload.records.log import LogReader
from asyncload.records.record import Job, Level, Record, Request, Stream
from asyncload.records.schemas import STREAM

Table = Literal["requests", "jobs", "levels"]

_RECORDS: Final[dict[str, type[Record]]] = {"requests": Request, "jobs": Job, "levels": Level}
_TYPES: Final[dict[Any, Any]] = {
    bool: pl.Boolean,
    float: pl.Float64,
    int: pl.Int64,
    str: pl.String,
    Stream: STREAM,
}


def read_frame(path: Path, table: Table) -> pl.DataFrame:
    """Read one table of the log at ``path``, a row for each record, in the log's order.

    Its columns are the record's fields; one that a line leaves out is its
    default, or null. Lines that cannot be read are left out. Raises
    :class:`ConfigError` when there is no such table, and
    :class:`~asyncload.errors.LogError` when the log cannot be read.
    """
    record = _RECORDS.get(table)
    if record is None:
        raise ConfigError(f"there is no table {table!r}; choose one of {', '.join(_RECORDS)}")
    columns = _columns(record)
    return _read(path, record, columns).with_columns(
        pl.col(name).fill_null(value) for name, value in _left_out(record)
    )


def _read(path: Path, record: type[Record], columns: dict[str, Any]) -> pl.DataFrame:
    # Records of several kinds have a status: of requests it is a number, of jobs a word.
    read = columns | {"type": pl.String} | ({"status": pl.String} if "status" in columns else {})
    try:
        with path.open("rb") as file:  # by its path polars would take [ and * for a pattern
            return (
                pl.scan_ndjson(file, schema=read, ignore_errors=True)
                .filter(pl.col("type") == record.__struct_config__.tag)
                .select(pl.col(name).cast(to, strict=False) for name, to in columns.items())
                .collect()
            )
    # A torn line, something that is no log, or what was not foreseen in Rust.
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        rows = [msgspec.to_builtins(one) for one in LogReader(path) if type(one) is record]
        return pl.DataFrame(rows, schema=columns)


def _left_out(record: type[Record]) -> Iterator[tuple[str, Any]]:
    """Give the fields that a line leaves out when they have a value, and that value."""
    defaults = record.__struct_defaults__
    for name, value in zip(record.__struct_fields__[-len(defaults) :], defaults, strict=True):
        if value is not None and value is not msgspec.NODEFAULT:
            yield name, value


def _columns(record: type[Record]) -> dict[str, Any]:
    hints = get_type_hints(record)
    return {name: _TYPES[_plain(hints[name])] for name in record.__struct_fields__}


def _plain(hint: Any) -> Any:
    """Give the type of a field but for ``None``."""
    return next((one for one in get_args(hint) if one is not NoneType), hint)
