"""The job files: ``job_status.json`` and ``job_summary.json``.

Their format is the one of OversightML's unified load tests. They are
rewritten while the run goes on, each time as a whole and atomically, so a
reader never sees half a file. Finished jobs are kept in a spool file beside
them, not in memory.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import anyio.to_thread
import msgspec

from asyncload.jobs.job import LiveJob
from asyncload.jobs.ledger import JobLedger
from asyncload.jobs.status import TERMINAL
from asyncload.records.record import Job, Record

INTERVAL: Final = 30.0
"""Seconds between two rewrites."""
STATUS_FILE: Final = "job_status.json"
SUMMARY_FILE: Final = "job_summary.json"
_GIB: Final = 1 << 30


class JobFiles:
    """A sink that keeps the two job files in ``directory`` up to date.

    ``epoch`` is the wall clock at t = 0, epoch seconds; ``prefix`` stands
    before the files' names. Files of an earlier run should have been moved aside.
    """

    def __init__(
        self, directory: Path, ledger: JobLedger, *, epoch: float, prefix: str = ""
    ) -> None:
        self.status_path = directory / f"{prefix}{STATUS_FILE}"
        self.summary_path = directory / f"{prefix}{SUMMARY_FILE}"
        self.error: str | None = None
        """What was wrong with the last rewrite, in one sentence."""
        self._spool = directory / f".{self.status_path.name}.spool"
        self._ledger = ledger
        self._epoch = epoch
        self._spooled = 0
        self._finished: list[Job] = []
        self._bytes = 0
        self._pixels = 0
        self._spool.unlink(missing_ok=True)

    def write(self, record: Record) -> None:
        """Take in a job that is over."""
        if isinstance(record, Job):
            self._finished.append(record)
            if record.status in TERMINAL:
                self._bytes += record.size or 0
                self._pixels += record.pixels or 0

    async def keep_up_to_date(self) -> None:
        """Rewrite the files every :data:`INTERVAL` until cancelled."""
        while True:
            await anyio.sleep(INTERVAL)
            await self.rewrite()

    async def rewrite(self) -> None:
        """Write both files as of now. A full disk is told in :attr:`error`, not raised."""
        # Taken at one instant, on the loop, so that no job is in both lists or
        # in neither; the threads do all that takes long.
        finished = self._finished.copy()
        live = [job for job in self._ledger.live.values() if job.confirmed]
        summary = self._summary()
        try:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._append_to_spool, finished)
                del self._finished[: len(finished)]
                await anyio.to_thread.run_sync(self._write_files, live, summary)
        except OSError as problem:
            reason = problem.strerror or problem
            self.error = f"cannot write {self.status_path}: {reason}; {_remedy(problem)}"
        except (TypeError, ValueError) as problem:  # what a user class gave a job cannot be JSON
            self.error = f"cannot write {self.status_path}: {problem}; mend the job's attributes"
        else:
            self.error = None

    def close(self) -> None:
        """Remove the spool."""
        with contextlib.suppress(OSError):
            self._spool.unlink(missing_ok=True)

    def _summary(self) -> dict[str, Any]:
        totals = self._ledger.totals()
        return {
            "total_image_sent": totals.submitted,
            "total_image_in_progress": totals.backlog,
            "total_image_processed": totals.succeeded + totals.partial + totals.failed,
            "total_image_succeeded": totals.succeeded,
            "total_image_failed": totals.failed,
            "total_gb_processed": self._bytes / _GIB,
            "total_pixels_processed": self._pixels,
            # Beside the harness's seven, so that the account balances.
            "total_image_partial": totals.partial,
            "total_image_timed_out": totals.timed_out,
            "total_image_lost": totals.lost,
            "start_time": self._moment(0.0).isoformat(),
            "stop_time": self._moment(totals.t).isoformat(),
        }

    def _moment(self, t: float) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._epoch + t, dt.UTC)

    def _append_to_spool(self, finished: Iterable[Job]) -> None:
        with self._spool.open("ab") as spool:
            if spool.tell() > self._spooled:  # a full disk cut an entry short
                spool.truncate(self._spooled)
            spool.writelines(map(self._finished_entry, finished))
        self._spooled = self._spool.stat().st_size

    def _write_files(self, live: Iterable[LiveJob], summary: dict[str, Any]) -> None:
        entries = map(self._live_entry, live)
        with _replacing(self.status_path) as file, self._spool.open("rb") as spool:
            file.write(b"{")
            if not spool.read(1):  # the comma, which the very first entry goes without
                file.write(next(entries, b"")[1:])
            shutil.copyfileobj(spool, file, 1 << 20)
            file.writelines(entries)
            file.write(b"\n}\n")
        with _replacing(self.summary_path) as file:
            file.write(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")

    def _finished_entry(self, job: Job) -> bytes:
        return _entry(
            job_id=job.job_id,
            image=job.image,
            message_id=job.message_id,
            status=job.status,
            size=job.size,
            pixels=job.pixels,
            start=self._moment(job.start),
            processing=job.processing_s,
        )

    def _live_entry(self, job: LiveJob) -> bytes:
        about = job.about
        return _entry(
            job_id=job.id,
            image=about.image,
            message_id=job.message_id,
            status=job.progress,
            size=about.size,
            pixels=about.pixels,
            start=self._moment(job.start),
            processing=None,
        )


def _entry(
    *,
    job_id: str,
    image: str | None,
    message_id: str | None,
    status: str,
    size: int | None,
    pixels: int | None,
    start: dt.datetime,
    processing: float | None,
) -> bytes:
    """One member of ``job_status.json``, with the comma and line break before it."""
    fields = {
        "job_id": job_id,
        "image_url": image,
        "message_id": message_id,
        "status": status,
        "completed": status in TERMINAL,
        "size": size,
        "pixels": pixels,
        "start_time": start.strftime("%m/%d/%Y/%H:%M:%S"),
        "processing_duration": processing,
    }
    key = msgspec.json.encode(f"{job_id}:{image}")
    return b",\n" + key + b": " + msgspec.json.encode(fields)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` when it is complete."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
        os.replace(temporary, path)  # noqa: PTH105 - the atomic one, said by its name
    finally:
        temporary.unlink(missing_ok=True)


def _remedy(problem: OSError) -> str:
    if problem.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "free some space"
    return "make sure that its folder exists and can be written to"
