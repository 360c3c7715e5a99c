"""What the simulated service does with one job, drawn before it does it.

A job's :class:`Script` is a list of actions that a worker carries out in order.
It is drawn from the seed and the job's number in order of arrival, each
choice from its own place in the sequence, so that a seeded run repeats and
turning one rate up leaves every other choice as it was. A new misbehaviour is
a new script, or a new kind of action.
"""

from __future__ import annotations

import math
import random
from typing import Final, Literal

import msgspec

from asyncload.local.model_runner.messages import (
    FAILED,
    IN_PROGRESS,
    PARTIAL,
    STARTED,
    SUCCESS,
    ImageRequest,
    StatusMessage,
    foreign_status,
    region_status,
    unreadable_body,
)
from asyncload.local.settings import LocalSettings, ServiceTime

STUCK: Final = "STUCK"
"""The outcome of a job that never ends."""
REJECTED: Final = "REJECTED"
"""The outcome of a request that is never worked on."""


class Emit(msgspec.Struct, frozen=True):
    """Publish a status of the job."""

    status: str
    copies: int = 1
    held: bool = False
    """Not now, but after the job's next status."""


class Work(msgspec.Struct, frozen=True):
    """Process the image until ``seconds`` after STARTED."""

    seconds: float


class Extra(msgspec.Struct, frozen=True):
    """Send a message that is no status of the job: to the topic, or ``str`` bodies to the queue."""

    kind: Literal["unreadable", "foreign", "region"]
    message: StatusMessage | str


Action = Emit | Work | Extra


class Script(msgspec.Struct, frozen=True):
    """The actions of one job, its service time in seconds and how it ends."""

    actions: tuple[Action, ...]
    service_time: float
    outcome: str
    """SUCCESS, PARTIAL, FAILED, :data:`STUCK` or :data:`REJECTED`."""
    replayed: bool = False
    """Its statuses are published all over again once it has ended."""

    @property
    def sequence(self) -> tuple[str, ...]:
        """The job's statuses, each once and in order."""
        return tuple(action.status for action in self.actions if isinstance(action, Emit))


def write_script(settings: LocalSettings, number: int, request: ImageRequest) -> Script:
    """Draw everything about the ``number``-th job to arrive (counted from 0)."""
    # A string is hashed with SHA-512: the same in every process and release.
    rng = random.Random(f"{settings.seed}/{number}")
    service_time = draw_service_time(settings.service_time, rng)
    outcome = _outcome(settings, rng.random())
    copies, held = [], []
    for status in (STARTED, IN_PROGRESS, outcome):
        copies.append(2 if rng.random() < settings.duplicate_rate else 1)
        held.append(rng.random() < settings.reorder_rate and status != outcome)
    extras = _extras(settings, request, rng)
    # New draws come last, and all of them are made: one rate must not shift
    # what another one draws.
    double_failed = rng.random() < settings.double_failed_rate
    replayed = rng.random() < settings.replay_rate
    stuck = rng.random() < settings.stuck_rate
    if rng.random() < settings.reject_rate:
        return Script((), service_time, REJECTED)
    started = Emit(STARTED, copies=copies[0], held=held[0])
    if double_failed:
        # An error right after STARTED: no work is done, and both say so.
        failed = Emit(FAILED, copies=copies[2] + 1)
        return Script((started, *extras, failed), 0.0, FAILED, replayed)
    actions: tuple[Action, ...] = (started, Emit(IN_PROGRESS, copies=copies[1], held=held[1]))
    # The extras come before the end of the job, so that whoever waits for the
    # last job of a run has met them.
    actions += (*extras, Work(service_time))
    if stuck:
        return Script(actions, service_time, STUCK)
    return Script((*actions, Emit(outcome, copies=copies[2])), service_time, outcome, replayed)


def _extras(settings: LocalSettings, request: ImageRequest, rng: random.Random) -> list[Extra]:
    """Draw the messages beside the job's own; their content whether or not they are sent."""
    body, foreign = unreadable_body(rng), foreign_status(rng)
    region = region_status(request.job_id, request.image_url, rng)
    extras = []
    if rng.random() < settings.unreadable_rate:
        extras.append(Extra("unreadable", body))
    if rng.random() < settings.foreign_rate:
        extras.append(Extra("foreign", foreign))
    if rng.random() < settings.region_rate:
        extras.append(Extra("region", region))
    return extras


def draw_service_time(service_time: ServiceTime, rng: random.Random) -> float:
    """One service time in seconds; its expectation is ``service_time.mean``."""
    mean = float(service_time.mean)
    if service_time.distribution == "constant" or mean == 0:
        return mean
    if service_time.distribution == "exponential":
        return rng.expovariate(1 / mean)
    # E[exp(N(µ, σ²))] = exp(µ + σ²/2), so µ = ln(mean) - σ²/2.
    sigma = service_time.sigma
    return rng.lognormvariate(math.log(mean) - sigma * sigma / 2, sigma)


def _outcome(settings: LocalSettings, draw: float) -> str:
    if draw < settings.failure_rate:
        return FAILED
    if draw < settings.failure_rate + settings.partial_rate:
        return PARTIAL
    return SUCCESS
