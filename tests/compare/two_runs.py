"""Two runs to compare: logs drawn from a model, and CSVs as Locust writes them."""

import math
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from asyncload.compare.comparison import Change, Comparison, Row
from asyncload.compare.limits import Limits
from asyncload.compare.log_side import side_of
from asyncload.compare.pairing import compare_sides
from asyncload.records import columns
from asyncload.records.columns import LogColumns
from asyncload.records.record import Job, Record, Request, RunHeader, SummaryRecord

HEADER = (
    "Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,"
    "Min Response Time,Max Response Time,Average Content Size,Requests/s,Failures/s,"
    "50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%"
)
SPAN = 60.0
Sample = tuple[np.ndarray, np.ndarray]  # due times and latencies, seconds


def csv_row(
    name="/predict", kind="POST", *, count=100_000, failed=0, median=200.0, average=213.7, p95=400,
    p99=500, rate=8.2,
):  # fmt: skip
    """One row as Locust writes it, of so many requests that chance decides nothing; times in ms."""
    return (
        f"{kind},{name},{count},{failed},{median},{average},90.1,900.5,210.0,{rate},0.0,"
        f"{median},210,220,240,300,{p95},450,{p99},800,900,900"
    )


def csv_row_of(latency: np.ndarray, name="/predict", *, span=SPAN) -> str:
    """One row as Locust writes it of these latencies (s): percentiles rounded to two digits."""
    ms = np.sort(1000 * latency)
    percentiles = [
        _rounded(ms[max(math.ceil(percent * len(ms) / 100) - 1, 0)])
        for percent in (50, 66, 75, 80, 90, 95, 98, 99, 99.9, 99.99, 100)
    ]
    cells = [len(ms), 0, percentiles[0], ms.mean(), ms[0], ms[-1], 210.0, len(ms) / span, 0.0]
    return ",".join(map(str, ["POST", name, *cells, *percentiles]))


def _rounded(ms: float) -> int:
    return round(ms, -max(math.floor(math.log10(ms)) - 1, 0)) if ms >= 1 else 0


def csv_file(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows, ""]))
    return path


def run_header(duration=SPAN, *, scenario="web", name="test", **load) -> RunHeader:
    load = {"model": "open", "duration": duration, **load}
    config = {"scenarios": [{"name": scenario, "load": load}]}
    return RunHeader(
        schema=1, run_id="0" * 12, name=name, started_at="2026-01-01T00:00:00Z", seed=1,
        config=config, host={}, versions={},
    )  # fmt: skip


def write_log(
    path: Path, records: list[Record], header: RunHeader | None = None, **summary
) -> Path:
    lines = [header or run_header(), *records, SummaryRecord(t=99.0, summary=summary)]
    path.write_bytes(msgspec.json.Encoder().encode_lines(lines))
    return path


def requests(sample: Sample, *, name="predict", scenario="web", outcome="ok") -> list[Record]:
    due, latency = sample
    return [
        Request(d + s, scenario, 0, name, d, d + s, outcome, d)
        for d, s in zip(due.tolist(), latency.tolist(), strict=True)
    ]


def jobs(
    times: list[tuple[float, float | None]], *, name="x.tif:m", status="SUCCESS"
) -> list[Record]:
    """Jobs given as (due, latency); without a latency they were lost."""
    return [
        Job(
            t=90.0 if latency is None else due + latency, scenario="web", job_id="0", name=name,
            due=due, start=due, observed=None if latency is None else due + latency,
            status="LOST" if latency is None else status,
        )
        for due, latency in times
    ]  # fmt: skip


def log_of(
    sample: Sample, *, failed: np.ndarray | None = None, duration: float = SPAN
) -> LogColumns:
    """A log with one name, without the way through a file."""
    due, latency = sample
    number = len(due)
    failed = np.zeros(number, np.bool_) if failed is None else failed
    frame = pl.DataFrame(
        {
            "scenario": ["web"] * number, "name": ["predict"] * number, "due": due, "start": due,
            "end": due + latency, "outcome": np.where(failed, "failed", "ok"),
            "status": [200] * number,
            **dict.fromkeys(("begun", "ready", "sent", "first_byte"), [None] * number),
        },
        schema=columns.REQUESTS,
    )  # fmt: skip
    empty = (columns.JOBS, columns.LEVELS, columns.LEDGERS, columns.SYSTEMS)
    jobs, levels, ledgers, systems = (pl.DataFrame(schema=schema) for schema in empty)
    return LogColumns(
        path=Path("run.jsonl"), header=run_header(duration), requests=frame, jobs=jobs,
        levels=levels, ledgers=ledgers, systems=systems, notes=[], summary={}, skipped=0,
    )  # fmt: skip


def compared(baseline: Sample, candidate: Sample, **thresholds: float) -> dict[str, Change]:
    """Changes of the only name of two logs, by metric."""
    sides = side_of(log_of(baseline)), side_of(log_of(candidate))
    return by_metric(compare_sides(*sides, Limits(thresholds)).rows[0])


def by_metric(row: Row) -> dict[str, Change]:
    return {change.metric: change for change in row.changes}


def verdicts(comparison: Comparison) -> dict[str, dict[str, str]]:
    """Verdicts by name and metric."""
    return {
        row.label: {change.metric: change.verdict for change in row.changes}
        for row in comparison.rows
    }


# -- models of a service ----------------------------------------------------------------

Model = Callable[[np.random.Generator, float], Sample]


def steady(rate: float = 20.0, span: float = SPAN, sigma: float = 0.6) -> Model:
    """Poisson arrivals, each with a latency of its own."""

    def draw(rng, slower=1.0):
        due = np.sort(rng.uniform(0, span, rng.poisson(rate * span)))
        return due, slower * 0.1 * rng.lognormal(0, sigma, len(due))

    return draw


def drifting(rate: float = 20.0, span: float = SPAN, correlation: float = 2.0) -> Model:
    """Latencies that rise and fall together, over some seconds (an Ornstein-Uhlenbeck process)."""

    def draw(rng, slower=1.0):
        due = np.sort(rng.uniform(0, span, rng.poisson(rate * span)))
        step = 0.1
        kept = np.exp(-step / correlation)
        level = [rng.normal()]
        for noise in rng.normal(0, np.sqrt(1 - kept**2), int(span / step) + 1):
            level.append(kept * level[-1] + noise)
        drift = np.interp(due, np.arange(len(level)) * step, level)
        return due, slower * 0.1 * np.exp(0.3 * drift) * rng.lognormal(0, 0.4, len(due))

    return draw


def bursts(rate: float = 15.0, span: float = SPAN, period: float = 20.0) -> Model:
    """Bursts into a queue with eight servers, which they fill: latency follows the load."""

    def draw(rng, slower=1.0):
        times = np.sort(rng.uniform(0, span, rng.poisson(3 * rate * span)))
        z = (times % period - period / 2) / (period / 10)
        due = times[rng.uniform(size=len(times)) < 0.1 + 0.9 * np.exp(-np.pi * z**2)]
        service = slower * 3.6 / rate * rng.gamma(4, 0.25, len(due))
        free = [0.0] * 8
        latency = np.empty(len(due))
        for index, (at, needs) in enumerate(zip(due.tolist(), service.tolist(), strict=True)):
            server = free.index(min(free))
            free[server] = max(at, free[server]) + needs
            latency[index] = free[server] - at
        return due, latency

    return draw
