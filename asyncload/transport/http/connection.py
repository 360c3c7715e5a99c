"""One HTTP/1.1 connection: bytes out, one answer in, timestamps on the way.

It is a state machine: see :class:`~asyncload.transport.http.connection_state.State`. The hot path
is :meth:`Connection.start` and :meth:`Connection.data_received`. The parser gets no header callback:
the head of an answer is kept as bytes and read only when somebody asks for a header.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import cast

import httptools

from asyncload.transport.http.connection_state import HEAD_LIMIT, TAIL_LIMIT, Owner, State
from asyncload.transport.http.deadlines import NOWHERE
from asyncload.transport.http.flow import SLICE, FlowControl, unread_bytes
from asyncload.transport.http.http_errors import (
    BODY_LIMIT,
    ProtocolError,
    Timing,
    TransportError,
    closed_early,
    not_http,
    overdue,
    too_long,
)
from asyncload.transport.http.response import (
    HeadOnly,
    Listener,
    Response,
    ends_with_connection,
    head_keeps_alive,
    head_length,
)

Waiter = asyncio.Future[Response]

# Looking a member up in its class takes longer than a global name.
IDLE, WAITING, BODY, TAIL, ANSWERED, LAST, CLOSED = State


class Connection(FlowControl):
    """One connection; carries one request at a time.

    ``where`` is ``host:port`` for messages. ``clock`` is monotonic, seconds. After an answer
    the connection goes back to its owner if it may be used again, and is closed otherwise.
    """

    __slots__ = (
        "_answer_by", "_body", "_bytes_in", "_bytes_out", "_clock", "_feed", "_head",
        "_head_request", "_idle_limit", "_listener", "_more", "_new_waiter", "_now", "_owner",
        "_parser", "_status", "_timing", "_total_by", "_uploading", "_waiter", "deadline",
        "gone", "idle_since", "is_last", "look_at", "renew_at", "requests", "slot", "state",
        "transport", "where",
    )  # fmt: skip

    def __init__(self, owner: Owner, where: str, clock: Callable[[], float]) -> None:
        super().__init__()
        self._owner = owner
        self.where = where
        self._clock = clock
        self.state = IDLE
        self.gone: asyncio.Future[None] | None = None
        """Resolved when the socket is closed; made by who waits for it."""
        self.deadline = inf
        """When the request under way is overdue."""
        self.look_at, self.slot = inf, NOWHERE  # as Watched has it
        self.idle_since = 0.0
        """When its last answer ended, or when it was made."""
        self.renew_at = inf
        """When it is too old to carry another request."""
        self.requests = 0
        """Carried, the one under way included."""
        self.is_last = False
        """No other request may follow, whatever the answer allows."""
        self.transport: asyncio.Transport
        self._waiter: Waiter | None = None
        """The future of the request under way: in all states but idle and closed."""
        self._listener: Listener | None = None
        self._idle_limit = inf
        self._uploading = False
        """The request's own body is not sent completely; its answer may come all the same."""
        self._now = 0.0
        self._new_parser()

    def _new_parser(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        # A header's value may go on in the next line (RFC 9112, section 5.2).
        self._parser.set_dangerous_leniencies(lenient_headers=True)
        self._feed = self._parser.feed_data

    # ------------------------------------------------------------- requests

    def start(
        self,
        payload: bytes,
        timing: Timing,
        first_byte_limit: float,
        total_by: float,
        head_request: bool = False,
        *,
        body_size: int = 0,
    ) -> Waiter:
        """Write ``payload``, whose last ``body_size`` bytes are a body, and give its answer's future.

        ``first_byte_limit`` counts in seconds from the write, ``total_by`` is
        a moment on the clock; the earlier one is the deadline. Raises nothing:
        a failure is set on the future.
        """
        self._waiter = waiter = self._new_waiter()
        self._head = b""
        self._body = b""
        self._more: list[bytes] | None = None
        self._bytes_in = 0
        self._bytes_out = body_size
        self.requests += 1
        self._head_request = head_request
        self.state = WAITING
        self._timing = timing
        self._total_by = total_by
        self.transport.write(payload)
        timing.sent = now = self._clock()
        self._answer_by = answer_by = now + first_byte_limit
        deadline = answer_by if answer_by < total_by else total_by  # noqa: FURB136 - faster
        self.deadline = deadline
        if deadline < self.look_at:
            self._owner.watch(self)
        return waiter

    def listen(self, listener: Listener, idle_limit: float) -> None:
        """Tell ``listener`` of the answer to the request that :meth:`start` has begun.

        From the first byte on, more of the answer must come within ``idle_limit`` seconds
        each time. The answer is complete when the listener says so, or at its end.
        """
        self._listener = listener
        self._idle_limit = idle_limit

    async def upload(self, body: memoryview, waiter: Waiter, first_byte_limit: float) -> None:
        """Send a large body after :meth:`start` wrote its head; an early answer or end stops it."""
        self._uploading = True
        self.deadline = self._total_by  # the first byte is not due before the last is sent
        for at in range(0, len(body), SLICE):
            await self.room()  # in any case a turn, so that an early answer is read first
            if waiter.done():
                return
            part = body[at : at + SLICE]
            self.transport.write(part)
            self._bytes_out += len(part)
        await self.room()
        if waiter.done():
            return
        self._uploading = False
        self._timing.sent = now = self._clock()
        self._answer_by = now + first_byte_limit
        if self._timing.first_byte is None:
            self._set_deadline(min(self._answer_by, self._total_by))

    def abandon(self, waiter: Waiter) -> None:
        """Close, if the request of ``waiter`` is still under way: its caller has gone."""
        if self._waiter is waiter:
            self._waiter = None
            self.abort()

    def shut(self, error: TransportError) -> None:
        """Close; a request under way fails with ``error``."""
        if self._waiter is not None:
            self._fail(error)
        else:
            self.close()

    def expire(self) -> None:
        """Fail the request under way: its deadline has passed."""
        if self._waiter is None:
            self.abort()  # in the rest of a body that nobody waits for
            return
        self._fail(overdue(self.where, self._timing, self.deadline, self._total_by, self._now))

    # -------------------------------------------------------- parser callbacks

    def on_message_begin(self) -> None:
        """Note the first byte of an answer, or a second answer nobody asked for."""
        if self.state is not WAITING:
            self.state = LAST
        else:
            self._timing.first_byte = now = self._now
            self.deadline = self._total_by
            if self._listener is not None:
                self._set_deadline(min(now + self._idle_limit, self._total_by))

    def on_headers_complete(self) -> None:
        """Note the status; the answer to HEAD ends here."""
        if self.state is not WAITING:
            return
        self._status = status = self._parser.get_status_code()
        if status >= 200:
            self.state = BODY
            if self._head_request:
                # The parser, which thinks that a body is to follow, cannot tell.
                self.state = ANSWERED if head_keeps_alive(self._head) else LAST
                raise HeadOnly

    def on_body(self, part: bytes) -> None:
        """Collect the body; nearly always it comes in one part."""
        if self.state is not BODY:
            return
        if not self._body:
            self._body = part
        elif self._more is None:
            self._more = [self._body, part]
        else:
            self._more.append(part)
        if self._listener is not None:
            self.deadline = min(self._now + self._idle_limit, self._total_by)
            if self._listener(part, self._now):
                self.state = TAIL

    def on_message_complete(self) -> None:
        """Finish the answer, or skip a 1xx one and wait for the next."""
        if self.state is BODY or self.state is TAIL:
            self.state = ANSWERED if self._parser.should_keep_alive() else LAST
        elif self.state is WAITING:
            self._timing.first_byte = None
            if not self._uploading:
                self._set_deadline(min(self._answer_by, self._total_by))

    # ------------------------------------------------------ asyncio callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._new_waiter = asyncio.get_running_loop().create_future
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; resolve the future when the answer is complete."""
        state = self.state
        if state is IDLE or state is CLOSED:
            self.abort()  # an idle connection has nothing to say
            return
        self._now = self._clock()
        self._bytes_in += len(data)
        if state is WAITING:
            self._head = self._head + data if self._head else data
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            if self.state is WAITING or self.state is BODY:
                self._fail(not_http(self.where, data, error))
                return
            if not self._head_request or not data.endswith(b"\r\n\r\n"):
                self.state = LAST
            self._new_parser()
        except httptools.HttpParserUpgrade:
            self._fail(ProtocolError(f"{self.where} switched protocols, which nobody asked for"))
            return
        if self._bytes_in > BODY_LIMIT and self._waiter is not None:
            self._fail(too_long(self.where))
        elif len(self._head) > HEAD_LIMIT and head_length(self._head) > HEAD_LIMIT:
            self._fail(ProtocolError(f"{self.where} sent a head of more than {HEAD_LIMIT} bytes"))
        elif self.state is ANSWERED:
            self._finish(reusable=not (self._uploading or self.is_last))
        elif self.state is LAST or (self.state is TAIL and self._waiter is not None):
            self._finish(reusable=False)

    def eof_received(self) -> None:
        """Let the transport close itself; no half-open connections."""
        if self.state is IDLE:
            self.state = CLOSED

    def connection_lost(self, exc: Exception | None) -> None:
        """Complete an answer that ends with the connection, or fail the request."""
        if self._waiter is not None and exc is not None:
            self.is_last = True
            for data in unread_bytes(self.transport):
                if self._waiter is not None:
                    self.data_received(data)
        if self._waiter is not None:
            if exc is None and self.state is BODY and ends_with_connection(self._head):
                self._now = self._clock()
                self._finish(reusable=False)
            else:
                idle = max(self._timing.queued - self.idle_since, 0.0)
                self._fail(closed_early(self.where, self._bytes_in, exc, self.requests, idle))
        self.state = CLOSED
        self.wake()
        del self._feed, self._parser  # they hold our methods: a cycle
        self._owner.lost(self)
        if self.gone is not None and not self.gone.done():
            self.gone.set_result(None)

    # ---------------------------------------------------------------- endings

    def close(self) -> None:
        """Close in order; the owner may forget this connection at once."""
        self.state = CLOSED
        self.transport.close()

    def abort(self) -> None:
        """Close now, without flushing."""
        self.state = CLOSED
        self.transport.abort()

    def _set_deadline(self, deadline: float) -> None:
        self.deadline = deadline
        if deadline < self.look_at:
            self._owner.watch(self)

    def _finish(self, reusable: bool) -> None:
        """Give the answer, if that has not been done before its end; then what its state says."""
        waiter = self._waiter
        if waiter is not None:
            self._waiter = self._listener = None
            timing = self._timing
            timing.end = self._now
            body = self._body if self._more is None else b"".join(self._more)
            response = Response(self._status, body, timing, len(body), self._bytes_out, self._head)
            self._head = self._body = b""
            self._more = None
            if not waiter.done():
                waiter.set_result(response)
        self.deadline = inf
        self.idle_since = self._now
        if reusable:
            self.state = IDLE
            self._owner.release(self)
        elif self.state is TAIL:
            self.wake()
            self._set_deadline(self._now + TAIL_LIMIT)
        else:
            # Nothing is left to flush, and a TLS goodbye would hold its place in the pool.
            self.wake()
            self.abort()

    def _fail(self, error: TransportError) -> None:
        waiter = self._waiter
        assert waiter is not None
        self._waiter = self._listener = None
        self.deadline = inf
        error.timing = self._timing
        self._timing.end = self._clock()
        self._body = self._head = b""
        self._more = None
        if not waiter.done():
            waiter.set_exception(error)
        self.wake()
        self.abort()
