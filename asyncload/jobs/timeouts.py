"""Finds the live jobs whose own timeout has passed, without a look at the others."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Final

from asyncload.jobs.job import LiveJob

GIVEN_UP_IN_A_TURN: Final = 500
"""Jobs that are given up in one turn of the loop: a few milliseconds."""


class Timeouts:
    """``live`` holds all jobs in the order they were opened; nearly always one timeout is theirs.

    Then its order is that in which they fall due. From the second timeout on the jobs of
    each are kept apart.
    """

    def __init__(self, live: Mapping[str, LiveJob]) -> None:
        self._live = live
        self._only: float | None = None
        """The first timeout."""
        self._apart: dict[float, dict[str, LiveJob]] = {}

    def add(self, job: LiveJob) -> None:
        """Note a job that has just been opened, the last one of ``live``."""
        timeout = job.about.timeout
        if self._apart:
            self._apart.setdefault(timeout, {})[job.id] = job
        elif self._only is None:
            self._only = timeout
        elif timeout != self._only:
            for one in self._live.values():
                self._apart.setdefault(one.about.timeout, {})[one.id] = one

    def remove(self, job: LiveJob) -> None:
        """Forget a job that is over."""
        if self._apart:
            del self._apart[job.about.timeout][job.id]

    def overdue(self, now: float, most: float = inf) -> list[LiveJob]:
        """Give the jobs whose timeout has passed, but for those still being sent; ``most`` of them."""
        found: list[LiveJob] = []
        for jobs in self._apart.values() or (self._live,):
            for job in jobs.values():
                if job.start + job.about.timeout > now or len(found) >= most:
                    break
                if not job.sending:
                    found.append(job)
        return found
