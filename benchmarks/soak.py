"""A day of load on virtual time: about a million jobs through engine, ledger and consumer.

    python benchmarks/soak.py [--hours 24] [-o benchmarks/results/soak.json]

The service, its queues and the clock are the fakes of ``asyncload.testing``;
everything else is the real thing. Memory is looked at every 1/24 of the plan.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import platform
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import psutil

from asyncload import Plan, Scenario, User, shapes, task
from asyncload.engine.run import Engine
from asyncload.plan import Duration
from asyncload.records.record import Job, Ledger, Record, Request
from asyncload.testing import FakeModelRunner, VirtualTimeLoop
from asyncload.transport.aws.session import Aws
from asyncload.users.model_runner.job_spec import JobSpec

RUN_ID = "50a4" * 3


class Counter:
    """A sink that only counts."""

    def __init__(self) -> None:
        self.requests = 0
        self.jobs = 0
        self.late = 0.0
        self.ledger: Ledger | None = None

    def write(self, record: Record) -> None:
        if isinstance(record, Request):
            self.requests += 1
            self.late = max(self.late, (record.start or record.end) - record.due)
        elif isinstance(record, Job):
            self.jobs += 1
        elif isinstance(record, Ledger):
            self.ledger = record


def sender(service: FakeModelRunner) -> type[User]:
    """A user class that sends to ``service`` what ModelRunner's users send to SQS."""

    class Sender(User):
        @classmethod
        async def prepare(cls, setup: Any, options: Any) -> Iterator[JobSpec]:
            del options
            setup.consume(service.statuses, foreign="leave")
            return itertools.cycle(
                JobSpec(
                    scenario=setup.scenario,
                    name=f"{number}.tif:model",
                    image=f"s3://images/{number}.tif",
                    size=1_000,
                    pixels=10_000,
                    timeout=3600.0,
                    body=('{"jobName":"', '","jobId":"', '"}'),
                )
                for number in range(8)
            )

        @task()
        async def submit(self) -> None:
            spec = next(self.shared)
            start = self.recorder.clock()
            job = self.jobs.open(spec, due=self.recorder.due_at(start), start=start)
            with self.measure("send"):
                message_id = await service.requests.send(spec.request(job.id))
            self.jobs.accept(job, message_id)

    return Sender


async def soak(hours: float) -> dict[str, Any]:
    """Run the plan; return its job counters and the memory over time."""
    rng = random.Random(3)
    service = FakeModelRunner(workers=8, service_time=lambda _: rng.expovariate(1 / 0.4))
    counter = Counter()
    shape = shapes.PeriodicBurst(period=Duration(600), min=6, peak=52)
    scenario = Scenario(
        name="jobs",
        user=sender(service),
        shape=shape,
        duration=hours * 3600,
        arrivals="poisson",
    )
    plan = Plan(name="soak", scenarios=(scenario,), seed=1, drain=900)
    engine = Engine(plan, sink=counter, aws=Aws(), run_id=RUN_ID)
    await engine.prepare()
    engine.begin()
    memory: list[float] = []

    async def look() -> None:
        process = psutil.Process()
        while True:
            await anyio.sleep(hours * 3600 / 24)
            gc.collect()
            memory.append(round(process.memory_info().rss / 2**20, 1))

    began = time.perf_counter()
    async with anyio.create_task_group() as group:
        group.start_soon(look)
        await engine.run()
        group.cancel_scope.cancel()
    assert counter.ledger is not None
    ledger = {name: getattr(counter.ledger, name) for name in Ledger.__struct_fields__}
    return {
        "hours": hours,
        "seconds": round(time.perf_counter() - began, 1),
        "arrivals": len(scenario.due_times(plan.seed)),
        "requests": counter.requests,
        "job_records": counter.jobs,
        "accepted_by_service": service.accepted,
        "longest_lateness_s": counter.late,
        "messages_left": len(service.statuses),
        "ledger": ledger,
        "memory_mib": memory,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    result = anyio.run(soak, arguments.hours, backend_options={"loop_factory": VirtualTimeLoop})
    if arguments.output:
        content = {
            "command": f"python benchmarks/soak.py --hours {arguments.hours:g}",
            "machine": {"python": platform.python_version(), "system": platform.platform()},
            "result": result,
        }
        arguments.output.write_text(json.dumps(content, indent=2) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
