"""The job counters of a run: what was submitted, and what became of it.

These equations hold after every call::

    submitted                        = succeeded + partial + failed + timed_out + lost + backlog
    rejected + stuck + never_started = timed_out + lost
"""

from __future__ import annotations

from typing import Final, Literal

from asyncload.records.outcomes import COUNTER_OF, COUNTERS
from asyncload.records.record import Ledger

GiveUpReason = Literal["rejected", "stuck", "never_started"]
"""What is known of a job that was given up."""

_COUNTED: Final = tuple(name for name in COUNTERS if name != "backlog")


class JobCounters:
    """Counts jobs, and the messages beside them. The counters are those of ``Ledger``."""

    # Those that code of the ledger names; an outcome's is found by its status.
    submitted: int
    duplicates: int
    late: int
    orphans: int
    unreadable: int
    regions: int
    unconfirmed: int
    stuck: int
    never_started: int

    def __init__(self) -> None:
        self.backlog_by_scenario: dict[str, int] = {}
        for counter in _COUNTED:
            setattr(self, counter, 0)

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
        """Count the end of a job, by the status that its record has."""
        self.backlog_by_scenario[scenario] -= 1
        counter = COUNTER_OF[status]
        setattr(self, counter, getattr(self, counter) + 1)

    def count_given_up(self, scenario: str, status: str, reason: GiveUpReason) -> None:
        """Count a job that was given up, and what is known of it."""
        self.count_ended(scenario, status)
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
        counts = {counter: getattr(self, counter) for counter in COUNTERS}
        return Ledger(t=t, **counts)
