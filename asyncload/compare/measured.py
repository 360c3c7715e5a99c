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
    """Seconds, per second, share of 1; infinite among jobs that never ended."""
    missing: Mapping[Metric, str] = field(default_factory=dict)
    """Why there is no value to compare, or none that may be."""
    given_up: int = 0
    """Jobs that never ended; they have no part in the average."""
    rounding: Mapping[Metric, float] = field(default_factory=dict)
    """By how much a value may have been rounded, to either side."""
    spread: Spread | None = None
    """Of the times; ``None`` where the percentiles do not reach from one end to the other."""
    parts: Parts | None = None
    """``None`` for those of a CSV, and of a run too short to be cut into blocks."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """All names of one file."""

    path: Path
    is_log: bool
    rows: tuple[Measured, ...]
    loads: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The load section of each scenario, where the file tells."""
    left_out: int = 0
    """Names that were too many, with the fewest requests or jobs."""
    remarks: tuple[str, ...] = ()
