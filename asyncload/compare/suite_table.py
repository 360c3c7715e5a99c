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

_VERDICTS: Final = {1: "failed", 2: "error", 3: "invalid", 4: "no target", 130: "interrupted"}
_WORSE: Final = "worse"
_UNKNOWN: Final = "cannot tell"
_SKIPPED: Final = "skipped"
_PASSED: Final = "passed"
_STYLES: Final = {
    _PASSED: "green",
    _SKIPPED: "dim",
    _UNKNOWN: "yellow",
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
    went_well: bool = False
    """Nothing but thresholds is against the run itself."""
    has_baseline: bool = False
    comparison: Comparison | None = None

    @property
    def verdict(self) -> str:
        """What it came to, in a word or two."""
        if self.exit_code is None:
            return _SKIPPED
        if self.exit_code == 0:
            return _PASSED
        if self.went_well and all(result.passed for result in self.thresholds):
            return _WORSE if self.exit_code == 1 else _UNKNOWN
        return _VERDICTS.get(self.exit_code, "error")


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
        thresholds = Text(f"{held} of {number}", "" if held == number else "bold red")
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
    passed = sum(test.verdict == _PASSED for test in tests)
    number = units.counted(len(tests), "test")
    if passed == len(tests):
        return Text(f"{number} passed", "bold green")
    others: dict[str, list[str]] = {}
    for test in tests:
        if test.verdict != _PASSED:
            others.setdefault(test.verdict, []).append(units.one_line(test.name))
    parts = [f"{units.count(passed)} of {number} passed"]
    parts += [f"{verdict}: {', '.join(names)}" for verdict, names in others.items()]
    bad = any(_STYLES.get(verdict) is None for verdict in others)
    return Text("; ".join(parts), "bold red" if bad else "bold yellow")
