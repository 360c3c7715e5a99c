"""The open model: iterations start at their due times, whatever the service does."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asyncload.engine.scenario import ScenarioRun
from asyncload.records.record import DROPPED, DROPPED_NAME, Request
from asyncload.users.user import User

BURST: Final = 200
"""Arrivals started in a row before other tasks get a turn, when many are due at once."""
CHUNK: Final = 10_000
"""Due times turned into Python floats at a time: a day of load holds millions."""

_Summons = asyncio.Future[float | None]
"""What an idle user waits for: the due time of its next arrival, or ``None`` to leave."""


class OpenRun(ScenarioRun):
    """Starts one iteration per arrival on a pool of users.

    The pool grows to what is needed, up to ``max_in_flight``; arrivals beyond
    that are recorded as dropped. A user that is done waits for its next
    arrival, so no task is made per arrival. ``due_times`` are sorted seconds.
    """

    def __init__(self, *args: Any, due_times: NDArray[np.float64], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._due_times = due_times
        self._idle: list[_Summons] = []
        self._pool = 0
        self._dismissed = False

    async def run(self) -> None:
        """Start every arrival of the plan at its due time; return when all are finished."""
        # asyncio's own group: a task in anyio's takes 2.6 KB more.
        async with asyncio.TaskGroup() as group:
            with self._load:
                await self._dispatch(group)
                self.has_more = False
                await self.clock.sleep_until(self.scenario.end)
            self._dismiss()

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        clock, precise = self.clock, self.scenario.precise
        now = clock.now
        row = 0
        for first in range(0, len(self._due_times), CHUNK):
            for due in self._due_times[first : first + CHUNK].tolist():
                if due > now():
                    row = 0
                    await clock.reach(due, precise=precise)
                elif (row := row + 1) >= BURST:
                    row = 0
                    await asyncio.sleep(0)
                self._arrive(group, due)

    def _arrive(self, group: asyncio.TaskGroup, due: float) -> None:
        while self._idle:
            summons = self._idle.pop()
            if not summons.done():
                summons.set_result(due)
                return
        if self._pool >= self.scenario.in_flight_limit:
            self._drop(due)
            return
        self._pool += 1
        group.create_task(self._work(due))

    def _drop(self, due: float) -> None:
        now = self.clock()
        self.sink.write(
            Request(
                t=now,
                scenario=self.scenario.name,
                user=-1,
                name=DROPPED_NAME,
                due=due,
                end=now,
                outcome=DROPPED,
                error=f"max_in_flight of {self.scenario.in_flight_limit} reached",
            )
        )

    async def _work(self, first_due: float) -> None:
        """One user of the pool: an iteration per arrival, until dismissed."""
        try:
            user = await self.new_user()
            if user is None:
                return
            try:
                await self._iterate_until_dismissed(user, first_due)
            finally:
                await self.retire(user)
        finally:
            self._pool -= 1

    async def _iterate_until_dismissed(self, user: User, first_due: float) -> None:
        loop = asyncio.get_running_loop()
        due: float | None = first_due
        while due is not None:
            await self.iterate(user, due)
            if self._dismissed:
                break
            summons: _Summons = loop.create_future()
            self._idle.append(summons)
            due = await summons

    def _dismiss(self) -> None:
        self._dismissed = True
        for summons in self._idle:
            if not summons.done():
                summons.set_result(None)
