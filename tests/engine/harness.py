"""Runs plans on virtual time and collects what was recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio

from asyncload import Plan, Scenario
from asyncload.engine.run import Engine
from asyncload.records.record import Job, Ledger, Level, Note, Record, Request
from asyncload.testing import VirtualTimeLoop
from asyncload.transport.aws.session import Aws

R = TypeVar("R", bound=Record)


class Collected:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def write(self, record: Record) -> None:
        self.records.append(record)

    def of(self, kind: type[R]) -> list[R]:
        return [record for record in self.records if isinstance(record, kind)]

    @property
    def requests(self) -> list[Request]:
        return self.of(Request)

    @property
    def jobs(self) -> list[Job]:
        return self.of(Job)

    @property
    def levels(self) -> list[Level]:
        return self.of(Level)

    @property
    def notes(self) -> list[Note]:
        return self.of(Note)

    @property
    def ledger(self) -> Ledger:
        return self.of(Ledger)[-1]


def run_plan(
    plan: Plan,
    *,
    meanwhile: Callable[[Engine], Awaitable[Any]] | None = None,
    before: Callable[[], None] = lambda: None,
    first: Callable[[Engine], None] = lambda _: None,
) -> tuple[Collected, float]:
    """Run ``plan`` on virtual time; return what was recorded and when it ended.

    ``before`` runs on the loop before anything else, ``first`` before the set-up;
    ``meanwhile`` is started together with the load.
    """
    collected = Collected()

    async def main() -> float:
        before()
        engine = Engine(plan, sink=collected, aws=Aws(), run_id="0123456789ab")
        first(engine)
        await engine.prepare()
        engine.begin()
        async with anyio.create_task_group() as group:
            if meanwhile is not None:
                group.start_soon(meanwhile, engine)
            await engine.run()
            group.cancel_scope.cancel()
        return engine.clock()

    ended = anyio.run(main, backend_options={"loop_factory": VirtualTimeLoop})
    return collected, ended


def one(scenario: Scenario, *, seed: int = 1, drain: float = 10.0) -> Plan:
    """A plan of one scenario."""
    return Plan(scenarios=(scenario,), seed=seed, drain=drain, name="test")
