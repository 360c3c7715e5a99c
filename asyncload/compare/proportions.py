"""How sure a difference between two shares is.

Wilson's interval of each share (Wilson 1927, *JASA* 22:209), and of their
difference the hybrid of the two (Newcombe 1998, *Statist. Med.* 17:873, his
method 10). It holds for shares of 0 too, where a bootstrap knows no doubt.

Failures come in clumps, which tell less than as many that come alone. Counts
are therefore divided by the design effect, the factor by which clumps widen
the variance (Rao and Scott 1992, *Biometrics* 48:577), measured over the blocks
of :mod:`asyncload.compare.bootstrap`.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asyncload.compare.bootstrap import CONFIDENCE

Array = NDArray[np.float64]

_Z: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


def wilson(part: float, whole: float) -> tuple[float, float]:
    """Interval of the share ``part`` / ``whole``. Neither need be a whole number."""
    share = part / whole
    middle = share + _Z**2 / (2 * whole)
    half = _Z * math.sqrt(share * (1 - share) / whole + _Z**2 / (4 * whole**2))
    scale = 1 + _Z**2 / whole
    return max((middle - half) / scale, 0.0), min((middle + half) / scale, 1.0)


def difference(
    baseline: tuple[float, float], candidate: tuple[float, float]
) -> tuple[float, float]:
    """Interval of the candidate's share less the baseline's, each given as (part, whole)."""
    (before_low, before_high), (after_low, after_high) = wilson(*baseline), wilson(*candidate)
    before, after = baseline[0] / baseline[1], candidate[0] / candidate[1]
    change = after - before
    return (
        change - math.hypot(after - after_low, before_high - before),
        change + math.hypot(after_high - after, before - before_low),
    )


def design_effect(parts: Array, wholes: Array) -> float:
    """Factor by which clumps widen the variance of Σ parts / Σ wholes; 1 or more.

    ``parts`` and ``wholes`` are counts in each block. With p the share and n
    blocks, the variance over blocks is n/(n−1) · Σ(part − p·whole)² / (Σ whole)²;
    that of as many alone is p(1 − p) / Σ whole.
    """
    total = wholes.sum()
    share = parts.sum() / total
    if not 0 < share < 1:
        return 1.0
    clumped = len(parts) / (len(parts) - 1) * ((parts - share * wholes) ** 2).sum() / total**2
    return max(1.0, float(clumped / (share * (1 - share) / total)))
