"""A live job takes at most 400 bytes."""

import itertools
import tracemalloc
import uuid

import pytest

from asyncload.jobs.status import Status
from tests.jobs.job_bench import ABOUT, make_ledger

pytestmark = pytest.mark.slow

JOBS = 50_000
LIMIT = 400


def test_a_live_job_takes_at_most_400_bytes():
    ticks = itertools.count(1)

    def clock():
        return next(ticks) * 1e-4

    ledger, _ = make_ledger(clock, epoch=1.7e9)

    def submit():
        start = clock()
        job = ledger.open(ABOUT, due=start - 1e-3, start=start)
        ledger.accept(job, str(uuid.uuid4()))

    submit()  # what is made once does not count
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(JOBS):
            submit()
        accepted = (tracemalloc.get_traced_memory()[0] - before) / JOBS
        for job_id in ledger.live:
            ledger.apply(Status(job_id, "STARTED", sent_at=1.7e9 + clock()), clock())
        started = (tracemalloc.get_traced_memory()[0] - before) / JOBS
    finally:
        tracemalloc.stop()
    assert accepted <= LIMIT
    assert started <= LIMIT
    assert ledger.backlog == JOBS + 1


def test_a_finished_job_leaves_nothing_in_the_ledger():
    class Nowhere:
        def write(self, record):
            pass

    ledger, _ = make_ledger(lambda: 1.0)
    ledger._sink = Nowhere()

    def run_job():
        job = ledger.open(ABOUT, due=0.0, start=0.0)
        ledger.accept(job, "m")
        ledger.apply(Status(job.id, "SUCCESS"), 1.0)

    run_job()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(5_000):
            run_job()
        assert tracemalloc.get_traced_memory()[0] - before < 5_000
    finally:
        tracemalloc.stop()
