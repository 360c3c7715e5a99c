"""Settings of the embedded stack: what its simulated services do to the work they get."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import msgspec

from asyncload.plan.duration import Duration

RATES = (
    "failure_rate",
    "partial_rate",
    "duplicate_rate",
    "reorder_rate",
    "unreadable_rate",
    "foreign_rate",
    "region_rate",
    "double_failed_rate",
    "replay_rate",
    "stuck_rate",
    "reject_rate",
)


def _check_count(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} is {value}; give a whole number from {least} to {most}")


def _check_rates(settings: msgspec.Struct, names: Iterable[str]) -> None:
    for name in names:
        value = getattr(settings, name)
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is {value:g}; give a share from 0 to 1")


class ServiceTime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a job is worked on: from STARTED to its terminal status."""

    mean: Duration = Duration(0.25)
    """Seconds. 0 finishes every job at once."""
    distribution: Literal["constant", "exponential", "lognormal"] = "lognormal"
    sigma: float = 0.5
    """Spread of ``lognormal``: the standard deviation of ln(service time). The
    mean stays ``mean``. Without meaning for the other distributions."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and self.mean >= 0):
            raise ValueError(f"mean is {self.mean:g} s; give a duration of 0s or longer")
        if not 0 <= self.sigma <= 5:
            raise ValueError(f"sigma is {self.sigma:g}; give a number from 0 to 5")


class SageMakerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the simulated SageMaker endpoints do; each has one instance of its own.

    An endpoint takes workers / mean service time invocations a second, and no more.
    """

    workers: int = 4
    """Invocations worked on at once; others wait in the order they came."""
    service_time: ServiceTime = ServiceTime(mean=Duration(0.05), distribution="constant")
    failure_rate: float = 0.0
    """Of the invocations: the model fails."""
    stream_parts: int = 10
    """Parts of a streamed answer, spread evenly over the service time."""

    def __post_init__(self) -> None:
        _check_count("workers", self.workers, 1, 10_000)
        _check_rates(self, ("failure_rate",))
        _check_count("stream_parts", self.stream_parts, 1, 10_000)


class AsyncInferenceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the simulated endpoints do to asynchronous inferences. Every rate is a share, 0 to 1."""

    workers: int = 4
    """Inferences worked on at once, of each endpoint."""
    service_time: ServiceTime = ServiceTime()
    failure_rate: float = 0.0
    """Of the inferences: the model fails."""
    duplicate_rate: float = 0.0
    """Of the notifications: these are published twice."""
    lost_rate: float = 0.0
    """Of the inferences: nobody is notified of these."""
    unreadable_rate: float = 0.0
    """Of the inferences: with these, a message that is no notification comes onto the queue."""
    foreign_rate: float = 0.0
    """Of the inferences: with these comes a notification of one that nobody here asked for."""

    def __post_init__(self) -> None:
        _check_count("workers", self.workers, 1, 10_000)
        _check_rates(self, (name for name in self.__struct_fields__ if name.endswith("_rate")))


class LocalSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the simulated ModelRunner does. Every rate is a share, 0 to 1.

    The defaults are a service that works: no failures, no surprises.
    """

    workers: int = 4
    """Jobs processed at once."""
    service_time: ServiceTime = ServiceTime()
    failure_rate: float = 0.0
    """Of the jobs: these end FAILED."""
    partial_rate: float = 0.0
    """Of the jobs: these end PARTIAL."""
    duplicate_rate: float = 0.0
    """Of the status messages: these are published twice."""
    reorder_rate: float = 0.0
    """Of the STARTED and IN_PROGRESS messages: these are held back and published after
    the job's next status, or a second later when that takes longer."""
    unreadable_rate: float = 0.0
    """Of the jobs: with these, a message that is no status comes onto the status queue."""
    foreign_rate: float = 0.0
    """Of the jobs: with these comes a status of a job that nobody here sent."""
    region_rate: float = 0.0
    """Of the jobs: with these comes a message about one region of the image."""
    double_failed_rate: float = 0.0
    """Of the jobs: these fail right after STARTED, and say FAILED twice."""
    replay_rate: float = 0.0
    """Of the jobs: the statuses of these are published all over again once they have ended,
    as when the request was delivered twice."""
    stuck_rate: float = 0.0
    """Of the jobs: these stay IN_PROGRESS for ever, as when the output cannot be written."""
    reject_rate: float = 0.0
    """Of the requests: these get no status, and end up among the dead letters."""
    sagemaker: SageMakerSettings = SageMakerSettings()
    """The endpoints beside it."""
    async_inference: AsyncInferenceSettings = AsyncInferenceSettings()
    """The same endpoints, for inferences that are not waited for."""
    seed: int = 0
    """Of every random choice above, and of the sample images."""
    images: int = 8
    """Sample images put into the imagery bucket."""
    truth_log: str | None = None
    """File for what the simulated service really did; by default it is among the stack's own."""

    def __post_init__(self) -> None:
        _check_count("workers", self.workers, 1, 10_000)
        _check_count("images", self.images, 0, 1_000)
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; give a whole number of 0 or more")
        _check_rates(self, RATES)
        if self.failure_rate + self.partial_rate > 1:
            raise ValueError(
                f"failure_rate {self.failure_rate:g} and partial_rate {self.partial_rate:g} "
                "add up to more than 1; lower one of them"
            )
