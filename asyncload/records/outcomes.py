"""What becomes of jobs: every outcome, declared once.

A field of :class:`JobOutcomes` that is annotated with an :class:`Outcome` *is*
the outcome. The ledger and its record, the statistics, metric names, tables,
the live view, job files and graphs all derive from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar, get_type_hints

import msgspec

Kind = Literal["success", "partial", "failure", "given_up"]
"""``success`` is in the success rate, ``failure`` and ``given_up`` are in the error rate,
``partial`` is in neither. All but ``given_up`` are told by the service's terminal status."""


class Outcome(NamedTuple):
    """What became of a job."""

    status: str
    """As its record says it, and, unless it was given up, the service."""
    kind: Kind

    @property
    def is_error(self) -> bool:
        """Whether it is in the error rate."""
        return self.kind in {"failure", "given_up"}

    @property
    def style(self) -> str:
        """Colour of its number in tables and the live view."""
        return {"success": "green", "partial": "yellow"}.get(self.kind, "red")


class Reason(NamedTuple):
    """What is known of a job that was given up."""

    text: str
    """In the final table."""


class Beside(NamedTuple):
    """What is counted beside the jobs."""

    one: str
    many: str
    live: tuple[str, str] | None = None
    """One and many in the live view; ``None`` for what is not shown there."""


class JobOutcomes(msgspec.Struct, frozen=True, kw_only=True):
    """How many jobs were submitted, and what became of them.

    ``submitted = succeeded + partial + failed + timed_out + lost + backlog``.
    The order of the fields is that of tables and logs. A new outcome is 0 by
    default, so that older logs can still be read.
    """

    submitted: int
    succeeded: Annotated[int, Outcome("SUCCESS", "success")]
    partial: Annotated[int, Outcome("PARTIAL", "partial")]
    failed: Annotated[int, Outcome("FAILED", "failure")]
    timed_out: Annotated[int, Outcome("TIMED_OUT", "given_up")]
    """Given up because the job's own timeout passed."""
    lost: Annotated[int, Outcome("LOST", "given_up")]
    """Given up because the drain ended."""
    backlog: int
    """Submitted and not over yet; 0 at the end of a run."""
    duplicates: Annotated[
        int, Beside("duplicate status", "duplicate statuses", ("duplicate", "duplicates"))
    ]
    """Status messages of our jobs that said what had been said already."""

    @property
    def ended(self) -> int:
        """Jobs whose terminal status was observed."""
        return add_up(self, ENDED)

    @property
    def given_up(self) -> int:
        """Jobs given up without one."""
        return add_up(self, GIVEN_UP)

    @property
    def errors(self) -> int:
        """Jobs that failed or were given up."""
        return add_up(self, ERRORS)


class LedgerCounts(JobOutcomes, frozen=True, kw_only=True):
    """All that the ledger counts: the fields of its record."""

    late: Annotated[int, Beside("late status", "late statuses", ("late", "late"))]
    """Terminal statuses that came after their job had been given up."""
    orphans: Annotated[int, Beside("foreign status", "foreign statuses", ("foreign", "foreign"))]
    """Status messages of jobs this run never sent."""
    unreadable: Annotated[
        int, Beside("unreadable message", "unreadable messages", ("unreadable", "unreadable"))
    ]
    """Messages that are no status at all."""
    regions: Annotated[int, Beside("region message", "region messages")] = 0
    """Status messages about a region of one of our jobs, not the job itself."""
    unconfirmed: Annotated[int, Beside("unconfirmed send", "unconfirmed sends")] = 0
    """Sends whose answer was lost and of which nothing was heard again; not in ``submitted``."""
    rejected: Annotated[int, Reason("rejected by the service")] = 0
    """Given up, and their request was found among the dead letters.

    ``rejected + stuck + never_started = timed_out + lost``.
    """
    stuck: Annotated[int, Reason("stuck")] = 0
    """Given up after STARTED or IN_PROGRESS."""
    never_started: Annotated[int, Reason("never started")] = 0
    """Given up without any status."""


def label(counter: str) -> str:
    """Write the name of a counter as words."""
    return counter.replace("_", " ")


def add_up(counts: object, counters: Iterable[str]) -> int:
    """Add up some counters of whatever has them."""
    return sum(getattr(counts, counter) for counter in counters)


_Meaning = TypeVar("_Meaning", Outcome, Reason, Beside)


def _annotated(kind: type[_Meaning]) -> dict[str, _Meaning]:
    hints: dict[str, Any] = get_type_hints(LedgerCounts, include_extras=True)
    return {
        counter: meaning
        for counter in COUNTERS
        for meaning in getattr(hints[counter], "__metadata__", ())
        if isinstance(meaning, kind)
    }


COUNTERS: Final = LedgerCounts.__struct_fields__
OUTCOMES: Final = _annotated(Outcome)
"""By the name of their counter, in order; so are the next two."""
REASONS: Final = _annotated(Reason)
BESIDE: Final = _annotated(Beside)

COUNTER_OF: Final = {outcome.status: counter for counter, outcome in OUTCOMES.items()}
"""The counter of a job's status."""
ENDED: Final = tuple(name for name, outcome in OUTCOMES.items() if outcome.kind != "given_up")
GIVEN_UP: Final = tuple(name for name, outcome in OUTCOMES.items() if outcome.kind == "given_up")
ERRORS: Final = tuple(name for name, outcome in OUTCOMES.items() if outcome.is_error)
SUCCESSES: Final = tuple(name for name, outcome in OUTCOMES.items() if outcome.kind == "success")

TERMINAL: Final = tuple(OUTCOMES[name].status for name in ENDED)
"""Statuses by which the service tells the end of a job."""
COMPLETED: Final = tuple(outcome.status for outcome in OUTCOMES.values() if not outcome.is_error)
"""Statuses of jobs that did not go wrong."""
