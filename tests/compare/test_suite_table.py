"""What the table of a suite says of its tests."""

import io

import pytest
from rich.console import Console

from asyncload.compare.comparison import THRESHOLDS, Comparison
from asyncload.compare.suite_table import SuiteRow, print_suite
from asyncload.verdict.thresholds import ThresholdResult
from asyncload.verdict.verdict import Reason, Verdict


def judged(*codes):
    return Verdict.of(tuple(Reason(code, "seen", "mend it") for code in codes))


def row(name="a", code=0, *codes, **more):
    return SuiteRow(name=name, exit_code=code, judged=judged(*codes), **more)


def printed(*rows, compared=False):
    out = io.StringIO()
    print_suite(rows, Console(file=out, width=120, color_system=None), compared=compared)
    return out.getvalue()


@pytest.mark.parametrize(
    ("test", "verdict", "outcome"),
    [
        (row(), "valid", "passed"),
        (row("a", 1, "threshold_failed"), "failed", "failed"),
        (row("a", 3, "generator_late", "threshold_failed"), "invalid", "invalid"),
        (row("a", 3, "unsteady"), "inconclusive", "inconclusive"),
        (row("a", 0, "unsteady"), "inconclusive", "passed"),  # inconclusive: pass
        (row("a", 1, "unsteady"), "inconclusive", "worse"),  # so, and against a baseline
        (row("a", 1, "unsteady", "all_failed"), "failed", "failed"),
        (row("a", 1), "valid", "worse"),
        (row("a", 3), "valid", "cannot tell"),
        (row("a", 130), "interrupted", "interrupted"),
        (row("a", 4, "target_lost"), "no target", "no target"),
        (SuiteRow(name="a", exit_code=2), "error", "error"),
        (SuiteRow(name="a"), "skipped", "skipped"),
    ],
)
def test_a_test_has_the_verdict_of_its_run_and_an_outcome(test, verdict, outcome):
    assert (test.verdict, test.outcome) == (verdict, outcome)


def test_the_table_shows_verdicts_and_the_last_line_outcomes():
    text = printed(row("one"), row("two", 1), row("three", 3, "unsteady"), compared=True)
    assert [line.split()[-2] for line in text.splitlines() if line.startswith("  ")][1:] == [
        "valid", "valid", "inconclusive",
    ]  # fmt: skip
    assert text.rstrip().endswith("1 of 3 tests passed; worse: two; inconclusive: three")


def test_thresholds_that_are_inconclusive_do_not_count_as_held():
    results = [
        ThresholdResult("x", 1.0, "1", passed=which == "pass", reason="", result=which)
        for which in ("pass", "inconclusive")
    ]
    assert "1 of 2" in printed(row("a", 3, "too_few_samples", thresholds=tuple(results)))


def test_a_comparison_with_an_invalid_run_cannot_tell():
    unknown = Comparison(
        baseline="a", candidate="b", thresholds=THRESHOLDS, rows=(), invalid=("candidate: x",)
    )
    test = row("a", 3, "clock_jumped", has_baseline=True, comparison=unknown)
    assert "cannot tell" in printed(test, compared=True)
    assert test.verdict == "invalid"
