"""Holds what asyncload measured against what the simulated service says it did.

    python benchmarks/accuracy.py [--jobs-per-second 20] [--seconds 60]

Runs jobs on the embedded stack and prints, for every job: observed status
time - true finish time (how late a waiting user wakes up), and the error of
each part of the job's latency. Writes ``benchmarks/results/accuracy.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import sys
import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import numpy as np

import asyncload
from asyncload import AwsConfig, LocalSettings, Plan, Scenario, UserSpec, shapes
from asyncload.local.ground_truth import JobTruth, read_ground_truth
from asyncload.local.settings import ServiceTime
from asyncload.plan import Duration
from asyncload.records.log import LogReader
from asyncload.records.record import Job, RunHeader

RESULTS = Path(__file__).parent / "results"


def figures(seconds: Iterable[float]) -> dict[str, float]:
    """p50, p99 and maximum in milliseconds."""
    values = np.array(list(seconds)) * 1000
    return {
        "p50_ms": round(float(np.percentile(values, 50)), 2),
        "p99_ms": round(float(np.percentile(values, 99)), 2),
        "max_ms": round(float(values.max()), 2),
    }


async def measure(level: float, seconds: float, folder: Path) -> dict[str, object]:
    plan = Plan(
        name="accuracy",
        seed=1,
        drain=60,
        scenarios=(
            Scenario(
                name="jobs",
                user=UserSpec("model_runner"),
                shape=shapes.Constant(level),
                arrivals="poisson",
                duration=seconds,
            ),
        ),
    )
    local = LocalSettings(
        workers=64,
        service_time=ServiceTime(mean=Duration(0.3)),
        truth_log=str(folder / "truth.jsonl"),
        seed=1,
    )
    result = await asyncload.run(
        plan, aws=AwsConfig(endpoint_url="local"), local=local, log=folder / "run.jsonl"
    )
    assert result.log is not None
    epoch = 0.0
    jobs: dict[str, Job] = {}
    for record in LogReader(result.log):
        if isinstance(record, RunHeader):
            epoch = datetime.fromisoformat(record.started_at).timestamp()
        elif isinstance(record, Job):
            jobs[record.job_id] = record
    ground_truth = {
        one.job_id: one
        for one in read_ground_truth(folder / "truth.jsonl")
        if isinstance(one, JobTruth)
    }
    pairs = [(jobs[key], ground_truth[key]) for key in jobs if key in ground_truth]
    assert len(pairs) == len(jobs) == len(ground_truth), "the job counters do not add up"
    return {
        "jobs": len(pairs),
        "jobs_per_second": level,
        "observed - true finish": figures(
            job.observed + epoch - true.finished for job, true in pairs if job.observed is not None
        ),
        "error of started": figures(
            abs(job.started + epoch - true.started)
            for job, true in pairs
            if job.started is not None
        ),
        "error of processing": figures(
            abs((job.finished - job.started) - (true.finished - true.started))
            for job, true in pairs
            if job.finished is not None and job.started is not None
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs-per-second", type=float, nargs="+", default=[5, 20, 60])
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    results = []
    for level in arguments.jobs_per_second:
        with tempfile.TemporaryDirectory() as folder:
            results.append(asyncio.run(measure(level, arguments.seconds, Path(folder))))
        print(json.dumps(results[-1], indent=2))
    RESULTS.mkdir(exist_ok=True)
    content = {
        "command": " ".join(["python", "benchmarks/accuracy.py", *sys.argv[1:]]),
        "machine": {"python": platform.python_version(), "system": platform.platform()},
        "results": results,
    }
    (RESULTS / "accuracy.json").write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
