"""Where the warm-up of a run ends, by MSER-5: advice, because of which nothing is ever cut.

Of the means of batches of 5 values, cut those from the front for which the variance of the
rest, divided by how many are left, is least (White 1997, *Simulation* 69:323; Spratt 1998).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FEWEST: Final = 20
"""Batches from which on a warm-up can be told."""
_KEPT: Final = 5
"""Batches that are always left: of fewer the variance says nothing."""
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
    notable: bool
    """Whether the mean before the cut surely differs from that after it, and by a tenth or more."""

    @property
    def settled(self) -> bool:
        """Whether it is over before half of the run."""
        return self.share <= 0.5 or not self.notable


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
    notable = cut > 1 and _differs(values[:cut], values[cut:])
    return WarmUp(float(times[cut - 1]) if cut else 0.0, share, notable)


def _differs(before: Array, after: Array) -> bool:
    difference = abs(float(after.mean() - before.mean()))
    error = math.hypot(
        float(before.std(ddof=1)) / math.sqrt(len(before)),
        float(after.std(ddof=1)) / math.sqrt(len(after)),
    )
    return difference > _SURE * error and difference > _NOTABLE * float(after.mean())
