"""Writes a log of so many records, as a long run would leave it.

    python -m benchmarks.ours.make_log FILE RECORDS

Half are requests, half are jobs, at 5,000/s of each, with a level a second.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import msgspec

from asyncload.records.record import Job, Level, Record, Request, RunHeader

PER_SECOND = 5_000
CHUNK = 10_000


def records(first: int, last: int, rng: random.Random) -> list[Record]:
    """Requests and jobs number ``first`` to ``last``, in order of their times."""
    made: list[Record] = []
    for number in range(first, last):
        due = round(number / PER_SECOND, 6)
        start = round(due + 0.0001, 6)
        end = round(start + rng.lognormvariate(-4.5, 0.5), 6)
        bad = number % 1000 == 0
        made.append(
            Request(
                end, "jobs", number % 64, "sqs.SendMessage", due, end,
                "failed" if bad else "ok", start, end, 503 if bad else 200, 1024, 300,
                "ServiceUnavailable" if bad else None,
            )
        )  # fmt: skip
        begun = round(end + 0.2, 6)
        finished = round(begun + rng.lognormvariate(0.0, 0.4), 6)
        observed = round(finished + 0.05, 6)
        made.append(
            Job(
                t=observed,
                scenario="jobs",
                job_id=f"be7cbe7cbe7c0000{number:016x}",
                name="scene.ntf:centerpoint",
                due=due,
                start=start,
                accepted=end,
                started=begun,
                finished=finished,
                observed=observed,
                status="SUCCESS",
                processing_s=1.0,
                size=1 << 20,
                pixels=1 << 24,
                image="s3://osml-test-images-123456789012/scene.ntf",
                message_id="5fea7756-0ea4-451a-a703-a558b933e274",
            )
        )
        if number % PER_SECOND == 0:
            made.append(
                Level(float(number // PER_SECOND), "jobs", float(PER_SECOND), 64, 60, PER_SECOND)
            )
    return made


def main() -> None:
    file, pairs = Path(sys.argv[1]), int(sys.argv[2]) // 2
    rng = random.Random(1)
    encoder = msgspec.json.Encoder()
    load = {"model": "open", "arrivals": "even", "duration": pairs / PER_SECOND}
    header = RunHeader(
        schema=1, run_id="be7c" * 3, name="plot", started_at="2026-11-20T00:00:00+00:00", seed=1,
        config={"scenarios": [{"name": "jobs", "load": load}]}, host={}, versions={},
    )  # fmt: skip
    count = 1
    with file.open("wb") as out:
        out.write(encoder.encode(header) + b"\n")
        for first in range(0, pairs, CHUNK):
            made = records(first, min(first + CHUNK, pairs), rng)
            count += len(made)
            out.write(encoder.encode_lines(made))
    print(json.dumps({"records": count, "bytes": file.stat().st_size}))


if __name__ == "__main__":
    main()
