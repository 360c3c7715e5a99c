"""Addresses of a name race for a connection, so that a dead one costs a moment (RFC 8305)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Final

ATTEMPT_DELAY: Final = 0.25
"""Seconds that an address has to itself before the next one is tried as well (section 5)."""


def interleaved(addresses: Iterable[str]) -> list[str]:
    """Give the addresses with those of IPv6 and of IPv4 in turn, beginning as they do."""
    found = list(addresses)
    first = [one for one in found if (":" in one) == (":" in found[0])]
    others = [one for one in found if one not in first]
    return [one for pair in zip_longest(first, others) for one in pair if one is not None]


async def first_connected(addresses: Sequence[str], port: int) -> tuple[socket.socket, list[str]]:
    """Connect to the first of ``addresses`` that answers; also give those that it was faster than.

    The next one is tried when those before it have failed, or have taken :data:`ATTEMPT_DELAY`.
    TLS begins with the winner alone: no service sees a handshake that is broken off.
    Raises OSError: that of the last one.
    """
    left = list(reversed(addresses))
    trying: dict[asyncio.Task[socket.socket], str] = {}
    beaten: list[str] = []
    failure = OSError("no address")
    try:
        while left or trying:
            if left:
                address = left.pop()
                trying[asyncio.create_task(_connected(address, port))] = address
            await asyncio.wait(
                trying,
                timeout=ATTEMPT_DELAY if left else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in [one for one in trying if one.done()]:
                address = trying.pop(task)
                try:
                    return task.result(), [*beaten, *trying.values()]
                except OSError as error:
                    beaten.append(address)
                    failure = error
        raise failure
    finally:
        for task in trying:
            task.cancel()
        for ended in await asyncio.gather(*trying, return_exceptions=True):
            if isinstance(ended, socket.socket):  # it came second in the same moment
                ended.close()


async def _connected(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock
