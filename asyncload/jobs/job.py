"""One job that is not terminal yet, as the ledger holds it."""

from __future__ import annotations

from typing import Final, NamedTuple

import anyio
import msgspec

from asyncload.jobs.status import Status
from asyncload.records.outcomes import TERMINAL
from asyncload.records.record import Job

STARTED_BIT: Final = 1
TERMINAL_BIT: Final = 4
SEEN_BITS: Final = {
    "STARTED": STARTED_BIT,
    "IN_PROGRESS": 2,
    # One bit for all: whatever the first one says, a second one says nothing new.
    **dict.fromkeys(TERMINAL, TERMINAL_BIT),
}
STUCK_BIT: Final = 8
"""Of a job that was given up after STARTED or IN_PROGRESS; no dead letter has told why yet."""
NEVER_STARTED_BIT: Final = 16
"""Of a job that was given up without any status; no dead letter has told why yet."""


class Submission(msgspec.Struct, gc=False):
    """What the ledger is told about a job: made once, shared by the jobs it is the same for."""

    scenario: str
    """Name of the scenario that sends it."""
    name: str
    """Name to group jobs by."""
    image: str | None
    """URL of the input."""
    size: int | None
    """Bytes of the input; ``None`` where it could not be read."""
    pixels: int | None
    """Pixels of the input."""
    timeout: float
    """Seconds after its start at which the job is given up."""
    attempt: int = 1
    """1, or more for a job that repeats another one."""
    first_job_id: str | None = None
    """Of a job that repeats another one: the id of the first attempt."""

    def __post_init__(self) -> None:
        """Refuse what the log could not hold, where it is given. Raises TypeError."""
        for field, kind in (
            ("name", str),
            ("image", str | None),
            ("size", int | None),
            ("pixels", int | None),
            ("timeout", int | float),
        ):
            value = getattr(self, field)
            if not isinstance(value, kind):
                allowed = getattr(kind, "__name__", kind)
                raise TypeError(f"{field} of a job is {allowed}, not {value!r}")


class DeadLetter(NamedTuple):
    """A request of this run that the service has given up."""

    job_id: str
    queue: str
    age: float
    """Seconds since it was sent."""
    too_late: bool
    """The record of its job had been written before."""


class End(msgspec.Struct, gc=False):
    """How a job ended, as its record tells it."""

    status: str
    started: float | None = None
    finished: float | None = None
    observed: float | None = None
    processing_s: float | None = None
    progress: str | None = None
    dead_letter_age: float | None = None
    error: str | None = None


class LiveJob(msgspec.Struct, gc=False):
    """A job that is not terminal yet. At most 400 bytes, all told."""

    id: str
    about: Submission
    due: float
    start: float
    accepted: float | None = None
    began: float | None = None
    """When the service took it up: epoch seconds on the service's clock, so that the same skew
    puts this and the end on ours."""
    packed_message_id: str | int | None = None
    """A UUID as a number: half the memory of its text."""
    seen: int = 0
    """Bits of the statuses seen, and how it was given up."""
    duplicates: int = 0
    confirmed: bool = False
    """Counted as submitted."""
    sending: bool = True
    """The answer to the send is still out."""
    early: tuple[Status, float | None, float] | None = None
    """A terminal status that overtook the answer to the send: it, its time, when it came."""
    done: anyio.Event | None = None
    """Set when the job is terminal; made by the first waiter."""
    outcome: str | None = None

    @property
    def message_id(self) -> str | None:
        """The queue's id of the request message."""
        packed = self.packed_message_id
        return _uuid_text(packed) if isinstance(packed, int) else packed

    @message_id.setter
    def message_id(self, text: str | None) -> None:
        self.packed_message_id = _packed(text)

    @property
    def progress(self) -> str:
        """``SUBMITTED``, ``STARTED`` or ``IN_PROGRESS``."""
        if self.seen > STARTED_BIT:
            return "IN_PROGRESS"
        return "STARTED" if self.seen else "SUBMITTED"

    def started_when_accepted(self, end: End) -> None:
        """Leave the time until the answer to the submit was here to the submit alone.

        A service that takes a job up with its request has begun before its answer is
        here. Were that time part of the processing as well, the parts of a job's latency
        would be more than the whole.
        """
        if end.started is None or self.accepted is None or end.finished is None:
            return
        if end.started < self.accepted <= end.finished:
            end.started = self.accepted

    def record(self, t: float, end: End) -> Job:
        """Make the job's record, to be written at ``t``."""
        about = self.about
        return Job(
            t=t,
            scenario=about.scenario,
            job_id=self.id,
            name=about.name,
            due=self.due,
            start=self.start,
            accepted=self.accepted,
            started=end.started,
            finished=end.finished,
            observed=end.observed,
            status=end.status,
            processing_s=end.processing_s,
            size=about.size,
            pixels=about.pixels,
            duplicates=self.duplicates,
            image=about.image,
            message_id=self.message_id,
            error=end.error,
            attempt=about.attempt,
            first_job_id=about.first_job_id,
            progress=end.progress,
            dead_letter_age=end.dead_letter_age,
        )


def _packed(text: str | None) -> str | int | None:
    """Turn a UUID's text into a number; leave anything else as it is."""
    try:
        number = int((text or "").replace("-", ""), 16)
    except ValueError:
        return text
    # int() takes more than hex digits, and they may be written otherwise.
    return number if _uuid_text(number) == text else text


def _uuid_text(number: int) -> str:
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
