"""What a search for a service's capacity found: its trials, and what they come to."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from asyncload.capacity.knee import knee
from asyncload.verdict.thresholds import ThresholdResult

SCHEMA: Final = 1

Outcome = Literal["passed", "close", "failed", "generator", "broken"]
"""``close``: it failed by little, or proves nothing; it is run once more. ``generator``: not the
service was at its limit, but what sent the load. ``broken``: the trial did not run to its end."""

Ending = Literal["found", "at least", "none", "generator", "broken", "not drained", "interrupted"]

EXIT_CODES: Final[dict[Ending, int]] = {
    "found": 0,
    "none": 1,
    "at least": 3,
    "generator": 3,
    "broken": 3,
    "not drained": 3,
    "interrupted": 130,
}


class Times(msgspec.Struct, frozen=True):
    """Latency of a trial, from when the work was due, seconds; ``None``: never, or none at all."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None


class TrialResult(msgspec.Struct, frozen=True, kw_only=True):
    """One run at one rate, and how it came out. Rates are per second, times in seconds."""

    rate: float
    """Arrivals."""
    duration: float
    """Of the load, as planned."""
    outcome: Outcome
    reasons: list[str] = []
    """Why it did not pass, a few words each."""
    started_at: str = ""
    """Wall clock, ISO-8601 UTC."""
    attempt: int = 1
    jobs: bool = False
    """Whether its work is jobs: then times and rates are those of jobs."""
    count: int = 0
    """Requests or jobs that were sent."""
    failed: int = 0
    dropped: int = 0
    ended: float = 0.0
    """Requests or jobs that ended well or badly, in the part of the run that was looked at."""
    latency: Times = Times()
    lateness_p99: float | None = None
    growth: float = 0.0
    """Increase of what was open."""
    backlog: int = 0
    """What was open at the end of the load."""
    drain: float = 0.0
    """How long it took then until all of it had ended."""
    drain_rate: float | None = None
    """Work that ended per second then, where there was enough of it."""
    shortest: float | None = None
    """The shortest latency."""
    wants: float = 0.0
    """How long the trial should last when it is run again; 0: as before."""
    left_behind: int = 0
    """Jobs that the service still had to begin when the trial was given up."""
    stopped_early: bool = False
    thresholds: list[ThresholdResult] = []
    log: str | None = None


class Scaling(msgspec.Struct, frozen=True, kw_only=True):
    """What Application Auto Scaling needs to know of a SageMaker variant."""

    max_rps: float
    """Invocations per second of one instance."""
    instances: int
    safety_factor: float
    invocations_per_instance: float
    """``SageMakerVariantInvocationsPerInstance``: max_rps × safety_factor × 60, per minute."""
    policy: dict[str, Any]
    """The configuration of a target-tracking policy."""


def kept_as(name: str) -> str:
    """What files of a search are called, by the ``name`` of its config: ``NAME.capacity``."""
    return f"{''.join(c if c.isalnum() or c in '-_.' else '-' for c in name)}.capacity"


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a search."""

    name: str
    ending: Ending
    sentence: str
    """What it comes to."""
    capacity: float | None
    """The highest rate that passed, arrivals per second."""
    failed_at: float | None
    """The lowest rate above it that did not."""
    precision: float
    """What the search was to come to: failed_at / capacity is at most 1 + precision."""
    rules: list[str]
    """What a trial had to keep."""
    steps: list[TrialResult]
    scaling: Scaling | None = None

    @property
    def knee(self) -> float | None:
        """Rate at the knee of p95 latency over rate (:mod:`asyncload.capacity.knee`)."""
        return knee(
            [
                (trial.rate, trial.latency.p95)
                for trial in curve(self.steps)
                if trial.latency.p95 is not None
            ]
        )

    @property
    def exit_code(self) -> int:
        """What the command line exits with."""
        return EXIT_CODES[self.ending]

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON types."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return {"schema": SCHEMA, **fields, "knee": self.knee, "exit_code": self.exit_code}


def curve(trials: list[TrialResult]) -> list[TrialResult]:
    """Choose the trials that tell of the service, one for each rate, by rising rate.

    The latest of a rate counts. Those that ended early, or that the generator
    spoilt, tell nothing of how latency grows with the rate.
    """
    sound = {
        trial.rate: trial
        for trial in trials
        if trial.outcome in {"passed", "close", "failed"}
        and not trial.stopped_early
        and trial.count
    }
    return [sound[rate] for rate in sorted(sound)]
