"""What a run proves: the verdict, and its reasons."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

Standing = Literal["valid", "invalid", "inconclusive"]
Code = Literal[
    "generator_late",
    "generator_busy",
    "loop_blocked",
    "load_not_delivered",
    "connections_limited",
    "clock_jumped",
    "log_incomplete",
    "run_incomplete",
    "target_lost",
    "target_unreachable",
    "too_few_samples",
    "unsteady",
    "nothing_measured",
    "all_failed",
    "threshold_failed",
]
Weight = Literal["invalid", "failed", "inconclusive"]

WEIGHTS: Final[dict[Code, Weight]] = {
    "generator_late": "invalid",
    "generator_busy": "invalid",
    "loop_blocked": "invalid",
    "load_not_delivered": "invalid",
    "connections_limited": "invalid",
    "clock_jumped": "invalid",
    "log_incomplete": "invalid",
    "run_incomplete": "invalid",
    "target_lost": "invalid",
    "target_unreachable": "failed",
    "all_failed": "failed",
    "threshold_failed": "failed",
    "too_few_samples": "inconclusive",
    "unsteady": "inconclusive",
    "nothing_measured": "inconclusive",
}
"""What each reason makes of a run: nobody can rely on its numbers, the service under test
failed, or too little is known."""


class Reason(msgspec.Struct, frozen=True):
    """One reason of a verdict."""

    code: Code
    text: str
    """What was seen, with its numbers, in one sentence without a full stop."""
    remedy: str
    """What to do about it."""
    evidence: dict[str, Any] = {}
    """The numbers, by name; times in seconds, shares of 1."""

    @property
    def weight(self) -> Weight:
        """What it makes of the run."""
        return WEIGHTS[self.code]


class Verdict(msgspec.Struct, frozen=True):
    """What a run proves.

    ``state`` says whether its numbers can be relied on; ``passed`` whether the service did
    what was asked of it, as far as that is known.
    """

    state: Standing
    passed: bool
    reasons: tuple[Reason, ...] = ()

    @classmethod
    def of(cls, reasons: tuple[Reason, ...]) -> Verdict:
        """Sum up reasons: what makes a run invalid weighs most."""
        weights = {reason.weight for reason in reasons}
        state: Standing = "valid"
        if "invalid" in weights:
            state = "invalid"
        elif "inconclusive" in weights:
            state = "inconclusive"
        order: tuple[Weight, ...] = ("invalid", "failed", "inconclusive")
        ordered = sorted(reasons, key=lambda reason: order.index(reason.weight))
        return cls(state, "failed" not in weights, tuple(ordered))

    def exit_code(self, *, inconclusive_passes: bool = False) -> int:
        """Give what the command line exits with: 0, 1 or 3."""
        if self.state == "invalid":
            return 3
        if not self.passed:
            return 1
        return 3 if self.state == "inconclusive" and not inconclusive_passes else 0

    def has(self, code: Code) -> bool:
        """Whether a reason is among those of the verdict."""
        return any(reason.code == code for reason in self.reasons)
