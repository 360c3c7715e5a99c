"""The tables of a run's report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from asyncload.report.plots.data import Run
from asyncload.stats import units
from asyncload.stats.metrics import (
    JOB_TIMES,
    STAGES,
    Distribution,
    JobMetrics,
    JobRow,
    RequestMetrics,
    RequestRow,
    Summary,
)

_MOST_FAILURES: Final = 100
_MOST_NOTES: Final = 200
_LONGEST: Final = 1000
"""Characters of a text of others."""


class Cell(NamedTuple):
    """A cell of a table: its text, and the number it is sorted by."""

    shown: str
    sort: float | None = None
    is_text: bool = False


class Head(NamedTuple):
    """The head of a column."""

    label: str
    text: bool = False


class Table(NamedTuple):
    """A table of the report."""

    title: str
    head: Sequence[Head]
    rows: Sequence[Sequence[Cell]]
    foot: Sequence[Cell] = ()
    sortable: bool = False
    note: str = ""


class Baseline(NamedTuple):
    """An earlier run, shown beside the one that a report is of."""

    name: str
    run: Run
    summary: Summary


def tables(run: Run, summary: Summary, baseline: Baseline | None) -> Iterator[Table]:
    """Give the tables of a report, in order; some may have no rows."""
    if baseline is not None:
        yield _changes(summary, baseline)
    several = len({row.scenario for row in summary.requests_by_name}) > 1
    yield _requests(summary, several=several)
    yield _jobs(summary)
    if summary.jobs.submitted:
        note = "From when a job was due to when its end was observed, in order."
        yield _stages(summary.jobs, JOB_TIMES[1:], "Stages of a job", note)
    if summary.requests.ok:
        note = "From when a request was due to the last byte of its answer, in order."
        yield _stages(summary.requests, STAGES, "Stages of a request", note)
    yield _streams(summary)
    yield _failures(summary)
    yield _hosts(summary)
    yield _notes(run)


def _requests(summary: Summary, *, several: bool) -> Table:
    head = [Head("request", text=True)] + ([Head("scenario", text=True)] if several else [])
    head += map(
        Head, ("sent", "failed", "rate", "p50", "p90", "p95", "p99", "max ok", "service p95")
    )
    rows = []
    for row in sorted(summary.requests_by_name, key=lambda row: -row.count):
        first = [_text(row.name)] + ([_text(row.scenario)] if several else [])
        rows.append(first + _of_requests(row))
    foot: list[Cell] = []
    if len(rows) > 1:
        foot = [_text("all")] + ([_text("")] if several else []) + _of_requests(summary.requests)
    return Table("Requests by name", head, rows, foot, sortable=True)


def _changes(summary: Summary, baseline: Baseline) -> Table:
    """Hold the names of two runs against each other; whether a change is real says compare."""
    head = [Head("name", text=True)]
    for what in ("p50", "p95", "p99", "failed"):
        head += [Head(f"{what} before"), Head(what), Head("change")]
    before = {(type(one), one.name): one for one in _named(baseline.summary)}
    rows = []
    for row in _named(summary):
        earlier = before.get((type(row), row.name))
        if earlier is None:
            continue
        cells = [_text(row.name)]
        for percent in ("p50", "p95", "p99"):
            was, now = getattr(earlier.latency, percent), getattr(row.latency, percent)
            cells += [
                _duration(was, earlier.latency),
                _duration(now, row.latency),
                _change(was, now),
            ]
        rates = earlier.error_rate, row.error_rate
        cells += [Cell(units.percent(rate), rate) for rate in rates]
        rows.append([*cells, Cell(units.percent((rates[1] or 0.0) - (rates[0] or 0.0)))])
    note = (
        f"Against {baseline.name}. Whether a change is more than chance, tells asyncload compare."
    )
    return Table("Against the baseline", head, rows, sortable=True, note=note)


def _named(summary: Summary) -> Iterator[RequestRow | JobRow]:
    yield from summary.requests_by_name
    yield from summary.jobs_by_name


def _change(before: float | None, now: float | None) -> Cell:
    if before is None or now is None or before <= 0:
        return Cell(units.NO_VALUE)
    share = now / before - 1
    return Cell(f"{share:+.1%}".replace("%", " %"), share)


def _of_requests(row: RequestMetrics) -> list[Cell]:
    return [
        _count(row.count),
        Cell(f"{units.count(row.errors)}", float(row.errors)),
        Cell(units.rate(row.rate), row.rate),
        *_percentiles(row.latency),
        _duration(row.ok_latency.max),
        _duration(row.service_time.p95, row.service_time),
    ]


def _percentiles(latency: Distribution) -> list[Cell]:
    return [
        _duration(value, latency) for value in (latency.p50, latency.p90, latency.p95, latency.p99)
    ]


def _jobs(summary: Summary) -> Table:
    if not summary.jobs.submitted:
        return Table("", [], [])
    head = [Head("jobs", text=True)]
    head += map(Head, ("submitted", "succeeded", "partial", "failed", "timed out", "lost", "p50",
                       "p90", "p95", "p99", "max ended"))  # fmt: skip
    rows = [[_text(row.name), *_of_jobs(row)] for row in summary.jobs_by_name]
    foot = [_text("all"), *_of_jobs(summary.jobs)]
    return Table("Jobs by name", head, rows, foot, sortable=True)


def _of_jobs(row: JobMetrics) -> list[Cell]:
    counts = (row.submitted, row.succeeded, row.partial, row.failed, row.timed_out, row.lost)
    return [*map(_count, counts), *_percentiles(row.latency), _duration(row.latency.max)]


def _stages(of: RequestMetrics | JobMetrics, names: Sequence[str], title: str, note: str) -> Table:
    """Tell the parts of a latency, in order."""
    head = [Head("stage", text=True), *map(Head, ("mean", "p50", "p95", "p99", "max"))]
    rows = []
    for name in names:
        one: Distribution = getattr(of, name)
        values = (one.mean, one.p50, one.p95, one.p99, one.max)
        rows.append([_text(name.replace("_", " ")), *(_duration(value, one) for value in values)])
    return Table(title, head, rows, note=note)


def _streams(summary: Summary) -> Table:
    head = [Head("streamed answers", text=True)]
    head += map(Head, ("chunks", "tokens", "tokens per second", "first byte p50", "first token p50",
                       "first token p95", "chunk gap p50", "chunk gap p95"))  # fmt: skip
    rows = [
        [
            _text(row.name),
            _count(stream.chunks),
            _count(stream.tokens),
            Cell(units.rate(stream.token_rate), stream.token_rate),
            _duration(stream.first_byte.p50),
            _duration(stream.first_token.p50),
            _duration(stream.first_token.p95),
            _duration(stream.token_gap.p50),
            _duration(stream.token_gap.p95),
        ]
        for row in summary.requests_by_name
        if (stream := row.stream) is not None
    ]
    return Table("Streams", head, rows, sortable=True)


def _failures(summary: Summary) -> Table:
    rows = []
    for what, of in (("request", summary.requests), ("job", summary.jobs)):
        for text, number in of.failures.items():
            first, last = of.failure_times.get(text, (math.nan, math.nan))
            when = "" if math.isnan(first) else units.clocks(first, last)
            rows.append([_count(number), Cell(what), Cell(when, first), _text(text)])
    note = ""
    if len(rows) > _MOST_FAILURES:
        note = f"The first {_MOST_FAILURES} of {len(rows)} kinds."
    head = [Head("count"), Head("of"), Head("when"), Head("what the service said", text=True)]
    return Table("Failures", head, rows[:_MOST_FAILURES], sortable=True, note=note)


def _hosts(summary: Summary) -> Table:
    head = [Head("host", text=True), Head("CPU mean"), Head("CPU max"), Head("memory max"),
            Head("GPU mean"), Head("GPU memory max")]  # fmt: skip
    rows = []
    for host in summary.hosts:
        cpu, memory = host.cpu, host.memory
        gpus = [gpu.utilisation.mean for gpu in host.gpus if gpu.utilisation is not None]
        used = [gpu.memory.max for gpu in host.gpus if gpu.memory is not None]
        name = f"{host.host} (generator)" if host.generator else host.host
        rows.append([
            _text(name),
            Cell(units.NO_VALUE if cpu is None else f"{cpu.mean:.0f} %"),
            Cell(units.NO_VALUE if cpu is None else f"{cpu.max:.0f} %"),
            Cell(units.NO_VALUE if memory is None else units.amount(memory.max, "B")),
            Cell(f"{sum(gpus) / len(gpus):.0f} %" if gpus else units.NO_VALUE),
            Cell(units.amount(max(used), "B") if used else units.NO_VALUE),
        ])  # fmt: skip
    return Table("Hosts", head, rows)


def _notes(run: Run) -> Table:
    rows = [
        [Cell(units.clock(note.t)), Cell(note.level), _text(note.text)]
        for note in run.notes[:_MOST_NOTES]
    ]
    more = len(run.notes) - len(rows)
    note = f"and {units.counted(more, 'more note')} in the log" if more else ""
    return Table("Notes", [Head("time"), Head("level"), Head("what", text=True)], rows, note=note)


def _text(text: str) -> Cell:
    line = units.one_line(text)
    return Cell(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…", is_text=True)


def _count(value: float) -> Cell:
    return Cell(units.count(value), float(value))


def _duration(value: float | None, of: Distribution | None = None) -> Cell:
    never = value is None and of is not None and of.beyond > 0
    sort = 1e300 if never else -1.0 if value is None else value
    return Cell("never" if never else units.seconds(value), sort)


def time_of(value: float | None, of: Distribution) -> str:
    """Write a percentile as in the tables; it may be never."""
    return _duration(value, of).shown
