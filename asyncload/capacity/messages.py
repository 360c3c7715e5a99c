"""Messages about a search: how it ended, and what its trials have to keep."""

from __future__ import annotations

from collections.abc import Sequence

from asyncload.capacity.result import Ending, TrialResult
from asyncload.capacity.strategy import SearchRange, bounds
from asyncload.capacity.trial import ACHIEVED, OF_SUCCESS, SUCCEEDED
from asyncload.stats import units
from asyncload.verdict.thresholds import Threshold


def rules(thresholds: Sequence[Threshold]) -> list[str]:
    """Name what a trial has to keep."""
    texts = [threshold.text for threshold in thresholds]
    if not texts:
        ended = f"at least {ACHIEVED:.0%} of what comes ends, at the pace it comes"
        texts = [f"{ended} (no thresholds in the config)"]
    if not any(one.metric.field in OF_SUCCESS for one in thresholds):
        texts.append(f"at least {SUCCEEDED:.0%} succeeds")
    return [*texts, "what is open does not grow", "nothing is dropped"]


def sentence(ending: Ending, search: SearchRange, trials: Sequence[TrialResult]) -> str:
    """Say how a search ended, and what is known of the service."""
    known = bounds(trials)
    passed = "no rate passed" if known.passed is None else f"{known.passed:.4g}/s passed"
    last = "; ".join(trials[-1].reasons) if trials else ""
    if ending == "found":
        assert known.failed is not None
        return f"The service sustains {known.passed:.4g}/s; at {known.failed:.4g}/s it does not."
    if ending == "at least":
        return (
            f"The service sustains at least {known.passed:.4g}/s, the highest rate tried; "
            "a higher --max may find its limit."
        )
    if ending == "none":
        return (
            f"The service does not sustain even {search.start:g}/s, the first rate; "
            "start lower with --start."
        )
    if ending == "generator":
        return (
            f"The generator was the limit at {trials[-1].rate:.4g}/s ({last}), so the service's "
            f"own is not known: {passed}."
        )
    if ending == "broken":
        return f"The trial at {trials[-1].rate:.4g}/s did not run to its end ({last}): {passed}."
    if ending == "not drained":
        left = units.counted(trials[-1].left_behind, "job was", "jobs were")
        return (
            f"After the trial at {trials[-1].rate:.4g}/s {left} still open, and would spoil the "
            f"next one: {passed}. A longer drain in the config lets them end."
        )
    return f"Interrupted: {passed} so far. The same command goes on from here."
