"""A run at one moment, as the live views show it. It turns into JSON as it is."""

from __future__ import annotations

import msgspec

from asyncload.records.record import Ledger, System


class RecentTimes(msgspec.Struct, frozen=True):
    """Median and 95th percentile of a latency, seconds; ``None`` before there is one.

    They are over the last 15 seconds or the last 100 values, whichever holds
    more, so that a service that ends three jobs a minute has them too.
    """

    p50: float | None = None
    p95: float | None = None


class ScenarioNow(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario at this moment."""

    name: str
    model: str | None
    """``open`` or ``closed``; ``None`` when no run header has told."""
    target: float | None
    """Arrivals per second (open) or users (closed); ``None`` before the first level."""
    target_lately: float | None = None
    """Its mean over the seconds that ``rate`` is over; ``None`` before the first of them is."""
    users: int
    in_flight: int
    backlog: int
    rate: float | None
    """Requests answered (failed ones too) per second, over the last whole seconds."""
    submit: RecentTimes
    """Latency of requests, from when they were due; infinite where it lies among failures."""
    job: RecentTimes
    """Latency of jobs, from when they were due."""
    sent: int
    """Requests sent and answered, of all the run. In a run with a ledger this and the next three
    are as of its latest record, so that they agree with it."""
    failed: int
    """Requests failed or timed out, of all the run."""
    dropped: int
    jobs_failed: int
    """Jobs failed, timed out or lost, of all the run."""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of each whole second, oldest first."""

    start: int
    """Second of the run the lists begin with."""
    arrivals: list[int]
    """Requests that went out."""
    answered: list[int]
    """Requests whose answer came."""
    dropped: list[int]
    jobs: list[int]
    """Jobs that ended."""
    request_p95: list[float | None]
    job_p95: list[float | None]


class NoteSeen(msgspec.Struct):
    """A kind of warnings or errors: texts that differ in names, ids and numbers alone."""

    t: float
    """When the last of them came."""
    level: str
    text: str
    """The first of them."""
    times: int = 1
    """How many came."""
    examples: list[str] = []
    """Other texts of the kind, some of them."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to see at one moment."""

    t: float
    scenarios: list[ScenarioNow]
    ledger: Ledger | None
    size: int
    """Bytes of input of the jobs whose terminal status was observed; as of ``ledger``."""
    pixels: int
    system: System | None
    """The latest health of the generator itself."""
    sources: list[System] = []
    """The latest figures of each source of ``monitor:``."""
    failures: dict[str, int]
    """Requests and jobs that went wrong, by error text, most frequent first."""
    notes: list[NoteSeen]
    """The first kinds of warnings and errors, in the order in which each came last."""
    more_notes: int = 0
    """Warnings and errors of other kinds: they stand in the log alone."""
    found: list[str] = []
    """What set-up found out and thought worth a note."""
    series: Series
