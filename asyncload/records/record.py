"""The records of a run: one struct for each line of the log.

Field names are a contract with everyone who reads a log (`docs/log.md`).
All times are seconds since the start of the run, on the generator's
monotonic clock; :class:`RunHeader` carries the wall-clock start. A field
that is ``None`` is left out of the line.

Records are immutable once written: the log thread encodes them later.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec

from asyncload.records.outcomes import LedgerCounts

SCHEMA: Final = 1

# Request outcomes.
OK: Final = "ok"
FAILED: Final = "failed"
TIMEOUT: Final = "timeout"
DROPPED: Final = "dropped"
INTERRUPTED: Final = "interrupted"
"""Still open when somebody ended the run: how long it would have taken is not known."""
SENT: Final = (OK, FAILED, TIMEOUT)
"""Outcomes of a request that the service had its time for."""

DROPPED_NAME: Final = "(dropped)"
"""The name of dropped arrivals: which request they would have become is not known."""


class Record(msgspec.Struct, tag_field="type", omit_defaults=True, gc=False):
    """Base of every record. ``type`` is always the first field of the line."""


class RunHeader(Record, tag="run", kw_only=True):
    """Always the first line of a log."""

    schema: int
    run_id: str
    name: str
    started_at: str
    """Wall clock at t = 0, ISO-8601 UTC."""
    seed: int
    config: dict[str, Any]
    """The resolved config, secrets removed."""
    host: dict[str, Any]
    versions: dict[str, str]


class Stream(msgspec.Struct, omit_defaults=True, gc=False):
    """How the answer to a request came in, where it was a stream of chunks.

    What a chunk is depends on the request: an event, a line, a piece of the
    body, or for completions an event with content.
    """

    chunks: int
    first_token: float | None = None
    """When the first chunk was there."""
    tokens: int | None = None
    """Of completions: as the service counted them, or else the chunks."""
    gaps: list[float] | None = None
    """Seconds from each chunk to the next."""


class Request(Record, tag="request"):
    """One call and its answer. One that was dropped, or could not be made, has no ``start``.

    Its stages: ``due`` → ``begun`` is lateness, ``begun`` → ``ready`` preparation, ``ready`` →
    ``start`` the wait for a free connection (*queued*), ``start`` → ``sent`` sending, ``sent`` →
    ``first_byte`` waiting, ``first_byte`` → ``end`` receiving. ``begun`` and
    ``ready`` that are left out are the time of the next one, ``sent`` that of ``start``: that
    stage took none, or too little to be recorded.
    """

    t: float
    scenario: str
    user: int
    name: str
    due: float
    """When it should have gone out."""
    end: float
    """When its answer was complete (for a dropped one: when it was dropped)."""
    outcome: str
    """``ok``, ``failed``, ``timeout``, ``dropped`` or ``interrupted``."""
    start: float | None = None
    """When it did go out. latency = end - due; service time = end - start."""
    first_byte: float | None = None
    status: int | None = None
    """HTTP status code."""
    bytes_out: int | None = None
    bytes_in: int | None = None
    error: str | None = None
    stream: Stream | None = None
    begun: float | None = None
    """When its iteration began, if the user had work of its own to do before the request."""
    ready: float | None = None
    """When it asked for a connection, if none was free."""
    sent: float | None = None
    """When all of it had been handed to the connection, if that took a millisecond or more: a
    connection had to be opened, or a large body to be sent."""
    resent: bool = False
    """It was sent twice: the kept connection of the first time was being closed by the service."""


class Job(Record, tag="job", kw_only=True):
    """One job, written when it is terminal or given up.

    ``due`` → ``start`` is lateness, ``start`` → ``accepted`` the submit,
    ``accepted`` → ``started`` the wait in the service's queue, ``started`` →
    ``finished`` its processing, ``finished`` → ``observed`` the notification.
    ``started`` and ``finished`` come from the service's clock, put on ours.
    """

    t: float
    scenario: str
    job_id: str
    name: str
    due: float
    start: float
    accepted: float | None = None
    started: float | None = None
    finished: float | None = None
    observed: float | None = None
    """When the generator held the terminal status. Job latency = observed - due."""
    status: str
    """``SUCCESS``, ``PARTIAL``, ``FAILED``, ``TIMED_OUT`` or ``LOST``: the status of an
    :class:`~asyncload.records.outcomes.Outcome`."""
    processing_s: float | None = None
    """Processing time as the service itself reported it, seconds."""
    size: int | None = None
    """Bytes of the input."""
    pixels: int | None = None
    duplicates: int = 0
    """Status messages of this job seen more than once before it was terminal."""
    image: str | None = None
    message_id: str | None = None
    error: str | None = None
    attempt: int = 1
    """2 or more: a repetition of a job that ended in PARTIAL."""
    first_job_id: str | None = None
    """Of a repetition: the id of the first attempt."""
    progress: str | None = None
    """Of a job that was given up, how far it had got: ``SUBMITTED``, ``STARTED`` or
    ``IN_PROGRESS``."""
    dead_letter_age: float | None = None
    """Of a job that was given up and whose request was found among the dead letters: seconds
    from its sending until it was found."""


class Level(Record, tag="level"):
    """State of one scenario, once a second and when the load ends."""

    t: float
    scenario: str
    target: float
    """The shape's level: arrivals per second (open) or users (closed)."""
    users: int
    in_flight: int
    """Iterations under way."""
    backlog: int
    """Jobs submitted and not terminal."""
    ended: bool = False
    """The load is over: it has come to its planned end, or was stopped. Work may still be open."""


# mypy's rule is that of dataclasses, whose base would be frozen too; Record has no fields.
class Ledger(Record, LedgerCounts, frozen=True, tag="ledger"):  # type: ignore[misc]
    """Cumulative totals of the job ledger, once a second and at the end.

    ``submitted = succeeded + partial + failed + timed_out + lost + backlog``,
    at every moment; at the end ``backlog`` is 0. And
    ``rejected + stuck + never_started = timed_out + lost``.
    """

    t: float


class Clock(Record, tag="clock"):
    """What is known of the service's clock, once a second and at the end where there are jobs.

    The counts are of the whole run so far. ``docs/ledger.md`` says how it is found out.
    """

    t: float
    skew: float
    """Seconds that the service's clock is taken to be ahead of ours."""
    uncertainty: float | None = None
    """Seconds that the truth may be from ``skew`` at most; ``None`` while it has no limit."""
    resolution: float = 0.001
    """Seconds to which the service's times are cut."""
    observed: int = 0
    """Times that the service's messages carried."""
    rejected: int = 0
    """Those of them that no skew explains; they were not used."""
    changes: int = 0
    """How often the service's clock was set."""


class System(Record, tag="system"):
    """A look at a host, once a second; of the generator's own it is the health of both.

    A figure that its host or source does not tell is ``None``.
    """

    t: float
    host: str
    """The generator's host, or the name of a source of ``monitor:``."""
    cpu: float | None = None
    """Percent of one core used by the generator's process; ``None`` for other hosts."""
    memory: int | None = None
    """Resident bytes of the generator's process; ``None`` for other hosts."""
    host_cpu: float | None = None
    """Percent of all cores of the host."""
    loop_lag: float | None = None
    """Longest time in this second that the event loop was late to wake, s; in each record of
    the generator's own host, and in no other."""
    log_backlog: int | None = None
    """Records waiting for the log thread."""
    gpu: list[dict[str, float]] | None = None
    """For each GPU its ``id``, and as far as known its ``utilisation`` (percent), ``memory``
    (bytes in use) and ``memory_total``."""
    host_memory: int | None = None
    """Bytes in use on the host: all but what programs could still get."""
    memory_total: int | None = None
    """Bytes of memory of the host."""
    network_in: float | None = None
    """Bytes received per second since the previous look, loopback left out."""
    network_out: float | None = None
    metrics: dict[str, float] | None = None
    """Series of the user's choice, by the name they were given."""
    gc_pause: float | None = None
    """Longest garbage collection since the record before, s. This field and all that follow stand
    in records of the generator's own host alone; a figure that could not be read is left out."""
    gc_time: float | None = None
    """Garbage collections since the record before, all together, s."""
    steal: float | None = None
    """Percent of the time of the host's cores that its hypervisor gave to others."""
    core_cpu: float | None = None
    """Percent that the cores were busy which the generator's process may run on."""
    cpu_wait: float | None = None
    """Percent of the time for which the event loop's thread could have run but had no core."""
    clock_jump: float | None = None
    """How far the wall clock moved against the monotonic one since the record before, s; left
    out below 50 ms."""
    suspended: float | None = None
    """For how long the host was suspended since the record before, s; left out below 50 ms."""
    consumer_lag: float | None = None
    """Longest time from the arrival of an answer with status messages until the last of them was
    handled, s; left out where none arrived."""
    full_polls: float | None = None
    """Percent of the polls for status messages that came back full."""
    blocked: float | None = None
    """Longest time for which user code blocked the event loop, s; left out where none did."""
    blocked_by: str | None = None
    """That code: ``Slow.go at slow.py:6``."""


class Note(Record, tag="note"):
    """Something that happened, in words. ``level``: info, warning or error."""

    t: float
    level: str
    text: str


class Arrivals(msgspec.Struct, omit_defaults=True, gc=False):
    """How arrivals are spread over a load."""

    count: int
    rate: float
    """``count`` per second of the load."""
    mean_gap: float | None = None
    """Seconds from one to the next."""
    cv: float | None = None
    """Standard deviation of the gaps, divided by their mean: 0 is even, 1 is Poisson."""


class Delivery(Record, tag="delivery"):
    """How a scenario's load went out, against its plan; once, when the load is over."""

    t: float
    scenario: str
    planned: Arrivals
    sent: Arrivals
    """Iterations that began."""
    ks: float
    """Kolmogorov-Smirnov distance: the largest share of the planned arrivals that, at any
    moment, were due and had not begun."""


class SummaryRecord(Record, tag="summary"):
    """Always the last line of a log that was closed in order."""

    t: float
    summary: dict[str, Any]


AnyRecord = (
    RunHeader | Request | Job | Level | Ledger | Clock | System | Note | Delivery | SummaryRecord
)


def loads(header: RunHeader) -> dict[str, dict[str, Any]]:
    """Find the load section of each scenario in the config that a run header holds."""
    scenarios = header.config.get("scenarios")
    found: dict[str, dict[str, Any]] = {}
    for scenario in scenarios if isinstance(scenarios, list) else []:
        if isinstance(scenario, dict) and isinstance(scenario.get("load"), dict):
            found[str(scenario.get("name"))] = scenario["load"]
    return found


class Sink(Protocol):
    """Takes records. ``write`` never blocks and never raises into the caller."""

    def write(self, record: Record, /) -> None:
        """Take in one record."""
        ...


class Tee:
    """Hands every record to several sinks, in order. More may join at any time."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks

    def add(self, sink: Sink) -> None:
        """Hand records to ``sink`` too, from now on."""
        self._sinks = (*self._sinks, sink)

    def write(self, record: Record) -> None:
        """Hand ``record`` on."""
        for sink in self._sinks:
            sink.write(record)
