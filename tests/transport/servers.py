"""Real servers on 127.0.0.1 for the transport's tests; some misbehave on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Server:
    """What a test wants to know about a server."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.open = 0
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """Read one request; return its body."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        size = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                size = int(line.split(b":")[1])
        body = await reader.readexactly(size)
        self.bodies.append(body)
        return body


@contextlib.asynccontextmanager
async def serve(
    handler: Callable[[Server, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    """Run ``handler`` for each connection; at the end all of them are gone."""
    state = Server()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        tasks.add(task)
        state.connections += 1
        state.open += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                await handler(state, reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            state.open -= 1
            writer.close()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(writer.wait_closed(), 1)
            tasks.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls, limit=2**20)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def answering(*parts: bytes, times: int = 10**9, pause: float = 0.0, close: bool = False):
    """Answer each request with ``parts``, ``pause`` seconds between them."""

    async def handler(server, reader, writer):
        for _ in range(times):
            await server.read(reader)
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)
            if close:
                return

    return handler


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    with socket.socket(fileno=os.dup(sock.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def descriptors() -> int:
    """Open file descriptors of this process, but libuv's reserve for full tables (/dev/null)."""
    names = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            names.append(os.readlink(f"/proc/self/fd/{number}"))
    return sum(name != "/dev/null" for name in names)


@contextlib.asynccontextmanager
async def nothing_left_open() -> AsyncIterator[None]:
    """Check that as many descriptors are open after the block as before it."""
    await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 1)  # the loop's own are open now
    before = descriptors()
    yield
    for _ in range(200):
        if descriptors() <= before:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{descriptors() - before} descriptors left open")
