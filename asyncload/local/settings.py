"""Settings of the embedded stack and its simulated services."""

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
    """Time from a job's STARTED to its terminal status."""

    mean: Duration = Duration(0.25)
    """Seconds; 0 finishes every job at once."""
    distribution: Literal["constant", "exponential", "lognormal"] = "lognormal"
    sigma: float = 0.5
    """``lognormal`` only: standard deviation of ln(service time). The mean stays ``mean``."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and self.mean >= 0):
            raise ValueError(f"mean is {self.mean:g} s; give a duration of 0s or longer")
        if not 0 <= self.sigma <= 5:
            raise ValueError(f"sigma is {self.sigma:g}; give a number from 0 to 5")


class SageMakerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the simulated SageMaker endpoints, each of which has one instance.

    The capacity of an endpoint is workers / mean service time, in invocations per second.
    """

    workers: int = 4
    """Invocations processed at once; others wait in order of arrival."""
    service_time: ServiceTime = ServiceTime(mean=Duration(0.05), distribution="constant")
    failure_rate: float = 0.0
    """Share of invocations in which the model fails."""
    stream_parts: int = 10
    """Parts of a streamed answer, spread evenly over the service time."""

    def __post_init__(self) -> None:
        _check_count("workers", self.workers, 1, 10_000)
        _check_rates(self, ("failure_rate",))
        _check_count("stream_parts", self.stream_parts, 1, 10_000)


class AsyncInferenceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of asynchronous inferences on the simulated endpoints. Rates are shares, 0 to 1."""

    workers: int = 4
    """Inferences processed at once by each endpoint."""
    service_time: ServiceTime = ServiceTime()
    failure_rate: float = 0.0
    """Share of inferences in which the model fails."""
    duplicate_rate: float = 0.0
    """Share of notifications published twice."""
    lost_rate: float = 0.0
    """Share of inferences without a notification."""
    unreadable_rate: float = 0.0
    """Share of inferences with an additional message that is no notification."""
    foreign_rate: float = 0.0
    """Share of inferences with an additional notification of another client's inference."""

    def __post_init__(self) -> None:
        _check_count("workers", self.workers, 1, 10_000)
        _check_rates(self, (name for name in self.__struct_fields__ if name.endswith("_rate")))


class LocalSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the simulated services. Rates are shares, 0 to 1; by default nothing fails.

    Raises ``ValueError`` with the setting and its value when one is out of range.
    """

    workers: int = 4
    """Jobs processed at once."""
    service_time: ServiceTime = ServiceTime()
    failure_rate: float = 0.0
    """Share of jobs that end FAILED."""
    partial_rate: float = 0.0
    """Share of jobs that end PARTIAL."""
    duplicate_rate: float = 0.0
    """Share of status messages published twice."""
    reorder_rate: float = 0.0
    """Share of STARTED and IN_PROGRESS messages published after the job's next status, or 1 s
    late if that comes first."""
    unreadable_rate: float = 0.0
    """Share of jobs with an additional message that is no status."""
    foreign_rate: float = 0.0
    """Share of jobs with an additional status of another client's job."""
    region_rate: float = 0.0
    """Share of jobs with an additional message about one region of the image."""
    double_failed_rate: float = 0.0
    """Share of jobs that fail right after STARTED and publish FAILED twice."""
    replay_rate: float = 0.0
    """Share of jobs whose statuses are all published again after the end, as when SQS delivers
    the request twice."""
    stuck_rate: float = 0.0
    """Share of jobs that stay IN_PROGRESS, as when the output cannot be written."""
    reject_rate: float = 0.0
    """Share of requests without a status, which end in the dead-letter queue."""
    sagemaker: SageMakerSettings = SageMakerSettings()
    """The SageMaker endpoints, for real-time invocations."""
    async_inference: AsyncInferenceSettings = AsyncInferenceSettings()
    """The same endpoints, for asynchronous inferences."""
    seed: int = 0
    """Seed of all random choices and of the sample images."""
    images: int = 8
    """Number of sample images in the imagery bucket."""
    truth_log: str | None = None
    """Path of the ground truth log; by default in the stack's temporary folder."""

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
