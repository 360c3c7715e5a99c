"""job_status.json and job_summary.json."""

import datetime as dt
import errno
import json
import os
import re
import resource
import threading
import tracemalloc
from contextlib import contextmanager

import anyio
import anyio.to_thread
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.jobs import artifacts
from asyncload.jobs.artifacts import JobFiles
from asyncload.jobs.status import Status
from asyncload.testing import VirtualTimeLoop
from tests.jobs.job_bench import About, make_ledger

pytestmark = pytest.mark.anyio

EPOCH = 1705314600.0  # 2024-01-15 10:30 UTC
MESSAGE_ID = "5b1b7b2e-0f7e-4b0e-9a53-0a4b0b8c0d11"


class Bench:
    """Job files with the ledger they tell of, and a clock to be set."""

    def __init__(self, folder, interval=30.0):
        self.t = 0.0
        self.ledger, self.records = make_ledger(lambda: self.t, epoch=EPOCH)
        self.files = JobFiles(folder, self.ledger, epoch=EPOCH, interval=interval)
        self.ledger._sink = self
        self.folder = folder

    def write(self, record):
        self.records.append(record)
        self.files.write(record)

    def submit(self, **about):
        job = self.ledger.open(About(**about), due=self.t, start=self.t)
        self.ledger.accept(job, MESSAGE_ID)
        return job

    def finish(self, job, status="SUCCESS", **more):
        self.ledger.apply(Status(job.id, status, **more), self.t)

    async def read(self):
        await self.files.rewrite()
        return self.statuses(), self.summary()

    def statuses(self):
        return json.loads(self.files.status_path.read_bytes())

    def summary(self):
        return json.loads(self.files.summary_path.read_bytes())


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


async def test_an_empty_run_gives_empty_files(bench):
    statuses, summary = await bench.read()
    assert statuses == {}
    assert summary["total_image_sent"] == 0
    assert bench.files.error is None


async def test_a_job_has_the_fields_of_the_unified_load_test(bench):
    bench.t = 90.5
    job = bench.submit(image="s3://images/a.tif", size=7, pixels=8)
    bench.t = 200.0
    bench.finish(job, processing_s=12.0)
    statuses, _ = await bench.read()
    assert statuses == {
        f"{job.id}:s3://images/a.tif": {
            "job_id": job.id,
            "image_url": "s3://images/a.tif",
            "message_id": MESSAGE_ID,
            "status": "SUCCESS",
            "completed": True,
            "size": 7,
            "pixels": 8,
            "start_time": "01/15/2024/10:31:30",
            "processing_duration": 12.0,
        }
    }


async def test_a_live_job_stands_there_with_how_far_it_has_got(bench):
    jobs = [bench.submit() for _ in range(3)]
    bench.finish(jobs[1], "STARTED")
    bench.finish(jobs[2], "IN_PROGRESS")
    unconfirmed = bench.ledger.open(About(), due=0.0, start=0.0)
    statuses, summary = await bench.read()
    assert [(entry["job_id"], entry["status"]) for entry in statuses.values()] == [
        (jobs[0].id, "SUBMITTED"),
        (jobs[1].id, "STARTED"),
        (jobs[2].id, "IN_PROGRESS"),
    ]
    assert not any(entry["completed"] for entry in statuses.values())
    assert {entry["processing_duration"] for entry in statuses.values()} == {None}
    assert {entry["message_id"] for entry in statuses.values()} == {MESSAGE_ID}
    assert unconfirmed.id not in str(statuses)
    assert (summary["total_image_sent"], summary["total_image_in_progress"]) == (3, 3)


async def test_a_job_given_up_is_not_completed(bench):
    bench.submit(timeout=5.0)
    bench.t = 5.0
    bench.ledger.expire()
    bench.submit()
    bench.ledger.close()
    statuses, summary = await bench.read()
    assert [(e["status"], e["completed"]) for e in statuses.values()] == [
        ("TIMED_OUT", False),
        ("LOST", False),
    ]
    assert (summary["total_image_timed_out"], summary["total_image_lost"]) == (1, 1)


async def test_the_summary_has_the_seven_totals_and_what_makes_them_balance(bench):
    jobs = [bench.submit(size=2**29, pixels=10) for _ in range(7)]
    for job, status in zip(jobs, ["SUCCESS"] * 3 + ["PARTIAL", "FAILED"], strict=False):
        bench.finish(job, status)
    bench.submit(timeout=1.0, size=2**40, pixels=10**9)
    bench.t = 60.25
    bench.ledger.expire()
    _, summary = await bench.read()
    assert summary == {
        "total_image_sent": 8,
        "total_image_in_progress": 2,
        "total_image_processed": 5,
        "total_image_succeeded": 3,
        "total_image_failed": 1,
        "total_gb_processed": 2.5,
        "total_pixels_processed": 50,
        "total_image_partial": 1,
        "total_image_timed_out": 1,
        "total_image_lost": 0,
        "start_time": "2024-01-15T10:30:00+00:00",
        "stop_time": "2024-01-15T10:31:00.250000+00:00",
    }
    assert dt.datetime.fromisoformat(summary["stop_time"]).timestamp() == EPOCH + 60.25


async def test_finished_and_live_jobs_of_all_rewrites_are_there_once_each(bench):
    submitted = []
    for number in range(30):
        bench.t += 1
        submitted.append(bench.submit(image=f"s3://i/{number}.tif"))
        if number % 3:
            bench.finish(submitted[number // 2], "SUCCESS")
        statuses, summary = await bench.read()
        assert {entry["job_id"] for entry in statuses.values()} == {job.id for job in submitted}
        done = {record.job_id for record in bench.records}
        assert {e["job_id"] for e in statuses.values() if e["completed"]} == done
        assert summary["total_image_processed"] == len(done)
    raw = bench.files.status_path.read_text()
    assert len(re.findall(r'^"', raw, re.MULTILINE)) == 30  # no key stands there twice


@settings(deadline=None, max_examples=15)
@given(st.lists(st.none() | st.text(st.characters(codec="utf-8")), min_size=1, max_size=10))
def test_any_characters_in_an_images_url_come_back_as_they_were(tmp_path_factory, urls):
    async def main():
        bench = Bench(tmp_path_factory.mktemp("files"))
        jobs = [bench.submit(image=url) for url in urls]
        for job in jobs[::2]:
            bench.finish(job)
        statuses, _ = await bench.read()
        assert {(key, entry["image_url"]) for key, entry in statuses.items()} == {
            (f"{job.id}:{job.about.image}", job.about.image) for job in jobs
        }

    anyio.run(main)


async def test_a_reader_never_finds_half_a_file_or_none(bench):
    for number in range(300):
        bench.submit(image=f"s3://images/{number}.tif")
    await bench.files.rewrite()
    reading = threading.Event()
    stop = threading.Event()
    problems, sizes = [], set()

    def read():
        while not stop.is_set():
            try:
                sizes.add(len(bench.statuses()))
                assert bench.summary()["total_image_sent"] >= 300
            except Exception as problem:
                problems.append(repr(problem))
            reading.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        await anyio.to_thread.run_sync(reading.wait)
        for job in list(bench.ledger.live.values())[:60]:
            bench.finish(job)
            bench.submit()
            await bench.files.rewrite()
    finally:
        stop.set()
        reader.join()
    assert problems == []
    assert len(sizes) > 1
    assert max(sizes) <= 360
    assert sorted(path.name for path in bench.folder.iterdir()) == [
        ".job_status.json.spool",
        "job_status.json",
        "job_summary.json",
    ]
    bench.files.close()
    assert not (bench.folder / ".job_status.json.spool").exists()


async def test_finished_jobs_are_not_kept_in_memory(bench):
    bench.ledger._sink = bench.files

    async def round_of_jobs():
        for _ in range(500):
            bench.finish(bench.submit())
        await bench.files.rewrite()

    await round_of_jobs()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(5):
            await round_of_jobs()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 2500 * 20  # a record takes some 300 bytes
    assert len(bench.statuses()) == 3000


@contextmanager
def files_no_larger_than(size):
    """Writing beyond ``size`` fails in the middle, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def test_a_write_that_fails_is_told_and_loses_nothing(bench):
    first = bench.submit()
    bench.finish(first)
    await bench.files.rewrite()
    good = bench.files.status_path.read_bytes()
    more = [bench.submit() for _ in range(5)]
    for job in more:
        bench.finish(job)
    spool = bench.folder / ".job_status.json.spool"
    with files_no_larger_than(spool.stat().st_size + 100):
        await bench.files.rewrite()
    assert bench.files.error == (
        f"cannot write {bench.files.status_path}: {os.strerror(errno.EFBIG)}; "
        "make sure that its folder exists and can be written to"
    )
    # The old file stands, and a reader can read it.
    assert bench.files.status_path.read_bytes() == good
    last = bench.submit()
    bench.finish(last)
    statuses, summary = await bench.read()
    assert bench.files.error is None
    assert [entry["job_id"] for entry in statuses.values()] == [
        job.id for job in [first, *more, last]
    ]
    assert summary["total_image_succeeded"] == 7


async def test_a_folder_that_is_gone_is_told_and_not_raised(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    bench = Bench(folder)
    bench.finish(bench.submit())
    folder.rmdir()
    await bench.files.rewrite()
    assert bench.files.error == (
        f"cannot write {folder / 'job_status.json'}: {os.strerror(errno.ENOENT)}; "
        "make sure that its folder exists and can be written to"
    )
    bench.files.close()


async def test_a_full_disk_is_told_with_its_remedy(bench, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(bench.files, "_write_statuses", full)
    await bench.files.rewrite()
    assert bench.files.error == (
        f"cannot write {bench.files.status_path}: {os.strerror(errno.ENOSPC)}; free some space"
    )


async def test_the_spool_of_an_earlier_run_is_not_read(bench, tmp_path):
    bench.finish(bench.submit())
    await bench.files.rewrite()
    statuses, _ = await Bench(tmp_path).read()
    assert statuses == {}


async def test_the_files_are_rewritten_at_every_interval(tmp_path):
    bench = Bench(tmp_path, interval=0.01)
    async with anyio.create_task_group() as group:
        group.start_soon(bench.files.keep_up_to_date)
        with anyio.fail_after(30):
            for count in range(1, 4):
                bench.submit()
                while not bench.files.status_path.exists() or len(bench.statuses()) < count:
                    await anyio.sleep(0.01)
                assert bench.summary()["total_image_sent"] >= count
        group.cancel_scope.cancel()


def rewrites(tmp_path, monkeypatch, *, took, hours=1):
    """Run time of each rewrite of both files in so many hours, in which each job file costs time.

    ``took`` are the seconds that writing ``job_status.json`` takes.
    """
    monkeypatch.setattr(artifacts, "DISK_SPEED", 1000.0)
    times = {"statuses": [], "summary": []}

    async def main():
        bench = Bench(tmp_path, interval=30.0)

        def statuses(live):
            times["statuses"].append(anyio.current_time())
            return 1000 * took

        def summary(totals):
            times["summary"].append(anyio.current_time())

        async def at_once(function, *arguments):
            return function(*arguments)

        monkeypatch.setattr(bench.files, "_write_statuses", statuses)
        monkeypatch.setattr(bench.files, "_write_summary", summary)
        monkeypatch.setattr(anyio.to_thread, "run_sync", at_once)
        monkeypatch.setattr(artifacts, "in_time", lambda work, *arguments: work(*arguments))
        with anyio.move_on_after(hours * 3600):
            await bench.files.keep_up_to_date()

    anyio.run(main, backend_options={"loop_factory": VirtualTimeLoop})
    return times


def test_a_small_status_file_is_rewritten_whenever_the_totals_are(tmp_path, monkeypatch):
    times = rewrites(tmp_path, monkeypatch, took=0.5)
    assert times["statuses"] == times["summary"]
    assert len(times["summary"]) in {119, 120}


def test_a_large_status_file_is_rewritten_less_often_and_the_totals_are_not(tmp_path, monkeypatch):
    times = rewrites(tmp_path, monkeypatch, took=4.0)
    # 4 s are 2 % of 200 s, and the next of the intervals of 30 s is at 210 s.
    assert np.diff(times["statuses"]) == pytest.approx(210.0)
    assert np.diff(times["summary"]) == pytest.approx(30.0)


async def test_the_last_rewrite_is_complete_however_short_ago_the_one_before_was(
    bench, monkeypatch
):
    monkeypatch.setattr(artifacts, "DISK_SPEED", 1.0)
    bench.finish(bench.submit())
    await bench.files.rewrite()
    bench.finish(bench.submit())
    statuses, _ = await bench.read()
    assert len(statuses) == 2
