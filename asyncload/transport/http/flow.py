"""The writing side of a connection: its flow control, and what can be read once writing has failed."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from typing import Final

SLICE: Final = 262_144
"""Bytes handed to a transport, or read from its socket, at a time."""


class FlowControl(asyncio.Protocol):
    """A protocol whose writer can wait until its transport wants more."""

    __slots__ = ("_drained", "_paused")

    def __init__(self) -> None:
        self._paused = False
        """The transport wants no more for the moment."""
        self._drained: asyncio.Future[None] | None = None

    async def room(self) -> None:
        """Wait until the transport wants more, but let others have their turn in any case."""
        if self._paused:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained
        else:
            await asyncio.sleep(0)

    def wake(self) -> None:
        """End the wait for room: there is some, or nothing more will be written."""
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def pause_writing(self) -> None:
        """Hold back: the transport's buffer is full."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on: the transport's buffer has room again."""
        self._paused = False
        self.wake()


def unread_bytes(transport: asyncio.Transport) -> Iterator[bytes]:
    """Read what has come before writing failed, such as the 413 to a body that is too large.

    Nothing over TLS: what is left in that socket cannot be decrypted any more.
    """
    if transport.get_extra_info("sslcontext") is not None:
        return
    number = transport.get_extra_info("socket").fileno()
    with contextlib.suppress(OSError):  # the end of a connection that was reset
        while data := os.read(number, SLICE):
            yield data
