"""Equal bins of time.

Everything is put into at most some 240 bins before it is drawn, so a graph of
three million requests is as small as one of three.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

Array = NDArray[np.float64]

MAX_BINS: Final = 240
_DAY: Final = 86_400.0
_WIDTHS: Final = (
    1,
    2,
    5,
    10,
    15,
    20,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14400,
    28800,
    43200,
)


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Bins of time whose width differs where a load or a run ends."""

    edges: Array
    """Seconds, one more than there are pieces."""

    @property
    def widths(self) -> Array:
        """Seconds of each."""
        return np.diff(self.edges)

    @property
    def centres(self) -> Array:
        """The middle of each, seconds."""
        return (self.edges[:-1] + self.edges[1:]) / 2

    def counts(self, times: Array) -> Array:
        """How many ``times`` lie in each; those outside belong to the first or last."""
        index = np.searchsorted(self.edges, times, side="right") - 1
        count = len(self.edges) - 1
        return np.bincount(np.clip(index, 0, count - 1), minlength=count).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Bins:
    """``count`` bins of ``width`` seconds from t = 0."""

    width: float
    count: int

    @classmethod
    def over(cls, span: float, most: int = MAX_BINS) -> Bins:
        """Return at most ``most`` bins of a round width, 1 s or more, that cover ``span`` seconds."""
        width = next((w for w in _WIDTHS if span <= w * most), 0.0)
        width = float(width or math.ceil(span / most / _DAY) * _DAY)
        return cls(width, max(1, math.ceil(span / width)))

    @classmethod
    def filled(cls, span: float, times: Array, *, each: int = 20, least: int = 12) -> Bins:
        """Return the narrowest bins whose median, of those not empty, has ``each`` of ``times``.

        There are ``least`` bins or more all the same, where ``span`` has as many seconds.
        """
        found = cls.over(span)
        if not times.size:
            return found
        wider = [cls(float(width), math.ceil(span / width)) for width in _WIDTHS]
        choice = [found, *(b for b in wider if b.width > found.width and b.count >= least)]
        for found in choice:
            counts = found.counts(times)
            if np.median(counts[counts > 0]) >= each:
                break
        return found

    @property
    def edges(self) -> Array:
        """``count + 1`` times, seconds."""
        return np.arange(self.count + 1, dtype=np.float64) * self.width

    @property
    def centres(self) -> Array:
        """``count`` times, seconds."""
        return (np.arange(self.count, dtype=np.float64) + 0.5) * self.width

    def pieces(self, *, cut: float, end: float) -> Pieces:
        """Divide the time from 0 to ``end`` (s) by these bins, and anew at ``cut``.

        Events per second of a bin that a load fills in part would be too few.
        What is left over of a bin and less than half of it goes to its neighbour,
        so that no rate is that of an instant.
        """
        least = self.width / 2
        if end <= least:
            return Pieces(np.array([0.0, self.width]))
        edges = np.append(self.edges[self.edges < end - least], end)
        if least < cut < end - least:
            apart = (np.abs(edges - cut) >= least) | (edges == 0) | (edges == end)
            edges = np.sort(np.append(edges[apart], cut))
        return Pieces(edges)

    def index(self, times: Array) -> NDArray[np.intp]:
        """Return the bin of each time; times outside belong to the first or last bin."""
        return np.clip(np.floor(times / self.width), 0, self.count - 1).astype(np.intp)

    def counts(self, times: Array) -> Array:
        """How many ``times`` lie in each bin. Their sum is ``len(times)``."""
        return np.bincount(self.index(times), minlength=self.count).astype(np.float64)

    def means(self, times: Array, values: Array) -> Array:
        """Mean of the ``values`` at ``times`` for each bin; NaN where there are none."""
        index = self.index(times)
        total = np.bincount(index, weights=values, minlength=self.count)
        number = np.bincount(index, minlength=self.count)
        result = np.full(self.count, np.nan)
        np.divide(total, number, out=result, where=number > 0)
        return result

    def quantiles(self, times: Array, values: Array, wanted: tuple[float, ...]) -> list[Array]:
        """Each wanted quantile for each bin; NaN where there are none.

        It is the smallest value that at least that share of the values is at or below, as in
        the table: there is no way from a value to an infinite one.
        """
        found = (
            pl.DataFrame({"bin": self.index(times), "value": values})
            .group_by("bin")
            .agg(pl.col("value").quantile(q, "equiprobable").alias(str(q)) for q in wanted)
        )
        rows = found["bin"].to_numpy()
        result = [np.full(self.count, np.nan) for _ in wanted]
        for array, q in zip(result, wanted, strict=True):
            array[rows] = found[str(q)].to_numpy()
        return result
