"""What load generators tell of a server that stands still for two seconds of twenty.

    python -m benchmarks.freeze [--rounds 3]

The server answers in 10 ms (``servers/freezing.py``). Each generator sends 100 requests a second:
asyncload and k6 in the open model, Locust by 10 paced users. Their p50, p99 and maximum stand
beside those of 2,000 arrivals every 10 ms, by arithmetic. Writes
``benchmarks/results/freeze.json``. Needs ``benchmarks/peers.sh``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from benchmarks import rivals
from benchmarks.harness import (
    PEERS,
    RESULTS,
    ROOT,
    Contender,
    Figure,
    Folder,
    Measured,
    free_port,
    generator,
    run_figure,
    server,
    write_result,
)
from benchmarks.product import config, milliseconds, run_product

RATE: Final = 100
LENGTH: Final = 20.0
SERVICE: Final = 0.010
AT: Final = 9.005
"""Between two arrivals, so that it is certain which of them meet the freeze."""
FREEZE: Final = 2.0


def arithmetic(seen: dict[str, Any]) -> dict[str, float]:
    """Compute the latencies of arrivals every 10 ms, in ms, from when the server froze.

    A request due at a is read at once, or at the end E of the freeze that began at B. It is
    answered 10 ms after that; one whose answer falls into the freeze is answered at its end:
    latency = 10 ms, or E − a for B − 10 ms < a < B, or E + 10 ms − a for B ≤ a < E.

    Of N = 2,000 the 1 % that wait longest are 20. Counted from the longest, the j-th (j ≥ 2)
    waits E − B + 10 ms − φ − (j − 2) · 10 ms, φ being the time from B to the first arrival after
    it; so p99, the 21st, is 1.82 s − φ, and the maximum 2.01 s − φ, with 0 ≤ φ < 10 ms.
    """
    due = seen["first"] + np.arange(round(RATE * LENGTH)) / RATE
    frozen, thawed = seen["frozen"], seen["thawed"]
    end = due + SERVICE
    end = np.where((due < frozen) & (end > frozen), thawed, end)
    end = np.where((due >= frozen) & (due < thawed), thawed + SERVICE, end)
    return {f"true_{name}": value for name, value in milliseconds(end - due).items()}


@contextmanager
def freezing() -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Run the server; give its URL, and a function that ends it and reads what it saw."""
    with Folder() as folder:
        port, file = free_port(), folder / "seen.json"
        command = [
            sys.executable, "-m", "benchmarks.servers.freezing", port, file, SERVICE, AT, FREEZE,
        ]  # fmt: skip
        with server(command, port) as process:

            def read() -> dict[str, Any]:
                process.terminate()
                process.wait(10)
                found: dict[str, Any] = json.loads(file.read_text())
                return found

            yield f"http://127.0.0.1:{port}", read


def beside_truth(measured: dict[str, Any], seen: dict[str, Any], command: str) -> Measured:
    details = {
        **measured,
        **arithmetic(seen),
        "requests_at_server": seen["requests"],
        "freeze_s": round(seen["thawed"] - seen["frozen"], 4),
    }
    return Measured(value=details["p99_ms"], command=command, details=details)


def ours() -> Measured:
    load = {
        "model": "open",
        "arrivals": "even",
        "shape": {"kind": "constant", "level": RATE},
        "duration": LENGTH,
    }
    with freezing() as (url, read):
        user = {"kind": "http", "base_url": url, "requests": [{"path": "/"}]}
        scenario = {"name": "load", "load": load, "user": user}
        run = run_product(config(scenario), LENGTH, good=(0, 3))
        seen = read()
    details = {**milliseconds(run.log.latency), "requests": run.log.requests}
    details["lateness_p99_ms"] = milliseconds(run.log.lateness)["p99_ms"]
    details["dropped"] = run.log.outcomes.get("dropped", 0)
    return beside_truth(details, seen, run.process.command)


def locust() -> Measured:
    with freezing() as (url, read):
        measured = rivals.locust(
            "locust_http.py", "PacedUser", url, LENGTH, 10, environment={"PER_USER": "10"}
        )
        seen = read()
    return beside_truth(measured.details, seen, measured.command)


def k6(vus: int) -> Measured:
    with freezing() as (url, read):
        command = [
            "env", f"URL={url}", f"RATE={RATE}", f"SECONDS={LENGTH:g}", f"VUS={vus}",
            PEERS / "k6", "run", "--quiet", ROOT / "benchmarks" / "peers" / "k6_freeze.js",
        ]  # fmt: skip
        done = generator(command, limit=LENGTH + 60)
        seen = read()
    metrics = msgspec.json.decode(done.stdout[done.stdout.index("{") :])
    times = metrics["http_req_duration"]["values"]
    dropped = metrics.get("dropped_iterations", {}).get("values", {}).get("count", 0)
    details = {
        "p50_ms": round(times["p(50)"], 3),
        "p99_ms": round(times["p(99)"], 3),
        "max_ms": round(times["max"], 3),
        "requests": metrics["http_reqs"]["values"]["count"],
        "dropped": dropped,
    }
    return beside_truth(details, seen, done.command)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.freeze", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for the result")
    given = parser.parse_args()
    contenders = [Contender("asyncload", ours), Contender("Locust, 10 paced users", locust)]
    if (PEERS / "k6").exists():
        contenders += [
            Contender("k6, 300 VUs", lambda: k6(300)),
            Contender("k6, 20 VUs", lambda: k6(20)),
        ]
    figure = Figure(
        name="freeze",
        title="p99 told of a server that freezes for 2 s of 20 s, 100 requests a second",
        unit="ms",
        contenders=contenders,
        note=" ".join((arithmetic.__doc__ or "").split()),
    )
    result = run_figure(figure, given.rounds)
    result["command"] = " ".join(["python -m benchmarks.freeze", *sys.argv[1:]])
    write_result(result, given.output)


if __name__ == "__main__":
    main()
