"""Which rate comes next: a pure function of the trials that have been made.

The rate rises by a factor until a trial fails; then the gap between the highest
rate that passed and the lowest that failed is halved (by ratio) until it is
no wider than the precision asked for. Nothing is remembered between two
trials, so a search that was interrupted goes on exactly where it was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from asyncload.capacity.result import Ending, TrialResult

_DIGITS: Final = 4  # of a rate, where there is room for so few


class SearchRange(msgspec.Struct, frozen=True, kw_only=True):
    """Where to look, and how closely. Rates are arrivals per second."""

    start: float
    most: float
    factor: float
    """Over 1: a rise is to this many times the rate."""
    precision: float
    """A share: 0.05 leaves at most 5 % between what passes and what fails."""

    @property
    def most_trials(self) -> int:
        """How many trials a search makes at most, each of them repeated."""
        ups = math.ceil(math.log(self.most / self.start) / math.log(self.factor) - 1e-9) + 1
        gap = math.log(min(self.factor, max(self.most / self.start, 1.0)))
        halvings = max(math.ceil(math.log2(max(gap / math.log1p(self.precision), 1.0))), 0)
        return 2 * (ups + halvings + 1)


class Trial(msgspec.Struct, frozen=True):
    """The next trial: a rate, and whether it is run for the first or second time."""

    rate: float
    attempt: int = 1
    at_least: float = 0.0
    """Seconds it should last, by what the first time has shown."""


class Bounds(msgspec.Struct, frozen=True):
    """What is known so far: the highest rate that passed, the lowest that failed."""

    passed: float | None = None
    failed: float | None = None


def bounds(trials: Sequence[TrialResult]) -> Bounds:
    """Find what ``trials`` have shown. A trial that was close has failed when it is so twice."""
    passed = failed = None
    for trial in trials:
        if trial.outcome == "passed":
            passed = max(passed or 0.0, trial.rate)
        elif trial.outcome == "failed" or (trial.outcome == "close" and trial.attempt > 1):
            failed = min(failed or math.inf, trial.rate)
    return Bounds(passed, failed)


def next_trial(search: SearchRange, trials: Sequence[TrialResult]) -> Trial | Ending:
    """Say what to try next, or how the search ended."""
    last = trials[-1] if trials else None
    if last is not None:
        if last.outcome == "broken":
            return "broken"
        if last.attempt == 1 and last.outcome in {"close", "generator"} and not last.left_behind:
            return Trial(last.rate, 2, last.wants)
        if last.outcome == "generator":
            return "generator"
    known = bounds(trials)
    ending = _ending(search, known)
    if ending is None and last is not None and last.left_behind:
        return "not drained"
    return ending or Trial(_rate(search, known))


def _ending(search: SearchRange, known: Bounds) -> Ending | None:
    if known.failed is None:
        return "at least" if (known.passed or 0.0) >= search.most else None
    if known.passed is None:
        return "none"
    return "found" if known.failed <= known.passed * (1 + search.precision) else None


def _rate(search: SearchRange, known: Bounds) -> float:
    if known.passed is None:
        return search.start
    if known.failed is None:
        return min(known.passed * search.factor, search.most)
    middle = math.sqrt(known.passed * known.failed)
    # A round number reads better, as long as it does not move far from the middle.
    rounded = float(f"{middle:.{_DIGITS}g}")
    gap = known.failed - known.passed
    return rounded if abs(rounded - middle) < gap * 0.01 else middle
