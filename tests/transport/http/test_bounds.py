"""What arrives is what is recorded, and an answer without end is given up."""

from __future__ import annotations

import pytest

from asyncload.transport.http import aiohttp_client, connection
from asyncload.transport.http.aiohttp_client import AiohttpClient
from asyncload.transport.http.client import FastHttpClient
from asyncload.transport.http.http_errors import ConnectionClosed, ProtocolError
from tests.transport.servers import OK, serve

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("backend", ["fast", "aiohttp"])
@pytest.mark.parametrize("head", [b"", b"Transfer-Encoding: chunked\r\n"])
@pytest.mark.parametrize("listener", [None, lambda part, now: False])
async def test_an_answer_without_end_is_given_up(backend, head, listener, monkeypatch):
    for module in (connection, aiohttp_client):
        monkeypatch.setattr(module, "BODY_LIMIT", 1 << 20)
    piece = b"1000\r\n" + b"x" * 4096 + b"\r\n"

    async def endless(server, reader, writer):
        await server.read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        while True:
            writer.write(piece * 16)
            await writer.drain()

    async with (
        serve(endless) as server,
        FastHttpClient() as fast,
        AiohttpClient(fast) as other,
    ):
        client = fast if backend == "fast" else other
        prepared = client.prepare("GET", server.url)
        with pytest.raises(ProtocolError, match="sent an answer of over 128 MiB") as caught:
            await client.send(prepared, listener=listener)
    assert caught.value.timing.end >= caught.value.timing.first_byte


async def test_aiohttp_sends_a_request_once():
    """The service ends a kept-alive connection when the second request is there."""

    async def once(server, reader, writer):
        await server.read(reader)
        writer.write(OK)
        await server.read(reader)

    async with serve(once) as server, FastHttpClient() as fast, AiohttpClient(fast) as client:
        prepared = client.prepare("GET", server.url)
        await client.send(prepared)
        with pytest.raises(ConnectionClosed):
            await client.send(prepared)
    assert len(server.heads) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_aiohttp_follows_no_redirect_of_a_post(status):
    async def moved(server, reader, writer):
        while True:
            await server.read(reader)
            writer.write(
                b"HTTP/1.1 %d Moved\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n" % status
            )

    async with serve(moved) as server, FastHttpClient() as fast, AiohttpClient(fast) as client:
        answer = await client.send(client.prepare("POST", server.url), b"job")
    assert (answer.status, server.bodies) == (status, [b"job"])
