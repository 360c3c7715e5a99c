"""Requests that wait for a connection, first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf

import msgspec

from asyncload.transport.http.connection import Connection
from asyncload.transport.http.deadlines import NOWHERE, Deadlines
from asyncload.transport.http.http_errors import RequestTimeout, TransportError

Turn = asyncio.Future[Connection | None]
"""Brings a connection, or None: open one."""


class Place(msgspec.Struct, eq=False):
    """A place in the line. One whose turn is done stays in it until it comes to the front."""

    turn: Turn
    deadline: float
    too_late: Callable[[], RequestTimeout]
    look_at: float = inf
    slot: int = NOWHERE

    def expire(self) -> None:
        """Fail: its turn has not come in time."""
        if not self.turn.done():
            self.turn.set_exception(self.too_late())


class WaitingLine:
    """The places, each watched in ``deadlines`` for as long as somebody waits there."""

    def __init__(self, deadlines: Deadlines) -> None:
        self.places: deque[Place] = deque()
        self._deadlines = deadlines

    @property
    def waiting(self) -> int:
        """How many wait; counted one by one."""
        return sum(not place.turn.done() for place in self.places)

    def join(
        self, deadline: float, too_late: Callable[[], RequestTimeout], *, first: bool
    ) -> Place:
        """Take a place, at the front if ``first``; who waits there leaves it, too."""
        place = Place(asyncio.get_running_loop().create_future(), deadline, too_late)
        if first:
            self.places.appendleft(place)
        else:
            self.places.append(place)
        self._deadlines.watch(place)
        return place

    def leave(self, place: Place) -> None:
        """Wait no longer."""
        self._deadlines.forget(place)

    def next(self) -> Turn | None:
        """Take the first who waits out of the line, if anybody does."""
        places = self.places
        while places:
            turn = places.popleft().turn
            if not turn.done():
                return turn
        return None

    def hand_on(self, connection: Connection | None) -> bool:
        """Give the first in the line its turn; whether there is one."""
        turn = self.next()
        if turn is None:
            return False
        turn.set_result(connection)
        return True

    def fail(self, error: Callable[[], TransportError]) -> None:
        """Fail all who wait."""
        while (turn := self.next()) is not None:
            turn.set_exception(error())
