"""An answer of a server that may send anything, met by the fast client over a real socket."""

from __future__ import annotations

import asyncio
import contextlib

from asyncload.transport.http.client import FastHttpClient
from asyncload.transport.http.failed_answer import LONGEST, failed_answer
from asyncload.transport.http.http_errors import TransportError
from asyncload.transport.http.pool import Timeouts
from asyncload.users.http.streaming import READERS
from tests.fuzz.mutate import pieces_of

LIMITS = Timeouts(connect=5, first_byte=5, total=5)


def check_answer(data: bytes) -> None:
    """Whatever a server sends before it closes is an answer, or a failure that says what it is."""
    asyncio.run(_check(data))


async def _check(data: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            for piece in pieces_of(data):
                writer.write(piece)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, asyncio.timeout(10), FastHttpClient() as client:
        for method, kind in (("GET", None), ("HEAD", None), ("GET", "openai"), ("GET", "lines")):
            prepared = client.prepare(method, url)
            reader = None if kind is None else READERS[kind]()
            try:
                answer = await client.send(
                    prepared, b"", b"", LIMITS, None if reader is None else reader.feed
                )
            except TransportError as problem:
                assert "\n" not in str(problem), str(problem)
                continue
            assert 100 <= answer.status <= 999
            assert isinstance(answer.headers, dict)
            line = failed_answer(answer)
            assert line.isprintable(), line
            assert len(line) <= LONGEST
