"""One side of a comparison, from a ``_stats.csv`` of Locust or of ours."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from asyncload.compare.comparison import PERCENTILES, Metric
from asyncload.compare.measured import HALF_GIVEN_UP, JOB, Measured, Side
from asyncload.compare.percentiles import LEVELS, Spread
from asyncload.errors import ConfigError
from asyncload.records.files import read_errors

TOTAL: Final = "Aggregated"
"""The row of all names; it is left out: it moves with the mix of the names, too."""

_COLUMNS: Final[dict[Metric, str]] = {
    "average": "Average Response Time",
    "median": "Median Response Time",
    "p95": "95%",
    "p99": "99%",
    "rate": "Requests/s",
}
_LEVELS: Final = {
    **{level: f"{level:g}%" for level in LEVELS},
    0.0: "Min Response Time",
    50.0: "Median Response Time",
}
"""Percent → column."""
_REQUIRED: Final = (
    "Name",
    "Request Count",
    "Failure Count",
    "Median Response Time",
    "Average Response Time",
    "Requests/s",
)
_NOTHING: Final = {"", "N/A"}  # what Locust writes when there is nothing to say
_MILLISECOND: Final = 1e-3
_MOST: Final = 2**53  # beyond it, a number of requests is not exact any more

Cells = Mapping[str, str]


def read_csv_side(path: Path) -> Side:
    """Read the CSV at ``path``; one row for each Type and Name but the aggregated one.

    Raises :class:`ConfigError` when the file cannot be read, is no such CSV,
    lacks a column, or holds a cell that is no number.
    """
    rows = [_measured(path, line, cells) for line, cells in _cells(path)]
    if not rows:
        raise ConfigError(
            f"{path} has no row of a request; give a _stats.csv that a run with requests has written"
        )
    seen: set[tuple[str, str]] = set()
    for row in rows:
        if (row.type, row.name) in seen:
            raise ConfigError(
                f"{path} has two rows of the Name {row.name!r} and the Type {row.type!r}; "
                "leave one of them"
            )
        seen.add((row.type, row.name))
    return Side(paths=(path,), is_log=False, rows=tuple(rows))


def _cells(path: Path) -> Iterator[tuple[int, Cells]]:
    """Give the rows but the total, each with its line and the texts of its cells by column."""
    lines = csv.reader(io.StringIO(_text(path), newline=""))
    try:
        columns = next(lines, None)
        if columns is None:
            raise ConfigError(f"{path} is empty; give a _stats.csv that a run has written")
        names = [name.strip() for name in columns]
        for name in _REQUIRED:
            if name not in names:
                raise ConfigError(
                    f"{path} has no column {name!r}; give a Locust _stats.csv, "
                    "or a log that ends in .jsonl"
                )
        for cells in lines:
            row = dict(zip(names, (cell.strip() for cell in cells), strict=False))
            total = row.get("Name") == TOTAL and not row.get("Type")
            if any(row.values()) and not total:
                yield lines.line_num, row
    except csv.Error as problem:
        raise ConfigError(
            f"{path}, line {lines.line_num}: {problem}; give a Locust _stats.csv"
        ) from None


def _text(path: Path) -> str:
    with read_errors(
        path,
        ConfigError,
        f"cannot read {path}",
        remedy="check the file and its permissions",
        missing=f"there is no file {path}; check the path",
    ):
        return path.read_bytes().decode("utf-8-sig", errors="replace")


def _measured(path: Path, line: int, cells: Cells) -> Measured:
    """Read one row."""
    where = f"{path}, line {line}"
    count, failed = (_whole(where, column, cells) for column in ("Request Count", "Failure Count"))
    if failed > count:
        raise ConfigError(
            f"{where}: the Failure Count {failed} is more than the Request Count {count}; "
            "mend the row, or leave it out"
        )
    values = {metric: _number(where, column, cells) for metric, column in _COLUMNS.items()}
    missing: dict[Metric, str] = {}
    if count and cells.get("Type") == JOB:
        # Our own CSV has no percentile that lies among jobs that never ended.
        never = [m for m in PERCENTILES if values[m] is None and _COLUMNS[m] in cells]
        values |= dict.fromkeys(never, math.inf)
        if "median" in never:
            missing["average"] = HALF_GIVEN_UP
    missing |= {
        metric: f"has no {column}" for metric, column in _COLUMNS.items() if values[metric] is None
    }
    if values["average"] == 0:  # Locust: no request had a time
        missing["average"] = f"has 0 as its {_COLUMNS['average']}"
    if not count:
        missing["failures"] = "has no request"
    return Measured(
        type=cells.get("Type", ""),
        scenario="",
        name=cells.get("Name", ""),
        count=count,
        failed=failed,
        values={
            **{metric: _seconds(metric, value) for metric, value in values.items()},
            "failures": failed / count if count else None,
        },
        missing=missing,
        rounding={
            metric: _rounding(value) * _MILLISECOND
            for metric in PERCENTILES
            if (value := values[metric]) is not None
        },
        spread=_spread(where, cells, count),
    )


def _spread(where: str, cells: Cells, count: int) -> Spread | None:
    """Read the percentiles; of jobs those that do not apply lie among the ones that never ended."""
    found = {
        level: _number(where, column, cells) for level, column in _LEVELS.items() if column in cells
    }
    if cells.get("Type") == JOB:
        found = {level: math.inf if value is None else value for level, value in found.items()}
    return Spread.of(
        count,
        [(level, value * _MILLISECOND) for level, value in found.items() if value is not None],
    )


def _seconds(metric: Metric, value: float | None) -> float | None:
    """Give a time of the CSV in seconds, and a rate as it is."""
    return value if value is None or metric == "rate" else value * _MILLISECOND


def _number(where: str, column: str, cells: Cells) -> float | None:
    """Read a number of 0 or more; ``None`` where the cell says that there is none."""
    text = cells.get(column, "")
    if text in _NOTHING:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ConfigError(f"{where}: {column} is {text!r}; it must be a number of 0 or more")
    return number


def _whole(where: str, column: str, cells: Cells) -> int:
    number = _number(where, column, cells)
    if number is None or number != int(number) or number > _MOST:
        text = cells.get(column, "")
        raise ConfigError(f"{where}: {column} is {text!r}; it must be a whole number of 0 or more")
    return int(number)


def _rounding(milliseconds: float) -> float:
    """Half the step that Locust has rounded a percentile to; 0 where it has not.

    Locust keeps times in whole ms below 100 ms, tens below 1 s, hundreds
    below 10 s, thousands above: 105 ms may have been 100 or 110.
    """
    if milliseconds == math.inf:
        return 0.0
    step = next((10**i for i in range(3) if milliseconds < 100 * 10**i), 1000)
    return step / 2 if milliseconds % step == 0 else 0.0
