"""The job counters of a run: what was submitted, and what became of it.

These equations hold after every call::

    submitted                        = succeeded + partial + failed + timed_out + lost + backlog
    rejected + stuck + never_started = timed_out + lost
"""

from __future__ import annotations

from typing import Literal

from asyncload.records.record import Ledger

GiveUpReason = Literal["rejected", "stuck", "never_started"]
"""What is known of a job that was given up."""


class JobCounters:
    """Counts jobs, and the messages beside them. The counters are those of ``Ledger``."""

    def __init__(self) -> None:
        self.backlog_by_scenario: dict[str, int] = {}
        self.submitted = self.succeeded = self.partial = self.failed = 0
        self.timed_out = self.lost = self.unconfirmed = 0
        self.rejected = self.stuck = self.never_started = 0
        self.duplicates = self.late = self.orphans = self.unreadable = self.regions = 0

    @property
    def backlog(self) -> int:
        """Jobs submitted and not over yet."""
        return sum(self.backlog_by_scenario.values())

    @property
    def unexplained(self) -> int:
        """Jobs given up without a word from the service why."""
        return self.stuck + self.never_started

    def count_submitted(self, scenario: str) -> None:
        """Count a job that was submitted."""
        self.submitted += 1
        self.backlog_by_scenario[scenario] = self.backlog_by_scenario.get(scenario, 0) + 1

    def count_ended(self, scenario: str, status: str) -> None:
        """Count the end of a job: SUCCESS, PARTIAL or FAILED."""
        self.backlog_by_scenario[scenario] -= 1
        if status == "SUCCESS":
            self.succeeded += 1
        elif status == "PARTIAL":
            self.partial += 1
        else:
            self.failed += 1

    def count_given_up(self, scenario: str, outcome: str, reason: GiveUpReason) -> None:
        """Count a job that was given up as TIMED_OUT or LOST."""
        self.backlog_by_scenario[scenario] -= 1
        if outcome == "LOST":
            self.lost += 1
        else:
            self.timed_out += 1
        self.count_reason(reason)

    def count_reason(self, reason: GiveUpReason, number: int = 1) -> None:
        """Count what is known of a job that was given up, or take it back (-1)."""
        setattr(self, reason, getattr(self, reason) + number)

    def count_foreign(self, *, readable: bool) -> None:
        """Count a foreign message, which is about no job of this run, at its first coming."""
        if readable:
            self.orphans += 1
        else:
            self.unreadable += 1

    def state(self, t: float) -> Ledger:
        """Give the counters as they stand at ``t`` seconds of the run."""
        return Ledger(
            t=t,
            submitted=self.submitted,
            succeeded=self.succeeded,
            partial=self.partial,
            failed=self.failed,
            timed_out=self.timed_out,
            lost=self.lost,
            backlog=self.backlog,
            duplicates=self.duplicates,
            late=self.late,
            orphans=self.orphans,
            unreadable=self.unreadable,
            regions=self.regions,
            unconfirmed=self.unconfirmed,
            rejected=self.rejected,
            stuck=self.stuck,
            never_started=self.never_started,
        )
