"""Whether a status consumer keeps up with what arrives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class PollCounts(NamedTuple):
    """Polls of a time span."""

    answered: int = 0
    full: int = 0
    """Those that held as many messages as an answer may: more are waiting at the service."""
    longest_lag: float | None = None
    """Longest time from the arrival of an answer until its last message was handled, s; ``None``
    where no message came."""


class Polls:
    """Counts polls from one :meth:`take` to the next."""

    def __init__(self) -> None:
        self._counts = PollCounts()

    def add(self, lag: float | None, *, full: bool) -> None:
        """Count one that was answered; ``lag`` (s) is ``None`` for one without a message."""
        answered, before, longest = self._counts
        if lag is not None:
            longest = lag if longest is None else max(lag, longest)
        self._counts = PollCounts(answered + 1, before + full, longest)

    def take(self) -> PollCounts:
        """Give the counts since the previous call."""
        counts, self._counts = self._counts, PollCounts()
        return counts


def longest_lag(counts: Iterable[PollCounts]) -> float | None:
    """Give the longest lag of several queues, s."""
    lags = (one.longest_lag for one in counts)
    longest = max((lag for lag in lags if lag is not None), default=None)
    return None if longest is None else round(longest, 6)


def full_share(counts: Iterable[PollCounts]) -> float | None:
    """Give the percent of the polls of several queues that were full; ``None`` where none ended."""
    answered, full = 0, 0
    for one in counts:
        answered += one.answered
        full += one.full
    return round(100.0 * full / answered, 1) if answered else None
