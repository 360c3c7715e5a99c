"""``PREFIX_stats.csv``, ``PREFIX_stats_history.csv`` and ``PREFIX_failures.csv``.

They have the columns of Locust 2 and its units, for the tools that read
those (``docs/csv.md``); what stands in them is the business of
:mod:`asyncload.report.csv.rows`.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import anyio
import anyio.lowlevel
import anyio.to_thread

from asyncload.errors import ConfigError
from asyncload.records.files import Appended, cannot_write, check_place, in_time, replacing
from asyncload.records.record import Record, RunHeader
from asyncload.report.csv.rows import (
    FAILURES,
    HISTORY,
    STATS,
    History,
    Moment,
    Row,
    methods_of,
)
from asyncload.stats.summary import SummaryFold

INTERVAL: Final = 5.0
"""Seconds between two writes while a run goes on."""


class CsvFiles:
    """A sink that keeps the files of ``prefix`` up to date with the run that ``fold`` folds.

    Raises :class:`ConfigError` when they cannot be written, here and in
    :meth:`open`, which comes first; what goes wrong later is told in
    :attr:`error`, not raised.
    """

    def __init__(self, prefix: str, fold: SummaryFold) -> None:
        _check(prefix)
        self.error: str | None = None
        """What was wrong with the last write, in one sentence."""
        self.paths = _paths(prefix)
        self._stats_path, self._history_path, self._failures_path = self.paths
        self._fold = fold
        self._history = History()
        self._lines: list[bytes] = []
        """Of the history, still to be written."""
        self._methods: dict[tuple[str, str], str] = {}
        self._file = Appended(self._history_path)

    def open(self) -> None:
        """Begin the files. Those of an earlier run are written over, as Locust does."""
        try:
            self._stats_path.parent.mkdir(parents=True, exist_ok=True)
            self._file.add([_text([HISTORY])])
            self._write_both(Moment(self._fold, self._methods))
        except OSError as problem:
            raise _refused(self._stats_path, problem) from None

    def write(self, record: Record) -> None:
        """Take in one record that ``fold`` has folded."""
        self._history.write(record)
        if isinstance(record, RunHeader):
            self._methods = methods_of(record)

    async def keep_up_to_date(self) -> None:
        """Write again and again until cancelled. Numbers are copied here, written in a thread."""
        while True:
            await anyio.sleep(INTERVAL)
            moment = Moment(self._fold, self._methods)
            for _ in moment.gather():
                await anyio.lowlevel.checkpoint()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._write_in_time, moment, self._history.take())

    def finish(self) -> None:
        """Write everything as of now, in the thread of the caller; the run is over."""
        self._history.finish()
        moment = Moment(self._fold, self._methods)
        for _ in moment.gather():
            pass
        self._write_in_time(moment, self._history.take())

    def _write_in_time(self, moment: Moment, history: list[Row]) -> None:
        try:
            in_time(self._write, moment, history)
        except OSError as problem:
            self.error = cannot_write(self._stats_path, problem)

    def _write(self, moment: Moment, history: list[Row]) -> None:
        if history:
            self._lines.append(_text(history))
        try:
            self._file.add(self._lines)
            self._lines.clear()
            self._write_both(moment)
        except OSError as problem:
            self.error = cannot_write(self._stats_path, problem)
        else:
            self.error = None

    def _write_both(self, moment: Moment) -> None:
        """Write the two files that are replaced as a whole."""
        with replacing(self._stats_path) as file:
            file.write(_text([STATS, *moment.stats()]))
        with replacing(self._failures_path) as file:
            file.write(_text([FAILURES, *moment.failures()]))


def _check(prefix: str) -> None:
    """Make sure that files of ``prefix`` can be written. Raises :class:`ConfigError`."""
    if not Path(prefix).name or prefix.endswith((os.sep, "/")):
        raise ConfigError(
            f"csv: {prefix!r} is a folder; add how the names of the files in it begin, "
            f"such as {Path(prefix) / 'run'}"
        )
    for path in _paths(prefix):
        try:
            check_place(path)
        except (OSError, ValueError) as problem:
            raise _refused(path, problem) from None


def _paths(prefix: str) -> tuple[Path, Path, Path]:
    return (
        Path(f"{prefix}_stats.csv"),
        Path(f"{prefix}_stats_history.csv"),
        Path(f"{prefix}_failures.csv"),
    )


def _refused(path: Path, problem: OSError | ValueError) -> ConfigError:
    reason = getattr(problem, "strerror", None) or problem
    return ConfigError(f"csv: cannot write {path}: {reason}; choose another prefix with --csv")


def _text(rows: Iterable[Row]) -> bytes:
    """Write rows as CSV, as Python's ``csv`` does by default: so does Locust."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace")
