"""Due times of the arrivals of a shape.

Arrival number a is due when the shape's area (the integral of its level) reaches a, so due
times are the inverse of the area.
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

    ``even``: arrival k = 0, 1, … is due where the area is k + 0.5; n is the rounded total area,
    and ``rng`` is not used. ``poisson``: a non-homogeneous Poisson process whose intensity is the
    level, by inverting the area at the arrivals of a Poisson process of rate 1 (E. Çınlar,
    Introduction to Stochastic Processes, 1975, chapter 4.7).

    Nothing is due while the level is 0. Due times of built-in shapes are accurate to 1 µs in a
    load of up to one day, while the level per second is at least 1e-7 of the arrivals so far (or
    of those of one burst); for functions see :class:`FunctionShape`.

    Times are rounded to 1 µs, so that a seed gives the same schedule on machines whose erf or log
    differ by an ulp. In rare cases one due time still differs, by 1 µs.
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
    """Mean number of arrivals in ``duration`` seconds: the area of ``shape``."""
    return float(shape.area(np.float64(duration).reshape(1))[0])


def rng_for(seed: int, name: str) -> np.random.Generator:
    """Random numbers of the scenario ``name``, independent of the plan's other scenarios."""
    sequence = np.random.SeedSequence([seed, zlib.crc32(name.encode())])
    return np.random.Generator(np.random.PCG64(sequence))


def _unit_poisson(total: float, rng: np.random.Generator) -> Array:
    """Arrivals of a Poisson process of rate 1 on [0, total).

    The gaps are −ln(1 − U) (inverse transform): PCG64's uniform stream is stable, and NumPy
    promises no stable stream for ``rng.exponential``. The size of a batch has no effect.
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

    Newton's method, with the level as the derivative, within a bracket
    area(low) < target <= area(high); so it finds the first such time. A time is found when its
    bracket is at most 2·``tolerance`` wide. A small Newton step is followed by a probe just
    beyond the root, and from the sixth round on every second step halves the bracket, so that
    steps and flat stretches of the level cannot stop the convergence.
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
