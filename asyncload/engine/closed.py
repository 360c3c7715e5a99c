"""The closed model: N users, each waiting for its answer before it goes on."""

from __future__ import annotations

import asyncio
import random
from typing import Any, Final

import anyio

from asyncload.engine.scenario import ScenarioRun
from asyncload.users.user import User
from asyncload.users.wait import Wait, constant, parse_wait

CRASH_PAUSE: Final = 0.1
"""Seconds that a user rests after its code crashed, so that a bug does not become a busy loop."""
SLICE: Final = 200
"""Users that start or leave in a row before other tasks get a turn."""
TURNS: Final = 16
"""Iterations without a pause after which a user lets others go on."""
TICK: Final = 0.1
"""Seconds between two looks at the level."""


class _Slot:
    """The slot of one user: set ``leaving`` and it goes after the iteration it is in."""

    __slots__ = ("leaving", "pause")

    def __init__(self) -> None:
        self.leaving = False
        self.pause: asyncio.Future[None] | None = None
        """What the user waits for between two iterations."""

    def ask_to_leave(self) -> None:
        self.leaving = True
        if self.pause is not None:
            _wake(self.pause)


def _wake(pause: asyncio.Future[None]) -> None:
    if not pause.done():
        pause.set_result(None)


async def _ask_to_leave(slots: dict[_Slot, None], left: int) -> None:
    """Ask the newest users to leave, down to ``left`` of them."""
    while len(slots) > left:
        slots.popitem()[0].ask_to_leave()
        if len(slots) % SLICE == 0:
            await asyncio.sleep(0)  # all at once would block the loop while they leave


class ClosedRun(ScenarioRun):
    """Keeps as many users as the level says: adds some, or retires the newest."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._left = self.scenario.iteration_limit
        """Iterations that may still begin; ``None``: any number."""

    async def run(self) -> None:
        """Follow the level until the end of the load; return when all users have left."""
        slots: dict[_Slot, None] = {}
        async with self._tasks:
            with self._load:
                await self._follow(slots)
                self.has_more = False
            await _ask_to_leave(slots, 0)

    async def _follow(self, slots: dict[_Slot, None]) -> None:
        tick = 0
        while (now := self.clock()) < self.scenario.end:
            wanted = self.scenario.users_at(now)
            while len(slots) < wanted:
                slot = _Slot()
                slots[slot] = None
                self._tasks.start(self._live(slot, slots))
                if len(slots) % SLICE == 0:
                    await asyncio.sleep(0)
            await _ask_to_leave(slots, wanted)
            tick = max(tick + 1, int(now / TICK))
            await self.clock.sleep_until(min(tick * TICK, self.scenario.end))

    async def _live(self, slot: _Slot, slots: dict[_Slot, None]) -> None:
        """One user from its start to its end."""
        user = await self.new_user()
        if user is None:
            await anyio.sleep(1)  # then the level asks for another one
            slots.pop(slot, None)
            return
        try:
            await self._iterate_until_left(user, slot)
        finally:
            await self.retire(user)

    async def _iterate_until_left(self, user: User, slot: _Slot) -> None:
        clock = self.clock.now
        due = clock()
        turn = 0

        def rng() -> random.Random:
            return user.rng

        while not slot.leaving and due < self.scenario.end and self._may_begin():
            if not await self.iterate(user, due):
                await anyio.sleep(CRASH_PAUSE)
            now = clock()
            wait = user.wait
            if type(wait) is not Wait:  # the user's code has set it meanwhile
                wait = self._read_wait(user, now)
            due = wait.next_due(due, now, rng)
            if slot.leaving:
                break
            if due > now:
                await self._pause(slot, due - now)
            elif (turn := turn + 1) % TURNS == 0:
                await asyncio.sleep(0)  # others get a turn, also when iterations never wait

    def _may_begin(self) -> bool:
        """Whether one more iteration may begin; it is counted. The last one ends the load."""
        if self._left is None:
            return True
        self._left -= 1
        if self._left <= 0:
            self.stop()
        return self._left >= 0

    def _read_wait(self, user: User, now: float) -> Wait:
        try:
            wait = parse_wait(user.wait)
        except Exception as problem:
            self._crashed(user.recorder, "wait", now, now, problem)
            wait = constant(CRASH_PAUSE)
        user.wait = wait
        return wait

    async def _pause(self, slot: _Slot, seconds: float) -> None:
        # A future and a timer: a hundred thousand users wait here, and a
        # cancel scope for each would take a kilobyte more.
        loop = asyncio.get_running_loop()
        slot.pause = loop.create_future()
        timer = loop.call_later(seconds, _wake, slot.pause)
        try:
            await slot.pause
        finally:
            timer.cancel()
            slot.pause = None
