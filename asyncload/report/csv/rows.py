"""What stands in the CSV files that other tools know from Locust: their columns and rows.

Times are milliseconds, sizes bytes. Latencies count from when a request was
due, and percentiles come from histograms of three significant digits. As in Locust, and unlike
anywhere else, the time in which a request failed is among them.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from asyncload.records.record import OK, SENT, Level, Record, Request, RunHeader
from asyncload.stats.failures import Failing
from asyncload.stats.groups import JobGroup, RequestGroup
from asyncload.stats.histogram import LatencyHistogram
from asyncload.stats.summary import SummaryFold

PERCENTS: Final = (50, 66, 75, 80, 90, 95, 98, 99, 99.9, 99.99, 100)
_PERCENT_COLUMNS: Final = tuple(f"{percent:g}%" for percent in PERCENTS)
_COUNTS: Final = (
    "Request Count", "Failure Count", "Median Response Time", "Average Response Time",
    "Min Response Time", "Max Response Time", "Average Content Size",
)  # fmt: skip
STATS: Final = ("Type", "Name", *_COUNTS, "Requests/s", "Failures/s", *_PERCENT_COLUMNS)
"""Columns of ``_stats.csv``."""
HISTORY: Final = (
    "Timestamp", "User Count", "Type", "Name", "Requests/s", "Failures/s", *_PERCENT_COLUMNS,
    *(f"Total {name}" for name in _COUNTS),
)  # fmt: skip
"""Columns of ``_stats_history.csv``."""
FAILURES: Final = ("Method", "Name", "Error", "Occurrences")
"""Columns of ``_failures.csv``."""
AGGREGATED: Final = "Aggregated"
"""Name of the row of all requests."""
JOB: Final = "JOB"
"""Type of jobs; the others are types of requests."""
WINDOW: Final = 10.0
"""Seconds that the rates of the history are over."""

_NONE: Final = "N/A"
_SLICE: Final = 16  # names folded in a row, about a millisecond's work
_METHOD: Final = re.compile(
    r"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|TRACE|CONNECT) (.+)", re.DOTALL
)
_CALL: Final = re.compile(r"([a-z][a-z0-9-]*)\.[A-Z]\w*")

Row = tuple[Any, ...]
Key = tuple[str, str]
"""Name and type, in the order by which rows are sorted."""


class Entry(Failing):
    """The requests (or jobs) of one row. Entries merge without loss."""

    def __init__(self) -> None:
        super().__init__()
        self.count = self.failed = self.bytes_in = 0
        self.beyond = 0
        """How many never ended: longer than all that is in ``latency``."""
        self.rate = self.failure_rate = 0.0
        self.latency = LatencyHistogram()

    def add(self, request: Request) -> None:
        """Fold one request that was sent."""
        self.count += 1
        if request.outcome != OK:
            self.failed += 1
        if request.start is not None:
            self.latency.record(request.end - request.due)
        if request.bytes_in:
            self.bytes_in += request.bytes_in

    def add_requests(self, group: RequestGroup) -> None:
        """Fold all requests of ``group``, as Locust counts them: with the times of failures."""
        self.count += group.count
        self.failed += group.errors
        self.bytes_in += group.bytes_in
        self.latency.merge(group.latency)
        self.latency.merge(group.time_to_failure)
        self.merge_failures(group)

    def add_jobs(self, group: JobGroup) -> None:
        """Fold all jobs of ``group``, which are over or were given up."""
        self.count += group.submitted
        self.failed += group.errors
        self.beyond += group.given_up
        self.latency.merge(group.latency)
        self.merge_failures(group)

    def merge(self, other: Entry) -> None:
        """Fold all that ``other`` has folded; rates are left alone."""
        self.count += other.count
        self.failed += other.failed
        self.beyond += other.beyond
        self.bytes_in += other.bytes_in
        self.latency.merge(other.latency)
        self.merge_failures(other)

    def set_rates(self, span: float) -> None:
        """Compute rates over ``span`` seconds; what never ended is in none."""
        if span > 0:
            self.rate = (self.count - self.beyond) / span
            self.failure_rate = (self.failed - self.beyond) / span

    def counts(self, median: Any) -> Row:
        """Give what the columns of ``_COUNTS`` hold."""
        if not self.count:
            return 0, 0, 0, 0, 0, 0, 0
        latency = self.latency
        return (
            self.count,
            self.failed,
            median,
            _milliseconds(latency.mean),
            _milliseconds(latency.min),
            _milliseconds(latency.max),
            round(self.bytes_in / self.count, 3),
        )

    def percentiles(self) -> Row:
        """Give what the columns of percentiles hold."""
        values = self.latency.percentiles(PERCENTS, beyond=self.beyond)
        return tuple(_milliseconds(value) for value in values)

    def stats(self, kind: str, name: str) -> Row:
        """Give the row of ``_stats.csv``."""
        percentiles = self.percentiles()
        counts = self.counts(percentiles[0])
        rates = round(self.rate, 6), round(self.failure_rate, 6)
        return kind, name, *counts, *rates, *percentiles


class Moment:
    """The rows of ``_stats.csv`` and ``_failures.csv`` at one moment.

    :meth:`gather` copies what it needs of ``fold``, on the loop and a slice
    at a time; the rows are then made wherever there is time for it.
    """

    def __init__(self, fold: SummaryFold, methods: Mapping[tuple[str, str], str]) -> None:
        self._fold = fold
        self._methods = methods
        self._entries: dict[Key, Entry] = {}
        self._spans: dict[Key, float] = {}
        self._span = fold.span()

    def gather(self) -> Iterator[None]:
        """Copy the numbers; pauses now and then."""
        fold = self._fold
        requests, jobs = list(fold.requests.items()), list(fold.jobs.items())
        spans = {one: fold.span(one) for one in {scenario for (scenario, _), _ in requests}}
        job_spans = {one: fold.job_span(one) for one in {scenario for (scenario, _), _ in jobs}}
        for number, ((scenario, name), group) in enumerate(requests, 1):
            if not group.count:  # all of them were interrupted
                continue
            entry = self._entry(*type_and_name(scenario, name, self._methods), spans[scenario])
            entry.add_requests(group)
            if number % _SLICE == 0:
                yield
        for number, ((scenario, name), group_of_jobs) in enumerate(jobs, 1):
            self._entry(JOB, name, job_spans[scenario]).add_jobs(group_of_jobs)
            if number % _SLICE == 0:
                yield

    def stats(self) -> Iterator[Row]:
        """Give the rows of ``_stats.csv``, the one of all requests last."""
        total = Entry()
        for (name, kind), entry in sorted(self._entries.items(), key=lambda item: item[0]):
            entry.set_rates(self._spans[name, kind])
            yield entry.stats(kind, name)
            if kind != JOB:
                total.merge(entry)
        total.set_rates(self._span)
        yield total.stats("", AGGREGATED)

    def failures(self) -> Iterator[Row]:
        """Give the rows of ``_failures.csv``, the most frequent first."""
        rows = [
            (kind, name, error, number)
            for (name, kind), entry in self._entries.items()
            for error, number in entry.failures.items()
        ]
        yield from sorted(rows, key=lambda row: (-row[3], row))

    def _entry(self, kind: str, name: str, span: float) -> Entry:
        """Find the row of a type and name, which several scenarios may have in common."""
        key = name, kind
        self._spans[key] = max(self._spans.get(key, 0.0), span)
        return self._entries.setdefault(key, Entry())


class History:
    """A sink that makes the rows of ``_stats_history.csv``: all requests, once a second.

    The rows follow from the records alone, so that a log gives the same as the
    run did. A row is made at each :class:`Level` record, as long as its second
    is another one than that of the row before, which it replaces otherwise.
    """

    def __init__(self) -> None:
        self._epoch = 0
        self._total = Entry()
        self._users: dict[str, int] = {}
        self._moments: deque[tuple[float, int, int]] = deque()
        """Time, requests and failures at the latest rows, back to ``WINDOW`` ago."""
        self._rows: list[Row] = []
        self._newest: Row | None = None
        """The latest row, but for the users: their numbers are coming in."""

    def write(self, record: Record) -> None:
        """Fold one record."""
        if isinstance(record, Request):
            if record.outcome in SENT:
                self._total.add(record)
        elif isinstance(record, Level):
            self._level(record)
        elif isinstance(record, RunHeader):
            self._epoch = int(dt.datetime.fromisoformat(record.started_at).timestamp())

    def take(self) -> list[Row]:
        """Give the rows that are complete and were not given before."""
        rows, self._rows = self._rows, []
        return rows

    def finish(self) -> None:
        """Complete the latest row."""
        if self._newest is not None:
            timestamp, *rest = self._newest
            self._rows.append((timestamp, sum(self._users.values()), *rest))
            self._newest = None

    def _level(self, level: Level) -> None:
        if not self._moments or level.t > self._moments[-1][0]:
            timestamp = self._epoch + round(level.t)
            if self._newest is not None and self._newest[0] < timestamp:
                self.finish()
            self._newest = self._row(timestamp, level.t)
        self._users[level.scenario] = level.users

    def _row(self, timestamp: int, t: float) -> Row:
        total, moments = self._total, self._moments
        while moments and moments[0][0] < t - WINDOW - 0.5:
            moments.popleft()
        moments.append((t, total.count, total.failed))
        then, count, failed = moments[0]
        span = t - then
        rates = (
            ((total.count - count) / span, (total.failed - failed) / span) if span else (0.0, 0.0)
        )
        percentiles = total.percentiles()
        return (
            timestamp,
            "",
            AGGREGATED,
            *(round(rate, 6) for rate in rates),
            *percentiles,
            *total.counts(percentiles[0]),
        )


def type_and_name(
    scenario: str, name: str, methods: Mapping[tuple[str, str], str]
) -> tuple[str, str]:
    """Say what Locust would call a request: ``POST``, ``/predict``; ``SQS``, ``sqs.SendMessage``.

    ``methods`` are those of requests whose name does not tell, see :func:`methods_of`.
    """
    if with_method := _METHOD.fullmatch(name):
        return with_method[1], with_method[2]
    if call := _CALL.fullmatch(name):
        return call[1].upper(), name
    return methods.get((scenario, name), "REQUEST"), name


def methods_of(header: RunHeader) -> dict[tuple[str, str], str]:
    """Find the HTTP methods of requests by scenario and name, in the config that a header holds."""
    found: dict[tuple[str, str], str] = {}
    for scenario in _dicts(header.config.get("scenarios")):
        user = scenario.get("user")
        for request in _dicts(user.get("requests") if isinstance(user, dict) else None):
            if name := request.get("name"):
                method = str(request.get("method") or "GET").upper()
                found.setdefault((str(scenario.get("name")), str(name)), method)
    return found


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _milliseconds(seconds: float | None) -> Any:
    """Write a time; ``N/A`` where there is none, or where it lies among jobs that never ended."""
    return _NONE if seconds is None or seconds == math.inf else round(seconds * 1000, 3)
