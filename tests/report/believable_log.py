"""Writes logs as a run would, from a small queueing model, so that graphs can be looked at."""

import heapq
from pathlib import Path

import msgspec
import numpy as np

from asyncload.records.record import (
    Job,
    Level,
    Note,
    Record,
    Request,
    RunHeader,
    SummaryRecord,
    System,
)


def header(
    name: str = "burst",
    scenarios: dict[str, str] | None = None,
    loads: dict[str, dict] | None = None,
) -> RunHeader:
    """``scenarios``: name → model; ``loads``: name → the whole load of the config."""
    if loads is None:
        models = {"jobs": "open"} if scenarios is None else scenarios
        loads = {name: {"model": model} for name, model in models.items()}
    return RunHeader(
        schema=1,
        run_id="0123456789abcdef",
        name=name,
        started_at="2025-03-04T09:30:00Z",
        seed=7,
        config={"scenarios": [{"name": name, "load": load} for name, load in loads.items()]},
        host={"cores": 2},
        versions={"asyncload": "0.1.0"},
    )


def write(path: Path, records: list[Record]) -> Path:
    path.write_bytes(msgspec.json.Encoder().encode_lines(records))
    return path


def burst_level(times: np.ndarray, period: float, low: float, peak: float) -> np.ndarray:
    z = (np.mod(times, period) - period / 2) / (period / 10)
    return low + (peak - low) * np.exp(-np.pi * z**2)


def burst_jobs(
    rng: np.random.Generator,
    duration: float = 60.0,
    *,
    scenario: str = "jobs",
    period: float = 20.0,
    low: float = 2.0,
    peak: float = 20.0,
    workers: int = 4,
    service: float = 0.45,
    most_in_flight: int = 90,
) -> list[Record]:
    """Poisson bursts of jobs into a queue with ``workers``; a few sends and jobs fail."""
    grid = np.arange(0.0, duration, 0.01)
    level = burst_level(grid, period, low, peak)
    due = np.repeat(grid, rng.poisson(level * 0.01)) + 0.0
    due = np.sort(due + rng.uniform(0, 0.01, len(due)))
    free = [0.0] * workers
    waiting: list[float] = []
    records: list[Record] = []
    spans = []
    for number, at in enumerate(due.tolist()):
        while waiting and waiting[0] <= at:
            heapq.heappop(waiting)
        start = at + float(rng.exponential(0.0008))
        accepted = start + float(rng.lognormal(-4.4, 0.35))
        common = {"scenario": scenario, "user": number, "name": "SendMessage", "due": at}
        if len(waiting) >= most_in_flight:
            records.append(Request(t=at, end=at, outcome="dropped", **common))
            continue
        if rng.random() < 0.01:
            records.append(
                Request(t=accepted, start=start, end=accepted, outcome="failed", status=500,
                        error="HTTP 500", **common)
            )  # fmt: skip
            continue
        records.append(
            Request(t=accepted, start=start, end=accepted, outcome="ok", status=200, **common)
        )
        started = max(accepted + 0.01, heapq.heappop(free))
        finished = started + float(rng.gamma(4.0, service / 4.0))
        heapq.heappush(free, finished)
        observed = finished + float(rng.lognormal(-2.6, 0.4))
        heapq.heappush(waiting, observed)
        spans.append((at, observed))
        status = str(rng.choice(["SUCCESS", "PARTIAL", "FAILED"], p=[0.95, 0.02, 0.03]))
        lost = rng.random() < 0.004
        records.append(
            Job(t=observed + (20 if lost else 0), scenario=scenario, job_id=f"{number:032x}",
                name="tile.tif:centerpoint", due=at, start=start, accepted=accepted,
                started=started, finished=None if lost else finished,
                observed=None if lost else observed, status="TIMED_OUT" if lost else status,
                processing_s=finished - started, size=88_000, pixels=4_000_000,
                image="s3://osml-test-images/tile.tif")
        )  # fmt: skip
    end = max(until for _, until in spans)
    return records + levels(scenario, np.array(spans), end, lambda t: float(
        burst_level(np.array([t]), period, low, peak)[0]) if t < duration else 0.0, jobs=True)  # fmt: skip


def levels(scenario, spans, end, target, *, jobs: bool) -> list[Record]:
    rows: list[Record] = []
    for second in range(1, int(end) + 2):
        inside = int(((spans[:, 0] <= second) & (spans[:, 1] > second)).sum())
        rows.append(
            Level(t=second + 0.0004, scenario=scenario, target=target(second), users=0,
                  in_flight=inside, backlog=inside if jobs else 0)
        )  # fmt: skip
    return rows


def http_requests(
    rng: np.random.Generator,
    duration: float = 60.0,
    *,
    scenario: str = "http",
    names: tuple[str, ...] = ("predict", "completions"),
    rate: float = 40.0,
    stall: tuple[float, float] | None = None,
    timeout: float = 5.0,
) -> list[Record]:
    """Requests at an even rate; during a ``stall`` (start, length) they all wait for its end."""
    records: list[Record] = []
    spans = []
    for number, at in enumerate(np.arange(0.0, duration, 1 / rate).tolist()):
        name = names[number % len(names)]
        start = at + float(rng.exponential(0.0005))
        middle = -3.0 + 1.6 * (number % len(names))
        end = start + float(rng.lognormal(middle, 0.4))
        outcome = "ok" if rng.random() > 0.01 else "failed"
        if stall is not None and stall[0] <= at < sum(stall):
            start = sum(stall) + float(rng.uniform(0, 1))
            end = start + float(rng.lognormal(middle, 0.4))
        if end - at > timeout:
            end, outcome = at + timeout, "timeout"
            start = min(start, end)
        spans.append((at, end))
        records.append(
            Request(t=end, scenario=scenario, user=number % 50, name=name, due=at, start=start,
                    first_byte=end - 0.001, end=end, outcome=outcome,
                    status=200 if outcome == "ok" else 503, bytes_out=200, bytes_in=2_000)
        )  # fmt: skip
    records.sort(key=lambda record: record.t)
    end = max(until for _, until in spans)
    return records + levels(
        scenario, np.array(spans), end, lambda t: rate if t <= duration else 0.0, jobs=False
    )


def finish(records: list[Record]) -> list[Record]:
    """Sort by time and close with a summary, as a run that ended in order does."""
    body = sorted(records, key=lambda record: record.t)
    return [*body, SummaryRecord(t=body[-1].t + 0.01, summary={"verdict": "valid"})]


def note(t: float, level: str, text: str) -> Record:
    return Note(t=t, level=level, text=text)


def system(
    rng: np.random.Generator,
    duration: float = 60.0,
    *,
    host: str = "edge",
    load: float = 0.5,
    gpus: int = 1,
    memory: float = 16e9,
    silent: tuple[float, float] = (0.0, 0.0),
    metrics: dict[str, float] | None = None,
) -> list[Record]:
    """Samples of a source of `monitor:` under a load that comes in bursts; ``silent`` from, to."""
    rows: list[Record] = []
    used = memory * 0.4
    for second in range(int(duration) + 1):
        t = second + float(rng.uniform(0.002, 0.03))
        busy = load * float(burst_level(np.array([t]), 20, 0.3, 1.6)[0]) + rng.normal(0, 0.03)
        used = min(used + memory * 0.0015, memory)
        if silent[0] <= t < silent[1]:
            continue
        rows.append(
            System(
                t=t, host=host, host_cpu=100 * float(np.clip(busy, 0.02, 1)),
                host_memory=int(used), memory_total=int(memory),
                network_in=float(2.2e6 * busy + rng.uniform(0, 2e5)),
                network_out=float(3e5 * busy + rng.uniform(0, 2e4)),
                gpu=[
                    {"id": n, "utilisation": 100 * float(np.clip(busy * 1.3 - 0.1 * n, 0, 1)),
                     "memory": (0.3 + 0.1 * n) * 24e9, "memory_total": 24e9}
                    for n in range(gpus)
                ] or None,
                metrics={name: top * max(busy, 0.0) for name, top in (metrics or {}).items()} or None,
            )
        )  # fmt: skip
    return rows


def generator(rng: np.random.Generator, duration: float = 60.0) -> list[Record]:
    """What the generator's own host tells of itself."""
    return [
        System(
            t=second + 0.0004, host="load-1", cpu=None if not second else float(rng.normal(22, 3)),
            memory=160_000_000, host_cpu=None if not second else float(rng.normal(14, 2)),
            loop_lag=0.0004, log_backlog=3, host_memory=2_100_000_000, memory_total=8_000_000_000,
            network_in=3e5 if second else None, network_out=2.3e6 if second else None,
        )
        for second in range(int(duration) + 1)
    ]  # fmt: skip
