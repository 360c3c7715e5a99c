"""Statistics of the last seconds and minutes of a run, for whoever watches it.

:class:`LiveStats` folds every record for the summary and keeps, in bounded
memory, what the summary forgets: how it went lately.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import Final

from asyncload.records.record import (
    DROPPED,
    INTERRUPTED,
    OK,
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
from asyncload.stats.failures import Failing, most_frequent, note_kind
from asyncload.stats.groups import JobGroup, RequestGroup
from asyncload.stats.hosts import is_generator
from asyncload.stats.snapshot import NoteSeen, ScenarioNow, Series, Snapshot
from asyncload.stats.summary import SummaryFold
from asyncload.stats.timeline.lately import LATEST, Second, mean, recent

HISTORY: Final = 300
"""Seconds of which the series tell."""
WINDOW: Final = 15
"""Seconds that recent percentiles are over."""
RATE_WINDOW: Final = 5
"""Whole seconds that recent rates are over."""
MAX_NOTES: Final = 10
"""Kinds of warnings kept, and findings of the set-up; the others are counted."""
MAX_EXAMPLES: Final = 2
"""Texts kept of a kind, beside its first one."""


class _Scenario:
    """What is known of one scenario beyond the cells."""

    __slots__ = ("job_times", "level", "model", "request_times", "targets")

    def __init__(self) -> None:
        self.model: str | None = None
        self.level: Level | None = None
        self.targets: deque[tuple[float, float]] = deque(maxlen=RATE_WINDOW + 4)
        """Times and targets of the latest levels: one a second, and one at the end."""
        self.request_times: deque[float] = deque(maxlen=LATEST)
        self.job_times: deque[float] = deque(maxlen=LATEST)


class _Totals(Failing):
    """Counts by scenario, and failures by kind, at one moment.

    Where there is a ledger, whose totals come once a second, they are those
    of the moment of its record: what is shown together then agrees.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sent: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.jobs_failed: Counter[str] = Counter()
        self.size = self.pixels = 0


class LiveStats:
    """A sink for a run that is being watched.

    Time is that of the records and of the ``now`` given to
    :meth:`snapshot`; no clock is read. Memory is bounded by the number of
    scenarios and names, whatever the length and rate of the run.
    """

    def __init__(self) -> None:
        self.fold = SummaryFold()
        """The same records, folded for the summary."""
        self._scenarios: dict[str, _Scenario] = {}
        self._seconds: dict[int, Second] = {}
        self._newest = -1
        self._system: System | None = None
        self._sources: dict[str, System] = {}
        self._notes: dict[str, NoteSeen] = {}
        self._more_notes = 0
        self._found: list[str] = []
        self._with_ledger: _Totals | None = None

    def write(self, record: Record) -> None:
        """Fold one record."""
        self.fold.write(record)
        if isinstance(record, Request):
            self._request(record)
        elif isinstance(record, Job):
            self._job(record)
        elif isinstance(record, Level):
            scenario = self._scenario(record.scenario)
            if scenario.level is None or record.t >= scenario.level.t:
                scenario.level = record
                scenario.targets.append((record.t, record.target))
        elif isinstance(record, System):
            if is_generator(record):
                self._system = record
            else:
                self._sources[record.host] = record
        elif isinstance(record, Ledger):
            if record is self.fold.ledger:
                self._with_ledger = self._totals()
        elif isinstance(record, Note):
            self._note(record)
        elif isinstance(record, RunHeader):
            for name, load in loads(record).items():
                self._scenario(name).model = load.get("model")

    def snapshot(self, now: float) -> Snapshot:
        """Tell how it stands at ``now``, seconds of the run. It costs well below a millisecond."""
        totals = self._with_ledger or self._totals()
        return Snapshot(
            t=now,
            scenarios=[self._now(name, now, totals) for name in self._scenarios],
            ledger=self.fold.ledger,
            size=totals.size,
            pixels=totals.pixels,
            system=self._system,
            sources=list(self._sources.values()),
            failures=most_frequent(totals.failures),
            notes=sorted(self._notes.values(), key=lambda note: note.t),
            more_notes=self._more_notes,
            found=list(self._found),
            series=self._series(int(now)),
        )

    def _totals(self) -> _Totals:
        """Count what there has been of everything until now."""
        totals = _Totals()
        for (scenario, _), requests in self.fold.requests.items():
            totals.sent[scenario] += requests.count
            totals.failed[scenario] += requests.errors
        for scenario, drops in self.fold.drops.items():
            totals.dropped[scenario] = drops.dropped
        for (scenario, _), jobs in self.fold.jobs.items():
            totals.jobs_failed[scenario] += jobs.errors
            totals.size += jobs.size
            totals.pixels += jobs.pixels
        groups: list[RequestGroup | JobGroup] = [*self.fold.requests.values()]
        groups += self.fold.jobs.values()
        for group in groups:
            totals.merge_failures(group)
        return totals

    def _request(self, request: Request) -> None:
        moment = int(request.t)
        second = self._seconds.get(moment) or self._begin(moment)
        if request.outcome == DROPPED:
            second.dropped += 1
            return
        if request.outcome == INTERRUPTED:
            return
        second.answered += 1
        cell = None
        if second.cells is not None:
            cell = second.cells.get(request.scenario) or second.begin(request.scenario)
            cell.answered += 1
        start = request.start
        if start is not None:
            latency = request.end - request.due if request.outcome == OK else math.inf
            self._scenario(request.scenario).request_times.append(latency)
            if cell is not None:
                if latency < math.inf:
                    cell.requests.record(latency)
                else:
                    cell.failed += 1
            sent = int(start)
            if sent != moment:
                second = self._seconds.get(sent) or self._begin(sent)
            second.arrivals += 1

    def _job(self, job: Job) -> None:
        moment = int(job.t)
        second = self._seconds.get(moment) or self._begin(moment)
        second.jobs += 1
        if job.observed is None:
            return
        latency = job.observed - job.due
        self._scenario(job.scenario).job_times.append(latency)
        if second.cells is not None:
            cell = second.cells.get(job.scenario) or second.begin(job.scenario)
            cell.jobs.record(latency)

    def _note(self, note: Note) -> None:
        if note.level == "info":
            if note.t == 0 and len(self._found) < MAX_NOTES:
                self._found.append(note.text)
            return
        kind = note_kind(note.level, note.text)
        seen = self._notes.get(kind)
        if seen is not None:
            seen.t = note.t
            seen.times += 1
            if len(seen.examples) < MAX_EXAMPLES and note.text not in {seen.text, *seen.examples}:
                seen.examples.append(note.text)
        elif len(self._notes) < MAX_NOTES or note.level == "error":
            self._notes[kind] = NoteSeen(note.t, note.level, note.text)
            if len(self._notes) > MAX_NOTES:
                self._drop_warning()
        else:
            self._more_notes += 1

    def _drop_warning(self) -> None:
        """Make room for an error: the newest kind of warnings is counted only."""
        warnings = [kind for kind, note in self._notes.items() if note.level != "error"]
        self._more_notes += self._notes.pop((warnings or [*self._notes])[-1]).times

    def _scenario(self, name: str) -> _Scenario:
        scenario = self._scenarios.get(name)
        if scenario is None:
            scenario = self._scenarios[name] = _Scenario()
        return scenario

    def _begin(self, moment: int) -> Second:
        """Begin a second, and let go of what is too old; one too long ago is not kept."""
        second = Second()
        self._newest = max(self._newest, moment)
        if moment > self._newest - HISTORY:
            self._seconds[moment] = second
        for old in [old for old in self._seconds if old <= self._newest - HISTORY]:
            del self._seconds[old]
        for number, kept in self._seconds.items():
            if number <= self._newest - WINDOW:
                kept.seal()
        return second

    def _now(self, name: str, now: float, totals: _Totals) -> ScenarioNow:
        scenario = self._scenarios[name]
        level = scenario.level
        last = int(now)
        cells = {
            key: second.cells[name]
            for key in range(last - WINDOW + 1, last + 1)
            if (second := self._seconds.get(key)) is not None
            and second.cells is not None
            and name in second.cells
        }
        whole = min(RATE_WINDOW, last)
        answered = sum(cells[key].answered for key in range(last - whole, last) if key in cells)
        return ScenarioNow(
            name=name,
            model=scenario.model,
            target=None if level is None else level.target,
            target_lately=mean(scenario.targets, last - whole, last) if whole else None,
            users=0 if level is None else level.users,
            in_flight=0 if level is None else level.in_flight,
            backlog=0 if level is None else level.backlog,
            rate=answered / whole if whole else None,
            submit=recent(
                [cell.requests for cell in cells.values()],
                scenario.request_times,
                failed=sum(cell.failed for cell in cells.values()),
            ),
            job=recent([cell.jobs for cell in cells.values()], scenario.job_times),
            sent=totals.sent[name],
            failed=totals.failed[name],
            dropped=totals.dropped[name],
            jobs_failed=totals.jobs_failed[name],
        )

    def _series(self, now: int) -> Series:
        first = max(0, now - HISTORY + 1)
        nothing = Second()
        seconds = [self._seconds.get(key, nothing) for key in range(first, now)]
        for second in seconds:
            second.read()
        return Series(
            start=first,
            arrivals=[second.arrivals for second in seconds],
            answered=[second.answered for second in seconds],
            dropped=[second.dropped for second in seconds],
            jobs=[second.jobs for second in seconds],
            request_p95=[second.p95 for second in seconds],
            job_p95=[second.job_p95 for second in seconds],
        )
