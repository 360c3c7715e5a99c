"""Running asyncload itself, as a user would, and reading what its log says."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml

from asyncload.records.log import LogReader
from asyncload.records.record import Job, Request, System
from benchmarks.harness import Finished, Folder, generator


class Log(msgspec.Struct, kw_only=True):
    """What one run recorded."""

    outcomes: dict[str, int]
    """Requests by outcome."""
    jobs: dict[str, int]
    """Jobs by status."""
    in_time: int
    """Requests answered well within the planned load."""
    accepted_in_time: int
    """Jobs the queue accepted within the planned load."""
    latency: Any
    lateness: Any
    memory: list[tuple[float, int]]
    """Resident bytes of the generator by time."""
    loop_lag: float
    bytes: int

    @property
    def requests(self) -> int:
        """Requests that went out."""
        return sum(number for outcome, number in self.outcomes.items() if outcome != "dropped")


class Run(msgspec.Struct):
    """One run of asyncload: the process, and its log."""

    process: Finished
    log: Log


def config(scenario: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Make a config of one scenario."""
    return {"name": "benchmark", "seed": 1, "drain": "10s", **more, "scenarios": [scenario]}


def closed(users: int, seconds: float, user: Mapping[str, Any]) -> dict[str, Any]:
    """Make a scenario of ``users`` users who never wait."""
    load = {
        "model": "closed",
        "shape": {"kind": "constant", "level": users},
        "duration": seconds,
    }
    return {"name": "load", "load": load, "user": {"wait": 0, **user}}


def run_product(
    settings: Mapping[str, Any],
    seconds: float,
    *,
    during: Callable[[int], None] | None = None,
    good: tuple[int, ...] = (0,),
) -> Run:
    """``asyncload run`` of a config, log and all, on the generator's core."""
    with Folder() as folder:
        path = folder / "benchmark.yaml"
        path.write_text(yaml.safe_dump(dict(settings), sort_keys=False))
        log = folder / "run.jsonl"
        command = [sys.executable, "-m", "asyncload", "run", path, "--quiet", "--log", log]
        process = generator(command, limit=4 * seconds + 60, during=during, good=good)
        return Run(process, read_log(log, seconds))


def read_log(path: Path, seconds: float) -> Log:
    """Read the log of a load of ``seconds``."""
    outcomes: Counter[str] = Counter()
    jobs: Counter[str] = Counter()
    latency: list[float] = []
    lateness: list[float] = []
    memory: list[tuple[float, int]] = []
    in_time = accepted_in_time = 0
    lag = 0.0
    for record in LogReader(path):
        if isinstance(record, Request):
            outcomes[record.outcome] += 1
            if record.start is not None:
                latency.append(record.end - record.due)
                lateness.append(record.start - record.due)
                in_time += record.outcome == "ok" and record.end <= seconds
        elif isinstance(record, Job):
            jobs[record.status] += 1
            accepted_in_time += record.accepted is not None and record.accepted <= seconds
        elif isinstance(record, System):
            memory.append((record.t, record.memory or 0))
            lag = max(lag, record.loop_lag or 0.0)
    return Log(
        outcomes=dict(outcomes),
        jobs=dict(jobs),
        in_time=in_time,
        accepted_in_time=accepted_in_time,
        latency=np.array(latency),
        lateness=np.array(lateness),
        memory=memory,
        loop_lag=lag,
        bytes=path.stat().st_size,
    )


def milliseconds(values: Any) -> dict[str, float]:
    """p50, p99 and maximum by nearest rank, in ms."""
    p50, p99 = np.percentile(values, [50, 99], method="inverted_cdf")
    return {
        "p50_ms": round(float(p50) * 1000, 4),
        "p99_ms": round(float(p99) * 1000, 4),
        "max_ms": round(float(values.max()) * 1000, 4),
    }
