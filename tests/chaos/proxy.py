"""A TCP proxy between the run and the service, whose connections can be cut, refused or stalled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Proxy:
    """Passes bytes on in both directions to ``port`` of this host."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self._upstream = port
        self._refusing = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve inside of the block."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            self.cut()
            await server.wait_closed()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    @contextlib.asynccontextmanager
    async def refusing(self) -> AsyncIterator[None]:
        """Reset new connections inside of the block, and those there are."""
        self._refusing = True
        self.cut()
        try:
            yield
        finally:
            self._refusing = False

    @contextlib.asynccontextmanager
    async def stalling(self) -> AsyncIterator[None]:
        """Pass nothing on inside of the block."""
        self._flowing.clear()
        try:
            yield
        finally:
            self._flowing.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        self._writers.add(writer)
        with contextlib.suppress(OSError):
            try:
                if self._refusing:
                    return
                back, out = await asyncio.open_connection("127.0.0.1", self._upstream)
                writers.append(out)
                self._writers.add(out)
                await asyncio.gather(self._pump(reader, out), self._pump(back, writer))
            finally:
                for one in writers:
                    one.transport.abort()
                    self._writers.discard(one)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while part := await reader.read(65_536):
            await self._flowing.wait()
            writer.write(part)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
