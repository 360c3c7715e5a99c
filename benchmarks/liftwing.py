"""Holds our statistics of a KServe server against Locust's, on one server in the same minutes.

    python -m benchmarks.liftwing [--rounds 3] [--seconds 60]

Starts KServe's server with the models of ``tests/liftwing/kserve_models.py``, each answer a sleep
of 50 ms, and sends the same load with Locust and with asyncload: half of the users ask about
revisions, half have prompts completed. In each round first Locust, then ours, then both at the
same time. Both write their ``_stats.csv``; what is compared is Requests/s and the median of
each row. Needs ``benchmarks/peers.sh``. Writes ``benchmarks/results/liftwing.json``.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.harness import (
    PEERS,
    RESULTS,
    ROOT,
    Folder,
    free_port,
    generator,
    machine,
    server,
    versions,
)
from tests.liftwing.kserve_environment import kserve_python, requirements

WORK_TIME: Final = 0.05
SPAWNING: Final = 6
"""Seconds in which users join, as many at the beginning of each: so Locust spawns them."""
LOADS: Final = {"1 s": (60, "1"), "1 to 5 s": (180, "1-5")}
"""Wait between requests: users, and the wait for Locust. About 57 and 59 requests a second."""
REVISIONS: Final = "/v1/models/revertrisk-language-agnostic:predict"
PROMPTS: Final = "/openai/v1/completions"


def scenario(users: int, wait: str, seconds: float, url: str, request: Mapping[str, Any]) -> Any:
    """One of the two scenarios."""
    low, _, high = wait.partition("-")
    return {
        "load": {
            "model": "closed",
            "shape": {"kind": "ramp", "max": users, "step": users // SPAWNING, "every": 1},
            "duration": seconds,
        },
        "user": {
            "kind": "http",
            "base_url": url,
            "wait": {"between": [float(low), float(high)]} if high else float(low),
            "requests": [{"method": "POST", **request}],
        },
    }


def config(users: int, wait: str, seconds: float, url: str, seed: int) -> dict[str, Any]:
    """Our side, as ``configs/liftwing`` has it."""
    revisions = {
        "path": REVISIONS,
        "headers": {"Host": "revertrisk-language-agnostic.revertrisk.wikimedia.org"},
        "json": {"rev_id": "{{ random_int(1, 1000000000) }}", "lang": "en"},
    }
    prompts = {
        "path": PROMPTS,
        "headers": {"Host": "llm.experimental.wikimedia.org"},
        "json": {
            "model": "llm",
            "prompt": "{{ repeat('What is Wikipedia', random_int(5, 200), ' ') }}",
            "max_tokens": "{{ random_int(10, 1000) }}",
        },
    }
    requests = {"revisions": revisions, "prompts": prompts}
    return {
        "seed": seed,
        "scenarios": [
            {"name": name, **scenario(users // 2, wait, seconds, url, request)}
            for name, request in requests.items()
        ],
    }


def asyncload(
    folder: Path, users: int, wait: str, seconds: float, url: str, *, seed: int
) -> dict[str, Any]:
    """Run ours."""
    path = folder / "ours.yaml"
    path.write_text(yaml.safe_dump(config(users, wait, seconds, url, seed)))
    command = [sys.executable, "-m", "asyncload", "run", path, "--quiet"]
    command += ["--log", folder / "ours.jsonl", "--csv", folder / "ours"]
    generator(command, limit=seconds + 60)
    return rows(folder / "ours_stats.csv")


def locust(folder: Path, users: int, wait: str, seconds: float, url: str) -> dict[str, Any]:
    """Run Locust."""
    script = ROOT / "benchmarks" / "peers" / "locust_liftwing.py"
    command = ["env", f"WAIT={wait}", PEERS / "locust", "-f", script, "--headless", "-H", url]
    command += [
        "-u",
        users,
        "-r",
        users // SPAWNING,
        "-t",
        f"{seconds:g}s",
        "--csv",
        folder / "locust",
    ]
    generator([*command, "--only-summary"], limit=seconds + 60)
    return rows(folder / "locust_stats.csv")


def rows(path: Path) -> dict[str, Any]:
    """Read what matters of a ``_stats.csv``. Raises RuntimeError when something failed."""
    with path.open(newline="") as file:
        found = {row["Name"]: row for row in csv.DictReader(file)}
    if any(row["Failure Count"] != "0" for row in found.values()):
        raise RuntimeError(f"{path.name} has failures")
    return {
        name: {
            "requests": int(row["Request Count"]),
            "rate": round(float(row["Requests/s"]), 3),
            "median_ms": float(row["Median Response Time"]),
            "average_ms": round(float(row["Average Response Time"]), 2),
        }
        for name, row in found.items()
    }


def measure(rounds: int, seconds: float, url: str) -> Iterator[dict[str, Any]]:
    """Carry out all rounds of both loads."""
    for number in range(1, rounds + 1):
        for wait, (users, shown) in LOADS.items():
            one = {"round": number, "wait": wait, "users": users}
            load = (users, shown, seconds, url)
            with Folder() as folder:
                theirs = locust(folder, *load)
                yield printed(
                    {
                        **one,
                        "in": "turn",
                        "locust": theirs,
                        "ours": asyncload(folder, *load, seed=number),
                    }
                )
            with Folder() as folder, ThreadPoolExecutor() as pool:
                first = pool.submit(locust, folder, *load)
                second = pool.submit(asyncload, folder, *load, seed=number)
                yield printed(
                    {**one, "in": "step", "locust": first.result(), "ours": second.result()}
                )


def printed(one: dict[str, Any]) -> dict[str, Any]:
    """Print a round, and give it."""
    for name, ours in one["ours"].items():
        theirs = one["locust"][name]
        print(
            f"{one['round']} wait {one['wait']}, in {one['in']}: {name}: "
            f"rate {theirs['rate']} and {ours['rate']}, "
            f"median {theirs['median_ms']} and {ours['median_ms']} ms",
            flush=True,
        )
    return one


def differences(measured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ours / Locust's − 1 in per cent: the median over the rounds, and the largest of them."""
    table = []
    for wait in LOADS:
        for how in ("turn", "step"):
            chosen = [one for one in measured if one["wait"] == wait and one["in"] == how]
            for name in chosen[0]["ours"]:
                line: dict[str, Any] = {"wait": wait, "in": how, "name": name}
                for metric in ("rate", "median_ms", "average_ms"):
                    changes = [
                        (one["ours"][name][metric] / one["locust"][name][metric] - 1) * 100
                        for one in chosen
                    ]
                    line[f"{metric} %"] = {
                        "median": round(statistics.median(changes), 2),
                        "largest": round(max(changes, key=abs), 2),
                    }
                table.append(line)
    return table


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    port = free_port()
    models = ROOT / "tests" / "liftwing" / "kserve_models.py"
    command = [kserve_python(), models, "--http_port", port, "--work_time", WORK_TIME]
    with server(command, port):
        url = f"http://127.0.0.1:{port}"
        measured = list(measure(arguments.rounds, arguments.seconds, url))
    result = {
        "figure": "liftwing",
        "title": "Statistics of a KServe server, ours and Locust's",
        "command": " ".join(["python -m benchmarks.liftwing", *sys.argv[1:]]),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": {**versions(), "kserve": requirements()[0].rpartition("=")[2]},
        "differences": differences(measured),
        "rounds": measured,
    }
    print(json.dumps(result["differences"], indent=1))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "liftwing.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
