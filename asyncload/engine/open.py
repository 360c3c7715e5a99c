"""The open model: iterations start at their due times, whatever the service does."""

from __future__ import annotations

import asyncio
from array import array
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asyncload.engine.scenario import ScenarioRun
from asyncload.records.record import DROPPED, DROPPED_NAME, Delivery, Request
from asyncload.stats.timeline.delivery import DeliveryMeter
from asyncload.users.user import User

BURST: Final = 200
"""Arrivals started in a row before other tasks get a turn, when many are due at once."""
LONG_TURN: Final = 0.1
"""Seconds that a turn of the loop may take before fewer arrivals are started in one."""
CHUNK: Final = 10_000
"""Due times turned into Python floats at a time: a day of load holds millions."""

BEHIND: Final = "the load was stopped while the generator was behind"
"""Why an arrival was dropped that was due and had not begun."""

_NextDue = asyncio.Future[float | None]
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
        self._delivery = DeliveryMeter(self.scenario.name, due_times)
        self.starts = self._starts = array("d")
        self._idle: list[_NextDue] = []
        self._pool = 0
        self._joining: dict[asyncio.Task[None], float] = {}
        """Users that have not begun their first iteration yet, and when that was due."""
        self._dismissed = False

    async def run(self) -> None:
        """Start every arrival of the plan at its due time; return when all are finished."""
        try:
            async with self._tasks:
                with self._load:
                    await self._dispatch()
                    self.has_more = False
                    await self.clock.sleep_until(self.scenario.end)
                await self._dismiss()
        finally:
            for due in self._joining.values():
                self._drop(due, BEHIND)

    async def _dispatch(self) -> None:
        clock, precise = self.clock, self.scenario.precise
        now = clock.now
        started = row = before = 0
        burst = BURST
        try:
            for first in range(0, len(self._due_times), CHUNK):
                for due in self._due_times[first : first + CHUNK].tolist():
                    if due > (turn := now()):
                        before, row = row, 0
                        await clock.reach(turn := due, precise=precise)
                    elif row >= burst:
                        before, row = row, 0
                        await asyncio.sleep(0)
                    if not row:
                        # Users whose own work takes long share a turn with fewer others, so that
                        # timeouts and answers have theirs.
                        long = now() - turn > LONG_TURN
                        burst = max(before // 2, 1) if long else min(burst * 2, BURST)
                    row += 1
                    self._arrive(due)
                    started += 1
                self._fold_starts()
        finally:
            self._drop_overdue(started)

    def delivery(self, span: float) -> Delivery:
        """Say how the load went out in its ``span`` seconds, against the plan."""
        self._fold_starts()
        return self._delivery.record(self.clock(), span)

    def _fold_starts(self) -> None:
        self._delivery.add(self._starts)
        del self._starts[:]

    def _arrive(self, due: float) -> None:
        while self._idle:
            next_due = self._idle.pop()
            if not next_due.done():
                next_due.set_result(due)
                return
        if self._pool >= self.scenario.in_flight_limit:
            self._drop(due, f"max_in_flight of {self.scenario.in_flight_limit} reached")
            return
        self._pool += 1
        self._joining[self._tasks.start(self._work(due))] = due

    def _drop_overdue(self, started: int) -> None:
        """Record arrivals that were due when the load was stopped, and had not been started.

        A generator that is behind must not lose them in silence. (Those that a
        limit of the run keeps from starting are not its fault.)
        """
        if self._meter is not None and self._meter.full:
            return
        due_times = self._due_times
        due_by_now = int(np.searchsorted(due_times, self.clock()))
        for due in due_times[started:due_by_now].tolist():
            self._drop(due, BEHIND)

    def _drop(self, due: float, reason: str) -> None:
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
                error=reason,
            )
        )

    async def _work(self, first_due: float) -> None:
        """One user of the pool: an iteration per arrival, until dismissed."""
        task = asyncio.current_task()
        assert task is not None
        try:
            user = await self.new_user()
            del self._joining[task]
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
            next_due: _NextDue = loop.create_future()
            self._idle.append(next_due)
            try:
                due = await next_due
            except asyncio.CancelledError:
                # It may have been called and not have begun.
                missed = next_due.result() if next_due.done() and not next_due.cancelled() else None
                if missed is not None:
                    self._drop(missed, BEHIND)
                raise

    async def _dismiss(self) -> None:
        self._dismissed = True
        for number, next_due in enumerate(self._idle, 1):
            if not next_due.done():
                next_due.set_result(None)
            if number % BURST == 0:
                await asyncio.sleep(0)  # all at once would block the loop while they leave
