"""Whether requests go out when they are due, and whether waits are told when nobody answers."""

from __future__ import annotations

import functools
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import numpy as np
import psutil

from benchmarks import rivals
from benchmarks.harness import (
    Contender,
    Figure,
    Folder,
    Measured,
    Target,
    free_port,
    generator,
    server,
)
from benchmarks.product import config, milliseconds, run_product
from benchmarks.servers.nginx import Nginx, nginx

RATES: Final = (10, 100, 1_000, 5_000, 20_000)
HALF_OF_TOP: Final = 17_500
"""Half of the target for HTTP POST, 35,000/s, where the target for lateness holds."""
STALL: Final = 2.0
STALL_AT: Final = 9.0
STALL_RATE: Final = 1_000
STALL_LENGTH: Final = 20.0


def lateness(rate: int, seconds: float) -> AbstractContextManager[Figure]:
    """Give the figure of even arrivals at ``rate`` per second."""
    return _lateness(rate, max(seconds, 2.0))


@contextmanager
def _lateness(rate: int, seconds: float) -> Iterator[Figure]:
    contenders = [
        Contender("asyncload", lambda: _ours(rate, seconds, precise=False)),
        Contender("asyncload, precise", lambda: _ours(rate, seconds, precise=True)),
        Contender("hey -q", lambda: _hey(rate, seconds)),
    ]
    if rate <= 1_000:
        contenders.append(Contender("Locust constant_throughput", lambda: _locust(rate, seconds)))
    targets = []
    if rate == HALF_OF_TOP:
        targets = [Target(contender=one.name, at_most=1.0) for one in contenders[:2]]
    yield Figure(
        name=f"lateness_{rate}",
        title=f"lateness p99, open loop, {rate:,} even arrivals a second",
        unit="ms",
        contenders=contenders,
        targets=targets,
        note=(
            "Ours: start − due of every request, from the log. Peers have no due times, so for "
            "all of them `gap` compares what the server saw: |time between two arrivals − 1/rate|, "
            "p50 and p99, from a stub that notes the arrivals (for peers p99 of it is the figure, "
            "too). `rate` is what arrived. hey paces each worker by itself and cannot catch up; "
            "Locust paces each user. wrk has no pacing."
        ),
    )


def _ours(rate: int, seconds: float, *, precise: bool) -> Measured:
    with _arrivals() as (url, read):
        load: dict[str, Any] = {
            "model": "open",
            "arrivals": "even",
            "shape": {"kind": "constant", "level": rate},
            "duration": seconds,
        }
        if precise:
            load["precise"] = True
        user = {"kind": "http", "base_url": url, "requests": [{"path": "/"}]}
        run = run_product(config({"name": "load", "load": load, "user": user}), seconds)
        seen = read()
    log = run.log
    if log.requests != len(seen) or set(log.outcomes) != {"ok"}:
        raise RuntimeError(f"{log.outcomes} in the log, {len(seen)} at the server")
    late = milliseconds(log.lateness)
    return Measured(
        value=late["p99_ms"],
        command=run.process.command,
        details={**late, **_gaps(seen, rate), "cpu_s": round(run.process.cpu, 2)},
    )


def _hey(rate: int, seconds: float) -> Measured:
    # One worker paces evenly but waits for each answer, and so falls short of higher rates;
    # fifty are hey's default.
    workers = 1 if rate <= 100 else 50
    with _arrivals() as (url, read):
        command = [
            "hey", "-z", f"{seconds:g}s", "-c", str(workers), "-q", f"{rate / workers:g}", url,
        ]  # fmt: skip
        done = generator(command, limit=seconds + 30)
        gaps = _gaps(read(), rate)
    return Measured(value=gaps["gap_p99_ms"], command=done.command, details=gaps)


def _locust(rate: int, seconds: float) -> Measured:
    users = max(1, min(100, rate // 10))
    with _arrivals() as (url, read):
        measured = rivals.locust(
            "locust_http.py", "PacedUser", url, seconds, users,
            environment={"PER_USER": f"{rate / users:g}"},
        )  # fmt: skip
        gaps = _gaps(read(), rate)
    return Measured(value=gaps["gap_p99_ms"], command=measured.command, details=gaps)


def _gaps(seen: Any, rate: int) -> dict[str, float]:
    off = np.abs(np.diff(np.sort(seen)) - 1 / rate) * 1000
    p50, p99 = np.percentile(off, [50, 99])
    span = float(seen.max() - seen.min())
    return {
        "gap_p50_ms": round(float(p50), 4),
        "gap_p99_ms": round(float(p99), 4),
        "gap_max_ms": round(float(off.max()), 4),
        "rate": round((len(seen) - 1) / span, 1),
    }


@contextmanager
def _arrivals() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Run the stub; give its URL and a function that ends it and reads the arrival times."""
    with Folder() as folder:
        port, file = free_port(), folder / "arrivals"
        command = [sys.executable, "-m", "benchmarks.servers.arrivals", str(port), file]
        with server(command, port) as process:

            def read() -> Any:
                process.terminate()
                process.wait(10)
                return np.fromfile(file)

            yield f"http://127.0.0.1:{port}", read


# -- stall ------------------------------------------------------------------------


@contextmanager
def stall(seconds: float) -> Iterator[Figure]:  # noqa: ARG001 - its length is in its definition
    """Give the figure of a server that stands still for two seconds of twenty."""
    with nginx() as target:
        yield Figure(
            name="stall",
            title="p99 after a stall of 2 s in 20 s at 1,000/s, off the arithmetic truth",
            unit="%",
            contenders=[
                Contender("asyncload", lambda: _stalled(target)),
                Contender("Locust", lambda: _stalled_locust(target)),
            ],
            targets=[Target(contender="asyncload", at_most=2.0)],
            note=(
                "nginx is stopped (SIGSTOP) and continued by its process id. Truth: of the "
                "requests due in the stall each waits for what is left of it, so 1/10 of all "
                "waits, evenly from 2 s to 0; the 1 % that wait longest are those due in the first "
                "0.2 s, and p99 = 2 s − 1 % of 20 s = 1.8 s, max = 2 s (with the measured length "
                "of the stall in place of 2 s). Locust's 100 users at 10/s each stand still "
                "themselves: its p99 leaves out the requests it did not make."
            ),
            rounds=3,
        )


def _stalled(target: Nginx) -> Measured:
    load = {
        "model": "open",
        "arrivals": "even",
        "shape": {"kind": "constant", "level": STALL_RATE},
        "duration": STALL_LENGTH,
    }
    user = {"kind": "http", "base_url": target.url, "requests": [{"path": "/"}]}
    stops: list[float] = []
    run = run_product(
        config({"name": "load", "load": load, "user": user}),
        STALL_LENGTH,
        during=functools.partial(_freeze, target, stops),
    )
    measured = milliseconds(run.log.latency)
    expected = STALL_RATE * STALL_LENGTH
    if run.log.outcomes != {"ok": expected}:
        raise RuntimeError(f"{run.log.outcomes} of {expected:g} in the log")
    return _off(measured, stops[0], run.process.command)


def _stalled_locust(target: Nginx) -> Measured:
    stops: list[float] = []
    measured = rivals.locust(
        "locust_http.py", "PacedUser", target.url, STALL_LENGTH, 100,
        environment={"PER_USER": "10"}, during=functools.partial(_freeze, target, stops),
    )  # fmt: skip
    return _off(measured.details, stops[0], measured.command)


def _freeze(target: Nginx, stops: list[float], _: int) -> None:
    """Stop nginx for two seconds, nine seconds after its first request of this run."""
    before = target.served()
    while target.served() == before:
        time.sleep(0.02)
    time.sleep(STALL_AT)
    process = psutil.Process(target.process.pid)
    begun = time.monotonic()
    process.send_signal(signal.SIGSTOP)
    time.sleep(STALL)
    process.send_signal(signal.SIGCONT)
    stops.append(time.monotonic() - begun)


def _off(measured: Mapping[str, float], stop: float, command: str) -> Measured:
    """Compare p99 and maximum with the exact values; the figure is the error of p99, in percent.

    With N = rate · D requests, those due x seconds into a stall of T wait T − x. The
    q-quantile has (1 − q)·N requests above it, which are those due in the first
    (1 − q)·D seconds of the stall: latency_q = T − (1 − q)·D, as long as (1 − q)·D < T.
    """
    exact = {"p99_ms": (stop - 0.01 * STALL_LENGTH) * 1000, "max_ms": stop * 1000}
    errors = {name: abs(measured[name] - true) / true * 100 for name, true in exact.items()}
    return Measured(
        value=errors["p99_ms"],
        command=command,
        details={
            "p50_ms": measured["p50_ms"],
            "p99_ms": measured["p99_ms"],
            "max_ms": measured["max_ms"],
            "true_p99_ms": exact["p99_ms"],
            "true_max_ms": exact["max_ms"],
            "max_error_percent": errors["max_ms"],
        },
    )


def _at(rate: int) -> Callable[[float], AbstractContextManager[Figure]]:
    return functools.partial(lateness, rate)


_ALL: Sequence[int] = sorted({*RATES, HALF_OF_TOP})
FIGURES: dict[str, Callable[[float], AbstractContextManager[Figure]]] = {
    **{f"lateness_{rate}": _at(rate) for rate in _ALL},
    "stall": stall,
}
