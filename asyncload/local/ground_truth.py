"""The ground-truth log: what the simulated service really did, and when.

JSON lines, each flushed as it is written. Times are epoch seconds on the wall
clock. Measured latencies are held against it: ``finished`` is taken
immediately before the call that publishes the terminal status, ``published``
when that call has returned, so the status reached its queue between the two.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import msgspec

from asyncload.errors import LogError
from asyncload.records.files import read_errors


class _Played(msgspec.Struct, kw_only=True):
    """What is known of every job that was worked on."""

    number: int
    """In order of arrival, from 0."""
    job_id: str
    image_url: str
    received: float
    """When the request came out of the request queue."""
    started: float
    """Immediately before STARTED was published."""
    statuses: list[str]
    """Every status message, in the order published; a duplicate stands here twice."""

    @property
    def duplicates(self) -> int:
        """Status messages that repeat an earlier one."""
        return len(self.statuses) - len(set(self.statuses))


class JobTruth(_Played, tag="job", tag_field="type", kw_only=True):
    """One job, written once all its messages are published."""

    status: str
    """How it ended: SUCCESS, PARTIAL or FAILED."""
    service_time: float
    """Seconds, as drawn."""
    finished: float
    """Immediately before the terminal status was published."""
    published: float
    """When the call that published the terminal status had returned."""


class StuckTruth(_Played, tag="stuck", tag_field="type", kw_only=True):
    """One job that will be IN_PROGRESS for ever, written when its worker has left it."""


class ExtraTruth(msgspec.Struct, tag="extra", tag_field="type", kw_only=True):
    """One message that was no status of a job sent by this run's generator."""

    kind: str
    """``unreadable``, ``foreign`` or ``region``."""
    number: int
    """The job it was sent with."""
    sent: float
    published: float
    job_id: str | None = None
    """Whose status it was; ``None`` for an unreadable one."""
    body: str | None = None
    """The whole body of an unreadable one."""


class ReplayTruth(msgspec.Struct, tag="replay", tag_field="type", kw_only=True):
    """The statuses of a finished job, published all over again."""

    number: int
    """Of the request that led to it."""
    job_id: str
    sent: float
    """Immediately before the first of them was published."""
    published: float
    """When the call that published the last of them had returned."""
    statuses: list[str]


class RejectedTruth(msgspec.Struct, tag="rejected", tag_field="type", kw_only=True):
    """One receipt of a request that was not accepted; the queue moves it to the dead letters."""

    message_id: str
    received: float
    reason: str
    job_id: str | None = None
    """Of a request that could be read."""


class InferenceTruth(msgspec.Struct, tag="inference", tag_field="type", kw_only=True):
    """One asynchronous inference, written once all its notifications are published."""

    number: int
    """In order of arrival, from 0."""
    job_id: str
    endpoint: str
    input_location: str
    received: float
    """When its request was accepted."""
    begun: float
    """When a worker took it up."""
    service_time: float
    """Seconds, as drawn."""
    status: str
    """How it ended: SUCCESS, FAILED, or LOST when nobody was notified."""
    finished: float
    """Immediately before it was published."""
    published: float
    """When the call that published it had returned; ``finished`` of a LOST one."""
    notifications: int
    """How often it was published."""
    reason: str | None = None
    """Of a FAILED one."""


class RequestTruth(msgspec.Struct, tag="request", tag_field="type", kw_only=True):
    """One request to a simulated model server, written immediately before it is answered.

    Spans are taken on the server's monotonic clock.
    """

    number: int
    """In order of arrival, from 0."""
    received: float
    """When all of the request was there."""
    service_time: float
    """Seconds, as drawn."""
    scheduled: float
    """Seconds from its arrival to the end of its service, as the queue has it."""
    sojourn: float
    """Seconds from its arrival until immediately before its answer was sent: ``scheduled``, and
    what a timer that fired late added."""


GroundTruthRecord = (
    JobTruth | ExtraTruth | ReplayTruth | StuckTruth | RejectedTruth | InferenceTruth | RequestTruth
)


class GroundTruthLog:
    """Writes the ground-truth log, a line at a time; a context manager."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        self._encoder = msgspec.json.Encoder()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, record: GroundTruthRecord) -> None:
        """Write and flush one line."""
        self._file.write(self._encoder.encode(record) + b"\n")
        self._file.flush()


def read_ground_truth(path: Path) -> list[GroundTruthRecord]:
    """Read a ground-truth log, leaving out a torn last line. Raises :class:`LogError`."""
    decoder = msgspec.json.Decoder(GroundTruthRecord)
    with read_errors(
        path, LogError, f"cannot read the ground-truth log {path}", remedy="check the path"
    ):
        lines = path.read_bytes().splitlines(keepends=True)
    records: list[GroundTruthRecord] = []
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            break
        try:
            records.append(decoder.decode(line))
        except (msgspec.MsgspecError, UnicodeError):
            raise LogError(f"{path} is no ground-truth log: line {number} cannot be read") from None
    return records
