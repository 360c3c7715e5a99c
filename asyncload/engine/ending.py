"""The end of a run: resources are closed within a limit, and what is odd about its jobs is noted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Final, Generic, TypeVar

from asyncload.jobs.consumer import StatusConsumer
from asyncload.jobs.ledger import JobLedger
from asyncload.stats import units
from asyncload.transport.error_text import describe

CLOSE_LIMIT: Final = 5.0
"""Seconds that a resource may take to close."""

Entered_co = TypeVar("Entered_co", covariant=True)
Note = Callable[[str, str], None]


class Limited(AbstractAsyncContextManager[Entered_co], Generic[Entered_co]):
    """A resource whose closing takes :data:`CLOSE_LIMIT` at most and raises nothing: both are noted."""

    def __init__(self, resource: AbstractAsyncContextManager[Entered_co], note: Note) -> None:
        self._resource = resource
        self._note = note

    async def __aenter__(self) -> Entered_co:
        return await self._resource.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        limit = asyncio.timeout(CLOSE_LIMIT)
        try:
            async with limit:
                await self._resource.__aexit__(kind, problem, traceback)
        except Exception as failure:
            if not limit.expired():
                self._note("warning", f"closing {self._name} failed: {describe(failure)}")
        if limit.expired():
            self._note(
                "warning",
                f"closing {self._name} took over {CLOSE_LIMIT:g} s and was given up; what it holds "
                "may still be in use",
            )

    @property
    def _name(self) -> str:
        made_by: Any = getattr(self._resource, "gen", self._resource)
        return str(getattr(made_by, "__qualname__", type(self._resource).__qualname__))


def foreign_note(ledger: JobLedger, consumers: Sequence[StatusConsumer]) -> Iterator[str]:
    """Say that somebody else uses the status queue, with some of the jobs and their ages."""
    if not ledger.orphans or not consumers:
        return
    named = [one for consumer in consumers for one in consumer.foreign_named]
    some = ", ".join(
        f"{job_id} ({units.seconds(age)} old)" if age is not None else job_id
        for job_id, age in named
    )
    more = ledger.orphans - len(named)
    some += f" and {units.count(more)} more" if named and more > 0 else ""
    yield (
        f"{units.count(ledger.orphans)} foreign statuses, of jobs this run never sent"
        + (f": {some}" if some else "")
        + "; somebody else uses the status queue, or did before; while two read one queue, each "
        "holds up the other's statuses, so notification times are not the service's alone"
    )
