"""A time of many requests or jobs: its histogram, and what is counted beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from asyncload.stats.histogram import LatencyHistogram
from asyncload.stats.metrics import Distribution


@dataclass(frozen=True)
class Times:
    """Times in seconds, as thresholds and summaries read them."""

    measured: LatencyHistogram
    beyond: int = 0
    """How many more there are that are longer than any: those that did not end well."""
    nothing: int = 0
    """How many more there are that took no time."""

    @cached_property
    def all_measured(self) -> LatencyHistogram:
        """What was measured, with those that took no time."""
        if not self.nothing:
            return self.measured
        every = LatencyHistogram()
        every.merge(self.measured)
        every.record_zeros(self.nothing)
        return every

    @property
    def samples(self) -> int:
        """How many requests or jobs these times are of."""
        return self.measured.count + self.beyond + self.nothing

    def statistic(self, name: str, percent: float = 0.0) -> float | None:
        """Compute ``p`` (the percentile ``percent``), ``mean``, ``min`` or ``max``, seconds.

        ``None`` without samples; infinite where it lies among those beyond. The mean is of
        those that were measured, as long as they are more than those beyond.
        """
        histogram = self.all_measured
        if name == "p":
            return histogram.percentiles([percent], beyond=self.beyond)[0]
        if not self.samples:
            return None
        if name == "min":
            return math.inf if histogram.min is None else histogram.min
        if name == "max":
            return math.inf if self.beyond else histogram.max
        return math.inf if self.beyond >= histogram.count else histogram.mean

    def over(self, limit: float) -> int:
        """Count the samples that are longer than ``limit``, seconds, to a bucket's width."""
        return self.samples - self.all_measured.count_up_to(limit)

    def distribution(self) -> Distribution:
        """Give all of it in numbers."""
        return Distribution.of(self.all_measured, self.beyond)
