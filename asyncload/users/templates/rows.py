"""Data rows that fill the places of templates: which there are, and who gets which."""

from __future__ import annotations

import difflib
import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import msgspec

from asyncload.errors import ConfigError
from asyncload.plan.plan import Scenario
from asyncload.users.templates.conditions import may_be_missing, parse_condition
from asyncload.users.templates.tables import (
    SUFFIXES,
    Format,
    Table,
    is_pattern,
    read_folder,
    read_json_lines,
    read_parquet,
    read_text_table,
)

RowOrder = Literal["random", "sequential", "split"]
_DELIMITERS: Final = {"csv": ",", "tsv": "\t"}


class DataOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``data`` of the ``user`` section; a text is its ``file``."""

    file: str
    format: Format | None = None
    """Told by the file's ending if left out; a folder is ``files``."""
    header: bool = True
    """CSV and TSV: the first line names the columns."""
    columns: list[str] | None = None
    """Their names where there is no header; ``c1``, ``c2``, … if left out."""
    delimiter: str | None = None
    quotes: bool = True
    """CSV and TSV: a field may stand in quotes."""
    order: RowOrder = "random"
    where: dict[str, Any] = {}
    """Conditions by column; rows that do not meet all of them are left out."""

    def __post_init__(self) -> None:
        kind = self.kind
        if kind is None:
            raise ValueError(
                f"format is missing, and the ending of {self.file!r} does not tell it; "
                "give csv, tsv, jsonl, parquet or files"
            )
        if kind not in _DELIMITERS:
            for name, given in (
                ("header", not self.header),
                ("columns", self.columns is not None),
                ("delimiter", self.delimiter is not None),
                ("quotes", not self.quotes),
            ):
                if given:
                    raise ValueError(f"{name} is for CSV and TSV, not for {kind}; leave it out")
        if self.columns is not None and self.header:
            raise ValueError(
                "columns is given although the file has a header; add header: false if it has none"
            )
        if self.columns == []:
            raise ValueError("columns is empty; name the columns, or leave it out")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '\r\n"'):
            raise ValueError(f"delimiter is {self.delimiter!r}; give a single character")
        for column, condition in self.where.items():
            try:
                parse_condition(condition)
            except ValueError as problem:
                raise ValueError(f"where: {column}: {problem}") from None

    @property
    def kind(self) -> Format | None:
        """The format, given or told by the file's ending."""
        if self.format is not None:
            return self.format
        path = Path(self.file)
        if self.file.endswith(("/", "\\")) or is_pattern(self.file):
            return "files"
        return SUFFIXES.get(path.suffix.lower()) or ("files" if not path.suffix else None)


def data_options(data: str | DataOptions | None) -> DataOptions | None:
    """Give what ``data`` says, which may be the name of a file alone. Raises ValueError."""
    return DataOptions(file=data) if isinstance(data, str) else data


def check_data(data: str | DataOptions | None) -> None:
    """Refuse the name of a file that does not tell its format. Raises ValueError naming the key."""
    try:
        data_options(data)
    except ValueError as problem:
        raise ValueError(f"data: {problem}") from None


def read_data(options: DataOptions, *, key: str, find: Callable[[str], Path]) -> Table:
    """Read the rows that ``options`` describe; blocks.

    ``find`` gives the path of a file's name. Raises :class:`ConfigError` when
    the file cannot be read, or no row is left.
    """
    table = _read(options, key=f"{key}.file", path=find(options.file))
    if not table.count:
        raise ConfigError(f"{key}.file: {options.file!r} has no rows; put some into it")
    if not options.where:
        return table
    rows = list(range(table.count))
    for name, raw in options.where.items():
        if name not in table.names:
            raise ConfigError(
                f"{key}.where: there is no column {name!r} in {options.file!r}; "
                f"{near_names(name, table.names)}"
            )
        condition, optional = parse_condition(raw), may_be_missing(raw)
        values = table.column(name).values
        rows = [
            row
            for row in rows
            if (optional if values[row] is msgspec.UNSET else condition(values[row]) is None)
        ]
    if not rows:
        raise ConfigError(
            f"{key}.where: none of the {table.count} rows of {options.file!r} meets it; loosen it"
        )
    return table.kept(rows)


def _read(options: DataOptions, *, key: str, path: Path) -> Table:
    kind = options.kind
    assert kind is not None  # __post_init__ saw to it
    if kind == "files":
        return read_folder(path, key=key)
    if kind == "jsonl":
        return read_json_lines(path, key=key)
    if kind == "parquet":
        return read_parquet(path, key=key)
    return read_text_table(
        path,
        key=key,
        delimiter=options.delimiter or _DELIMITERS[kind],
        quotes=options.quotes,
        header=options.header,
        columns=options.columns,
    )


def near_names(name: str, names: list[str]) -> str:
    """Give the end of a message about an unknown name: the nearest there is, or all of them."""
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"there are: {listed}"


class RowUser(Protocol):
    """A user whose iterations use rows."""

    @property
    def rng(self) -> random.Random:
        """Random numbers of its own."""

    own_rows: Iterator[int]
    """Of its share, for the order ``split``."""


RowSelector = Callable[[RowUser], int]
"""Gives the row of a user's next iteration."""


def random_rows(count: int) -> RowSelector:
    """Pick any of ``count`` rows, by the user's own random numbers."""
    return lambda user: int(user.rng.random() * count)


def rows_in_turn(count: int, *, part: int, parts: int) -> RowSelector:
    """Pick one row after the other, all users together, over and over.

    Part ``part`` of ``parts`` takes every ``parts``-th row.
    """
    turn = itertools.count(part, parts)
    return lambda _: next(turn) % count


def rows_in_order(
    order: Literal["random", "sequential"], count: int, load: Scenario
) -> RowSelector:
    """Pick in ``order``; of a split plan, this part takes its share of the rows in turn."""
    if order == "sequential":
        return rows_in_turn(count, part=load.part, parts=load.parts)
    return random_rows(count)


def own_rows(user: RowUser) -> int:
    """Pick the next row of the user's own share."""
    return next(user.own_rows)


class RowPartition:
    """The rows split into shares, one for each user at work; one that is given back is free again.

    Of N users the i-th has the rows i, i + N, i + 2N, …; where there are
    fewer rows than users, row i mod rows.
    """

    def __init__(self, count: int, users: int, *, part: int, parts: int) -> None:
        self._count = count
        self._users = max(users, 1)
        self._part, self._parts = part, parts
        self._free: list[int] = []
        self._made = 0

    def take(self) -> tuple[int, Iterator[int]]:
        """Take the lowest share that is free: its number, and its rows over and over."""
        if self._free:
            number = heapq.heappop(self._free)
        else:
            number = self._made
            self._made += 1
        first = (number * self._parts + self._part) % self._users % self._count
        return number, itertools.cycle(range(first, self._count, self._users))

    def give_back(self, number: int) -> None:
        """Give back the share ``number``."""
        heapq.heappush(self._free, number)
