"""Latency histograms in the HdrHistogram format.

Values are counted in buckets of the geometry of ``hdrhistogram``: 1 µs to
24 h with 3 significant digits. With v the value in whole µs and
b = max(bit_length(v) − 11, 0), the bucket is 1024·b + (v >> b): buckets are
1 µs wide below 2.048 ms, and above at most v/1024 (0.098 %) wide.

A record costs an append. Values are put into buckets a thousand at a time
by numpy, and counts are kept only for the range of buckets that has been
seen, so that a histogram is a few hundred bytes to 229 KB.
"""

from __future__ import annotations

import math
import zlib
from array import array
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from hdrh.codec import HdrCookieException, HdrLengthException
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from asyncload.errors import ConfigError

MAX_SECONDS: Final = 86_400.0
_MAX_MICROSECONDS: Final = 86_400_000_000
_DIGITS: Final = 3
_HALF_BITS: Final = 10  # 2**10 buckets for each power of two: 3 significant digits
_BATCH: Final = 1024

Array = NDArray[np.int64]


class LatencyHistogram:
    """Counts times in seconds; answers any percentile of them to within 0.1 %.

    ``count``, ``min``, ``max`` and ``mean`` are exact (the mean to a
    nanosecond, whatever the order of recording or merging). Values below 0
    are counted as 0 and values above 24 h (or not a number) at the limits;
    ``clamped`` says how many there were.
    """

    __slots__ = ("_clamped", "_counts", "_low", "_max", "_min", "_pending", "_total", "_total_ns")

    def __init__(self) -> None:
        self._pending = array("d")
        self._low = 0  # the bucket that _counts[0] is
        self._counts: Array = np.zeros(0, np.int64)
        self._total = 0
        self._total_ns = 0
        self._min = MAX_SECONDS
        self._max = 0.0
        self._clamped = 0

    def record(self, seconds: float) -> None:
        """Count one value, seconds."""
        pending = self._pending
        pending.append(seconds)
        if len(pending) >= _BATCH:
            self._fold()

    def record_zeros(self, number: int) -> None:
        """Count ``number`` values of 0."""
        if number > 0:
            self._fold()
            self._add(0, np.array([number]))
            self._total += number
            self._min = 0.0

    def merge(self, other: LatencyHistogram) -> None:
        """Count all values of ``other`` too: the same as having recorded them here."""
        self._fold()
        other._fold()
        if other._total:
            self._add(other._low, other._counts)
            self._total += other._total
            self._total_ns += other._total_ns
            self._min = min(self._min, other._min)
            self._max = max(self._max, other._max)
            self._clamped += other._clamped

    @property
    def count(self) -> int:
        """Number of values recorded."""
        return self._total + len(self._pending)

    @property
    def clamped(self) -> int:
        """Number of values that lay outside of 0 to 24 h by more than half a µs."""
        self._fold()
        return self._clamped

    @property
    def min(self) -> float | None:
        """Smallest value, seconds."""
        self._fold()
        return self._min if self._total else None

    @property
    def max(self) -> float | None:
        """Largest value, seconds."""
        self._fold()
        return self._max if self._total else None

    @property
    def mean(self) -> float | None:
        """Arithmetic mean, seconds."""
        self._fold()
        if not self._total:
            return None
        return min(max(self._total_ns / self._total / 1e9, self._min), self._max)

    def percentile(self, percent: float) -> float | None:
        """Smallest value that at least ``percent`` % of the values do not exceed, seconds.

        It is the nearest-rank percentile (numpy's ``inverted_cdf``), given
        as the upper end of its bucket. ``None`` without values.
        """
        return self.percentiles([percent])[0]

    def percentiles(self, percents: Iterable[float], *, beyond: int = 0) -> list[float | None]:
        """Several percentiles for the price of one: see :meth:`percentile`.

        ``beyond`` further values are known only to be larger than any that was
        recorded; a percentile that falls among them is infinite.
        """
        self._fold()
        count = self._total + beyond
        if not count:
            return [None for _ in percents]
        cumulative = np.cumsum(self._counts)
        # rank = ceil(percent/100 · n), in whole millionths of a percent so that
        # 99.9 % of 1000 is 999 and not the 999.0000000000001 of floats.
        ranks = [max(1, -(-round(p * 1_000_000) * count // 100_000_000)) for p in percents]
        positions = np.searchsorted(cumulative, ranks)
        return [
            min(max(_upper_end(self._low + int(p)) / 1e6, self._min), self._max)
            if rank <= self._total
            else math.inf
            for rank, p in zip(ranks, positions, strict=True)
        ]

    def count_up_to(self, seconds: float) -> int:
        """Count the values that are at most ``seconds``, or in the same bucket."""
        self._fold()
        if not self._total or seconds < self._min:
            return 0
        if seconds >= self._max:
            return self._total
        bucket = int(_bucket(np.array([math.floor(seconds * 1e6 + 1e-3)]))[0])
        return int(self._counts[: max(bucket - self._low + 1, 0)].sum())

    def encode(self) -> str:
        """Text of the standard form: HdrHistogram V2, compressed, base64. The unit is 1 µs."""
        self._fold()
        histogram = HdrHistogram(1, _MAX_MICROSECONDS, _DIGITS)
        if self._total:
            buckets = np.ctypeslib.as_array(histogram.counts)
            buckets[self._low : self._low + len(self._counts)] = self._counts
            histogram.total_count = self._total
            histogram.min_value = round(self._min * 1e6)
            histogram.max_value = round(self._max * 1e6)
        encoded: bytes = histogram.encode()
        return encoded.decode("ascii")

    @classmethod
    def decode(cls, text: str) -> LatencyHistogram:
        """Read what :meth:`encode` wrote.

        The format has no exact mean, minimum and maximum: they come back
        as those of the middles, lower and upper ends of the buckets.

        Raises:
            ConfigError: the text is not such a histogram, or has another range.

        """
        try:
            histogram: Any = HdrHistogram.decode(text)
        except (ValueError, zlib.error, HdrCookieException, HdrLengthException) as error:
            raise ConfigError(
                f"The histogram {text[:24]!r}… is damaged ({error}); it must be the base64 text "
                "of an HdrHistogram, V2 compressed."
            ) from error
        if (
            histogram.lowest_trackable_value != 1
            or histogram.highest_trackable_value != _MAX_MICROSECONDS
            or histogram.significant_figures != _DIGITS
        ):
            raise ConfigError(
                f"The histogram {text[:24]!r}… counts {histogram.lowest_trackable_value} to "
                f"{histogram.highest_trackable_value} with {histogram.significant_figures} digits; "
                f"asyncload's count 1 to {_MAX_MICROSECONDS} (µs) with {_DIGITS}."
            )
        result = cls()
        counts = np.ctypeslib.as_array(histogram.counts).astype(np.int64)
        used = np.flatnonzero(counts)
        if used.size:
            result._add(int(used[0]), counts[used[0] : used[-1] + 1])
            result._total = int(counts.sum())
            result._min = _lower_end(int(used[0])) / 1e6
            result._max = min(_upper_end(int(used[-1])) / 1e6, MAX_SECONDS)
            result._total_ns = sum(
                int(counts[i]) * 500 * (_lower_end(int(i)) + _upper_end(int(i))) for i in used
            )
        return result

    def _fold(self) -> None:
        """Put the pending values into their buckets."""
        if not self._pending:
            return
        values = np.array(self._pending)
        del self._pending[:]
        inside = (values >= -0.5e-6) & (values <= MAX_SECONDS)  # false for "not a number" too
        self._clamped += len(values) - int(np.count_nonzero(inside))
        values = np.fmin(np.fmax(values, 0.0), MAX_SECONDS)
        self._total += len(values)
        # At most 1024 · 86,400 · 10⁹ ns in a batch: an int64 holds it, and whole
        # numbers add up to the same in any order.
        self._total_ns += int(np.rint(values * 1e9).astype(np.int64).sum())
        self._min = min(self._min, float(values.min()))
        self._max = max(self._max, float(values.max()))
        buckets = _bucket(np.rint(values * 1e6).astype(np.int64))
        low = int(buckets.min())
        self._add(low, np.bincount(buckets - low))

    def _add(self, low: int, counts: Array) -> None:
        """Add ``counts`` of the buckets from ``low`` on, widening the range kept if needed."""
        high = low + len(counts)
        kept_high = self._low + len(self._counts)
        if not len(self._counts):
            self._low, self._counts = low, counts.astype(np.int64)
            return
        if low < self._low or high > kept_high:
            new_low, new_high = min(low, self._low), max(high, kept_high)
            wider = np.zeros(new_high - new_low, np.int64)
            wider[self._low - new_low : kept_high - new_low] = self._counts
            self._low, self._counts = new_low, wider
        self._counts[low - self._low : high - self._low] += counts


def _bucket(microseconds: Array) -> Array:
    """Bucket of each value (see the module's docstring)."""
    _, bit_length = np.frexp(microseconds.astype(np.float64))  # exact below 2**53
    shift = np.maximum(bit_length.astype(np.int64) - (_HALF_BITS + 1), 0)
    return (shift << _HALF_BITS) + (microseconds >> shift)


def _lower_end(bucket: int) -> int:
    """Smallest value of a bucket, µs."""
    shift = max((bucket >> _HALF_BITS) - 1, 0)
    return (bucket - (shift << _HALF_BITS)) << shift


def _upper_end(bucket: int) -> int:
    """Largest value of a bucket, µs."""
    return _lower_end(bucket + 1) - 1
