"""The job files: ``job_status.json`` and ``job_summary.json``.

Their format is the one of OversightML's unified load tests. They are
rewritten while the run goes on, each time as a whole and atomically, so a
reader never sees half a file. Finished jobs are kept in a spool file beside
them, not in memory.

A million jobs make 400 MB of ``job_status.json``. So that rewriting it keeps
neither the disk nor the interpreter busy, a large one is rewritten less often.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
import msgspec

from asyncload.jobs.job import End, LiveJob
from asyncload.jobs.ledger import JobLedger
from asyncload.jobs.status import TERMINAL
from asyncload.records.files import Appended, cannot_write, in_time, replacing
from asyncload.records.outcomes import OUTCOMES
from asyncload.records.record import Job, Record

BUSY: Final = 0.02
"""Share of its time that a disk may be busy with rewriting ``job_status.json``."""
DISK_SPEED: Final = 100e6
"""Bytes per second that it is taken to write at most: what a cache takes at once is written too."""
STATUS_FILE: Final = "job_status.json"
SUMMARY_FILE: Final = "job_summary.json"
_GIB: Final = 1 << 30


class JobFiles:
    """A sink that keeps the two job files in ``directory`` up to date.

    ``epoch`` is the wall clock at t = 0, epoch seconds; ``interval`` seconds
    lie between two rewrites; ``prefix`` stands before the files' names. Files
    of an earlier run should have been moved aside. The ledger is asked for
    the jobs that are not over, of which there are no records.
    """

    def __init__(
        self,
        directory: Path,
        ledger: JobLedger,
        *,
        epoch: float,
        interval: float,
        prefix: str = "",
    ) -> None:
        self.status_path = directory / f"{prefix}{STATUS_FILE}"
        self.summary_path = directory / f"{prefix}{SUMMARY_FILE}"
        self.error: str | None = None
        """What was wrong with the last rewrite, in one sentence."""
        self._spool = Appended(directory / f".{self.status_path.name}.spool")
        self._ledger = ledger
        self._epoch = epoch
        self._interval = interval
        self._due = 0.0
        """When ``job_status.json`` may be rewritten again, on the loop's clock."""
        self._finished: list[Job] = []
        self._bytes = 0
        self._pixels = 0

    def write(self, record: Record) -> None:
        """Take in a job that is over."""
        if isinstance(record, Job):
            self._finished.append(record)
            if record.status in TERMINAL:
                self._bytes += record.size or 0
                self._pixels += record.pixels or 0

    async def keep_up_to_date(self) -> None:
        """Rewrite the files again and again until cancelled, each as often as it may be."""
        while True:
            await anyio.sleep(self._interval)
            await self._write(statuses=anyio.current_time() >= self._due)

    async def rewrite(self) -> None:
        """Write both files as of now. A full disk is told in :attr:`error`, not raised."""
        await self._write(statuses=True)

    async def _write(self, *, statuses: bool) -> None:
        # Taken at one instant, on the loop, so that no job is in both lists or
        # in neither; the threads do all that takes long.
        finished = self._finished.copy()
        live = list(self._ledger.live.values()) if statuses else None
        summary = self._summary()
        try:
            with anyio.CancelScope(shield=True):
                entries = map(self._entry, finished)
                await anyio.to_thread.run_sync(in_time, self._spool.add, entries)
                del self._finished[: len(finished)]
                await anyio.to_thread.run_sync(in_time, self._write_summary, summary)
                if live is not None:
                    began = anyio.current_time()
                    size = await anyio.to_thread.run_sync(in_time, self._write_statuses, live)
                    took = max(anyio.current_time() - began, size / DISK_SPEED)
                    self._due = began + took / BUSY
        except OSError as problem:
            self.error = cannot_write(self.status_path, problem)
        except (TypeError, ValueError) as problem:  # what a user class gave a job cannot be JSON
            self.error = f"cannot write {self.status_path}: {problem}; mend the job's attributes"
        else:
            self.error = None

    def close(self) -> None:
        """Remove the spool."""
        self._spool.remove()

    def _summary(self) -> dict[str, Any]:
        totals = self._ledger.totals()
        return {
            "total_image_sent": totals.submitted,
            "total_image_in_progress": totals.backlog,
            "total_image_processed": totals.ended,
            "total_image_succeeded": totals.succeeded,
            "total_image_failed": totals.failed,
            "total_gb_processed": self._bytes / _GIB,
            "total_pixels_processed": self._pixels,
            # Beside the harness's seven, so that the totals add up.
            **{
                f"total_image_{counter}": getattr(totals, counter)
                for counter in OUTCOMES
                if counter not in {"succeeded", "failed"}
            },
            "start_time": self._moment(0.0).isoformat(),
            "stop_time": self._moment(totals.t).isoformat(),
        }

    def _moment(self, t: float) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._epoch + t, dt.UTC)

    def _write_statuses(self, live: Iterable[LiveJob]) -> int:
        entries = (self._live_entry(job) for job in live if job.confirmed)
        with replacing(self.status_path) as file, self._spool.path.open("rb") as spool:
            file.write(b"{")
            if not spool.read(1):  # the comma, which the very first entry goes without
                file.write(next(entries, b"")[1:])
            shutil.copyfileobj(spool, file, 1 << 20)
            file.writelines(entries)
            file.write(b"\n}\n")
            return file.tell()

    def _write_summary(self, summary: dict[str, Any]) -> None:
        with replacing(self.summary_path) as file:
            file.write(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")

    def _live_entry(self, job: LiveJob) -> bytes:
        return self._entry(job.record(job.start, End(job.progress)))

    def _entry(self, job: Job) -> bytes:
        """One member of ``job_status.json``, with the comma and line break before it."""
        fields = {
            "job_id": job.job_id,
            "image_url": job.image,
            "message_id": job.message_id,
            "status": job.status,
            "completed": job.status in TERMINAL,
            "size": job.size,
            "pixels": job.pixels,
            "start_time": self._moment(job.start).strftime("%m/%d/%Y/%H:%M:%S"),
            "processing_duration": job.processing_s,
        }
        key = msgspec.json.encode(f"{job.job_id}:{job.image}")
        return b",\n" + key + b": " + msgspec.json.encode(fields)
