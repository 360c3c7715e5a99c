"""Whether work piles up: what is open at any moment of a run, and if that grows.

Open is what is due and not over yet, a request or a job. Its number over time is
cut into :data:`BLOCKS` blocks of equal length, and the increase in each block
compared with what the increases scatter (a one-sided t-test at 99 %). Increases
are used, and not the slope of a line through the numbers themselves: a queue
near its capacity wanders, and the residuals of a line through something that
wanders understate how far (Granger and Newbold 1974, *J. Econometrics* 2:111).
Those of its increases do not.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asyncload.records.outcomes import COMPLETED
from asyncload.records.record import DROPPED, OK, Job, Record, Request, System

BLOCKS: Final = 10
NOTABLE: Final = 0.01
"""A share of the arrivals: what piles up more slowly than that is taken to be level."""
_T: Final = 2.821  # Student's t, 99 % one-sided, BLOCKS − 1 degrees of freedom
_BIN: Final = 0.05  # seconds
_RECENT: Final = 5.0  # seconds over which errors are looked at
_FEW: Final = 20  # results, from which on a share of errors says anything


@dataclass(frozen=True, slots=True)
class Growth:
    """How the number of open requests or jobs changed over a part of a run."""

    per_second: float
    """Mean increase; negative when it fell."""
    grows: bool
    """Whether it rose beyond what is noise, and by more than a notable share of the arrivals."""
    arrived: float
    """Arrivals per second."""
    ended: float
    """Per second."""
    at_end: int
    """What was open at the end."""


class _Work:
    """Counts what became due and what ended, by time."""

    def __init__(self) -> None:
        self._due: Counter[int] = Counter()
        self._over: Counter[int] = Counter()
        self.count = 0

    def add(self, due: float, over: float) -> None:
        self.count += 1
        self._due[int(due / _BIN)] += 1
        self._over[int(over / _BIN)] += 1

    def due_until(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        return _until(self._due, times)

    def over_until(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        return _until(self._over, times)

    def last(self) -> float:
        return (max(self._over, default=0) + 1) * _BIN


class Watch:
    """A sink that follows what is open, what fails, and whether the generator keeps up.

    Memory grows with the length of a run (twenty numbers a second), not with its load.
    """

    def __init__(self) -> None:
        self._requests: dict[str, _Work] = {}
        self._jobs: dict[str, _Work] = {}
        self._results: dict[int, list[int]] = {}
        """What ended in each second, and what of it failed."""
        self.dropped = 0
        self.lags: list[float] = []
        """Longest lag of the event loop in each second of the run, seconds."""

    def write(self, record: Record) -> None:
        """Take in one record."""
        if isinstance(record, Request):
            if record.outcome == DROPPED:
                self.dropped += 1
                return
            self._of(self._requests, record.scenario).add(record.due, record.end)
            self._result(record.t, record.outcome != OK)
        elif isinstance(record, Job):
            over = record.t if record.observed is None else record.observed
            self._of(self._jobs, record.scenario).add(record.due, over)
            self._result(record.t, record.status not in COMPLETED)
        elif isinstance(record, System) and record.loop_lag is not None:
            self.lags.append(record.loop_lag)

    def error_share(self) -> float:
        """Share of failures among what ended in the last seconds, or lately where little ends.

        0 before there is enough to tell.
        """
        ended = failed = 0
        newest = max(self._results, default=0)
        for second, (every, wrong) in sorted(self._results.items(), reverse=True):
            if second <= newest - _RECENT and ended >= _FEW:
                break
            ended += every
            failed += wrong
        return failed / ended if ended >= _FEW else 0.0

    def growth(self, start: float, end: float) -> Growth:
        """Test what was open between ``start`` and ``end``, seconds of the run.

        Of a scenario with jobs its jobs are counted, of another one its requests.
        """
        edges = np.linspace(start, end, BLOCKS + 1)
        due = np.zeros(BLOCKS + 1)
        over = np.zeros(BLOCKS + 1)
        for work in self._work():
            due += work.due_until(edges)
            over += work.over_until(edges)
        return growth_of(due - over, arrived=float(due[-1] - due[0]), span=end - start)

    def drained(self, load_end: float) -> float:
        """Seconds from the end of the load to the end of the last piece of work; 0 or more."""
        return max((work.last() for work in self._work()), default=0.0) - load_end

    def _work(self) -> list[_Work]:
        sends = [work for name, work in self._requests.items() if name not in self._jobs]
        return [*self._jobs.values(), *sends]

    def _result(self, t: float, failed: bool) -> None:
        result = self._results.get(int(t))
        if result is None:
            result = self._results[int(t)] = [0, 0]
        result[0] += 1
        result[1] += failed

    @staticmethod
    def _of(works: dict[str, _Work], scenario: str) -> _Work:
        work = works.get(scenario)
        if work is None:
            work = works[scenario] = _Work()
        return work


def growth_of(
    open_: NDArray[np.float64],
    *,
    arrived: float,
    span: float,
    student_t: float = _T,
    notable: float = NOTABLE,
) -> Growth:
    """Test what was open at the edges of :data:`BLOCKS` blocks, ``span`` seconds in all.

    ``arrived``: how many were due in that time.
    """
    increases = np.diff(open_)
    mean = float(increases.mean())
    noise = float(increases.std(ddof=1)) / math.sqrt(BLOCKS)
    total = mean * BLOCKS
    return Growth(
        per_second=total / span,
        grows=total >= 2 and total > notable * arrived and mean > student_t * noise,
        arrived=arrived / span,
        ended=(arrived - total) / span,
        at_end=round(float(open_[-1])),
    )


def _until(counts: Counter[int], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many there were before each of ``times``."""
    bins = np.fromiter(counts.keys(), np.int64, len(counts))
    numbers = np.fromiter(counts.values(), np.int64, len(counts))
    order = np.argsort(bins)
    sums = np.concatenate(([0], np.cumsum(numbers[order])))
    at = np.searchsorted(bins[order], np.floor(times / _BIN).astype(np.int64))
    return sums[at].astype(np.float64)
