"""How often, and for how long, a connection is used again."""

from __future__ import annotations

import select
from collections.abc import Collection
from math import inf
from typing import Final

import msgspec

from asyncload.transport.http.connection import Connection

AGE_SPREAD: Final = 0.1
"""By how much of ``max_connection_age`` the age of a connection may differ from it."""
GOLDEN: Final = 0.618034


class Reuse(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a kept connection, under their names in a config; ``math.inf`` for none.

    A connection that has reached one is closed after an answer, and never during a request.
    """

    keep_alive: bool = True
    """False: each request has a connection of its own, and says ``Connection: close``."""
    max_requests_per_connection: float = inf
    max_connection_age: float = inf
    """Seconds since it was made; each connection's own is within 10 % of it, so that those
    that were made together are not renewed together."""
    idle_age: float = inf
    """Seconds without a request."""

    def __post_init__(self) -> None:
        limits = {
            "max_requests_per_connection": self.max_requests_per_connection,
            "max_connection_age": self.max_connection_age,
            "idle_age": self.idle_age,
        }
        for name, limit in limits.items():
            if not limit > 0:
                raise ValueError(f"{name} is {limit:g}; give a number over 0")
        set_ones = [name for name, limit in limits.items() if limit < inf]
        if set_ones and not self.keep_alive:
            raise ValueError(
                f"keep_alive is false, so no connection is kept; leave out {' and '.join(set_ones)}"
            )

    def renew_at(self, made: float, turn: int) -> float:
        """When the connection made at ``made`` has to be renewed; ``turn`` is its number."""
        # Multiples of the golden ratio spread any number of connections evenly.
        spread = AGE_SPREAD * (2 * (turn * GOLDEN % 1) - 1)
        return made + self.max_connection_age * (1 + spread)


DEFAULT: Final = Reuse()
"""Connections are kept as long as the service keeps them."""


def unread_of(connections: Collection[Connection]) -> set[Connection]:
    """Find those whose sockets have something to read: an answer, their end, or what nobody asked for."""
    found = set()
    numbers = {}
    poll = select.poll()
    for connection in connections:
        sock = connection.transport.get_extra_info("socket")
        number = -1 if sock is None else sock.fileno()
        if number < 0:
            found.add(connection)
        else:
            numbers[number] = connection
            poll.register(number, select.POLLIN)
    return found | {numbers[number] for number, _ in poll.poll(0)}
