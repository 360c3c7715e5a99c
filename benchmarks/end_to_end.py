"""A hundred thousand jobs end to end on the embedded stack, accounted for to the job.

    python benchmarks/end_to_end.py [--jobs 100000] [--rate 300]

Sends the jobs to the simulated ModelRunner at ``rate`` a second, waits for all
of them, and holds log, job files and summary against the service's own log.
Writes ``benchmarks/results/end_to_end.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import asyncload
from asyncload import AwsConfig, LocalSettings, Plan, Scenario, UserSpec, shapes
from asyncload.local.ground_truth import JobTruth, read_ground_truth
from asyncload.local.settings import ServiceTime
from asyncload.plan import Duration
from asyncload.records.log import LogReader
from asyncload.records.record import Job, Level, System

RESULTS = Path(__file__).parent / "results"


async def carry_out(jobs: int, rate: float, folder: Path) -> dict[str, object]:
    plan = Plan(
        name="end to end",
        seed=1,
        drain=3600,
        scenarios=(
            Scenario(
                name="jobs",
                user=UserSpec("model_runner", {"job_timeout": "2h"}),
                shape=shapes.Constant(rate),
                duration=jobs / rate,
            ),
        ),
    )
    local = LocalSettings(
        workers=200,
        service_time=ServiceTime(mean=Duration(0.1)),
        failure_rate=0.02,
        partial_rate=0.03,
        duplicate_rate=0.01,
        reorder_rate=0.05,
        truth_log=str(folder / "truth.jsonl"),
        seed=1,
    )
    begun = time.monotonic()
    result = await asyncload.run(
        plan, aws=AwsConfig(endpoint_url="local"), local=local, log=folder / "run.jsonl"
    )
    seconds = time.monotonic() - begun
    assert result.exit_code == 0, result.problems
    return {"jobs": jobs, "rate": rate, "seconds": round(seconds, 1), **check(folder, jobs, result)}


def check(folder: Path, jobs: int, result: asyncload.Result) -> dict[str, object]:
    """Compare everything that the run left behind with the ground truth."""
    true = [one for one in read_ground_truth(folder / "truth.jsonl") if isinstance(one, JobTruth)]
    statuses = Counter(one.status for one in true)
    logged: Counter[str] = Counter()
    memory, backlog = [], 0
    for record in LogReader(folder / "run.jsonl"):
        if isinstance(record, Job):
            logged[record.status] += 1
        elif isinstance(record, System):
            memory.append(record.memory)
        elif isinstance(record, Level):
            backlog = max(backlog, record.backlog)
    status_file = json.loads((folder / "job_status.json").read_text())
    summary_file = json.loads((folder / "job_summary.json").read_text())
    counters = result.summary.jobs
    assert logged == statuses, (logged, statuses)
    assert len(true) == len(status_file) == jobs == counters.submitted
    assert Counter(entry["status"] for entry in status_file.values()) == statuses
    assert counters.duplicates == sum(one.duplicates for one in true)
    assert counters.timed_out == counters.lost == counters.backlog == counters.orphans == 0
    for name, number in (
        ("sent", jobs),
        ("succeeded", statuses["SUCCESS"]),
        ("partial", statuses["PARTIAL"]),
        ("failed", statuses["FAILED"]),
    ):
        assert summary_file[f"total_image_{name}"] == number, name
    return {
        **{status.lower(): number for status, number in sorted(statuses.items())},
        "duplicates": counters.duplicates,
        "jobs_per_second_end_to_end": round(jobs / result.summary.t, 1),
        "highest_backlog": backlog,
        "memory_mib_first_and_highest": [
            round(memory[0] / 2**20, 1),
            round(max(memory) / 2**20, 1),
        ],
        "log_mib": round((folder / "run.jsonl").stat().st_size / 2**20, 1),
        "job_status_mib": round((folder / "job_status.json").stat().st_size / 2**20, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(carry_out(arguments.jobs, arguments.rate, Path(folder)))
    print(json.dumps(result, indent=2))
    content = {
        "command": " ".join(["python", "benchmarks/end_to_end.py", *sys.argv[1:]]),
        "machine": {"python": platform.python_version(), "system": platform.platform()},
        "result": result,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "end_to_end.json").write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
