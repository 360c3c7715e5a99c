"""Files of data rows: CSV, TSV, JSON Lines, Parquet, and folders of files.

Reading happens in set-up, off the loop. What is wrong with a file is a
:class:`~asyncload.errors.ConfigError` that names it, with the line.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import functools
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

from asyncload.errors import ConfigError
from asyncload.records.files import read_errors
from asyncload.transport.error_text import hide_secrets

Format = Literal["csv", "tsv", "jsonl", "parquet", "files"]
SUFFIXES: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
# What is written so is a number; 007 is a text, and so is what a float would round. Whole
# numbers are exact however long: ids are often of 64 bits without a sign, or of 128.
_WHOLE: Final = re.compile(r"-?(0|[1-9]\d{0,99})", re.ASCII)
_DECIMAL: Final = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?([eE][+-]?\d{1,2})?", re.ASCII)


class Column(NamedTuple):
    """The values of one column, and as the file writes them where that may differ."""

    values: list[Any]
    texts: list[str] | None = None


class Table:
    """Rows by column. ``column`` reads one of ``names``; ``place`` says where a row stands."""

    def __init__(
        self,
        names: Sequence[str],
        count: int,
        *,
        column: Callable[[str], Column],
        place: Callable[[int], str],
    ) -> None:
        self.names = list(names)
        self.count = count
        self.column = functools.cache(column)
        self.place = place

    def kept(self, rows: list[int]) -> Table:
        """Give the table of some of the rows."""

        def column(name: str) -> Column:
            values, texts = self.column(name)
            return Column([values[row] for row in rows], texts and [texts[row] for row in rows])

        return Table(self.names, len(rows), column=column, place=lambda row: self.place(rows[row]))


class FileBytes(bytes):
    """The content of a file. Its base64 is made once, when it is first asked for."""

    @cached_property
    def base64(self) -> str:
        """The content as base64 text."""
        return base64.b64encode(self).decode()


def read_text_table(
    path: Path,
    *,
    key: str,
    delimiter: str,
    quotes: bool,
    header: bool,
    columns: Sequence[str] | None,
) -> Table:
    """Read a CSV or TSV file.

    A column in which every field is written as a number holds numbers, an
    empty field of it ``None``; every other column holds texts.
    """
    lines: list[int] = []
    rows = list(_text_rows(path, key, delimiter, quotes, lines))
    if not rows:
        raise ConfigError(f"{key}: {str(path)!r} is empty; put rows into it")
    if header:
        names = [name.strip() for name in rows.pop(0)]
        del lines[0]
        width = len(names)
    else:
        width = len(columns or rows[0])
        names = list(columns or (f"c{number}" for number in range(1, width + 1)))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            f"{key}: {str(path)!r} has two columns called {twice[0]!r}; rename one, or write "
            "header: false if its first line is data"
        )
    for line, row in zip(lines, rows, strict=True):
        if len(row) != width:
            raise ConfigError(
                f"{key}: line {line} of {str(path)!r} has {len(row)} of {width} fields; "
                "mend it, or say what stands between fields with delimiter"
            )
    fields = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)) if rows else {}

    def column(name: str) -> Column:
        texts = fields[name]
        values = _numbers(texts)
        return Column(texts) if values is None else Column(values, texts)

    return Table(names, len(rows), column=column, place=lambda row: f"line {lines[row]}")


def _text_rows(
    path: Path, key: str, delimiter: str, quotes: bool, lines: list[int]
) -> Iterator[list[str]]:
    """Give the rows of a file, and put the line at which each ends into ``lines``."""
    quoting: Any = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    limit = csv.field_size_limit(sys.maxsize)  # a field may be an image in base64
    try:
        with data_errors(path, key), path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, quoting=quoting, strict=True)
            for row in reader:
                if row:
                    lines.append(reader.line_num)
                    yield row
    except csv.Error as problem:
        reason = str(problem)
        if "expected after" in reason:
            reason = "a field goes on behind its closing quote"
        hint = "; write quotes: false if quotes are signs like others there" if quotes else ""
        raise ConfigError(
            f"{key}: {str(path)!r} cannot be read after line {lines[-1] if lines else 0}: "
            f"{reason}{hint}"
        ) from None
    finally:
        csv.field_size_limit(limit)


def _numbers(texts: list[str]) -> list[Any] | None:
    """The fields of a column as numbers, ``None`` when one of them is not written as one."""
    kind: type[int | float] = int
    seen = False
    for text in texts:
        if not text:
            continue
        seen = True
        if kind is int and not _WHOLE.fullmatch(text):
            kind = float
        if kind is float and not _DECIMAL.fullmatch(text):
            return None
    if kind is float and not all(_DECIMAL.fullmatch(text) for text in texts if text):
        return None  # a long whole number before the first decimal one
    return [kind(text) if text else None for text in texts] if seen else None


def read_json_lines(path: Path, *, key: str) -> Table:
    """Read a file of JSON objects, one a line. Its columns are the members any of them has."""
    content = read_bytes(path, key=key).removeprefix(b"\xef\xbb\xbf")
    decoder = msgspec.json.Decoder()
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
            raise ConfigError(
                f"{key}: line {number} of {str(path)!r} is not JSON: {problem}; mend it"
            ) from None
        if not isinstance(row, dict):
            raise ConfigError(
                f"{key}: line {number} of {str(path)!r} is not an object; write "
                '{"name": value, …} in each line'
            )
        rows.append(row)
        lines.append(number)

    def column(name: str) -> Column:
        return Column([row.get(name, msgspec.UNSET) for row in rows])

    names = list(dict.fromkeys(name for row in rows for name in row))
    return Table(names, len(rows), column=column, place=lambda row: f"line {lines[row]}")


@contextlib.contextmanager
def _silent_panics() -> Iterator[None]:
    """Keep Rust from writing its panic to the terminal: the error that follows says it in words."""
    try:
        kept = os.dup(2)
    except OSError:  # stderr is closed
        yield
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        sys.stderr.flush()
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nothing)
        os.close(kept)


def read_parquet(path: Path, *, key: str) -> Table:
    """Read a Parquet file, each column when it is asked for."""
    import polars as pl

    @contextlib.contextmanager
    def reading() -> Iterator[None]:
        try:
            # Of a missing file Polars says more.
            with data_errors(path, key), path.open("rb"), _silent_panics():
                yield
        except pl.exceptions.PanicException:  # no Exception: what was not foreseen in Rust
            raise ConfigError(
                f"{key}: cannot read {str(path)!r} as Parquet (it is damaged); name a file that is "
                "whole"
            ) from None
        except pl.exceptions.PolarsError as problem:
            # Of "parquet: File out of specification: The file must end with PAR1" the last tells.
            reason = hide_secrets(" ".join(str(problem).split())).rpartition(": ")[2].rstrip(".")
            raise ConfigError(
                f"{key}: cannot read {str(path)!r} as Parquet "
                f"({reason or type(problem).__name__}); "
                "name a file that is whole, or say what it is with format"
            ) from None

    with reading():
        names = list(pl.read_parquet_schema(path))
        count = int(pl.scan_parquet(path).select(pl.len()).collect().item())

    def column(name: str) -> Column:
        with reading():
            values = pl.read_parquet(path, columns=[name])[name].to_list()
        return Column([_number(one) if isinstance(one, Decimal) else one for one in values])

    return Table(names, count, column=column, place=lambda row: f"row {row + 1}")


def _number(decimal: Decimal) -> int | float:
    """Give a whole number exactly; ids of more than 64 bits are decimals in Parquet."""
    return int(decimal) if decimal.as_tuple().exponent == 0 else float(decimal)


def read_folder(path: Path, *, key: str) -> Table:
    """Read the files of a folder, or those that a pattern such as ``images/*.jpg`` matches.

    Columns: ``name`` of the file, its content as ``bytes`` and as ``base64``.
    """
    files = find_files(path, key=key)

    def column(name: str) -> Column:
        if name == "name":
            return Column([file.name for file in files])
        contents = [read_bytes(file, key=key) for file in files]
        return Column([one.base64 for one in contents] if name == "base64" else [*contents])

    return Table(
        ("name", "bytes", "base64"), len(files), column=column, place=lambda row: str(files[row])
    )


def is_pattern(name: str) -> bool:
    """Whether the last part of a path stands for several files."""
    return any(sign in Path(name).name for sign in "*?[")


def find_files(path: Path, *, key: str) -> list[Path]:
    """Find the files of a folder or of a pattern by name, but for hidden ones."""
    folder, pattern = (path, "*") if path.is_dir() else (path.parent, path.name)
    try:
        with data_errors(path, key):
            found = sorted(
                file for file in folder.glob(pattern) if file.is_file() and file.name[0] != "."
            )
    except ValueError as problem:
        raise ConfigError(
            f"{key}: {str(path)!r} is no pattern of files: {problem}; write one like images/*.jpg"
        ) from None
    if not found:
        raise ConfigError(f"{key}: there is no file in {str(path)!r}; name a folder that has some")
    return found


def read_bytes(path: Path, *, key: str) -> FileBytes:
    """Read a file that is sent as it is."""
    with data_errors(path, key):
        return FileBytes(path.read_bytes())


def data_errors(path: Path, key: str) -> contextlib.AbstractContextManager[None]:
    """Raise :class:`ConfigError` that names ``key`` for what goes wrong while ``path`` is read."""
    return read_errors(
        path, ConfigError, f"{key}: cannot read {str(path)!r}", remedy="name a file that is there"
    )
