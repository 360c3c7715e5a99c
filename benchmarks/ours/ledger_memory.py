"""Bytes of resident memory for each live job in the ledger.

python -m benchmarks.ours.ledger_memory JOBS
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tracemalloc
import uuid

import psutil

from asyncload.engine.clock import RunClock
from asyncload.jobs.clock import ServiceClock
from asyncload.jobs.ledger import JobLedger
from asyncload.records.record import Tee
from benchmarks.ours.statuses import RUN_ID, About

TRACED = 100_000


def fill(ledger: JobLedger, clock: RunClock, jobs: int) -> None:
    about = About()
    for _ in range(jobs):
        job = ledger.open(about, due=clock(), start=clock())
        ledger.accept(job, str(uuid.uuid4()))


async def main() -> None:
    clock = RunClock()
    clock.start()

    def fresh() -> JobLedger:
        return JobLedger(RUN_ID, sink=Tee(), clock=clock, service_clock=ServiceClock(clock.epoch))

    tracemalloc.start()
    traced, before = fresh(), tracemalloc.get_traced_memory()[0]
    fill(traced, clock, TRACED)
    each_traced = (tracemalloc.get_traced_memory()[0] - before) / TRACED
    tracemalloc.stop()
    del traced
    gc.collect()
    ledger, jobs = fresh(), int(sys.argv[1])
    fill(ledger, clock, 1)
    before = psutil.Process().memory_info().rss
    fill(ledger, clock, jobs)
    each = (psutil.Process().memory_info().rss - before) / jobs
    print(json.dumps({"rss": each, "traced": each_traced, "live": len(ledger.live)}))


if __name__ == "__main__":
    asyncio.run(main())
