"""What comes of comparing two runs: changes, verdicts, and the thresholds between them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal, get_args

import msgspec

from asyncload.errors import ConfigError

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

_THRESHOLD: Final = re.compile(r"\s*(?P<metric>[^=]*?)\s*=\s*(?P<limit>.*?)\s*", re.DOTALL)
_PERCENT: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*%")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one name, before and after.

    Times are in seconds, rates per second, failures a share of 1. A time is
    infinite when it lies among jobs that never ended.
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
    """Why nothing can be told, or what the numbers leave out."""


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
    """Two runs, or two folders of runs, held against each other."""

    baseline: str
    candidate: str
    thresholds: dict[Metric, float]
    rows: tuple[Row, ...]
    only_in_baseline: tuple[str, ...] = ()
    """Files without one of their name on the other side."""
    only_in_candidate: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    """What the reader of the numbers should know, in sentences."""

    def count(self, verdict: Verdict) -> int:
        """Count the changes of which this is the verdict."""
        return sum(change.verdict == verdict for row in self.rows for change in row.changes)

    @property
    def exit_code(self) -> int:
        """0 nothing is worse, 1 something is, 3 nothing could be told at all."""
        if self.count("worse"):
            return 1
        return 0 if self.count("better") + self.count("same") else 3


def parse_thresholds(texts: Iterable[str] = ()) -> dict[Metric, float]:
    """Read thresholds such as ``p95=20%``; those not given are :data:`THRESHOLDS`.

    Raises:
        ConfigError: a text has no such form, or names no metric there is.

    """
    found = dict(THRESHOLDS)
    for text in texts:
        match = _THRESHOLD.fullmatch(text)
        if match is None:
            raise ConfigError(f"--threshold {text!r}: write METRIC=PERCENT, such as p95=20%")
        metric = _metric(match["metric"], text)
        number = _PERCENT.fullmatch(match["limit"])
        if number is None:
            raise ConfigError(
                f"--threshold {text!r}: {match['limit']!r} is no percentage; "
                f"write one of 0% or more, such as {metric}=20%"
            )
        limit = float(number[1]) / 100
        if limit >= 1 and metric in {"rate", "failures"}:
            what = "a rate cannot fall" if metric == "rate" else "failures cannot rise"
            raise ConfigError(
                f"--threshold {text!r}: {what} by 100% or more; write less, such as {metric}=20%"
            )
        found[metric] = limit
    return found


def complete(thresholds: Mapping[Metric, float] | None) -> dict[Metric, float]:
    """Add the thresholds that are not given."""
    return {**THRESHOLDS, **(thresholds or {})}


def _metric(name: str, text: str) -> Metric:
    for metric in METRICS:
        if metric == name:
            return metric
    raise ConfigError(
        f"--threshold {text!r}: there is no metric {name!r}; use one of {', '.join(METRICS)}"
    )
