"""What a run came to, in one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from rich.text import Text

from asyncload.stats import units
from asyncload.stats.metrics import Summary
from asyncload.verdict.thresholds import ThresholdResult
from asyncload.verdict.verdict import Verdict

_Weight = Literal[0, 1, 2]
_STYLES: Final = ("bold green", "bold yellow", "bold red")
_BAD: Final = 0.5  # share of failures from which a run looks bad whatever its thresholds say


def conclusion(
    summary: Summary,
    thresholds: Sequence[ThresholdResult] | None,
    verdict: Verdict | None = None,
    *,
    interrupted: bool,
) -> Text:
    """Say what the run proves, how the thresholds came out, and what else tells good from bad.

    It is as red as the worst that it says. ``thresholds`` are ``None`` when
    it is not known how they came out.
    """
    parts: list[tuple[str, _Weight]] = []
    if verdict is not None and verdict.state != "valid":
        parts.append(_STATES[verdict.state])
    if interrupted:
        parts.append((f"interrupted, ended at {units.clock(summary.t)}", 1))
    if thresholds is not None:
        parts.append(_thresholds(thresholds))
    # Where thresholds were set, they say how many failures are too many.
    parts += _failures(summary, 0 if thresholds else 1)
    if summary.requests.dropped:
        parts.append((_drops(summary), 1))
    return Text("; ".join(text for text, _ in parts), _STYLES[max(weight for _, weight in parts)])


_STATES: Final[dict[str, tuple[str, _Weight]]] = {
    "invalid": ("INVALID: these numbers do not tell about the service", 2),
    "inconclusive": ("INCONCLUSIVE: too little is known", 1),
}


def _thresholds(thresholds: Sequence[ThresholdResult]) -> tuple[str, _Weight]:
    failed = sum(result.result == "fail" for result in thresholds)
    unknown = sum(result.result == "inconclusive" for result in thresholds)
    if not thresholds:
        return "no thresholds were set", 0
    number = len(thresholds)
    if failed:
        which = "the threshold" if number == 1 else f"{failed} of {number} thresholds"
        return f"{which} failed", 2
    if unknown:
        which = "the threshold is" if number == 1 else f"{unknown} of {number} thresholds are"
        return f"{which} inconclusive", 1
    held = {1: "the threshold held", 2: "both thresholds held"}
    return held.get(number, f"all {number} thresholds held"), 0


def _failures(summary: Summary, weight: _Weight) -> list[tuple[str, _Weight]]:
    requests, jobs = summary.requests, summary.jobs
    parts: list[tuple[str, _Weight]] = []
    if not requests.count and not jobs.submitted:
        return [("nothing was sent", 2)]
    if rate := requests.error_rate:
        parts.append((f"{units.percent(rate)} of requests failed", 2 if rate >= _BAD else weight))
    if rate := jobs.error_rate:
        what = "failed or never ended" if jobs.errors > jobs.given_up else "never ended"
        what = what if jobs.given_up else "failed"
        parts.append((f"{units.percent(rate)} of jobs {what}", 2 if rate >= _BAD else weight))
    return parts or [("nothing failed", 0)]


def _drops(summary: Summary) -> str:
    number = summary.requests.dropped
    text = f"{units.counted(number, 'arrival')} ({units.percent(summary.requests.drop_rate)})"
    of = list(summary.dropped_by_scenario)
    scenarios = {row.scenario for row in summary.requests_by_name}
    if not scenarios.issubset(of):
        text += f" of {units.one_line(', '.join(of))}"
    verb = "was" if number == 1 else "were"
    return f"{text} {verb} dropped: the load was not what the shape asked for"
