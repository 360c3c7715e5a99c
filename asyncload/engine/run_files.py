"""The files that a run writes while it goes on: its log, job files, and CSV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from asyncload.errors import ConfigError
from asyncload.jobs.artifacts import STATUS_FILE, SUMMARY_FILE, JobFiles
from asyncload.jobs.ledger import JobLedger
from asyncload.records.log import OWNER_ALONE, LogWriter, archive, check_log, log_stamp
from asyncload.records.record import Tee
from asyncload.report.csv.csv_files import CsvFiles
from asyncload.stats.summary import SummaryFold

RESCUE: Final = 2.0
"""Seconds for what is queued of the log when the process is about to be ended."""


class RunFiles:
    """Opens the files of a run, keeps them up to date, and completes them.

    In this order: :meth:`open`, :meth:`begin` when the clock has started,
    :meth:`keep_up_to_date` beside the run, :meth:`finish`. Both paths may be
    ``None``; ``csv`` is the prefix of the CSV files, whose numbers are those of
    ``fold``. Raises :class:`ConfigError` where one cannot be written to, here
    and in :meth:`open`.
    """

    def __init__(
        self,
        log: Path | None,
        csv: str | None,
        fold: SummaryFold,
        *,
        log_mode: int = OWNER_ALONE,
    ) -> None:
        self.log_path = log
        self._log_mode = log_mode
        self.paths: tuple[Path, ...] = ()
        """Files beside the log, once they are complete."""
        self.problems: list[str] = []
        """What could not be written, a sentence each."""
        self.log_problem: str | None = None
        """That of the log."""
        self._job_folder: Path | None = None
        self._log: LogWriter | None = None
        self._jobs: JobFiles | None = None
        self._sinks = Tee()
        if log is not None:
            check_log(log)
        self._csv = None if csv is None else CsvFiles(csv, fold)

    @property
    def backlog(self) -> int:
        """Records that wait to be written to the log."""
        return self._log.backlog if self._log is not None else 0

    def open(self, sinks: Tee, *, has_jobs: bool, on_error: Callable[[str], None]) -> None:
        """Open them, move older ones aside, and add them to the ``sinks``, behind the fold.

        ``on_error`` is called from the log's thread when the log cannot be
        written any more.
        """
        self._sinks = sinks
        log = self.log_path
        if log is not None:
            stamp = log_stamp(log) if log.is_file() else None
            self._log = LogWriter(log, on_error=on_error, mode=self._log_mode)
            sinks.add(self._log)
            # With a log like /dev/null there is no folder for other files.
            if has_jobs and log.is_file():
                self._job_folder = log.parent
                _make_way(log.parent, _job_prefix(log), stamp)
        if self._csv is not None:
            self._csv.open()
            sinks.add(self._csv)

    def begin(self, ledger: JobLedger, *, epoch: float, interval: float) -> None:
        """Begin the job files of a run whose clock starts at ``epoch``, seconds."""
        if self._job_folder is not None and self.log_path is not None:
            self._jobs = JobFiles(
                self._job_folder,
                ledger,
                epoch=epoch,
                interval=interval,
                prefix=_job_prefix(self.log_path),
            )
            self._sinks.add(self._jobs)

    async def keep_up_to_date(self) -> None:
        """Rewrite what others may be reading, until cancelled."""
        async with anyio.create_task_group() as group:
            if self._jobs is not None:
                group.start_soon(self._jobs.keep_up_to_date)
            if self._csv is not None:
                group.start_soon(self._csv.keep_up_to_date)

    async def finish(self) -> None:
        """Complete all of them. What goes wrong is told in :attr:`problems`."""
        if self._jobs is not None:
            await self._jobs.rewrite()
            self._jobs.close()
            self._finished(self._jobs.error, self._jobs.status_path, self._jobs.summary_path)
        if self._csv is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._csv.finish)
            self._finished(self._csv.error, *self._csv.paths)
        await self.close()
        if self._log is not None and self._log.unwritten:
            self.log_problem = (
                f"{self._log.unwritten} records are not in {self.log_path}; "
                "graphs of it will lack them"
            )
            self.problems.append(self.log_problem)

    def rescue_log(self) -> None:
        """Write what is queued of the log, from any thread, in :data:`RESCUE` seconds or so."""
        if self._log is not None:
            self._log.patience = RESCUE
            self._log.close()

    async def close(self) -> None:
        """Close the log, whatever became of the run."""
        if self._log is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._log.close)

    def _finished(self, error: str | None, *paths: Path) -> None:
        if error:
            self.problems.append(error)
        else:
            self.paths += paths


def _job_prefix(log: Path) -> str:
    """Each log has job files of its own; those of run.jsonl need no prefix."""
    return "" if log.stem == "run" else f"{log.stem}."


def _make_way(folder: Path, prefix: str, stamp: str | None) -> None:
    """Move the job files of an earlier run aside, under the same ``stamp`` as its log."""
    try:
        archive(folder / f"{prefix}{STATUS_FILE}", stamp)
        archive(folder / f"{prefix}{SUMMARY_FILE}", stamp)
    except OSError as problem:
        raise ConfigError(
            f"log: cannot write job files to {folder}: {problem.strerror}; "
            "choose another place with --log"
        ) from None
