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

SCHEMA: Final = 1

# Request outcomes.
OK: Final = "ok"
FAILED: Final = "failed"
TIMEOUT: Final = "timeout"
DROPPED: Final = "dropped"

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


class Request(Record, tag="request"):
    """One call and its answer. A dropped one was never sent: it has no ``start``."""

    t: float
    scenario: str
    user: int
    name: str
    due: float
    """When it should have gone out."""
    end: float
    """When its answer was complete (for a dropped one: when it was dropped)."""
    outcome: str
    """``ok``, ``failed``, ``timeout`` or ``dropped``."""
    start: float | None = None
    """When it did go out. latency = end - due; service time = end - start."""
    first_byte: float | None = None
    status: int | None = None
    """HTTP status code."""
    bytes_out: int | None = None
    bytes_in: int | None = None
    error: str | None = None


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
    """``SUCCESS``, ``PARTIAL``, ``FAILED``, ``TIMED_OUT`` or ``LOST``."""
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


class Level(Record, tag="level"):
    """State of one scenario, once a second."""

    t: float
    scenario: str
    target: float
    """The shape's level: arrivals per second (open) or users (closed)."""
    users: int
    in_flight: int
    """Iterations under way."""
    backlog: int
    """Jobs submitted and not terminal."""


class Ledger(Record, tag="ledger", kw_only=True):
    """Cumulative totals of the job ledger, once a second and at the end.

    ``submitted = succeeded + partial + failed + timed_out + lost + backlog``,
    at every moment; at the end ``backlog`` is 0.
    """

    t: float
    submitted: int
    succeeded: int
    partial: int
    failed: int
    timed_out: int
    """Given up because the job's own timeout passed."""
    lost: int
    """Given up because the drain ended."""
    backlog: int
    duplicates: int
    """Status messages of our jobs that said what had been said already."""
    late: int
    """Terminal statuses that came after their job had been given up."""
    orphans: int
    """Status messages of jobs this run never sent."""
    unreadable: int
    """Messages that are no status at all."""
    regions: int = 0
    """Status messages about a region of one of our jobs, not the job itself."""
    unconfirmed: int = 0
    """Sends whose answer was lost and of which nothing was heard again; not in ``submitted``."""


class System(Record, tag="system"):
    """Health of the host and of the generator itself, once a second."""

    t: float
    host: str
    cpu: float
    """Percent of one core used by the generator's process."""
    memory: int
    """Resident bytes of the generator's process."""
    host_cpu: float | None = None
    """Percent of all cores of the host."""
    loop_lag: float | None = None
    """Longest time in this second that the event loop was late to wake, s."""
    log_backlog: int | None = None
    """Records waiting for the log thread."""
    gpu: list[dict[str, float]] | None = None


class Note(Record, tag="note"):
    """Something that happened, in words. ``level``: info, warning or error."""

    t: float
    level: str
    text: str


class SummaryRecord(Record, tag="summary"):
    """Always the last line of a log that was closed in order."""

    t: float
    summary: dict[str, Any]


AnyRecord = RunHeader | Request | Job | Level | Ledger | System | Note | SummaryRecord


class Sink(Protocol):
    """Takes records. ``write`` never blocks and never raises into the caller."""

    def write(self, record: Record, /) -> None:
        """Take in one record."""
        ...
