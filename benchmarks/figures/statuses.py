"""Status messages received in tens, matched in the ledger and deleted in batches."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from asyncload.records.log import LogReader
from asyncload.records.record import Job
from benchmarks import rivals
from benchmarks.harness import (
    Contender,
    Figure,
    Folder,
    Measured,
    Target,
    free_port,
    generator,
    server,
)
from benchmarks.ours.statuses import RUN_ID

PER_SECOND = 12_000
"""Jobs for each second of a round, of two statuses each."""


@contextmanager
def statuses(seconds: float) -> Iterator[Figure]:
    """Give the figure."""
    jobs = int(PER_SECOND * seconds)
    yield Figure(
        name="statuses",
        title="status messages received in tens, matched, deleted in batches",
        unit="messages/s",
        contenders=[
            Contender("asyncload", lambda: _ours(jobs)),
            Contender("aiobotocore", lambda: _aiobotocore(seconds)),
        ],
        targets=[Target(contender="asyncload", at_least=20_000)],
        note=(
            f"{jobs:,} jobs opened first, then a STARTED and a SUCCESS of each, in SNS envelopes, "
            "from a stub. Ours reads the envelopes, puts both clocks together, keeps the ledger, "
            "writes a record of each job, folds the statistics, deletes; the time is until the last "
            "message is deleted. aiobotocore receives, parses the envelope and deletes, with 16 tasks, and keeps no account of anything."
        ),
    )


def _ours(jobs: int) -> Measured:
    with _stub(jobs) as url, Folder() as folder:
        log = folder / "run.jsonl"
        command = [sys.executable, "-m", "benchmarks.ours.statuses", url, str(jobs), log]
        done = generator(command, limit=120)
        answer = json.loads(done.stdout)
        with urllib.request.urlopen(f"{url}/counts", timeout=5) as response:
            counts = json.load(response)
        recorded = sum(isinstance(record, Job) for record in LogReader(log))
    totals = answer["totals"]
    if not (
        totals["succeeded"] == recorded == jobs
        and counts["sent"] == counts["deleted"] == 2 * jobs
        and not totals["duplicates"] + totals["orphans"] + totals["unreadable"]
    ):
        raise RuntimeError(
            f"the job counters do not add up: {counts}, {totals}, {recorded} records"
        )
    return Measured(
        value=2 * jobs / answer["seconds"],
        command=done.command,
        details={
            "jobs": jobs,
            "matched_per_s": 2 * jobs / answer["matched"],
            "cpu_us_each": round(answer["cpu"] / jobs / 2 * 1e6, 1),
        },
    )


def _aiobotocore(seconds: float) -> Measured:
    with _stub(0) as url:
        return rivals.aiobotocore(url, seconds, 16, doing="receive")


@contextmanager
def _stub(jobs: int) -> Iterator[str]:
    port = free_port()
    command = [
        sys.executable, "-m", "benchmarks.servers.statuses", str(port), f"{RUN_ID}0000", str(jobs),
    ]  # fmt: skip
    with server(command, port):
        yield f"http://127.0.0.1:{port}"


FIGURES = {"statuses": statuses}
