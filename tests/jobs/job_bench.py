"""What the tests of jobs share: a ledger with its records, and a consumer at work."""

import asyncio
from contextlib import asynccontextmanager

import anyio
import msgspec

from asyncload.jobs.clock import ServiceClock
from asyncload.jobs.consumer import StatusConsumer
from asyncload.jobs.ledger import JobLedger
from asyncload.records.record import Job
from asyncload.testing import FakeQueue, VirtualTimeLoop, status_body

RUN = "0123456789ab"


class About(msgspec.Struct):
    scenario: str = "jobs"
    name: str = "one.tif:centerpoint"
    image: str | None = "s3://images/one.tif"
    size: int | None = 1000
    pixels: int | None = 512 * 512
    timeout: float = 3600.0
    attempt: int = 1
    first_job_id: str | None = None


ABOUT = About()


class Records(list):
    """A sink that keeps the job records."""

    def write(self, record):
        assert isinstance(record, Job)
        self.append(record)


def make_ledger(clock, run_id=RUN, epoch=0.0, **options):
    """A ledger and the list its records go to."""
    records = Records()
    service_clock = ServiceClock(epoch)
    return JobLedger(
        run_id, sink=records, clock=clock, service_clock=service_clock, **options
    ), records


def balance(ledger):
    """What is left when everything that became of the submitted jobs is subtracted."""
    t = ledger.totals()
    return t.submitted - (t.succeeded + t.partial + t.failed + t.timed_out + t.lost + t.backlog)


def run_virtual(main):
    """Run ``main`` on virtual time."""
    return anyio.run(main, backend_options={"loop_factory": VirtualTimeLoop})


def now():
    return asyncio.get_running_loop().time()


def submit(ledger, message_id="m", about=ABOUT):
    """A job whose send was answered."""
    job = ledger.open(about, due=now(), start=now())
    ledger.accept(job, message_id)
    return job


@asynccontextmanager
async def consuming(queue, ledger, **options):
    """A consumer of ``queue`` at work on virtual time; ``consumer.notes`` is what it told."""
    notes = []
    consumer = StatusConsumer(
        queue,
        ledger,
        clock=now,
        epoch=0.0,
        note=lambda level, text: notes.append((level, text)),
        **options,
    )
    consumer.notes = notes
    async with anyio.create_task_group() as group:
        group.start_soon(consumer.run)
        yield consumer
        group.cancel_scope.cancel()
    await consumer.finish()


async def until(condition, limit=600.0):
    """Look every hundredth of a second."""
    with anyio.fail_after(limit):
        while not condition():
            await anyio.sleep(0.01)


class TroubledQueue(FakeQueue):
    """A queue with latency and trouble: functions that raise, or name the handles that fail."""

    def __init__(self, name="ImageStatusQueue", *, latency=0.0):
        super().__init__(name)
        self.latency = latency
        self.receives = 0
        self.deletes = 0
        self.on_receive = lambda: None
        self.on_delete = lambda handles: set()
        self.on_release = lambda delays: None

    async def receive(self, wait=20):
        self.receives += 1
        await anyio.sleep(self.latency)
        self.on_receive()
        return await super().receive(wait)

    async def delete(self, receipt_handles):
        self.deletes += 1
        await anyio.sleep(self.latency)
        failing = self.on_delete(receipt_handles)
        refused = await super().delete([h for h in receipt_handles if h not in failing])
        return refused + [h for h in receipt_handles if h in failing]

    async def release(self, delays):
        await anyio.sleep(self.latency)
        self.on_release(delays)
        await super().release(delays)

    def say(self, job_id, *statuses):
        for status in statuses:
            self.put(status_body(job_id, status))
