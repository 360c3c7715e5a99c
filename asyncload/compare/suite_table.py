"""What became of the tests of a suite, as one table in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.text import Text

from asyncload.compare.comparison import Comparison
from asyncload.report.tables.layout import Row, fitted, print_rows
from asyncload.stats import units
from asyncload.stats.metrics import Distribution, Summary
from asyncload.verdict.thresholds import ThresholdResult
from asyncload.verdict.verdict import Verdict

_ENDINGS: Final = {1: "failed", 2: "error", 3: "invalid", 4: "no target", 130: "interrupted"}
"""What a test is said to be that has no verdict, by its exit code."""
_OVER_VERDICT: Final = (130, 4)
"""Exit codes of runs that did not get far enough for their verdict to be told."""
_WORSE: Final = "worse"
_UNKNOWN: Final = "cannot tell"
_SKIPPED: Final = "skipped"
_PASSED: Final = "passed"
_STYLES: Final = {
    _PASSED: "green",
    "valid": "green",
    _SKIPPED: "dim",
    _UNKNOWN: "yellow",
    "inconclusive": "yellow",
    "interrupted": "yellow",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRow:
    """How one test of a suite came out. One that was never begun has only a name."""

    name: str
    exit_code: int | None = None
    seconds: float | None = None
    """From its set-up to its end."""
    interrupted: bool = False
    summary: Summary | None = None
    """``None`` when the load never began."""
    thresholds: tuple[ThresholdResult, ...] = ()
    judged: Verdict | None = None
    """What the run proves by itself; ``None`` when there was none."""
    has_baseline: bool = False
    comparison: Comparison | None = None

    @property
    def verdict(self) -> str:
        """What the run came to by itself: its verdict, or why it has none."""
        if self.exit_code is None:
            return _SKIPPED
        if self.judged is None or self.exit_code in _OVER_VERDICT:
            return _ENDINGS.get(self.exit_code, "error")
        if self.judged.state != "invalid" and not self.judged.passed:
            return "failed"
        return self.judged.state

    @property
    def outcome(self) -> str:
        """What the test came to, with its comparison: ``passed``, or why it did not pass."""
        if self.exit_code == 0:
            return _PASSED
        if self.verdict != "valid":
            # An inconclusive run that passes by its config may be worse than its baseline.
            passes = self.verdict == "inconclusive" and self.exit_code == 1
            return _WORSE if passes else self.verdict
        return _WORSE if self.exit_code == 1 else _UNKNOWN


def print_suite(tests: Sequence[SuiteRow], console: Console, *, compared: bool) -> None:
    """Print a line for each test, and what all of them come to.

    ``compared``: they were to be compared with a baseline.
    """
    jobs = any(test.summary is not None and test.summary.jobs.submitted for test in tests)
    left = ["requests", "failed", "rate", "p50", "p95", *(["jobs", "job p95"] if jobs else [])]
    right = ["thresholds", *(["baseline"] if compared else []), "verdict", "time"]
    rows = [
        Row(
            Text(units.one_line(test.name), "cyan"),
            _numbers(test.summary, jobs=jobs),
            _outcome(test, compared=compared),
        )
        for test in tests
    ]
    console.print(Text("Suite", "bold").append("  latency from when each was due", "not bold dim"))
    print_rows(fitted(left, right, rows, console.width), rows, console)
    console.print()
    console.print(_conclusion(tests))


def _numbers(summary: Summary | None, *, jobs: bool) -> list[Text]:
    if summary is None:
        return [Text(units.NO_VALUE, "dim") for _ in range(7 if jobs else 5)]
    requests = summary.requests
    failed = requests.errors
    cells = [
        Text(units.count(requests.count)),
        Text(units.count(failed), "bold red" if failed else ""),
        Text(units.rate(requests.rate)),
        Text(units.seconds(requests.latency.p50)),
        Text(units.seconds(requests.latency.p95), "bold"),
    ]
    if jobs:
        cells += [Text(units.count(summary.jobs.submitted)), _job_p95(summary.jobs.latency)]
    return cells


def _job_p95(latency: Distribution) -> Text:
    """Write the percentile; ``never`` when it lies among jobs that did not end."""
    if latency.p95 is None and latency.beyond:
        return Text("never", "red")
    return Text(units.seconds(latency.p95))


def _outcome(test: SuiteRow, *, compared: bool) -> list[Text]:
    held = sum(result.passed for result in test.thresholds)
    number = len(test.thresholds)
    thresholds = Text(units.NO_VALUE, "dim")
    if number:
        failed = any(result.result == "fail" for result in test.thresholds)
        style = "bold red" if failed else "" if held == number else "yellow"
        thresholds = Text(f"{held} of {number}", style)
    verdict = Text(test.verdict, _STYLES.get(test.verdict, "bold red"))
    took = units.NO_VALUE if test.seconds is None else units.clock(test.seconds)
    middle = [_against_baseline(test)] if compared else []
    return [thresholds, *middle, verdict, Text(took)]


def _against_baseline(test: SuiteRow) -> Text:
    if test.comparison is None:
        return Text("not compared" if test.has_baseline else units.NO_VALUE, "dim")
    code = test.comparison.exit_code
    if code == 1:
        return Text(f"{units.count(test.comparison.count('worse'))} worse", "bold red")
    return Text(_UNKNOWN, "yellow") if code else Text("not worse")


def _conclusion(tests: Sequence[SuiteRow]) -> Text:
    """Say how many tests passed, and what became of the others."""
    passed = sum(test.outcome == _PASSED for test in tests)
    number = units.counted(len(tests), "test")
    if passed == len(tests):
        return Text(f"{number} passed", "bold green")
    others: dict[str, list[str]] = {}
    for test in tests:
        if test.outcome != _PASSED:
            others.setdefault(test.outcome, []).append(units.one_line(test.name))
    parts = [f"{units.count(passed)} of {number} passed"]
    parts += [f"{outcome}: {', '.join(names)}" for outcome, names in others.items()]
    bad = any(_STYLES.get(outcome) is None for outcome in others)
    return Text("; ".join(parts), "bold red" if bad else "bold yellow")
