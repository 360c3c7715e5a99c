"""Putting the service's clock on ours.

Job statuses carry wall-clock times of another machine. For every job we know
that its messages were published after we started to send it and before we
received them. A publish time p is cut to milliseconds, so the truth lies in
[p, p + 1 ms), and the service's clock minus ours, θ, is bounded::

    p - received  <=  θ  <=  p + 0.001 - sent

The bounds tighten with every message. While 0 lies between them the clocks
are taken to agree (both sides usually keep NTP time); otherwise the nearest
bound is the correction.
"""

from __future__ import annotations

import math
from typing import Final

RESOLUTION: Final = 0.001
"""Seconds; SNS and SQS cut their timestamps to it."""


class ServiceClock:
    """Estimates the service's clock skew and converts its epoch times to run time.

    ``epoch`` is our wall clock, in epoch seconds, at the run's t = 0.
    """

    __slots__ = ("epoch", "highest", "lowest")

    def __init__(self, epoch: float) -> None:
        self.epoch = epoch
        self.lowest = -math.inf
        self.highest = math.inf

    @property
    def skew(self) -> float:
        """Best estimate of θ: seconds the service's clock is ahead of ours."""
        if self.lowest > 0:
            return self.lowest
        return min(self.highest, 0.0)

    def on_ours(self, published: float) -> float:
        """Seconds of run time at ``published``, epoch seconds on the service's clock."""
        return published - self.epoch - self.skew

    def observe(self, published: float, *, sent: float, received: float) -> float:
        """Learn from one message and return its publish time in seconds of run time.

        ``published`` is epoch seconds on the service's clock; ``sent`` and
        ``received`` are run time. The result lies between those two whenever
        one skew explains every message so far.
        """
        seconds = published - self.epoch
        self.lowest = max(self.lowest, seconds - received)
        self.highest = min(self.highest, seconds + RESOLUTION - sent)
        moment = self.on_ours(published)
        # Within the millisecond that was cut off, nothing is published before it is asked for.
        return round(max(moment, min(sent, moment + RESOLUTION)), 6)
