"""The certificate of a machine: what its calibration measured, in a file of the user's."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Final

import msgspec

from asyncload.calibration.machine import Machine, state_folder
from asyncload.errors import ConfigError
from asyncload.records.files import cannot_write, read_errors, replacing

SCHEMA: Final = 1


class Lateness(msgspec.Struct, frozen=True, kw_only=True):
    """Lateness of plain requests at one rate, seconds."""

    share: float
    """Of the top rate."""
    rate: float
    """Arrivals per second."""
    count: int
    p50: float
    p99: float
    max: float
    valid: bool
    """Whether the run was: below the top rate it is not where something disturbed it, twice."""


class TopRate(msgspec.Struct, frozen=True, kw_only=True):
    """The highest open rate of plain HTTP requests at which a run was valid."""

    rate: float
    """Arrivals per second."""
    failed_at: float | None
    """The lowest rate tried that was not valid; ``None``: there was none."""
    limit: str
    """What was wrong there, in one sentence; empty where nothing was."""
    by_service: bool
    """Whether it was the built-in service that came to its limit first: then this machine may
    drive more than ``rate``."""
    duration: float
    """Seconds for which ``rate`` was held at the end."""


class PercentileError(msgspec.Struct, frozen=True, kw_only=True):
    """A percentile as it was measured, as it was, and as theory has it. Seconds."""

    percent: float
    measured: float
    """Of the requests' latency."""
    logged: float
    """Of the same requests, by the service's own log of their sojourn times."""
    formula: float
    """Of the queue in its steady state."""
    low: float | None
    high: float | None
    """The 95 % interval of ``measured``; ``None`` where there were too few samples to say."""
    agrees: bool | None
    """Whether the formula lies in the interval, give or take ``error`` and the millisecond of the
    service's timers; ``None`` where the interval is open."""

    @property
    def error(self) -> float:
        """How much too long the measured one is, seconds."""
        return self.measured - self.logged


class QueueError(msgspec.Struct, frozen=True, kw_only=True):
    """How exactly the latencies of one queue were measured."""

    name: str
    """Such as ``M/M/1``."""
    workers: int
    service_time: float
    """Mean, seconds."""
    utilisation: float
    """Share of the workers' time that is used."""
    count: int
    """Requests, of the generator and of the service's log alike."""
    percentiles: tuple[PercentileError, ...]


class ConsumerLag(msgspec.Struct, frozen=True, kw_only=True):
    """How soon statuses of jobs are taken in."""

    rate: float
    """Jobs per second."""
    jobs: int
    notification_p50: float | None
    notification_p99: float | None
    """From the end of a job, by the service's clock, until its status was held here, seconds. The
    embedded queue's own delay is in it."""
    lag_median: float | None
    lag_max: float | None
    """For how long statuses that had arrived waited in this process, seconds: of the longest wait
    in each second. ``None``: this version does not measure it."""
    statuses_per_second: float
    """Handled at the most: read, matched, deleted, without a network between."""


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What the calibration of a machine measured."""

    schema: int = SCHEMA
    machine: Machine
    made_at: str
    """Wall clock, ISO-8601 UTC."""
    quick: bool
    """Whether trials were short: then it knows less exactly."""
    top_rate: TopRate
    lateness: tuple[Lateness, ...]
    queues: tuple[QueueError, ...]
    consumer: ConsumerLag

    @property
    def date(self) -> str:
        """Give the day it was made."""
        return self.made_at[:10]


def certificate_path() -> Path:
    """Give the place of this user's certificate."""
    return state_folder() / "certificate.json"


def now() -> str:
    """Give the time of day as certificates have it."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def read_certificate(path: Path) -> Certificate:
    """Read a certificate. Raises :class:`ConfigError` where there is none, or it is damaged."""
    with read_errors(
        path,
        ConfigError,
        f"cannot read the certificate {path}",
        remedy="check its permissions",
        missing=f"there is no certificate {path}; make one with: asyncload calibrate",
    ):
        content = path.read_bytes()
    try:
        certificate = msgspec.json.decode(content, type=Certificate)
    except (msgspec.MsgspecError, UnicodeError):
        raise ConfigError(_damaged(path)) from None
    if certificate.schema != SCHEMA or not certificate.top_rate.rate > 0:
        raise ConfigError(_damaged(path))
    return certificate


def write_certificate(certificate: Certificate, path: Path) -> None:
    """Write a certificate as JSON, whole or not at all. Raises :class:`ConfigError`."""
    content = msgspec.json.format(msgspec.json.encode(certificate), indent=2) + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(content)
    except OSError as problem:
        raise ConfigError(cannot_write(path, problem)) from None


def _damaged(path: Path) -> str:
    return (
        f"the certificate {path} is damaged, or of another version; "
        "make a new one with: asyncload calibrate"
    )
