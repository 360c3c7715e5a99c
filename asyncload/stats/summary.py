"""The fold that turns records into a summary, at any moment of a run or after it.

A running engine and the reader of a log write the same records to the same
:class:`SummaryFold` and get the same numbers.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any

from asyncload.plan.duration import parse_duration
from asyncload.records.record import (
    DROPPED,
    Clock,
    Delivery,
    Job,
    Ledger,
    Level,
    Note,
    Record,
    Request,
    RunHeader,
    System,
    loads,
)
from asyncload.stats.by_name import matching, new_group
from asyncload.stats.groups import JobGroup, RequestGroup
from asyncload.stats.hosts import Hosts
from asyncload.stats.job_times import ClockFold
from asyncload.stats.load_stages import LoadStages
from asyncload.stats.metric import Metric
from asyncload.stats.metrics import JobRow, JobTotals, RequestMetrics, RequestRow, Summary, WholeRun
from asyncload.stats.reading import Reading, read_jobs, read_requests
from asyncload.stats.timeline.timeline import Timeline


class SummaryFold:
    """A sink that folds every record into the numbers of a :class:`~asyncload.stats.metrics.Summary`.

    The order of the records does not matter, but that a header comes first. Memory is bounded by the number
    of names (``MAX_NAMES``), not by the number of records.

    The *span* of a scenario's load, which rates of requests are per, begins
    at t = 0 and ends with the load: at its planned end (from the run header),
    where it was stopped, or, while it goes on, with the last thing recorded;
    the span of all is the longest of them. Answers that come in after the end
    of the load thus count in full, and the wait for them does not dilute the rate.
    """

    def __init__(self) -> None:
        self.t = 0.0
        self.requests: dict[tuple[str, str], RequestGroup] = {}
        """Requests that were sent, by scenario and name."""
        self.drops: dict[str, RequestGroup] = {}
        """Dropped arrivals, by scenario: what they would have sent is not known."""
        self.jobs: dict[tuple[str, str], JobGroup] = {}
        """By scenario and name."""
        self.ledger: Ledger | None = None
        """The latest totals of the job ledger."""
        self.notes: dict[str, int] = {}
        self.peak_loop_lag: float | None = None
        self.warmup = 0.0
        """Seconds from the start; what was due in them is not in the figures."""
        self.warm_up: SummaryFold | None = None
        """What was due in the warm-up, where there is one."""
        self.timeline = Timeline()
        self._clock = ClockFold()
        self._hosts = Hosts()
        self._load_stages = LoadStages()
        self._ends: dict[str, float] = {}
        """When the load of a scenario ended, or will by the plan; the earlier of the two."""
        self._handlers: dict[type[Record], Callable[[Any], None]] = {
            Request: self._request,
            Job: self._job,
            Ledger: self._ledger,
            Clock: self._clock.add,
            Level: self._level,
            System: self._system,
            Note: self._note,
            RunHeader: self._header,
            Delivery: self._delivery,
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
            requests=RequestMetrics(**total.fields(self._rate(total, self.span()))),
            requests_by_name=[
                RequestRow(
                    scenario=scenario,
                    name=name,
                    **group.fields(self._rate(group, self.span(scenario))),
                )
                for (scenario, name), group in sorted(self._rows().items())
            ],
            dropped_by_scenario={
                scenario: drops.dropped for scenario, drops in sorted(self.drops.items())
            },
            jobs=JobTotals(
                **jobs.fields(self._job_rate(jobs)), **jobs.beside(), **self._clock.fields()
            ),
            jobs_by_name=[
                JobRow(
                    scenario=scenario, name=name, **group.fields(self._job_rate(group, scenario))
                )
                for (scenario, name), group in sorted(self.jobs.items())
            ],
            notes=dict(sorted(self.notes.items())),
            peak_loop_lag=self.peak_loop_lag,
            hosts=self._hosts.read(),
            steps=self._load_stages.read(),
            warmup=self.warmup,
            with_warmup=self._whole(),
            warm_ups=self.timeline.warm_ups(),
            delivery=[found for _, found in sorted(self.timeline.deliveries.items())],
        )

    def _whole(self) -> WholeRun | None:
        """Give the figures of a run with those of its warm-up, where there is one."""
        early = self.warm_up
        if early is None:
            return None
        requests, jobs = self.request_total(), self.job_total()
        requests.merge(early.request_total())
        for group in early.jobs.values():
            jobs.merge(group)
        if self.ledger is not None:
            jobs.take(self.ledger)
        request_span, job_span = self.span() + self.warmup, self.job_span() + self.warmup
        return WholeRun(
            requests=RequestMetrics(**requests.fields(self._rate(requests, request_span))),
            jobs=JobTotals(
                **jobs.fields(jobs.observed / job_span if job_span else 0.0), **jobs.beside()
            ),
        )

    def metric(self, metric: str | Metric) -> float | None:
        """Compute one metric; grammar: :mod:`asyncload.stats.metric`.

        Raises:
            ConfigError: there is no such metric.

        """
        return self.reading(Metric.parse(metric) if isinstance(metric, str) else metric).value

    def reading(self, metric: Metric) -> Reading:
        """Compute one metric, with what it is of."""
        name = metric.name
        if metric.family == "job":
            jobs = self.job_total(name)
            scenarios = {scenario for scenario, _ in matching(self.jobs, name)}
            return read_jobs(jobs, metric, self._job_rate(jobs, *scenarios))
        scenario = self._shared_drops(name)
        if scenario is not None and metric.field in {"dropped", "drop_rate"}:
            reason = f"dropped arrivals have no name; use request[{scenario}].{metric.field}"
            return Reading(None, reason=reason)
        requests = self.request_total(name)
        span = self.span(*{scenario for scenario, _ in matching(self.requests, name)})
        return read_requests(requests, metric, self._rate(requests, span))

    def scenarios(self) -> list[str]:
        """Name the scenarios that have sent requests."""
        return sorted({scenario for scenario, _ in self.requests})

    def request_total(self, name: str | None = None) -> RequestGroup:
        """Merge all requests, or those with a name or of a scenario of that name.

        Dropped arrivals are in the total of their scenario, and in that of a
        name when it is the only one of their scenario.
        """
        total = RequestGroup()
        for key in matching(self.requests, name):
            total.merge(self.requests[key])
        for scenario, dropped in self.drops.items():
            if name is None or name == scenario or self._names(scenario) == [name]:
                total.merge(dropped)
        return total

    def job_total(self, name: str | None = None) -> JobGroup:
        """Merge all jobs, or those with a name or of a scenario of that name."""
        total = JobGroup()
        for key in matching(self.jobs, name):
            total.merge(self.jobs[key])
        if name is None and self.ledger is not None:
            total.take(self.ledger, whole=self.warm_up is None)
        return total

    def span(self, *scenarios: str) -> float:
        """Compute the span of the load of some scenarios (of all when none is named), seconds."""
        seen = {scenario for scenario, _ in self.requests} | self.drops.keys()
        ends = [
            min(self._ends.get(scenario, math.inf), self.t)
            for scenario in seen
            if not scenarios or scenario in scenarios
        ]
        return max(max(ends, default=0.0) - self.warmup, 0.0)

    def job_span(self, *scenarios: str) -> float:
        """Seconds until the last job of some scenarios (of all when none is named) was observed."""
        last = max(
            (
                group.last_observed
                for (scenario, _), group in self.jobs.items()
                if not scenarios or scenario in scenarios
            ),
            default=0.0,
        )
        return max(last - self.warmup, 0.0)

    def _request(self, request: Request) -> None:
        if request.t > self.t:  # noqa: PLR1730 - a call to max() is most of this line's cost
            self.t = request.t
        if request.due < self.warmup and self.warm_up is not None:
            self.warm_up.write(request)
            return
        if request.outcome == DROPPED:
            self.drops.setdefault(request.scenario, RequestGroup()).drop()
            return
        group = self.requests.get((request.scenario, request.name))
        if group is None:
            group = new_group(self.requests, request.scenario, request.name, RequestGroup)
        group.add(request)
        if self._load_stages.known:
            self._load_stages.request(request)

    def _job(self, job: Job) -> None:
        self._moment(job)
        if job.due < self.warmup and self.warm_up is not None:
            self.warm_up.write(job)
            return
        group = self.jobs.get((job.scenario, job.name))
        if group is None:
            group = new_group(self.jobs, job.scenario, job.name, JobGroup)
        group.add(job)
        self.timeline.job(job)

    def _ledger(self, ledger: Ledger) -> None:
        self._moment(ledger)
        if self.ledger is None or ledger.t >= self.ledger.t:
            self.ledger = ledger

    def _moment(self, record: Job | Ledger | Level | Note | System | Delivery) -> None:
        self.t = max(self.t, record.t)

    def _level(self, level: Level) -> None:
        self._moment(level)
        self._load_stages.level(level)
        self.timeline.level(level)
        self._take_latencies(level.scenario, level.t)
        if level.ended:
            self._end(level.scenario, level.t)

    def _take_latencies(self, scenario: str, t: float) -> None:
        """Hand on what was answered since the last level: in order, but for names within it."""
        for (of, _), group in self.requests.items():
            if of == scenario and group.recent:
                self.timeline.latencies(scenario, t, group.recent)
                del group.recent[:]

    def _system(self, system: System) -> None:
        self._moment(system)
        self._hosts.add(system)
        self.timeline.system(system)
        if system.loop_lag is not None:
            self.peak_loop_lag = max(self.peak_loop_lag or 0.0, system.loop_lag)

    def _note(self, note: Note) -> None:
        self._moment(note)
        self.notes[note.level] = self.notes.get(note.level, 0) + 1

    def _header(self, header: RunHeader) -> None:
        self.timeline.header = header
        self._load_stages.header(header)
        for name, load in loads(header).items():
            with contextlib.suppress(ValueError):  # a log of another version may say it otherwise
                self._end(name, parse_duration(load.get("duration")))

        with contextlib.suppress(ValueError):
            self.warmup = parse_duration(header.config.get("warmup", 0))
        if self.warmup:
            self.warm_up = SummaryFold()

    def _delivery(self, delivery: Delivery) -> None:
        self._moment(delivery)
        self.timeline.delivery(delivery)

    def _end(self, scenario: str, t: float) -> None:
        self._ends[scenario] = min(self._ends.get(scenario, math.inf), t)

    def _names(self, scenario: str) -> list[str]:
        return [name for of, name in self.requests if of == scenario]

    def _shared_drops(self, name: str | None) -> str | None:
        """Find a scenario whose dropped arrivals may have been of this name, or of another."""
        for scenario in self.drops:
            names = self._names(scenario)
            if name != scenario and name in names and len(names) > 1:
                return scenario
        return None

    def _rows(self) -> dict[tuple[str, str], RequestGroup]:
        """Give the requests by scenario and name, with the drops of scenarios of one name."""
        rows = dict(self.requests)
        for scenario, dropped in self.drops.items():
            names = self._names(scenario)
            if len(names) == 1:
                key = scenario, names[0]
                rows[key] = RequestGroup()
                rows[key].merge(self.requests[key])
                rows[key].merge(dropped)
        return rows

    def _job_rate(self, jobs: JobGroup, *scenarios: str) -> float:
        """Jobs observed per second until the last of some scenarios (of all when none is named).

        Rates of names share that span, so that they add up to their scenario's.
        """
        span = self.job_span(*scenarios)
        return jobs.observed / span if span > 0 else 0.0

    @staticmethod
    def _rate(group: RequestGroup, span: float) -> float:
        return group.count / span if span > 0 else 0.0
