"""How sure a change between two runs is, when there is one log of each.

Requests that are near in time share their fate: one pause of the service makes
hundreds of them slow. Drawn one by one they would look far surer than they are.
So each run is cut into :data:`BLOCKS` blocks of equal length, and whole blocks
are drawn with replacement (Carlstein 1986, *Ann. Statist.* 14:1171; Künsch
1989, *Ann. Statist.* 17:1217). Ten blocks: longer ones see more of the
correlation, and below eight to ten the interval widens noticeably (Schmeiser
1982, *Oper. Res.* 30:556, for batch means, which is the same trade).

A draw takes the same tenths of both runs. What both owe to the shape of the
load, a burst say, then cancels in the change; where the runs have nothing in
common it costs nothing.

The interval's ends are percentiles of the changes over all draws, moved
outwards to make up for so few blocks: with n of them, from Φ(−z) to Φ(z) with
z = √(n/(n−1))·t(0.975; n−1) (the expanded percentile interval, Hesterberg 2015,
*Amer. Statist.* 69:371). Blocks that hold more count for more, and then all of
them are worth fewer: n = (Σw)²/Σw² with w what each holds (Kish 1965, *Survey
Sampling*; it is Satterthwaite's number where the variance goes with w). A run
of sixty seconds with three bursts has hardly more than three things to tell.

It knows of the noise within the two runs only. What differs from run to run (a
noisy neighbour, another host) no single pair of runs can tell; several runs a side
can (:mod:`asyncload.compare.intervals`).

Cost: a run is kept as a histogram for each block, and a draw is a weighted sum
of ten of them, so neither time nor memory depends on the number of requests.
The draws come from a fixed seed: the same logs give the same interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Interval = tuple[float, float]

BLOCKS: Final = 10
SHORTEST_BLOCK: Final = 1.0
"""Seconds; what happens within one second is never taken to be independent."""
FEWEST_BLOCKS: Final = 5
"""Blocks that must hold something on both sides."""
CONFIDENCE: Final = 0.95

_DRAWS: Final = 2_000
_SEED: Final = 1986
# Student's t, 97.5 %, for 1 to 9 degrees of freedom.
_T: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
_WIDTH: Final = 0.005  # of a bucket, as a logarithm: 0.5 %
_SMALLEST: Final = 1e-6  # seconds; the first bucket begins here
_LAST: Final = math.floor(math.log(86_400 / _SMALLEST) / _WIDTH)


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Times of one name, block by block: all that its interval needs of a log."""

    known: Array
    """Times measured, for each block."""
    beyond: Array
    """Times known only to be longer than any, for each block: what did not end well."""
    sums: Array
    """Sum of the times measured, for each block, seconds."""
    first: int
    """Bucket i of the histograms begins at 1 µs · exp(0.005 · (first + i))."""
    buckets: int
    cells: NDArray[np.int64]
    """Cells in use of the (block, bucket) table, as block · buckets + bucket."""
    counts: Array
    """Times in each of these cells."""

    @classmethod
    def of(cls, blocks: NDArray[np.intp], times: Array) -> Blocks:
        """Sort ``times`` (seconds; infinite: never) into their ``blocks``."""
        ended = np.isfinite(times)
        where, values = blocks[ended], np.maximum(times[ended], _SMALLEST)
        bucket = np.floor(np.log(values / _SMALLEST) / _WIDTH).astype(np.int64)
        bucket = np.minimum(bucket, _LAST)
        first = int(bucket.min()) if bucket.size else 0
        buckets = int(bucket.max()) - first + 1 if bucket.size else 1
        table = np.bincount(where * buckets + bucket - first, minlength=1)
        cells = np.flatnonzero(table)
        return cls(
            known=per_block(where),
            beyond=per_block(blocks[~ended]),
            sums=np.bincount(where, weights=values, minlength=BLOCKS).astype(np.float64),
            first=first,
            buckets=buckets,
            cells=cells,
            counts=table[cells].astype(np.float64),
        )

    @classmethod
    def merged(cls, several: Sequence[Blocks]) -> Blocks:
        """Put block i of several runs side by side, for each i."""
        first = min(one.first for one in several)
        buckets = max(one.first + one.buckets for one in several) - first
        table: NDArray[np.float64] = np.zeros(BLOCKS * buckets)
        for one in several:
            block, bucket = np.divmod(one.cells, one.buckets)
            table[block * buckets + bucket + one.first - first] += one.counts
        cells = np.flatnonzero(table)
        return cls(
            known=np.sum([one.known for one in several], axis=0),
            beyond=np.sum([one.beyond for one in several], axis=0),
            sums=np.sum([one.sums for one in several], axis=0),
            first=first,
            buckets=buckets,
            cells=cells,
            counts=table[cells],
        )

    def mean(self, draws: Array) -> Array:
        """Logarithm of the mean of the times that ended, for each draw; NaN without any."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log((draws @ self.sums) / (draws @ self.known))

    def percentiles(self, draws: Array, percents: Sequence[float]) -> Array:
        """Logarithms of percentiles (rows) for each draw (columns), to a quarter of a percent.

        Infinite where the percentile lies among what never ended; NaN in a
        draw of empty blocks.
        """
        table = np.zeros(BLOCKS * self.buckets)
        table[self.cells] = self.counts
        # below[j] @ draw is how many times of a draw lie in the first j + 1 buckets.
        below = np.ascontiguousarray(np.cumsum(table.reshape(BLOCKS, self.buckets), axis=1).T)
        total = draws @ (self.known + self.beyond)
        shares = np.array(percents)[:, None] / 100
        ranks = np.maximum(np.ceil(shares * total - 1e-6), 1.0)
        # Bisection in all draws at once: the first bucket in which the rank is reached.
        low = np.zeros(ranks.shape, np.int64)
        high = np.full(ranks.shape, self.buckets)
        while (searching := low < high).any():
            middle = np.minimum((low + high) // 2, self.buckets - 1)
            reached = np.einsum("pdb,db->pd", below[middle], draws) >= ranks
            high = np.where(searching & reached, middle, high)
            low = np.where(searching & ~reached, middle + 1, low)
        result: Array = ((self.first + low + 0.5) * _WIDTH).astype(np.float64)
        result[low == self.buckets] = math.inf
        result[:, total == 0] = math.nan
        return result


def block_of(moments: Array, span: float) -> NDArray[np.intp]:
    """Block of each moment of a run of ``span`` seconds; the first or last of those outside."""
    places = np.floor(moments * (BLOCKS / span))
    return np.clip(places, 0, BLOCKS - 1).astype(np.intp)


def per_block(blocks: NDArray[np.intp]) -> Array:
    """How many there are in each block."""
    return np.bincount(blocks, minlength=BLOCKS).astype(np.float64)


def enough_blocks(baseline: Array, candidate: Array) -> bool:
    """Whether enough blocks hold something on both sides, given the counts in each."""
    return _filled(baseline, candidate) >= FEWEST_BLOCKS


def mean_interval(baseline: Blocks, candidate: Blocks, exact: float) -> Interval:
    """Interval of log(candidate's mean / baseline's mean), which is ``exact`` itself."""
    draws = _draws()
    changes = candidate.mean(draws) - baseline.mean(draws)
    return _interval(changes, exact, _worth(baseline.sums, candidate.sums))


def percentile_intervals(
    baseline: Blocks, candidate: Blocks, percents: Sequence[float], exact: Sequence[float]
) -> list[Interval]:
    """Interval for each percentile of log(candidate's / baseline's), ``exact`` the changes.

    An end is infinite where one of the two may lie among what never ends.
    """
    draws = _draws()
    low, high = baseline.percentiles(draws, percents), candidate.percentiles(draws, percents)
    with np.errstate(invalid="ignore"):
        changes = high - low
    changes[np.isinf(low) & np.isinf(high)] = 0.0  # never, as before
    blocks = _worth(baseline.known + baseline.beyond, candidate.known + candidate.beyond)
    return [_interval(row, of, blocks) for row, of in zip(changes, exact, strict=True)]


def count_interval(baseline: Array, candidate: Array, exact: float) -> Interval:
    """Interval of log(candidate's rate / baseline's), given how many there are in each block."""
    draws = _draws()
    with np.errstate(divide="ignore", invalid="ignore"):
        changes = np.log(draws @ candidate) - np.log(draws @ baseline)
    return _interval(changes, exact, _worth(baseline, candidate))


def widened(blocks: float) -> float:
    """Share of draws left out at each end of an interval from so many blocks, 2 or more.

    Φ(−√(n/(n−1))·t(0.975; n−1)): less than 2.5 %, the less the fewer blocks there are.
    """
    freedom = np.arange(len(_T), 0, -1)
    # Between whole numbers t is all but a straight line of 1/freedom.
    student = np.interp(1 / (blocks - 1), 1 / freedom, _T[::-1])
    return NormalDist().cdf(-math.sqrt(blocks / (blocks - 1)) * float(student))


@cache
def _draws() -> Array:
    """How often each block is in each draw; the first one is the run as it was."""
    rng = np.random.default_rng(_SEED)
    drawn = rng.multinomial(BLOCKS, [1 / BLOCKS] * BLOCKS, size=_DRAWS)
    return np.vstack([np.ones(BLOCKS), drawn]).astype(np.float64)


def _filled(baseline: Array, candidate: Array) -> int:
    """Blocks that hold something, on the side that has fewer of them."""
    return int(min(np.count_nonzero(baseline), np.count_nonzero(candidate)))


def _worth(baseline: Array, candidate: Array) -> float:
    """How many blocks of equal weight those of the side are worth that has fewer: (Σw)²/Σw²."""
    return max(2.0, min(float(w.sum() ** 2 / (w**2).sum()) for w in (baseline, candidate)))


def _interval(changes: Array, exact: float, blocks: float) -> Interval:
    """Read the ends off the changes of all draws, the first of them that of the run itself.

    They are moved by what buckets took from, or added to, the exact change.
    """
    moved = exact - changes[0] if math.isfinite(exact) and math.isfinite(changes[0]) else 0.0
    drawn = np.sort(changes[1:][~np.isnan(changes[1:])])
    left_out = int(widened(blocks) * len(drawn))
    return float(drawn[left_out] + moved), float(drawn[-1 - left_out] + moved)
