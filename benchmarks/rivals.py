"""Running the peers, each for so many seconds on the generator's core."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from benchmarks.bodies import prediction
from benchmarks.harness import PEERS, ROOT, Finished, Folder, Measured, generator

BODY = json.dumps(prediction(1, 1), separators=(",", ":"))


def hey(url: str, seconds: float, connections: int, *, post: bool = False) -> Measured:
    """Run hey; requests/s."""
    body = ["-m", "POST", "-T", "application/json", "-d", BODY] if post else []
    command = ["hey", "-z", f"{seconds:g}s", "-c", str(connections), *body, url]
    done = generator(command, limit=seconds + 30)
    return Measured(
        value=_number(r"Requests/sec:\s+([\d.]+)", done), command=done.command, details=_cost(done)
    )


def wrk(url: str, seconds: float, connections: int, *, post: bool = False) -> Measured:
    """Run wrk with one thread; requests/s."""
    with Folder() as folder:
        body = folder / "body.json"
        body.write_text(BODY)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s"]
        if post:
            script = ROOT / "benchmarks" / "peers" / "post.lua"
            command = ["env", f"WRK_BODY={body}", *command, "-s", str(script)]
        done = generator([*command, url], limit=seconds + 30)
    return Measured(
        value=_number(r"Requests/sec:\s+([\d.]+)", done), command=done.command, details=_cost(done)
    )


def aiobotocore(url: str, seconds: float, tasks: int, *, doing: str = "send") -> Measured:
    """Run the plain aiobotocore loop; messages/s."""
    script = ROOT / "benchmarks" / "peers" / "aiobotocore_loop.py"
    command = [sys.executable, script, doing, url, str(tasks), f"{seconds:g}"]
    done = generator(command, limit=seconds + 60)
    answer = json.loads(done.stdout)
    messages = answer["messages"]
    return Measured(
        value=messages / answer["seconds"],
        command=done.command,
        details={
            **_cost(done),
            "messages": messages,
            "cpu_us_each": round(done.cpu / messages * 1e6, 1),
        },
    )


def locust(
    script: str,
    user: str,
    url: str,
    seconds: float,
    users: int,
    *,
    environment: Mapping[str, str] | None = None,
    **more: Any,
) -> Measured:
    """Run Locust without its web page; requests/s, from its first to its last answer."""
    settings = [f"{name}={value}" for name, value in (environment or {}).items()]
    path = ROOT / "benchmarks" / "peers" / script
    command = ["env", *settings] if settings else []
    command += [
        str(PEERS / "locust"), "-f", str(path), "--headless", "--only-summary", "--json",
        "--skip-log-setup", "-H", url, "-u", str(users), "-r", str(users), "-t", f"{seconds:g}s",
        "--stop-timeout", "10", user,
    ]  # fmt: skip
    done = generator(command, limit=seconds + 90, **more)
    [stats] = msgspec.json.decode(done.stdout[done.stdout.index("[") :])
    span = stats["last_request_timestamp"] - stats["start_time"]
    if stats["num_failures"]:
        raise RuntimeError(f"{done.command}: {stats['num_failures']} requests failed")
    times = {float(key): number for key, number in stats["response_times"].items()}
    return Measured(
        value=stats["num_requests"] / span,
        command=done.command,
        details={
            **_cost(done),
            "requests": stats["num_requests"],
            "p50_ms": _percentile(times, 50),
            "p99_ms": _percentile(times, 99),
            "max_ms": round(stats["max_response_time"], 3),
        },
    )


def _percentile(times: Mapping[float, int], percent: float) -> float:
    """Nearest rank in Locust's table of rounded response times, ms."""
    rank = sum(times.values()) * percent / 100
    seen = 0
    for value in sorted(times):
        seen += times[value]
        if seen >= rank:
            return value
    return 0.0


def _number(pattern: str, done: Finished) -> float:
    found = re.search(pattern, done.stdout)
    if found is None:
        raise RuntimeError(f"{done.command} does not tell its rate: {done.stdout[-500:]}")
    return float(found[1])


def _cost(done: Finished) -> dict[str, Any]:
    return {"cpu_s": round(done.cpu, 2), "peak_rss_mb": round(done.peak_rss / 1e6)}
