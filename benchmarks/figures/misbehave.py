"""A million requests at a server that misbehaves on purpose."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import yaml

from asyncload.records.log import LogReader
from asyncload.records.record import Request
from benchmarks.harness import Contender, Figure, Folder, Measured, free_port, generator, server
from benchmarks.servers.misbehaving import BEHAVIOURS, DROP_EACH

REQUESTS: Final = 1_000_000
LIMIT: Final = 420.0
"""Seconds after which a run counts as hung."""
USERS: Final = 64
TIMEOUT: Final = 0.5
GOOD: Final = 9_900
"""Weight of good requests; the others share about 1 % of all."""
OUTCOMES: Final = {
    "/good": "ok",
    "/byte-by-byte": "ok",
    "/informational": "ok",
    # The first byte is the whole answer; the connection is not used again.
    "/length-too-short": "ok",
    "/never": "timeout",
    "/length-too-long": "timeout",
}
"""What is to be recorded; ``failed`` for every other path."""


@contextmanager
def misbehave(_: float) -> Iterator[Figure]:
    """Give the figure."""
    yield Figure(
        name="misbehave",
        title=f"{REQUESTS:,} requests at a server that misbehaves",
        unit="requests/s",
        contenders=[Contender("asyncload", _run)],
        note=(
            "99 % good requests; the others meet: "
            + ", ".join(name.strip("/") for name in BEHAVIOURS)
            + f". `/drop` loses one in {DROP_EACH:,}. Refused unless every request that the "
            "server counts is in the log exactly once and the other way round, with the right "
            "outcome for its path, and no file descriptor or task is left over."
        ),
        rounds=1,
    )


def _run() -> Measured:
    with Folder() as folder:
        port, counts_file = free_port(), folder / "counts.json"
        settings = folder / "misbehave.yaml"
        settings.write_text(yaml.safe_dump(_config(port)))
        log = folder / "run.jsonl"
        stub = [sys.executable, "-m", "benchmarks.servers.misbehaving", str(port), counts_file]
        with server(stub, port):
            command = [
                sys.executable, "-m", "benchmarks.ours.misbehave", settings, log, str(REQUESTS),
            ]  # fmt: skip
            done = generator(command, limit=LIMIT)
        answer = json.loads(done.stdout)
        served = json.loads(counts_file.read_text())  # written when the server ended
        seen: Counter[tuple[str, str]] = Counter()
        last = 0.0
        for record in LogReader(log):
            if isinstance(record, Request):
                seen[record.name, record.outcome] += 1
                last = max(last, record.end)
    problems = _problems(seen, served, answer)
    if problems:
        raise RuntimeError("; ".join(problems))
    total = sum(seen.values())
    outcomes: dict[str, int] = {}
    for (name, outcome), number in sorted(seen.items()):
        outcomes[f"{name} {outcome}"] = number
    return Measured(
        value=total / last,
        command=done.command,
        details={"requests": total, "descriptors": answer, "outcomes": outcomes},
    )


def _config(port: int) -> dict[str, Any]:
    paths = [path for path in BEHAVIOURS if path.startswith("/")]
    requests = [{"path": "/good", "name": "/good", "weight": GOOD - 1_000 - len(paths)}]
    requests += [
        {"path": path, "name": path, "weight": 1_000 if path == "/drop" else 100 / len(paths)}
        for path in paths
    ]
    user = {"kind": "http", "wait": 0, "timeout": TIMEOUT}
    load = {"model": "closed", "shape": {"kind": "constant", "level": USERS}, "duration": LIMIT}
    slow = {**load, "shape": {"kind": "constant", "level": 2}}
    return {
        "name": "misbehave",
        "drain": "10s",
        "scenarios": [
            {
                "name": "plain",
                "load": load,
                "user": {**user, "base_url": f"http://127.0.0.1:{port}", "requests": requests},
            },
            {
                "name": "tls",
                "load": slow,
                "user": {
                    **user,
                    "wait": 0.05,
                    "base_url": f"https://127.0.0.1:{port}",
                    "requests": [{"path": "/tls", "name": "tls"}],
                },
            },
        ],
    }


def _problems(
    seen: Counter[tuple[str, str]], served: dict[str, int], answer: dict[str, int]
) -> list[str]:
    """Say all that is not as it should be."""
    problems = []
    dropped = served.pop("dropped", 0)
    for path in sorted({*served, *(name for name, _ in seen)}):
        logged = {outcome: number for (name, outcome), number in seen.items() if name == path}
        count = served.get(path, 0)
        expected = {OUTCOMES.get(path, "failed"): count}
        if path == "/drop":
            expected = {"ok": count - dropped, "failed": dropped}
        if logged != {outcome: number for outcome, number in expected.items() if number}:
            problems.append(f"{path}: the server counts {expected}, the log {logged}")
    if answer["after"] > answer["before"] or answer["tasks"]:
        problems.append(f"left over: {answer}")
    return problems


FIGURES = {"misbehave": misbehave}
