"""The states of a connection, which of them may follow which, and who hears of them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

HEAD_LIMIT: Final = 65_536
"""Largest head of an answer we accept, bytes, 1xx answers before it included."""
TAIL_LIMIT: Final = 1.0
"""Seconds that the rest of a body may take which nobody waits for."""


class Owner(Protocol):
    """Who a connection belongs to: the pool. Each method is given the connection."""

    def release(self, connection: Any, /) -> None:
        """Take back a connection that is ready for another request."""

    def watch(self, connection: Any, /) -> None:
        """Call the connection's ``expire`` when its deadline has passed."""

    def lost(self, connection: Any, /) -> None:
        """Forget a connection that must not be used again."""


class State(enum.Enum):
    """What a connection is doing.

    ::

        IDLE ──request──► WAITING ──head──► BODY ──────end──────► ANSWERED ──► IDLE
                                              │                    ▲     │
                                              ├──enough──► TAIL ───┤   more
                                              │                    ▼     ▼
                                              └─────────end───────► LAST
        all ──► CLOSED

    :attr:`CLOSED` follows when an idle connection is not needed or not usable any more, when a
    request fails, is abandoned, or is answered by what ends with the connection, and after the
    last answer. :data:`TRANSITIONS` is the whole table.
    """

    IDLE = "idle"
    """It carries no request, and may be given one."""
    WAITING = "waiting"
    """A request is under way. The head of its answer is not complete; 1xx answers may come."""
    BODY = "body"
    """The head of the answer is complete, its body is not. To HEAD there is no body."""
    TAIL = "tail"
    """The answer is complete for who listens to it, though its body is not: what is left of that is
    thrown away."""
    ANSWERED = "answered"
    """The answer is complete, and allows another request."""
    LAST = "last"
    """The answer is complete, and no other request may follow: the answer says so, or bytes have
    come behind it that nobody asked for."""
    CLOSED = "closed"
    """It must never carry a request again; its socket may have a moment to live."""


TRANSITIONS: Final[Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        State.IDLE: frozenset({State.WAITING, State.CLOSED}),
        State.WAITING: frozenset({State.BODY, State.CLOSED}),
        State.BODY: frozenset({State.TAIL, State.ANSWERED, State.LAST, State.CLOSED}),
        State.TAIL: frozenset({State.ANSWERED, State.LAST, State.CLOSED}),
        # Closed where the answer came before its request was sent completely.
        State.ANSWERED: frozenset({State.LAST, State.IDLE, State.CLOSED}),
        State.LAST: frozenset({State.LAST, State.CLOSED}),
        State.CLOSED: frozenset({State.CLOSED}),
    }
)
"""States that may follow each. :attr:`State.ANSWERED` and :attr:`State.LAST` never outlast the
call that has brought the end of the answer."""
