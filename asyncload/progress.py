"""The progress of a run."""

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
    """The progress of a run. Times are seconds since the start of the load."""

    name: str
    phase: Phase
    t: float
    """Now."""
    end: float
    """Planned end of the load."""
    drain_end: float | None
    """Latest end of the drain; ``None`` before the drain, and when it has no limit."""
    has_jobs: bool
    """Whether the run submits jobs, which end later than their requests."""
    doing: str = ""
    """Current step of the set-up, in words; only in the phase ``setup``."""
    stopping: bool = False
    """Whether the run was stopped and waits for open work."""
    load_end: float | None = None
    """End of the load; ``None`` before it."""
    unconfirmed: int = 0
    """Jobs whose send got no answer, so that the service may or may not have them."""
    given_up: bool = False
    """Whether the drain was ended early and the last messages are being read."""
    thresholds: tuple[ThresholdNow, ...] = ()
