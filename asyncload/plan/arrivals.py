"""From a shape to the times at which requests are due.

Time is warped by the shape's area: arrival number a is due when the area has
grown to a. So due times are found by inverting the area, for any shape.
"""

from __future__ import annotations

import math
import zlib
from typing import Final, Literal

import numpy as np

from asyncload.plan.arrays import Array
from asyncload.plan.shapes import Shape

Arrivals = Literal["even", "poisson"]

# Areas are compared with more slack than their own rounding noise, so that an
# arrival that falls exactly on the height of a stretch of level 0, or on the
# end of the load, falls on the same side on every machine.
_SLACK: Final = 16 * float(np.finfo(np.float64).eps)
_CHUNK: Final = 2**17  # arrivals solved at a time: arrays that fit into the cache
_TICKS: Final = 1e6  # due times are whole microseconds
# Halves of a microsecond are common (64/s), so they may not be where rounding flips.
_ROUND_UP_FROM: Final = 0.45


def due_times(
    shape: Shape, duration: float, *, arrivals: Arrivals, rng: np.random.Generator
) -> Array:
    """Due times of the arrivals of a load: (n,) float64 seconds, sorted, in [0, duration).

    ``even``: arrival k = 0, 1, … is due where the area is k + 0.5, so n is the
    whole area, rounded. ``poisson``: a non-homogeneous Poisson process whose
    intensity is the level; the area is inverted at the arrivals of a Poisson
    process of rate 1 (E. Çınlar, Introduction to Stochastic Processes, 1975,
    chapter 4.7). ``rng`` is not touched by ``even``.

    Where the level is 0 nothing is due; an arrival exactly on the height of
    such a stretch is due at its start. Due times of built-in shapes are right to
    1 µs, in a load of up to a day, where the level, per second, is at least 1e-7
    of the arrivals so far, or of those of one burst; for those of functions see
    :class:`FunctionShape`.

    Times are rounded to 1 µs: the mathematical libraries of two machines may
    differ by an ulp in erf or log, and this drowns nearly all of it, so that a
    seed gives the same schedule on both (a due time that lies within such an
    ulp of a rounding point may be 1 µs off).
    """
    total = expected_arrivals(shape, duration)
    if arrivals == "even":
        count = max(0, math.ceil(total * (1 - _SLACK) - 0.5))
        targets = np.arange(count, dtype=np.float64) + 0.5
    else:
        targets = _unit_poisson(total, rng)
    if not targets.size:
        return targets
    times = _invert(shape, targets, duration)
    ticks = np.floor(times * _TICKS + (1 - _ROUND_UP_FROM))
    last = math.ceil(duration * _TICKS) - 1  # the last tick before the end
    return np.sort(np.clip(ticks, 0, last)) / _TICKS


def expected_arrivals(shape: Shape, duration: float) -> float:
    """Area of ``shape`` up to ``duration`` seconds: the mean number of arrivals."""
    return float(shape.area(np.float64(duration).reshape(1))[0])


def rng_for(seed: int, name: str) -> np.random.Generator:
    """Random numbers of the scenario ``name``: the same for a seed whatever else is planned."""
    sequence = np.random.SeedSequence([seed, zlib.crc32(name.encode())])
    return np.random.Generator(np.random.PCG64(sequence))


def _unit_poisson(total: float, rng: np.random.Generator) -> Array:
    """Arrivals of a Poisson process of rate 1 on [0, total).

    The gaps −ln(1 − U) are exponential by inverse transform: NumPy promises no
    stable stream for ``rng.exponential``, and PCG64's uniform stream is stable.
    Numbers are taken one after the other, so the size of a batch does not matter.
    """
    batches = []
    reached = 0.0
    while True:
        batch = int((total - reached) + 5 * math.sqrt(total) + 16)
        gaps = -np.log1p(-rng.random(batch))
        gaps[0] += reached
        sums = np.cumsum(gaps)
        reached = float(sums[-1])
        if reached >= total:
            batches.append(sums[: np.searchsorted(sums, total)])
            return np.concatenate(batches, dtype=np.float64)
        batches.append(sums)


def _invert(shape: Shape, targets: Array, duration: float) -> Array:
    """First times at which the area of ``shape`` reaches the sorted ``targets``."""
    cells = int(np.clip(4 * targets.size, 2**10, 2**18))
    edges = np.linspace(0.0, duration, cells + 1)
    heights = np.maximum.accumulate(shape.area(edges))
    # 1 ns, where doubles are that fine.
    tolerance = max(1e-9, 4 * float(np.spacing(duration)))
    times = np.empty_like(targets)
    for start in range(0, targets.size, _CHUNK):
        part = targets[start : start + _CHUNK] * (1 - _SLACK)
        cell = np.clip(np.searchsorted(heights, part) - 1, 0, cells - 1)
        low, high = edges[cell], edges[cell + 1]
        rise = heights[cell + 1] - heights[cell]
        share = np.divide(part - heights[cell], rise, out=np.ones_like(rise), where=rise > 0)
        guess = low + (high - low) * np.clip(share, 0, 1)
        times[start : start + _CHUNK] = _solve(
            shape, part, low, high, guess=guess, tolerance=tolerance
        )
    return times


def _solve(
    shape: Shape, targets: Array, low: Array, high: Array, *, guess: Array, tolerance: float
) -> Array:
    """Find the times in [low, high] at which area(t) = target; all arrays (n,).

    Newton's method with the level as the derivative, kept within a bracket
    area(low) < target <= area(high), which also makes it find the first such
    time. A time counts as found only when its bracket is as narrow as twice
    ``tolerance``: a small Newton step is followed by a probe just beyond the
    root, and from the sixth round on every other step halves the bracket, so
    steps and flat stretches cannot hold it up.
    """
    found = np.empty_like(targets)
    open_ = np.arange(targets.size)
    t, rounds = guess, 0
    while open_.size:
        rounds += 1
        gap = shape.area(t) - targets
        reached = gap >= 0
        low, high = np.where(reached, low, t), np.where(reached, t, high)
        slope = shape.level(t)
        with np.errstate(over="ignore"):  # slopes down to 1e-308 far from a burst
            newton = t - np.divide(gap, slope, out=np.full_like(gap, np.inf), where=slope > 0)
        sane = (newton >= low) & (newton <= high)
        done = high - low <= 2 * tolerance
        found[open_[done]] = np.where(sane, newton, high)[done]
        probe = newton + np.where(reached, -tolerance, tolerance)
        t = np.where(np.abs(newton - t) <= tolerance, probe, newton)
        halve = ~((t > low) & (t < high))
        if rounds > 5 and rounds % 2 == 0:
            halve[:] = True
        t = np.where(halve, low + (high - low) / 2, t)
        left = ~done
        open_, targets = open_[left], targets[left]
        low, high, t = low[left], high[left], t[left]
    return found
