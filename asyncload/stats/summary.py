"""The fold that turns records into a summary, at any moment of a run or after it.

A running engine and the reader of a log write the same records to the same
:class:`SummaryFold` and get the same numbers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import msgspec

from asyncload.plan.duration import parse_duration
from asyncload.records.record import (
    Job,
    Ledger,
    Level,
    Note,
    Record,
    Request,
    RunHeader,
    System,
)
from asyncload.stats.groups import JobGroup, RequestGroup
from asyncload.stats.metric import Metric
from asyncload.stats.metrics import JobRow, JobTotals, RequestMetrics, RequestRow

MAX_NAMES: Final = 500
"""Different names kept apart in a run; requests and jobs of others are counted together."""
OTHER_NAMES: Final = "(other names)"

Group = TypeVar("Group", RequestGroup, JobGroup)


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A run in numbers."""

    t: float
    """Time of the last thing recorded, seconds from the start."""
    requests: RequestMetrics
    requests_by_name: list[RequestRow]
    jobs: JobTotals
    jobs_by_name: list[JobRow]
    notes: dict[str, int]
    """Number of notes by level."""
    peak_loop_lag: float | None
    """Longest time the event loop was late to wake, seconds."""

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON types, as a ``SummaryRecord`` holds it."""
        result: dict[str, Any] = msgspec.to_builtins(self)
        return result


class SummaryFold:
    """A sink that folds every record into the numbers of a :class:`Summary`.

    The order of the records does not matter. Memory is bounded by the number
    of names (``MAX_NAMES``), not by the number of records.

    The *span* of a scenario's load, which rates of requests are per, begins
    at t = 0 and ends with the load's planned duration (from the run header)
    or with the last answer, whichever is earlier; the span of all is the
    longest of them. Answers that come in after the planned end thus count in
    full, and the wait for them does not dilute the rate.
    """

    def __init__(self) -> None:
        self.t = 0.0
        self.requests: dict[tuple[str, str], RequestGroup] = {}
        """By scenario and name."""
        self.jobs: dict[tuple[str, str], JobGroup] = {}
        """By scenario and name."""
        self.ledger: Ledger | None = None
        """The latest totals of the job ledger."""
        self.notes: dict[str, int] = {}
        self.peak_loop_lag: float | None = None
        self._durations: dict[str, float] = {}
        self._handlers: dict[type[Record], Callable[[Any], None]] = {
            Request: self._request,
            Job: self._job,
            Ledger: self._ledger,
            Level: self._moment,
            System: self._system,
            Note: self._note,
            RunHeader: self._header,
        }

    def write(self, record: Record) -> None:
        """Fold one record; kinds that say nothing about the numbers are passed over."""
        handler = self._handlers.get(type(record))
        if handler is not None:
            handler(record)

    def summary(self) -> Summary:
        """Compute the numbers as they stand. It costs about 0.3 ms for each name."""
        total = self.request_total()
        jobs = self.job_total()
        return Summary(
            t=self.t,
            requests=RequestMetrics(**total.fields(self._rate(total, self._span()))),
            requests_by_name=[
                RequestRow(
                    scenario=scenario,
                    name=name,
                    **group.fields(self._rate(group, self._span(scenario))),
                )
                for (scenario, name), group in sorted(self.requests.items())
            ],
            jobs=JobTotals(**jobs.fields(), **jobs.beside()),
            jobs_by_name=[
                JobRow(scenario=scenario, name=name, **group.fields())
                for (scenario, name), group in sorted(self.jobs.items())
            ],
            notes=dict(sorted(self.notes.items())),
            peak_loop_lag=self.peak_loop_lag,
        )

    def metric(self, metric: str | Metric) -> float | None:
        """Compute one metric (grammar: :mod:`asyncload.stats.metric`).

        ``None`` when there is nothing to compute it from: no request or job
        at all of that name, or none that got as far as that time.

        Raises:
            ConfigError: there is no such metric.

        """
        if isinstance(metric, str):
            metric = Metric.parse(metric)
        if metric.family == "request":
            group = self.request_total(metric.name)
            if not group.count + group.dropped:
                return None
            if metric.field == "rate":
                return self._rate(group, self._span(*self._scenarios(metric.name)))
            return _value(group, metric)
        jobs = self.job_total(metric.name)
        return _value(jobs, metric) if jobs.submitted else None

    def request_total(self, name: str | None = None) -> RequestGroup:
        """Merge all requests, or those with a name, or (if none has it) of a scenario."""
        total = RequestGroup()
        for key in _matching(self.requests, name):
            total.merge(self.requests[key])
        return total

    def job_total(self, name: str | None = None) -> JobGroup:
        """Merge all jobs, or those with a name, or (if none has it) of a scenario."""
        total = JobGroup()
        for key in _matching(self.jobs, name):
            total.merge(self.jobs[key])
        if name is None and self.ledger is not None:
            total.take(self.ledger)
        return total

    def _request(self, request: Request) -> None:
        if request.t > self.t:  # noqa: PLR1730 - a call to max() is most of this line's cost
            self.t = request.t
        group = self.requests.get((request.scenario, request.name))
        if group is None:
            group = _new_group(self.requests, request.scenario, request.name, RequestGroup)
        group.add(request)

    def _job(self, job: Job) -> None:
        self._moment(job)
        group = self.jobs.get((job.scenario, job.name))
        if group is None:
            group = _new_group(self.jobs, job.scenario, job.name, JobGroup)
        group.add(job)

    def _ledger(self, ledger: Ledger) -> None:
        self._moment(ledger)
        if self.ledger is None or ledger.t >= self.ledger.t:
            self.ledger = ledger

    def _moment(self, record: Job | Ledger | Level | Note | System) -> None:
        self.t = max(self.t, record.t)

    def _system(self, system: System) -> None:
        self._moment(system)
        if system.loop_lag is not None:
            self.peak_loop_lag = max(self.peak_loop_lag or 0.0, system.loop_lag)

    def _note(self, note: Note) -> None:
        self._moment(note)
        self.notes[note.level] = self.notes.get(note.level, 0) + 1

    def _header(self, header: RunHeader) -> None:
        for name, load in loads(header).items():
            with contextlib.suppress(ValueError):  # a log of another version may say it otherwise
                self._durations[name] = parse_duration(load.get("duration"))

    def _scenarios(self, name: str | None) -> set[str]:
        return {scenario for scenario, _ in _matching(self.requests, name)}

    def _span(self, *scenarios: str) -> float:
        """Compute the span of the load of some scenarios (of all when none is named), seconds."""
        spans: dict[str, float] = {}
        for (scenario, _), group in self.requests.items():
            if not scenarios or scenario in scenarios:
                planned = self._durations.get(scenario, float("inf"))
                spans[scenario] = max(spans.get(scenario, 0.0), min(planned, group.last_end))
        return max(spans.values(), default=0.0)

    @staticmethod
    def _rate(group: RequestGroup, span: float) -> float:
        return group.count / span if span > 0 else 0.0


def loads(header: RunHeader) -> dict[str, dict[str, Any]]:
    """Find the load section of each scenario in the config that a run header holds."""
    scenarios = header.config.get("scenarios")
    found: dict[str, dict[str, Any]] = {}
    for scenario in scenarios if isinstance(scenarios, list) else []:
        if isinstance(scenario, dict) and isinstance(scenario.get("load"), dict):
            found[str(scenario.get("name"))] = scenario["load"]
    return found


def _matching(keys: Iterable[tuple[str, str]], name: str | None) -> list[tuple[str, str]]:
    keys = list(keys)
    if name is None:
        return keys
    return [key for key in keys if key[1] == name] or [key for key in keys if key[0] == name]


def _new_group(
    groups: dict[tuple[str, str], Group], scenario: str, name: str, make: Callable[[], Group]
) -> Group:
    """Begin the group of a name, or give that of the other names when there are too many."""
    key = (scenario, name) if len(groups) < MAX_NAMES else (scenario, OTHER_NAMES)
    group = groups.get(key)
    if group is None:
        group = groups[key] = make()
    return group


def _value(group: RequestGroup | JobGroup, metric: Metric) -> float | None:
    value = getattr(group, metric.field)
    if metric.statistic == "p":
        value = value.percentile(metric.percent)
    elif metric.statistic is not None:
        value = getattr(value, metric.statistic)
    return None if value is None else float(value)
