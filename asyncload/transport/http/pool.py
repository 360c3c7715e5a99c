"""Keep-alive connections to one target: bounded, fair, and swept for overdue requests.

A connection is looked at when it is picked, and one that has been closed by
then is passed over for another or a fresh one, because nothing of the request
was written to it. Once a byte may have been written, nobody can know whether
the service had begun to work on the request; what then may be sent again is
the client's to say.

One coarse timer per pool watches all deadlines (:mod:`~asyncload.transport.http.deadlines`).
Nothing here takes longer the more connections there are, but for closing them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from itertools import takewhile
from math import inf
from typing import Final

import msgspec

from asyncload.transport.http.connection import CLOSED, Connection
from asyncload.transport.http.connector import Probe, Resolver, Target, connect
from asyncload.transport.http.deadlines import TICK, Deadlines, Watched
from asyncload.transport.http.http_errors import (
    ConnectFailed,
    ConnectionClosed,
    Phase,
    RequestTimeout,
    Timing,
    limit_of,
)
from asyncload.transport.http.reuse import DEFAULT, Reuse, unread_of
from asyncload.transport.http.waiting_line import WaitingLine

CONNECTIONS: Final = 4096
"""Connections to one target, unless it is said otherwise."""
LOOK_AFTER: Final = 1.0
"""Seconds idle after which the socket itself is asked whether it is still open."""
DIALS: Final = 8
"""Connections begun in one turn of the loop."""
GOODBYE: Final = 1.0
"""Seconds given to connections to close in order, and as many again to close at all."""


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


class Pool:
    """At most ``limit`` connections to ``target``, handed out first come, first served."""

    def __init__(
        self,
        target: Target,
        resolver: Resolver,
        clock: Callable[[], float],
        limit: int,
        reuse: Reuse = DEFAULT,
    ) -> None:
        self.target = target
        self._resolver = resolver
        self._clock = clock
        self._limit = limit
        self._reuse = reuse
        self._ages = min(reuse.max_connection_age, reuse.idle_age) < inf
        self._look_after = 0.0 if self._ages else LOOK_AFTER
        self._wears = min(reuse.max_connection_age, reuse.max_requests_per_connection) < inf
        self._idle: dict[Connection, None] = {}
        """In the order in which they became idle; a dict, for any of them may close."""
        self._open: set[Connection] = set()
        self._taken = 0
        """Places of the limit in use: open connections and those being made."""
        self._deadlines = Deadlines()
        self._line = WaitingLine(self._deadlines)
        self._places = self._line.places
        self._turn = 0
        self._dials = 0
        """Connections begun in this turn of the loop; counted while :meth:`_dial_more` is due."""
        self._sweeping = False
        self._closed = False

    @property
    def connections(self) -> int:
        """Connections open or being made."""
        return self._taken

    @property
    def waiting(self) -> int:
        """Requests waiting for a connection; counted one by one."""
        return self._line.waiting

    def take(self, now: float) -> Connection | None:
        """Return an idle connection that is still open, or None. Never waits."""
        idle = self._idle
        while idle:
            # The one used last: the others may grow old and close.
            connection, _ = idle.popitem()
            if connection.state is CLOSED or connection.transport.is_closing():
                continue
            if now - connection.idle_since > self._look_after and self._is_over(connection, now):
                connection.abort()
                continue
            if not self._sweeping:
                self._start_sweeping()
            return connection
        return None

    async def acquire(
        self, connect_limit: float, total_by: float, timing: Timing, *, fresh: bool = False
    ) -> Connection:
        """Return a connection: idle, new, or the next one released.

        A wait because the limit is reached is noted in ``timing``. ``fresh`` asks for a new one
        where the limit allows it.

        Raises ConnectFailed, RequestTimeout (connect, pool wait or total) and
        ConnectionClosed (the pool was closed).
        """
        waited = False
        while True:
            if self._closed:
                raise self._closed_error()
            limited = self._taken >= self._limit
            if limited or not fresh:
                connection = self.take(self._clock())
                if connection is not None:
                    return connection
            if limited or not self._may_dial():
                # Who was handed a connection that closed on the way keeps the first place.
                connection = await self._wait(total_by, timing, first=waited)
                if limited:
                    timing.turn = self._clock()
                waited = True
            else:
                self._taken += 1
                connection = None
            if connection is None:
                return await self._connect(connect_limit, total_by, timing)
            if connection.state is not CLOSED and not connection.transport.is_closing():
                return connection

    async def probe(self, limit: float) -> None:
        """Open a connection and close it again: nothing is sent. Raises ConnectFailed."""
        try:
            async with asyncio.timeout(limit):
                probe = await connect(self.target, self._resolver, Probe, 0)
        except TimeoutError:
            raise ConnectFailed(
                f"No connection to {self.target.where} within {limit:g} s; check its address and firewalls"
            ) from None
        probe.transport.close()

    def release(self, connection: Connection) -> None:
        """Take back a connection; the first in the queue gets it."""
        if self._wears and (
            connection.requests >= self._reuse.max_requests_per_connection
            or connection.idle_since >= connection.renew_at
        ):
            connection.abort()
        elif not self._places or not self._line.hand_on(connection):
            self._idle[connection] = None

    def watch(self, connection: Connection) -> None:
        """Have the sweep look at a connection when its deadline comes."""
        self._deadlines.watch(connection)

    def lost(self, connection: Connection) -> None:
        """Forget a connection; its place in the limit goes to the first in the queue."""
        if connection in self._open:
            self._open.discard(connection)
            self._idle.pop(connection, None)
            self._deadlines.forget(connection)
            self._free_place()

    async def close(self) -> None:
        """Close every connection and fail every request, under way or waiting."""
        self._closed = True
        self._line.fail(self._closed_error)
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
            await asyncio.wait(waits, timeout=GOODBYE)

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
        while self._line.places and self._taken < self._limit and self._may_dial():
            if self._line.hand_on(None):
                self._taken += 1

    def _is_over(self, connection: Connection, now: float) -> bool:
        """Whether an idle connection is too old, or the service has closed it, unnoticed yet."""
        idle = now - connection.idle_since
        if idle >= self._reuse.idle_age or now >= connection.renew_at:
            return True
        return idle > LOOK_AFTER and bool(unread_of([connection]))

    async def _wait(self, total_by: float, timing: Timing, *, first: bool) -> Connection | None:
        place = self._line.join(
            total_by, lambda: self._none_free(total_by - timing.queued), first=first
        )
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
        finally:
            self._line.leave(place)

    async def _connect(self, connect_limit: float, total_by: float, timing: Timing) -> Connection:
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
            given = connect_limit if phase == "connect" else total_by - timing.queued
            raise RequestTimeout(
                f"No connection to {where} {limit_of(phase, given)}", phase
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
        connection.idle_since = now = self._clock()
        connection.renew_at = self._reuse.renew_at(now, self._turn)
        if not self._sweeping:
            self._start_sweeping()
        return connection

    def _make(self) -> Connection:
        return Connection(self, self.target.where, self._clock)

    def _free_place(self) -> None:
        if not self._line.hand_on(None):
            self._taken -= 1

    def _closed_error(self) -> ConnectionClosed:
        return ConnectionClosed(f"The client closed its connections to {self.target.where}")

    def _none_free(self, limit: float) -> RequestTimeout:
        why = f"all {self._limit} of asyncload's own limit were in use"
        if self._taken < self._limit:
            why = "asyncload's event loop was too busy to open one"
        return RequestTimeout(
            f"No connection to {self.target.where} was free {limit_of('pool wait', limit)}: {why}",
            "pool wait",
        )

    # ------------------------------------------------------------------- sweep

    def _start_sweeping(self) -> None:
        self._sweeping = True
        asyncio.get_running_loop().call_later(TICK, self._sweep)

    def _sweep(self) -> None:
        now = self._clock()
        late = self._deadlines.overdue(now)
        if late:
            self._judge(late)
        if self._reuse.idle_age < inf:
            oldest = now - self._reuse.idle_age
            for connection in list(takewhile(lambda one: one.idle_since <= oldest, self._idle)):
                del self._idle[connection]
                connection.abort()
        if len(self._idle) < len(self._open) or self._line.places or (self._idle and self._ages):
            asyncio.get_running_loop().call_later(TICK, self._sweep)
        else:
            self._sweeping = False

    def _judge(self, late: Collection[Watched]) -> None:
        """Fail what is overdue, but have the loop read first what has come already.

        After a stall of our own loop answers lie unread in their sockets, for uvloop runs timers
        before it reads, and what is called soon as well: so the reading is over two turns later.
        """
        unread = unread_of([one for one in late if isinstance(one, Connection)])
        for one in late:
            if one not in unread:
                one.expire()
        if unread:
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._judge_again, unread)

    def _judge_again(self, late: Collection[Connection]) -> None:
        now = self._clock()
        for connection in late:
            if connection.deadline <= now:
                connection.expire()
            else:
                self._deadlines.watch(connection)
