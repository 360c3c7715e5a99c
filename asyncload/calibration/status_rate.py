"""How soon statuses of jobs are taken in, and how many a second at the most."""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import anyio
import anyio.lowlevel
import msgspec

from asyncload.calibration.certificate import ConsumerLag
from asyncload.calibration.plain_load import make_config, open_scenario
from asyncload.engine.clock import RunClock
from asyncload.errors import TargetError
from asyncload.jobs.clock import ServiceClock
from asyncload.jobs.consumer import BATCH, StatusConsumer
from asyncload.jobs.job import Submission
from asyncload.jobs.ledger import JobLedger
from asyncload.load_test import LoadTest
from asyncload.local.model_runner.messages import STARTED, SUCCESS, job_status
from asyncload.records.record import Record, System
from asyncload.stats.live import LiveStats
from asyncload.transport.queue import LONG_POLL

RATE: Final = 100.0
"""Jobs per second. The emulator of the embedded stack does under 300."""
_RUN_ID: Final = "ca11b2a7e000"
_IMAGE: Final = "s3://images/calibration.tif"
_DRAIN: Final = 5.0  # seconds that jobs have at the end; they take 0.2 s


_ROUNDS: Final = 3  # of reading from memory; the median counts


class ConsumerTimes(NamedTuple):
    """How much is sent and read."""

    duration: float
    """Seconds of jobs."""
    warmup: float
    statuses: int
    """Read from memory, two of each job."""


class _Lags:
    """A sink that keeps for how long statuses waited in this process."""

    def __init__(self) -> None:
        self.longest: list[float] = []

    def write(self, record: Record) -> None:
        # Not every version measures it.
        lag = getattr(record, "consumer_lag", None) if isinstance(record, System) else None
        if lag is not None:
            self.longest.append(lag)


async def measure_consumer(times: ConsumerTimes) -> ConsumerLag:
    """Send jobs to the embedded stack, then read prepared statuses as fast as may be.

    Raises :class:`TargetError` when the stack cannot start, or jobs did not come back.
    """
    lags = _Lags()
    with tempfile.TemporaryDirectory(prefix="asyncload-calibrate-") as folder:
        scenario = open_scenario(
            "jobs", RATE, times.duration + times.warmup, {"kind": "model_runner"}
        )
        config = make_config(
            [scenario],
            Path(folder),
            warmup=times.warmup,
            seed=7,
            drain=_DRAIN,
            aws={"endpoint_url": "local"},
            local={"workers": 64, "service_time": {"mean": 0.1, "distribution": "constant"}},
        )
        result = await LoadTest(config, sink=lags).run()
    jobs = result.summary.jobs
    if not jobs.submitted or jobs.given_up:
        raise TargetError(
            f"{jobs.given_up} of {jobs.submitted} jobs of the embedded stack did not come back; "
            "end what else is running, and try again"
        )
    return ConsumerLag(
        rate=RATE,
        jobs=jobs.submitted,
        notification_p50=jobs.notification.p50,
        notification_p99=jobs.notification.p99,
        lag_median=median(lags.longest) if lags.longest else None,
        lag_max=max(lags.longest, default=None),
        statuses_per_second=median([await handle_statuses(times.statuses) for _ in range(_ROUNDS)]),
    )


async def handle_statuses(number: int) -> float:
    """Read, match and delete prepared statuses from memory; returns how many per second.

    The product's own consumer, ledger and statistics do it; there is no network, no log, and
    nobody who waits for the jobs.
    """
    clock = RunClock()
    clock.start()
    service_clock = ServiceClock(clock.epoch)
    ledger = JobLedger(_RUN_ID, sink=LiveStats(), clock=clock.now, service_clock=service_clock)
    about = Submission(
        scenario="jobs", name="calibration", image=_IMAGE, size=None, pixels=None, timeout=3600.0
    )
    bodies = []
    for _ in range(number // 2):
        now = clock()
        job = ledger.open(about, due=now, start=now)
        ledger.accept(job, None)
        bodies += [_body(job.id, STARTED), _body(job.id, SUCCESS)]
    queue = _MemoryQueue(bodies)
    consumer = StatusConsumer(
        queue, ledger, clock=clock.now, epoch=clock.epoch, note=lambda *_: None
    )
    begun = time.perf_counter()
    async with anyio.create_task_group() as group:
        group.start_soon(consumer.run)
        await queue.emptied.wait()
        group.cancel_scope.cancel()
    return len(bodies) / (time.perf_counter() - begun)


class _MemoryQueue:
    """Hands out what it was given, ten at a time, and knows when all of it was deleted."""

    name = "memory"

    def __init__(self, bodies: Sequence[str]) -> None:
        self.emptied = anyio.Event()
        self._left = len(bodies)
        self._messages = deque(
            {"MessageId": str(number), "ReceiptHandle": str(number), "Body": body}
            for number, body in enumerate(bodies)
        )

    async def send(self, body: str) -> str:
        raise NotImplementedError

    async def receive(self, wait: int = LONG_POLL) -> Sequence[Mapping[str, Any]]:
        # Others get their turn, as they do while an answer is on its way.
        await anyio.sleep(0 if self._messages else wait)
        return [self._messages.popleft() for _ in range(min(BATCH, len(self._messages)))]

    async def delete(self, receipt_handles: Sequence[str]) -> list[str]:
        await anyio.lowlevel.checkpoint()
        self._left -= len(receipt_handles)
        if self._left <= 0:
            self.emptied.set()
        return []

    async def release(self, delays: Sequence[tuple[str, int]]) -> None:
        """Nothing here is foreign."""


def _body(job_id: str, status: str) -> str:
    """Write a status message as the status queue brings it: in SNS's envelope."""
    message = job_status(job_id, _IMAGE, status)
    attributes = {
        name: {"Type": "String", "Value": value} for name, value in message.attributes.items()
    }
    envelope = {
        "Type": "Notification",
        "MessageId": "00000000-0000-0000-0000-000000000000",
        "Message": message.text,
        "Timestamp": "2026-01-01T00:00:00.000Z",
        "MessageAttributes": attributes,
    }
    return msgspec.json.encode(envelope).decode()
