"""Whether a run settled: where its warm-up ends, and where its load was constant.

The warm-up is MSER-5 (White 1997, *Simulation* 69:323; Spratt 1998): of the means of batches
of 5 values, cut those from the front for which the variance of the rest, divided by how many
are left, is least. It is advice: nothing is ever cut because of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from asyncload.stats.timeline.levels import Levels
from asyncload.verdict.backlog_growth import BLOCKS, Growth, growth_of

Array = NDArray[np.float64]

FEWEST: Final = 20
"""Batches from which on a warm-up can be told."""
_KEPT: Final = 5
"""Batches that are always left: of fewer the variance says nothing."""
SHORTEST: Final = 20
"""Samples, one a second, from which on a stretch of constant load can grow."""
FILLING: Final = 1 / 6
"""Share of a stretch in which the service fills up: it is not looked at for growth."""
_T: Final = 4.297  # Student's t, 99.9 % one-sided, BLOCKS − 1 degrees of freedom
_NOTABLE_GROWTH: Final = 0.02
"""Share of the arrivals that what is open must grow by."""
_SURE: Final = 4.0
"""Standard errors by which the means before and after a cut differ surely."""
_NOTABLE: Final = 0.1
"""Share by which they differ notably."""


class WarmUp(msgspec.Struct, frozen=True):
    """Where MSER-5 would cut."""

    until: float
    """Seconds of the run; 0 if nothing was to be cut."""
    share: float
    """Share of the batches that would be cut."""
    settled: bool
    """False when more than half would be cut, and before the cut things were surely otherwise."""


def warm_up(times: Sequence[float], means: Sequence[float]) -> WarmUp | None:
    """Find the warm-up in batch means; ``None`` where there are too few.

    ``times``: when the last value of each batch came, s.
    """
    values = np.array(means)
    n = len(values)
    if n < FEWEST:
        return None
    # Sums from each batch to the end give mean and variance of the rest for every cut at once.
    left = np.arange(n, 0, -1)
    sums = np.cumsum(values[::-1])[::-1]
    squares = np.cumsum((values**2)[::-1])[::-1]
    variances = np.maximum(squares / left - (sums / left) ** 2, 0.0)
    cut = int(np.argmin((variances / left)[: n - _KEPT + 1]))
    share = cut / n
    settled = share <= 0.5 or not _differs(values[:cut], values[cut:])
    return WarmUp(float(times[cut - 1]) if cut else 0.0, share, settled)


def _differs(before: Array, after: Array) -> bool:
    difference = abs(float(after.mean() - before.mean()))
    error = math.hypot(
        float(before.std(ddof=1)) / math.sqrt(len(before)),
        float(after.std(ddof=1)) / math.sqrt(len(after)),
    )
    return difference > _SURE * error and difference > _NOTABLE * float(after.mean())


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
