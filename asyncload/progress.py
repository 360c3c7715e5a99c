"""How far a run is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Phase = Literal["setup", "load", "drain", "done"]


@dataclass(frozen=True)
class ThresholdNow:
    """How a threshold stands at this moment."""

    text: str
    result: Literal["pass", "fail", "inconclusive"]
    measured: str
    """The value as people read it."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands in its plan. Times are seconds from the start of the load."""

    name: str
    phase: Phase
    t: float
    """Now."""
    end: float
    """Planned end of the load."""
    drain_end: float | None
    """When the drain will be given up; ``None`` before it begins, and when it has no limit."""
    has_jobs: bool
    """Whether the run submits jobs, which end later than their requests."""
    doing: str = ""
    """What the set-up is busy with, in words; only in the phase ``setup``."""
    stopping: bool = False
    """Whether the run was asked to stop, and waits for what is open."""
    load_end: float | None = None
    """When the load did end; ``None`` before that."""
    unconfirmed: int = 0
    """Jobs whose send got no answer: it is not known yet whether the service has them."""
    given_up: bool = False
    """Whether the run was asked to wait no longer, and reads its last messages."""
    thresholds: tuple[ThresholdNow, ...] = ()
