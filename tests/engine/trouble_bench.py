"""A run of jobs on the embedded stack while something goes wrong, and what it left behind."""

from __future__ import annotations

import io
import json

import anyio
from rich.console import Console

from asyncload import LoadTest, load_config
from asyncload.local.settings import LocalSettings, ServiceTime
from asyncload.plan.duration import Duration
from asyncload.records.log import LogReader
from asyncload.records.record import Job, Ledger, Note, Request
from asyncload.report.tables.summary_table import print_summary
from asyncload.stats.live import LiveStats

REGION = "us-west-2"


def steady(workers, mean):
    """Settings of a service that takes ``mean`` seconds for every job."""
    times = ServiceTime(mean=Duration(mean), distribution="constant")
    return LocalSettings(workers=workers, service_time=times)


class Run:
    """What a run left behind."""

    def __init__(self, result, log):
        self.result = result
        records = list(LogReader(log))
        stats = LiveStats()
        for record in records:
            stats.write(record)
        of = lambda kind: [record for record in records if isinstance(record, kind)]  # noqa: E731
        self.jobs, self.requests = of(Job), of(Request)
        self.ledger = of(Ledger)[-1]
        self.notes = {note.text: note.t for note in of(Note) if note.level != "info"}
        out = io.StringIO()
        print_summary(
            result.summary,
            result.thresholds,
            Console(file=out, width=200),
            notes=stats.snapshot(result.summary.t).notes,
        )
        self.table = [" ".join(line.split()) for line in out.getvalue().splitlines()]

    def assert_exact(self):
        """The job counters are those of the records, and add up."""
        t = self.ledger
        assert self.result.exit_code == 0
        assert self.result.problems == ()
        assert t.backlog == 0
        assert t.submitted == t.succeeded + t.partial + t.failed + t.timed_out + t.lost
        assert t.rejected + t.stuck + t.never_started == t.timed_out + t.lost
        assert len(self.jobs) == t.submitted
        assert len({job.job_id for job in self.jobs}) == t.submitted


async def run(
    folder, stack, *, sqs=None, rate=40, duration=3, drain=10, options=None, trouble=None,
    meanwhile=None,
):  # fmt: skip
    """Run jobs against ``stack``, by the proxy ``sqs`` if there is one.

    ``trouble.of(test)`` is the proxy's trouble; ``meanwhile`` runs beside the test.
    """
    log, path = folder / "run.jsonl", folder / "test.yaml"
    config = {
        "name": "trouble",
        "aws": {
            "endpoint_url": stack.endpoint_url,
            "endpoints": {"sqs": sqs.url} if sqs else {},
            "region": REGION,
        },
        "scenarios": [
            {
                "name": "jobs",
                "load": {
                    "model": "open",
                    "shape": {"kind": "constant", "level": rate},
                    "duration": duration,
                },
                "user": {"kind": "model_runner", **(options or {})},
            }
        ],
        "drain": drain,
        "log": str(log),
    }
    path.write_text(json.dumps(config))  # YAML, too
    test = LoadTest(load_config(path))
    if trouble is not None:
        sqs.trouble = trouble.of(test)
    async with anyio.create_task_group() as group:
        if meanwhile is not None:
            group.start_soon(meanwhile, test)
        with anyio.fail_after(60):
            result = await test.run()
        group.cancel_scope.cancel()
    return Run(result, log)


async def reach(test, t):
    """Sleep until ``t`` seconds of the load."""
    while test.progress().phase == "setup" or test.progress().t < t:
        await anyio.sleep(0.02)
