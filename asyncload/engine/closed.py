"""The closed model: N users, each waiting for its answer before it goes on."""

from __future__ import annotations

import asyncio
from typing import Final

import anyio
from anyio.abc import TaskGroup

from asyncload.engine.scenario import ScenarioRun
from asyncload.users.user import User

CRASH_PAUSE: Final = 0.1
"""Seconds that a user rests after its code crashed, so that a bug does not become a busy loop."""
TICK: Final = 0.1
"""Seconds between two looks at the level."""


class _Seat:
    """The place of one user: set ``leaving`` and it goes after the iteration it is in."""

    __slots__ = ("leaving", "pause")

    def __init__(self) -> None:
        self.leaving = False
        self.pause: anyio.CancelScope | None = None

    def ask_to_leave(self) -> None:
        self.leaving = True
        if self.pause is not None:
            self.pause.cancel()


class ClosedRun(ScenarioRun):
    """Keeps as many users as the level says: adds some, or retires the newest."""

    async def run(self) -> None:
        """Follow the level until the end of the load; return when all users have left."""
        seats: list[_Seat] = []
        async with anyio.create_task_group() as group:
            with self._load:
                await self._follow(seats, group)
            for seat in seats:
                seat.ask_to_leave()

    async def _follow(self, seats: list[_Seat], group: TaskGroup) -> None:
        tick = 0
        while (now := self.clock()) < self.scenario.end:
            wanted = self.scenario.users_at(now)
            while len(seats) < wanted:
                seat = _Seat()
                seats.append(seat)
                group.start_soon(self._live, seat, seats)
            while len(seats) > wanted:
                seats.pop().ask_to_leave()
            tick = max(tick + 1, int(now / TICK))
            await self.clock.sleep_until(min(tick * TICK, self.scenario.end))

    async def _live(self, seat: _Seat, seats: list[_Seat]) -> None:
        """One user from its start to its end."""
        user = await self.new_user()
        if user is None:
            await anyio.sleep(1)  # then the level asks for another one
            if seat in seats:
                seats.remove(seat)
            return
        try:
            await self._iterate_until_left(user, seat)
        finally:
            await self.retire(user)

    async def _iterate_until_left(self, user: User, seat: _Seat) -> None:
        due = self.clock()
        while not seat.leaving and due < self.scenario.end:
            if not await self.iterate(user, due):
                await anyio.sleep(CRASH_PAUSE)
            due = user.wait.next_due(due, self.clock(), user.rng)
            if seat.leaving:
                break
            if due > self.clock():
                with anyio.CancelScope() as seat.pause:
                    await self.clock.sleep_until(due)
                seat.pause = None
            else:
                await asyncio.sleep(0)  # others get a turn, also when an iteration never waits
