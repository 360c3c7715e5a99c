"""The knee of a curve: where latency begins to rise much faster than the rate.

Kneedle (Satopää, Albrecht, Irwin and Raghavan 2011, "Finding a 'Kneedle' in a
Haystack", ICDCS Workshops) in its offline form, for a curve that rises and bends
upwards: both axes are scaled to 0 … 1, and the knee is where the curve lies
farthest below the diagonal, at a maximum of x − y. A maximum counts when x − y then
falls by the mean distance of two points, times the sensitivity of 1, before it
rises above it again. Points are not smoothed: each of them is a whole run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

FEWEST: Final = 5
"""Points from which on a curve has a knee."""
SENSITIVITY: Final = 1.0
NOTABLE: Final = 2.0
"""Times by which the highest latency exceeds the lowest, or else the curve is flat."""


def knee(points: Sequence[tuple[float, float]]) -> float | None:
    """Rate of the knee of ``points`` (rate, latency); ``None`` when there is none."""
    curve = dict(sorted(points))
    if len(curve) < FEWEST:
        return None
    rates = np.array(list(curve), np.float64)
    times = np.array(list(curve.values()), np.float64)
    if not times.min() * NOTABLE < times.max() < np.inf:
        return None
    x = (rates - rates[0]) / (rates[-1] - rates[0])
    y = (times - times.min()) / (times.max() - times.min())
    below = x - y
    best = None
    for index in range(1, len(below) - 1):
        if below[index] < below[index - 1] or below[index] <= below[index + 1]:
            continue
        limit = below[index] - SENSITIVITY * float(np.diff(x).mean())
        for later in below[index + 1 :]:
            if later > below[index]:
                break
            if later < limit:
                if best is None or below[index] > below[best]:
                    best = index
                break
    return None if best is None else float(rates[best])
