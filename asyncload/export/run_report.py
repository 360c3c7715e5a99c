"""What the formats of other tools take of a run."""

from __future__ import annotations

from dataclasses import dataclass

from asyncload.stats.metrics import Summary
from asyncload.verdict.thresholds import ThresholdResult
from asyncload.verdict.verdict import Reason, Verdict


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """One run that is over, or that could not start."""

    name: str
    seconds: float
    """From its set-up to its end."""
    summary: Summary | None = None
    """``None`` when it could not start."""
    thresholds: tuple[ThresholdResult, ...] = ()
    verdict: Verdict | None = None
    own_exit_code: int = 0
    """What the run comes to by itself."""
    exit_code: int = 0
    """What it comes to with its baseline."""
    baseline: str | None = None
    """How it stands against its baseline, in a sentence; ``None``: it has none."""
    started: str = ""
    """When, ISO-8601 UTC to the second, without its offset."""
    problem: str | None = None
    """Why it could not start; ``None`` when it did."""
    properties: tuple[tuple[str, str], ...] = ()
    """What else is to be known of it, such as its id."""
    log: str = ""

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Reasons of the verdict that are not those of a threshold."""
        if self.verdict is None:
            return ()
        return tuple(one for one in self.verdict.reasons if "threshold" not in one.evidence)
