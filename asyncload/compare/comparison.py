"""What comes of comparing two runs: changes, verdicts, and the thresholds between them."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

Metric = Literal["average", "median", "p95", "p99", "rate", "failures"]
Verdict = Literal["worse", "better", "same", "cannot tell"]

METRICS: Final[tuple[Metric, ...]] = get_args(Metric)
VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
PERCENTILES: Final[dict[Metric, int]] = {"median": 50, "p95": 95, "p99": 99}

THRESHOLDS: Final[dict[Metric, float]] = {
    "average": 0.10,
    "median": 0.10,
    "p95": 0.10,
    "p99": 0.10,
    "rate": 0.10,
    "failures": 0.01,
}
"""How much worse a metric may get, as a share of the baseline; percentage points for failures."""

FLOOR: Final = 1e-3
"""Seconds; nobody is told of a time that changes by no more."""


class NamedThreshold(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold of the names that a pattern means."""

    name: str
    metric: Metric
    threshold: float


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one name, before and after.

    Times are in seconds, rates per second, failures a share of 1. A time is
    infinite when it lies among what did not end well.
    """

    metric: Metric
    baseline: float | None
    candidate: float | None
    change: float | None
    """candidate / baseline − 1; for failures candidate − baseline."""
    low: float | None = None
    high: float | None = None
    """Where the change lies, with 95 % confidence; ``None`` where nothing bounds it."""
    threshold: float
    verdict: Verdict
    reason: str = ""
    """Why nothing can be told, why it is the same, or what the numbers leave out."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One name, before and after."""

    file: str
    """What the files of the two sides have in common; empty where two files are compared."""
    type: str
    """The CSV's ``Type``; ``JOB`` for jobs; empty for requests of a log."""
    scenario: str
    """Empty for those of a CSV."""
    name: str
    label: str
    """The name, with its type or scenario where there are several of that name."""
    baseline_count: int | None
    """Requests sent or jobs submitted; ``None`` where the name is missing."""
    candidate_count: int | None
    changes: tuple[Change, ...]
    """One of each metric, in the order of :data:`METRICS`."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs, two pooled sets of runs, or two folders of them, held against each other."""

    baseline: str
    candidate: str
    thresholds: dict[Metric, float]
    by_name: tuple[NamedThreshold, ...] = ()
    """Thresholds of some names."""
    floor: float = FLOOR
    """Seconds; a time that changes by no more is the same."""
    rows: tuple[Row, ...]
    ignored: tuple[str, ...] = ()
    """Names that were to be left out."""
    unused: tuple[str, ...] = ()
    """Names that thresholds or ``--ignore`` have and nothing is called, in sentences."""
    only_in_baseline: tuple[str, ...] = ()
    """Files without one of their name on the other side."""
    only_in_candidate: tuple[str, ...] = ()
    invalid: tuple[str, ...] = ()
    """Sides whose runs are invalid, with the codes why: ``candidate: generator_late``."""
    remarks: tuple[str, ...] = ()
    """What the reader of the numbers should know, in sentences."""

    @property
    def all_remarks(self) -> tuple[str, ...]:
        """What the reader should know, of the numbers and of what was asked for."""
        return (*self.remarks, *self.unused)

    def count(self, verdict: Verdict) -> int:
        """Count the changes of which this is the verdict."""
        return sum(change.verdict == verdict for row in self.rows for change in row.changes)

    @property
    def is_known(self) -> bool:
        """Whether anything could be told at all."""
        return self.count("worse") + self.count("better") + self.count("same") > 0

    @property
    def exit_code(self) -> int:
        """0 nothing is worse, 1 something is, 3 a run is invalid or nothing could be told."""
        if self.count("worse"):
            return 1
        return 0 if self.is_known and not self.invalid else 3
