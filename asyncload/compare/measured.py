"""What one side of a comparison knows of a name, wherever it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asyncload.compare.bootstrap import Blocks
from asyncload.compare.comparison import Metric
from asyncload.compare.percentiles import Spread

Array = NDArray[np.float64]

JOB: Final = "JOB"
"""The type of jobs."""
HALF_GIVEN_UP: Final = "has jobs of which half or more never ended"
"""Why there is no average: that of the others says nothing."""
HALF_FAILED: Final = "has requests of which half or more did not end well"
"""The same of requests."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """A name's share in a run, block by block (:mod:`asyncload.compare.bootstrap`)."""

    latency: Blocks
    sent: Array
    """Requests, or jobs, for each block of due times."""
    failed: Array
    paced: Array
    """What the rate counts, for each block of the time that the rate is per."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """The numbers of one name."""

    type: str
    scenario: str
    name: str
    count: int
    """Requests sent, or jobs submitted."""
    failed: int
    values: Mapping[Metric, float | None]
    """Seconds, per second, share of 1; infinite among what did not end well."""
    missing: Mapping[Metric, str] = field(default_factory=dict)
    """Why there is no value to compare, or none that may be."""
    beyond: int = 0
    """Requests that did not end well or were dropped, and jobs that never ended: longer than any
    time in percentiles, and without a part in the average."""
    rounding: Mapping[Metric, float] = field(default_factory=dict)
    """By how much a value may have been rounded, to either side."""
    spread: Spread | None = None
    """Of the times; ``None`` where the percentiles do not reach from one end to the other."""
    latency: Array | None = None
    """Every time, seconds, where it was kept for pooling: infinite for what did not end well."""
    runs: tuple[Mapping[Metric, float | None], ...] = ()
    """Values of each run, where several have been pooled."""
    parts: Parts | None = None
    """``None`` for those of a CSV, and of a run too short to be cut into blocks."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """All names of one file, or of several that have been pooled."""

    paths: tuple[Path, ...]
    is_log: bool
    rows: tuple[Measured, ...]
    loads: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The load section of each scenario, where the file tells."""
    invalid: tuple[str, ...] = ()
    """What made the run invalid, as codes of its verdict: its numbers tell nothing."""
    left_out: int = 0
    """Names that were too many, with the fewest requests or jobs."""
    remarks: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The files, as they were given."""
        return ", ".join(map(str, self.paths))


def half_beyond(kind: str) -> str:
    """Say why there is no average where half or more are longer than any time."""
    return HALF_GIVEN_UP if kind == JOB else HALF_FAILED
