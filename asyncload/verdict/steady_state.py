"""Whether what is open grows over stretches of constant load."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from asyncload.stats.timeline.levels import Levels
from asyncload.verdict.backlog_growth import BLOCKS, Growth, growth_of

Array = NDArray[np.float64]

SHORTEST: Final = 20
"""Samples, one a second, from which on a stretch of constant load can grow."""
FILLING: Final = 1 / 6
"""Share of a stretch in which the service fills up: it is not looked at for growth."""
_T: Final = 4.297  # Student's t, 99.9 % one-sided, BLOCKS − 1 degrees of freedom
_NOTABLE_GROWTH: Final = 0.02
"""Share of the arrivals that what is open must grow by."""


def constant_stretches(times: Array, targets: Array) -> list[tuple[int, int]]:
    """Find the stretches of samples (first, last) over which the target is constant and over 0."""
    if not len(times):
        return []
    changes = np.flatnonzero(np.diff(targets) != 0)
    starts = [0, *(int(index) + 1 for index in changes)]
    ends = [*(int(index) for index in changes), len(times) - 1]
    return [
        (first, last)
        for first, last in zip(starts, ends, strict=True)
        if last > first and targets[first] > 0
    ]


def growth(levels: Levels, start: float) -> Growth | None:
    """Say if what is open grows over the longest stretch of constant target after ``start`` (s).

    ``None`` where no stretch is long enough to tell.
    """
    times, targets, open_ = levels.read()
    stretches = constant_stretches(times, targets)
    found = []
    for first, last in stretches:
        begun = max(start, float(times[first]) + FILLING * float(times[last] - times[first]))
        inside = np.flatnonzero((times >= begun) & (np.arange(len(times)) <= last))
        if len(inside) > SHORTEST and inside[0] >= first:
            found.append(inside)
    if not found:
        return None
    longest = max(found, key=len)
    edges = longest[np.linspace(0, len(longest) - 1, BLOCKS + 1).round().astype(np.intp)]
    span = float(times[edges[-1]] - times[edges[0]])
    return growth_of(
        open_[edges],
        arrived=float(targets[edges[0]]) * span,
        span=span,
        student_t=_T,
        notable=_NOTABLE_GROWTH,
    )
