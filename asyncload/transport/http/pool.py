"""Keep-alive connections to one target: bounded, fair, and swept for overdue requests.

A request whose connection turns out to be closed is not sent twice. What
happens instead: a connection is looked at when it is picked, and one that has
been closed by then is passed over for another or a fresh one, because nothing
of the request was written to it. Once a byte may have been written, the
request fails if the connection closes, for nobody can know whether the service
had begun to work on it.

One coarse timer per pool watches all deadlines; a timer per request would cost
more than the request.
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Final

import msgspec

from asyncload.transport.http.connection import CLOSED, Connection
from asyncload.transport.http.connector import Resolver, Target, connect
from asyncload.transport.http.http_errors import (
    ConnectionClosed,
    Phase,
    RequestTimeout,
    Timing,
    limit_of,
)

CONNECTIONS: Final = 4096
"""Connections to one target, unless it is said otherwise."""
TICK: Final = 0.02
"""Seconds between sweeps: an overdue request is noticed at most about this late."""
LOOK_AFTER: Final = 1.0
"""Seconds idle after which the socket itself is asked whether it is still open."""
DIALS: Final = 8
"""Connections begun in one turn of the loop."""
GOODBYE: Final = 1.0
"""Seconds given to connections to close in order."""


class Timeouts(msgspec.Struct, frozen=True):
    """Limits in seconds; ``math.inf`` for none.

    ``connect``: name, TCP, proxy and TLS. ``first_byte``: from the request's
    last byte to the first of its answer. ``total``: from the call to the end
    of the answer, the wait for a connection included. ``idle``: between two
    pieces of an answer that somebody listens to.
    """

    connect: float = 10.0
    first_byte: float = 60.0
    total: float = 300.0
    idle: float = inf


class _Place(msgspec.Struct, eq=False):
    """A place in the queue. Its turn brings a connection, or None: open one."""

    turn: asyncio.Future[Connection | None]
    total_by: float
    limit: float
    """Seconds that it may wait."""


class Pool:
    """At most ``limit`` connections to ``target``, handed out first come, first served."""

    def __init__(
        self, target: Target, resolver: Resolver, clock: Callable[[], float], limit: int
    ) -> None:
        self.target = target
        self._resolver = resolver
        self._clock = clock
        self._limit = limit
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._taken = 0
        """Places of the limit in use: open connections and those being made."""
        self._queue: deque[_Place] = deque()
        self._turn = 0
        self._dials = 0
        """Connections begun in this turn of the loop; counted while :meth:`_dial_more` is due."""
        self._sweeping = False
        self._last_sweep = 0.0
        self._closed = False

    @property
    def connections(self) -> int:
        """Connections open or being made."""
        return self._taken

    @property
    def waiting(self) -> int:
        """Requests waiting for a connection."""
        return sum(not place.turn.done() for place in self._queue)

    def take(self, now: float) -> Connection | None:
        """Return an idle connection that is still open, or None. Never waits."""
        idle = self._idle
        while idle:
            connection = idle.pop()  # the one used last: the others may grow old and close
            if self._usable(connection, now):
                if not self._sweeping:
                    self._start_sweeping()
                return connection
        return None

    async def acquire(self, connect_limit: float, total_by: float, timing: Timing) -> Connection:
        """Return a connection: idle, new, or the next one released.

        A wait because the limit is reached is noted in ``timing``.

        Raises ConnectFailed, RequestTimeout (connect, pool wait or total) and
        ConnectionClosed (the pool was closed).
        """
        waited = False
        while True:
            if self._closed:
                raise self._closed_error()
            connection = self.take(self._clock())
            if connection is not None:
                return connection
            limited = self._taken >= self._limit
            if limited or not self._may_dial():
                # Who was handed a connection that closed on the way keeps the first place.
                connection = await self._wait(total_by, first=waited)
                if limited:
                    timing.turn = self._clock()
                waited = True
            else:
                self._taken += 1
            if connection is None:
                return await self._connect(connect_limit, total_by)
            if connection.state is not CLOSED and not connection.transport.is_closing():
                return connection

    def release(self, connection: Connection) -> None:
        """Take back a connection; the first in the queue gets it."""
        if not self._queue or not self._hand_on(connection):
            self._idle.append(connection)

    def lost(self, connection: Connection) -> None:
        """Forget a connection; its place in the limit goes to the first in the queue."""
        if connection in self._open:
            self._open.discard(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._free_place()

    async def close(self) -> None:
        """Close every connection and fail every request, under way or waiting."""
        self._closed = True
        while self._queue:
            place = self._queue.popleft()
            if not place.turn.done():
                place.turn.set_exception(self._closed_error())
        loop = asyncio.get_running_loop()
        going = list(self._open)
        for connection in going:
            connection.gone = loop.create_future()
            connection.shut(self._closed_error())
        if going:
            waits = [connection.gone for connection in going if connection.gone is not None]
            await asyncio.wait(waits, timeout=GOODBYE)
            for connection in list(self._open):
                connection.abort()
            await asyncio.wait(waits)

    # ------------------------------------------------------------------ inside

    def _may_dial(self) -> bool:
        """Whether a connection may be begun now, or who wants it has to queue until the next turn.

        Making a connection costs ten times the CPU of a request. When a crowd of requests
        finds none, those behind :data:`DIALS` queue: the first answers may free connections
        for them before more are made that nobody needs afterwards.
        """
        if self._dials == 0:
            asyncio.get_running_loop().call_soon(self._dial_more)
        self._dials += 1
        return self._dials <= DIALS

    def _dial_more(self) -> None:
        """Let the next in the queue make connections, in a new turn of the loop."""
        self._dials = 0
        queue = self._queue
        while queue and self._taken < self._limit and self._may_dial():
            place = queue.popleft()
            if not place.turn.done():
                self._taken += 1
                place.turn.set_result(None)

    def _usable(self, connection: Connection, now: float) -> bool:
        if connection.state is CLOSED or connection.transport.is_closing():
            return False
        if now - connection.idle_since > LOOK_AFTER and _has_news(connection):
            connection.abort()
            return False
        return True

    async def _wait(self, total_by: float, *, first: bool) -> Connection | None:
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        place = _Place(turn, total_by, total_by - self._clock())
        if first:
            self._queue.appendleft(place)
        else:
            self._queue.append(place)
        if not self._sweeping:
            self._start_sweeping()
        try:
            return await place.turn
        except asyncio.CancelledError:
            # The turn may have come in the same moment: pass it on.
            turn = place.turn
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                connection = turn.result()
                if connection is None:
                    self._free_place()
                elif connection.state is not CLOSED:
                    self.release(connection)
            raise

    async def _connect(self, connect_limit: float, total_by: float) -> Connection:
        where = self.target.where
        left = total_by - self._clock()
        limit = min(connect_limit, left)
        self._turn += 1
        try:
            async with asyncio.timeout(None if limit == inf else limit):
                connection = await connect(self.target, self._resolver, self._make, self._turn)
        except TimeoutError:
            self._free_place()
            phase: Phase = "connect" if connect_limit <= left else "total"
            raise RequestTimeout(
                f"No connection to {where} {limit_of(phase, limit)}", phase
            ) from None
        except BaseException:
            self._free_place()
            raise
        if self._closed or connection.state is CLOSED:
            connection.abort()
            self._free_place()
            raise (
                self._closed_error()
                if self._closed
                else ConnectionClosed(f"{where} closed the connection as soon as it was made")
            )
        self._open.add(connection)
        connection.idle_since = self._clock()
        if not self._sweeping:
            self._start_sweeping()
        return connection

    def _make(self) -> Connection:
        return Connection(self, self.target.where, self._clock)

    def _free_place(self) -> None:
        if not self._hand_on(None):
            self._taken -= 1

    def _hand_on(self, connection: Connection | None) -> bool:
        """Give the first in the queue its turn; whether there is one."""
        queue = self._queue
        while queue:
            place = queue.popleft()
            if not place.turn.done():
                place.turn.set_result(connection)
                return True
        return False

    def _closed_error(self) -> ConnectionClosed:
        return ConnectionClosed(f"The client closed its connections to {self.target.where}")

    # ------------------------------------------------------------------- sweep

    def _start_sweeping(self) -> None:
        self._sweeping = True
        self._last_sweep = self._clock()
        asyncio.get_running_loop().call_later(TICK, self._sweep)

    def _sweep(self) -> None:
        now = self._clock()
        # After a stall of our own loop, answers may lie unread in their sockets while
        # uvloop runs timers first: read them before judging anybody late.
        stalled = now - self._last_sweep > 5 * TICK
        self._last_sweep = now
        if not stalled:
            for connection in [c for c in self._open if c.deadline <= now]:
                connection.expire()
            for place in self._queue:
                if place.total_by <= now and not place.turn.done():
                    place.turn.set_exception(
                        RequestTimeout(
                            f"No connection to {self.target.where} was free "
                            f"{limit_of('pool wait', place.limit)}: all {self._limit} of "
                            "asyncload's own limit were in use",
                            "pool wait",
                        )
                    )
        if len(self._idle) < len(self._open) or self._queue:
            asyncio.get_running_loop().call_later(TICK, self._sweep)
        else:
            self._sweeping = False


def _has_news(connection: Connection) -> bool:
    """Whether an idle socket has something to read: its end, or bytes nobody asked for."""
    sock = connection.transport.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))
