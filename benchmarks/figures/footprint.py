"""Memory of users and jobs, start-up, and reading logs back."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.harness import PEERS, Contender, Figure, Folder, Measured, Target, generator
from benchmarks.product import config, run_product
from benchmarks.servers.nginx import nginx

USERS: Final = 100_000
JOBS: Final = 1_000_000
RECORDS: Final = 10_000_000
STARTS: Final = 15
"""Starts in a round."""


@contextmanager
def memory_user(seconds: float) -> Iterator[Figure]:
    """Give the figure of bytes for each idle user."""
    length = max(seconds, 20.0)
    with nginx() as target:
        http = {
            "kind": "http",
            "base_url": target.url,
            "requests": [{"path": "/"}],
            "wait": "1h",
        }
        yield Figure(
            name="memory_user",
            title=f"idle user, {USERS:,} of them on one core",
            unit="bytes",
            contenders=[
                Contender(
                    "user class",
                    lambda: _users({"kind": "benchmarks.ours.users:Idle"}, length),
                ),
                Contender("kind: http, after one request", lambda: _users(http, length)),
            ],
            targets=[
                Target(contender="user class", at_most=4_096),
                Target(contender="kind: http, after one request", at_most=4_096),
            ],
            note=(
                f"Resident memory of `asyncload run` with {USERS:,} users asleep, less that of the "
                "same run with one, for each user; log, statistics and connections included. "
                "`all_asleep_s` is when the last of them had gone to sleep."
            ),
            rounds=1,
        )


def _users(user: dict[str, Any], seconds: float) -> Measured:
    def run(users: int, length: float) -> Any:
        load = {
            "model": "closed",
            "shape": {"kind": "constant", "level": users},
            "duration": length,
        }
        return run_product(config({"name": "load", "load": load, "user": user}), length)

    one, many = run(1, 3.0), run(USERS, seconds)
    least = one.log.memory[-2][1]
    most = max(memory for t, memory in many.log.memory if t < seconds)
    asleep = float((many.log.latency + many.log.lateness).max()) if many.log.requests else 0.0
    return Measured(
        value=(most - least) / USERS,
        command=many.process.command,
        details={
            "users": USERS,
            "cpu_s": round(many.process.cpu, 1),
            "slowest_first_request_s": round(asleep, 2),
            "peak_rss_mb": round(many.process.peak_rss / 1e6),
            "requests": many.log.requests,
            "loop_lag_s": round(many.log.loop_lag, 3),
        },
    )


@contextmanager
def memory_job(_: float) -> Iterator[Figure]:
    """Give the figure of bytes for each live job."""
    yield Figure(
        name="memory_job",
        title=f"live job in the ledger, {JOBS:,} of them",
        unit="bytes",
        contenders=[Contender("asyncload", _jobs)],
        targets=[Target(contender="asyncload", at_most=400)],
        note="Resident memory that a million accepted jobs with UUIDs as message ids add.",
        rounds=1,
    )


def _jobs() -> Measured:
    command = [sys.executable, "-m", "benchmarks.ours.ledger_memory", str(JOBS)]
    done = generator(command, limit=120)
    answer = json.loads(done.stdout)
    return Measured(value=answer["rss"], command=done.command, details=answer)


@contextmanager
def plot(_: float) -> Iterator[Figure]:
    """Give the figure of reading a log of ten million records."""
    with Folder() as folder:
        log = folder / "run.jsonl"
        command = [sys.executable, "-m", "benchmarks.ours.make_log", log, str(RECORDS)]
        made = json.loads(generator(command, limit=600, core=None).stdout)
        yield Figure(
            name="plot",
            title="reading back 10 million records",
            unit="records/s",
            contenders=[
                Contender("plot", lambda: _read(["plot", log, "-o", folder / "plots"], made)),
                Contender("summary", lambda: _read(["summary", log], made)),
            ],
            targets=[Target(contender="plot", at_least=1_000_000)],
            note=(
                f"{made['records']:,} records, {made['bytes'] / 1e9:.1f} GB, half requests, half "
                "jobs; the whole command, start-up and drawing included, on all cores. Resident "
                "memory must stay below 2 GB."
            ),
        )


def _read(arguments: Sequence[object], made: dict[str, int]) -> Measured:
    done = generator([sys.executable, "-m", "asyncload", *arguments], limit=900, core=None)
    return Measured(
        value=made["records"] / done.seconds,
        command=done.command,
        details={
            "seconds": round(done.seconds, 2),
            "cpu_s": round(done.cpu, 2),
            "peak_rss_mb": round(done.peak_rss / 1e6),
        },
    )


@contextmanager
def startup(_: float) -> Iterator[Figure]:
    """Give the figure of how long it takes to start."""
    script = Path(sys.executable).with_name("asyncload")
    ours = [script] if script.exists() else [sys.executable, "-m", "asyncload"]
    commands: dict[str, list[object]] = {
        "asyncload --help": [*ours, "--help"],
        "import asyncload": [sys.executable, "-c", "import asyncload"],
        "python alone": [sys.executable, "-c", "pass"],
        "locust --help": [PEERS / "locust", "--help"],
    }
    yield Figure(
        name="startup",
        title="start-up",
        unit="s",
        contenders=[
            Contender(name, partial(_start, command)) for name, command in commands.items()
        ],
        targets=[Target(contender="asyncload --help", at_most=0.25)],
        note=f"Each round is the median of {STARTS} starts, files in the page cache.",
    )


def _start(command: Sequence[object]) -> Measured:
    took = []
    shown = ""
    for number in range(STARTS + 1):
        begun = time.perf_counter()
        shown = generator(command, limit=60).command
        if number:  # the first one warms the page cache
            took.append(time.perf_counter() - begun)
    return Measured(
        value=statistics.median(took),
        command=shown,
        details={"least": min(took), "most": max(took)},
    )


FIGURES = {
    "memory_user": memory_user,
    "memory_job": memory_job,
    "plot": plot,
    "startup": startup,
}
