"""Does the verdict cry wolf, and does it see the wolf: clean runs, and runs with planted faults.

    python -m benchmarks.verdicts --rate 4000 [--clean 10] [-o benchmarks/results/verdicts.json]

``--rate`` is that of the clean runs: half of what ``asyncload calibrate`` certifies for the
machine. Each run goes through the command line, against a server in a process of its own; what
counts is the exit code and the codes of the verdict.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

ROOT = Path(__file__).resolve().parent.parent
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
ELSEWHERE = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n"

USERS = """
import time

from asyncload import User, task


class Sleeper(User):
    base_url = "URL"

    @task
    async def go(self):
        time.sleep(0.08)
        await self.http.get("/ok", name="ok")


class Pulse(User):
    base_url = "URL"
    last = 0.0

    @task
    async def go(self):
        if time.monotonic() - Pulse.last > 1:
            Pulse.last = time.monotonic()
            time.sleep(0.05)
        await self.http.get("/ok", name="ok")
"""


class Planted(NamedTuple):
    """A fault, the code that must name it, and the exit code."""

    name: str
    code: str
    exit_code: int
    load: str
    user: str
    more: str = ""
    pinned: bool = False


def http(path: str) -> str:
    return f"{{kind: http, base_url: 'URL', requests: [{{path: {path}}}]}}"


def constant(rate: float, seconds: float, more: str = "") -> str:
    return f"{{arrivals: poisson, shape: {{kind: constant, level: {rate:g}}}, duration: {seconds:g}s{more}}}"


FAULTS = [
    Planted("a busy loop beside a pinned generator", "generator_busy", 3,
            constant(12_000, 8), http("/ok"), pinned=True),
    Planted("user code that blocks 50 ms each second", "loop_blocked", 3,
            constant(50, 12), "{kind: 'planted_users:Pulse'}"),
    Planted("user code with time.sleep(0.08)", "loop_blocked", 3,
            constant(20, 8), "{kind: 'planted_users:Sleeper'}"),
    Planted("2 connections where 20 are needed", "connections_limited", 3,
            "{model: closed, shape: {kind: spawn, users: 20, spawn_rate: 1000}, duration: 6s}",
            http("/slow"), "connections: 2"),
    Planted("30 s at 50/s judged on a p99.9", "too_few_samples", 3,
            constant(50, 30), http("/ok"), "thresholds: [request.latency.p99.9 < 5s]"),
    Planted("twice the rate that the service can take", "unsteady", 3,
            constant(160, 30), http("/queue"), "drain: 5s"),
    Planted("max_in_flight of 4 where 20 are needed", "load_not_delivered", 3,
            constant(400, 6, ", max_in_flight: 4"), http("/slow")),
    Planted("a service that sheds half of its load by instant 503s", "threshold_failed", 1,
            constant(100, 8), http("/shed"), "thresholds: [request.latency.p95 < 200ms]"),
    Planted("a service that redirects every request", "all_failed", 1,
            constant(50, 5), http("/elsewhere"),
            "thresholds: [request.latency.p95 < 200ms, request.error_rate < 1%]"),
    Planted("a dead service", "target_unreachable", 1,
            constant(50, 5), "{kind: http, base_url: 'http://127.0.0.1:9', requests: [{path: /}]}",
            "thresholds: [request.latency.p95 < 200ms]"),
]  # fmt: skip


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer by path: well, slowly, one at a time, every other one not at all, or elsewhere."""
    number = 0
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            number += 1
            path = head.split(b" ", 2)[1]
            reply = ANSWER
            if path == b"/slow":
                await asyncio.sleep(0.05)
            elif path == b"/queue":
                async with QUEUE:  # 4 at a time, 50 ms each: 80/s
                    await asyncio.sleep(0.05)
            elif path == b"/shed":
                reply = BUSY if number % 2 else ANSWER
            elif path == b"/elsewhere":
                reply = ELSEWHERE
            else:
                await asyncio.sleep(0.005)
            writer.write(reply)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


QUEUE = asyncio.Semaphore(4)


def serve(ready: Any) -> None:
    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=4096)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def burn(core: int) -> None:
    os.sched_setaffinity(0, {core})
    while True:
        pass


@contextmanager
def process(target: Callable[..., None], *arguments: Any) -> Iterator[None]:
    child = multiprocessing.get_context("spawn").Process(target=target, args=arguments, daemon=True)
    child.start()
    try:
        yield
    finally:
        child.kill()
        child.join()


def run(folder: Path, load: str, user: str, more: str, *, pinned: bool = False) -> dict[str, Any]:
    """Run one config; give its exit code, its codes, and the figures they are judged by."""
    config = f"name: planted\nscenarios:\n  - {{name: s, load: {load}, user: {user}}}\n{more}\nlog: run.jsonl\n"
    (folder / "test.yaml").write_text(config)
    command = [sys.executable, "-m", "asyncload", "run", "test.yaml", "--quiet"]
    if pinned:
        command = ["taskset", "-c", "0", *command]
    ended = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    last = (folder / "run.jsonl").read_text().splitlines()[-1]
    summary = msgspec.json.decode(last)["summary"]
    requests = summary["requests"]
    health = summary["hosts"][0].get("health") or {}
    return {
        "exit_code": ended.returncode,
        "codes": sorted({reason["code"] for reason in summary["verdict"]["reasons"]}),
        "reasons": [reason["text"] for reason in summary["verdict"]["reasons"]],
        "rate": round(requests["rate"], 1),
        "lateness_p99": requests["lateness"]["p99"],
        "latency_p99": requests["latency"]["p99"],
        "cpu": health.get("cpu"),
        "cpu_wait": health.get("cpu_wait"),
        "load_average": os.getloadavg()[0],
    }


def main() -> None:
    """Run all of it and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=float, default=2000.0)
    parser.add_argument("--clean", type=int, default=10)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    parent, child = multiprocessing.Pipe()
    result: dict[str, Any] = {
        "command": f"python -m benchmarks.verdicts --rate {options.rate:g} --clean {options.clean}",
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "clean": [],
        "planted": [],
    }
    with tempfile.TemporaryDirectory() as name, process(serve, child):
        folder, url = Path(name), f"http://127.0.0.1:{parent.recv()}"
        (folder / "planted_users.py").write_text(USERS.replace("URL", url))
        for number in range(options.clean):
            seeded = (
                f"seed: {number}\nthresholds: [request.latency.p95 < 1s, request.error_rate < 1%]"
            )
            came = run(folder, constant(options.rate, 10), http("/ok").replace("URL", url), seeded)
            result["clean"].append(came)
            print(
                f"clean {number + 1:>2}: exit {came['exit_code']} {came['codes'] or ''}", flush=True
            )
        for fault in FAULTS:
            beside = process(burn, 0) if fault.pinned else process(time.sleep, 0)
            with beside:
                user = fault.user.replace("URL", url)
                came = run(folder, fault.load, user, fault.more, pinned=fault.pinned)
            came |= {"fault": fault.name, "code": fault.code, "named": fault.code in came["codes"]}
            came["exit_code_right"] = came["exit_code"] == fault.exit_code
            result["planted"].append(came)
            print(
                f"{'named' if came['named'] else 'MISSED'}: {fault.name}: "
                f"exit {came['exit_code']} {came['codes']}",
                flush=True,
            )
    alarms = sum(bool(one["codes"]) for one in result["clean"])
    named = sum(one["named"] and one["exit_code_right"] for one in result["planted"])
    result["alarms"] = alarms
    print(
        f"{alarms} of {options.clean} clean runs with an alarm; {named} of {len(FAULTS)} faults named"
    )
    if options.output is not None:
        options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
