"""Receives, matches and deletes the statuses of many jobs, everything recorded.

    python -m benchmarks.ours.statuses URL JOBS LOG

The jobs are opened first, then the product's own status consumer runs until
all are over. Prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import msgspec
import uvloop

from asyncload.engine.clock import RunClock
from asyncload.jobs.clock import ServiceClock
from asyncload.jobs.consumer import StatusConsumer
from asyncload.jobs.ledger import JobLedger
from asyncload.records.log import LogWriter
from asyncload.records.record import Tee
from asyncload.stats.live import LiveStats
from asyncload.transport.aws.fast_sqs import FastSqsQueue
from asyncload.transport.aws.session import Aws
from asyncload.transport.http.client import HttpClient

RUN_ID = "be7c" * 3


class About(msgspec.Struct):
    """What all the jobs have in common."""

    scenario: str = "jobs"
    name: str = "scene.ntf:centerpoint"
    image: str = "s3://osml-test-images-123456789012/scene.ntf"
    size: int = 1 << 20
    pixels: int = 1 << 24
    timeout: float = 3600.0
    attempt: int = 1
    first_job_id: str | None = None


class Queue(FastSqsQueue):
    """Tells when so many messages have been deleted."""

    left: int
    empty: asyncio.Event

    async def delete(self, receipt_handles: Sequence[str]) -> list[str]:
        """Delete and count."""
        failed = await super().delete(receipt_handles)
        self.left -= len(receipt_handles) - len(failed)
        if self.left <= 0:
            self.empty.set()
        return failed


async def main() -> None:
    url, jobs, log = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    clock = RunClock()
    writer = LogWriter(log)
    sink = Tee(LiveStats(), writer)
    clock.start()
    service_clock = ServiceClock(clock.epoch)
    ledger = JobLedger(RUN_ID, sink=sink, clock=clock, service_clock=service_clock)
    about = About()
    for _ in range(jobs):
        now = clock()
        ledger.accept(ledger.open(about, due=now, start=now), str(uuid.uuid4()))
    async with Aws(endpoint_url=url) as aws, HttpClient(clock=clock) as http:
        queue = await Queue.of(aws, http, f"{url}/123456789012/statuses")
        assert isinstance(queue, Queue)
        queue.left, queue.empty = 2 * jobs, asyncio.Event()
        consumer = StatusConsumer(
            queue,
            ledger,
            clock=clock,
            epoch=clock.epoch,
            note=lambda *message: print(*message, file=sys.stderr),
        )
        begun, cpu = time.perf_counter(), time.process_time()
        task = asyncio.create_task(consumer.run())
        await ledger.settle()
        matched = time.perf_counter() - begun
        await queue.empty.wait()
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await consumer.finish()
    writer.close()
    totals = msgspec.to_builtins(ledger.totals())
    print(json.dumps({"seconds": seconds, "matched": matched, "cpu": cpu, "totals": totals}))


if __name__ == "__main__":
    uvloop.run(main())
