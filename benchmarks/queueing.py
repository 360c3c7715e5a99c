"""Holds latencies against queueing theory, and against what the server knows of each request.

    python -m benchmarks.queueing [--seconds 480] [--warmup 20] [--scale 1]

A server on loopback, in a process of its own, is many independent M/M/c queues with a mean
service of 50 ms (``servers/stations.py``). asyncload sends Poisson arrivals. Its percentiles are
compared with the formula's (``theory.py``), and each latency in its log with the time from the
request's arrival at the server to its answer in the server's. Writes
``benchmarks/results/queueing.json``.

The 95 % interval of a percentile comes from 10 batches of queues, which are independent of each
other: ± t · s / √10 of the percentiles of the batches. An interval under 2 % at the p50 of M/M/1 at
90 % takes about 200,000 seconds of queues: on a machine with nothing else to do, ``--seconds 1430
--scale 0.7``, 3,900 requests a second.

Most of the difference from the formula is chance: that of one run's arrivals and services. The
server's own log has the same chance in it, and the formula's percentiles as its expectation. As a
control variate it takes the chance out: ``controlled`` is percentile − server's + formula's.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import yaml

from benchmarks.harness import (
    RESULTS,
    Finished,
    Folder,
    free_port,
    generator,
    machine,
    server,
    versions,
)
from benchmarks.servers.stations import CUSTOMER
from benchmarks.theory import Station, percentile

STATIONS: Final = {
    "M/M/1 at 50 %": Station(servers=1, rho=0.5, mean=0.05, queues=20),
    "M/M/1 at 80 %": Station(servers=1, rho=0.8, mean=0.05, queues=50),
    "M/M/1 at 90 %": Station(servers=1, rho=0.9, mean=0.05, queues=200),
    "M/M/4 at 80 %": Station(servers=4, rho=0.8, mean=0.05, queues=10),
}
PERCENTS: Final = (50, 90, 99)
BATCHES: Final = 10
_T: Final = 2.262  # Student's t, 95 % two-sided, BATCHES − 1 degrees of freedom
SENT: Final = np.dtype(
    [("station", "i2"), ("user", "i4"), ("number", "i4"), ("due", "f8"), ("start", "f8"),
     ("end", "f8")]
)  # fmt: skip


class Line(msgspec.Struct, gc=False):
    """What is needed of a line of the log."""

    type: str
    scenario: str = ""
    user: int = -1
    due: float = 0.0
    start: float = math.nan
    end: float = 0.0
    outcome: str = ""
    summary: dict[str, Any] = {}


class Load(threading.Thread):
    """Notes the load average every ten seconds."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.seen: list[float] = [round(os.getloadavg()[0], 2)]

    def run(self) -> None:
        while not self.over.wait(10):
            self.seen.append(round(os.getloadavg()[0], 2))


def config(stations: dict[str, Station], url: str, seconds: float, warmup: float) -> dict[str, Any]:
    scenarios = [
        {
            "name": name,
            "load": {
                "model": "open",
                "arrivals": "poisson",
                "shape": {"kind": "constant", "level": station.arrivals * station.queues},
                "duration": warmup + seconds,
                "max_in_flight": 20_000,
            },
            "user": {
                "kind": "benchmarks.ours.customers:Customer",
                "base_url": url,
                "station": index,
                "queues": station.queues,
            },
        }
        for index, (name, station) in enumerate(stations.items())
    ]
    return {
        "name": "queueing",
        "seed": 1,
        "drain": "60s",
        "warmup": warmup,
        "connections": 18_000,
        "scenarios": scenarios,
    }


def run(
    stations: dict[str, Station], seconds: float, warmup: float
) -> tuple[Finished, Any, Any, dict[str, Any]]:
    """Give the process, what asyncload logged, what the server did, and asyncload's summary."""
    with Folder() as folder:
        port, file = free_port(), folder / "customers"
        described = json.dumps([msgspec.to_builtins(station) for station in stations.values()])
        command = [sys.executable, "-m", "benchmarks.servers.stations", port, file, described]
        with server(command, port) as process:
            settings = config(stations, f"http://127.0.0.1:{port}", seconds, warmup)
            path, log = folder / "queueing.yaml", folder / "run.jsonl"
            path.write_text(yaml.safe_dump(settings, sort_keys=False))
            done = generator(
                [sys.executable, "-m", "asyncload", "run", path, "--quiet", "--log", log],
                limit=seconds + warmup + 180,
                good=(0, 3),
            )
            process.terminate()
            process.wait(120)
            sent, summary = read(log, list(stations))
        return done, sent, np.fromfile(file, CUSTOMER), summary


def read(log: Path, names: list[str]) -> tuple[Any, dict[str, Any]]:
    """Read the requests of a log, numbered by user in the order in which they were due."""
    decode = msgspec.json.Decoder(Line).decode
    rows, summary = [], {}
    with log.open("rb") as lines:
        for text in lines:
            line = decode(text)
            if line.type == "request" and line.outcome != "dropped":  # see the summary
                if line.outcome != "ok":
                    raise RuntimeError(f"a request of {line.scenario}: {line.outcome}")
                station = names.index(line.scenario)
                rows.append((station, line.user, 0, line.due, line.start, line.end))
            elif line.type == "summary":
                summary = line.summary
    sent = np.array(rows, SENT)
    sent.sort(order=["station", "user", "start"])
    first = np.ones(len(sent), bool)
    first[1:] = (sent["station"][1:] != sent["station"][:-1]) | (
        sent["user"][1:] != sent["user"][:-1]
    )
    starts = np.flatnonzero(first)
    sent["number"] = np.arange(len(sent)) - np.repeat(starts, np.diff([*starts, len(sent)]))
    return sent, summary


def compare(
    stations: dict[str, Station], sent: Any, customers: Any, summary: dict[str, Any], warmup: float
) -> list[dict[str, Any]]:
    """Compare station by station. Times in ms."""
    customers.sort(order=["station", "user", "number"])
    for key in ("station", "user", "number"):
        if len(sent) != len(customers) or (sent[key] != customers[key]).any():
            raise RuntimeError(f"{len(sent)} in the log, {len(customers)} at the server")
    rows = {row["scenario"]: row for row in summary["requests_by_name"]}
    results = []
    for index, (name, station) in enumerate(stations.items()):
        ours = (sent["station"] == index) & (sent["due"] >= warmup)
        latency = (sent["end"] - sent["due"])[ours] * 1000
        service = (sent["end"] - sent["start"])[ours] * 1000
        sojourn = (customers["answered"] - customers["arrived"])[ours] * 1000
        batch = customers["queue"][ours] % BATCHES
        summed = rows[name]["latency"]
        percentiles = {}
        for percent in PERCENTS:
            exact = percentile(station, percent) * 1000
            measured = summed[f"p{percent}"] * 1000
            parts = [float(np.percentile(latency[batch == n], percent)) for n in range(BATCHES)]
            at_server = float(np.percentile(sojourn, percent))
            served = [float(np.percentile(sojourn[batch == n], percent)) for n in range(BATCHES)]
            apart = np.subtract(parts, served)
            percentiles[f"p{percent}"] = {
                "formula_ms": round(exact, 2),
                "asyncload_ms": round(measured, 2),
                "off_percent": round((measured / exact - 1) * 100, 2),
                "interval_percent": round(
                    _T * np.std(parts, ddof=1) / BATCHES**0.5 / exact * 100, 2
                ),
                "controlled_off_percent": round((measured - at_server) / exact * 100, 2),
                "controlled_interval_percent": round(
                    _T * np.std(apart, ddof=1) / BATCHES**0.5 / exact * 100, 2
                ),
                "server_ms": round(at_server, 2),
                "log_minus_server_ms": round(float(np.percentile(latency, percent)) - at_server, 3),
            }
        results.append(
            {
                "station": name,
                "queues": station.queues,
                "requests": len(latency),
                "rate_each": round(len(latency) / station.queues / span(sent, ours), 3),
                "percentiles": percentiles,
                "max_ms": {
                    "asyncload": round(summed["max"] * 1000, 2),
                    "server": round(sojourn.max(), 2),
                },
                "latency_minus_sojourn_ms": spread(latency - sojourn),
                "service_time_minus_sojourn_ms": spread(service - sojourn),
            }
        )
    return results


def span(sent: Any, ours: Any) -> float:
    """Seconds from the first to the last due."""
    due = sent["due"][ours]
    return float(due.max() - due.min())


def spread(values: Any) -> dict[str, float]:
    """Tell how differences are distributed, ms."""
    p50, p99, p999 = np.percentile(values, [50, 99, 99.9])
    return {
        "p50": round(float(p50), 3),
        "p99": round(float(p99), 3),
        "p99.9": round(float(p999), 3),
        "max": round(float(values.max()), 3),
        "over_1_ms_percent": round(float((values > 1).mean()) * 100, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queueing", description=__doc__)
    parser.add_argument("--seconds", type=float, default=480)
    parser.add_argument("--warmup", type=float, default=20)
    parser.add_argument("--scale", type=float, default=1, help="of the numbers of queues")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for the result")
    given = parser.parse_args()
    stations = {
        name: msgspec.structs.replace(one, queues=max(round(one.queues * given.scale), BATCHES))
        for name, one in STATIONS.items()
    }
    load, begun = Load(), time.monotonic()
    load.start()
    done, sent, customers, summary = run(stations, given.seconds, given.warmup)
    load.over.set()
    results = compare(stations, sent, customers, summary, given.warmup)
    content = {
        "command": " ".join(["python -m benchmarks.queueing", *sys.argv[1:]]),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "load_average": {"before": load.seen[0], "during": load.seen[1:]},
        "wall_s": round(time.monotonic() - begun, 1),
        "generator_cpu_s": round(done.cpu, 1),
        "last_line": done.stdout.strip().splitlines()[-1:],
        "verdict": verdict(done.stdout),
        "dropped": summary["requests"]["dropped"],
        "warmup_s": given.warmup,
        "mean_service_ms": 50,
        "results": results,
    }
    given.output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (given.output / "queueing.json").write_text(text, encoding="utf-8")
    print(text)


def verdict(report: str) -> list[str]:
    """Find the reasons of the verdict in the final table."""
    codes = ("generator_", "loop_", "connections_", "clock_", "unsteady", "load_not", "log_")
    return [line.strip() for line in report.splitlines() if line.startswith(codes)]


if __name__ == "__main__":
    main()
