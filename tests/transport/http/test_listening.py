"""Answers that are heard while they come in."""

from __future__ import annotations

import asyncio
import time

import pytest

from asyncload.transport.http import connection
from asyncload.transport.http.client import FastHttpClient
from asyncload.transport.http.http_errors import ConnectionClosed, RequestTimeout
from asyncload.transport.http.pool import Timeouts
from tests.transport.servers import OK, answering, nothing_left_open, reset, serve

pytestmark = pytest.mark.anyio
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


async def listen(client, server, **limits):
    heard = []
    prepared = client.prepare("GET", server.url)
    answer = await client.send(
        prepared, timeouts=Timeouts(**limits), listener=lambda part, now: heard.append((part, now))
    )
    return answer, heard


async def test_each_chunk_is_heard_when_it_arrives_and_the_body_is_whole():
    parts = [HEAD, chunk(b"one"), chunk(b"two"), chunk(b"three"), b"0\r\n\r\n"]
    async with nothing_left_open(), serve(answering(*parts, pause=0.03)) as server:
        async with FastHttpClient() as client:
            answer, heard = await listen(client, server)
            again, _ = await listen(client, server)
        assert server.connections == 1
    assert answer.body == again.body == b"onetwothree"
    assert [part for part, _ in heard] == [b"one", b"two", b"three"]
    times = [now for _, now in heard]
    assert answer.timing.first_byte <= times[0] < times[1] < times[2] <= answer.timing.end
    assert times[2] - times[0] > 0.04


async def test_a_request_that_nobody_listens_to_is_not_heard_on_the_same_connection():
    async with serve(answering(OK)) as server, FastHttpClient() as client:
        _, heard = await listen(client, server)
        await client.request("GET", server.url)
        assert server.connections == 1
        assert heard == [(b"hi", heard[0][1])]


async def test_a_pause_between_chunks_that_is_too_long_is_a_timeout_of_its_own():
    stalling = answering(HEAD, chunk(b"one"), pause=30)
    async with nothing_left_open(), serve(stalling) as server, FastHttpClient() as client:
        start = time.monotonic()
        with pytest.raises(RequestTimeout, match="did not go on with its answer") as caught:
            await listen(client, server, idle=0.1)
        assert time.monotonic() - start < 5
    assert caught.value.phase == "idle"
    assert caught.value.timing.first_byte is not None


async def test_short_pauses_never_add_up_to_an_idle_timeout_but_to_the_total_one():
    parts = [HEAD, *[chunk(b"x")] * 100]
    async with serve(answering(*parts, pause=0.02)) as server, FastHttpClient() as client:
        with pytest.raises(RequestTimeout, match="did not complete its answer") as caught:
            await listen(client, server, idle=0.15, total=0.5)
    assert caught.value.phase == "total"


async def test_the_idle_limit_does_not_hold_before_the_first_byte_nor_without_a_listener():
    async def late(server, reader, writer):
        while True:
            await server.read(reader)
            await asyncio.sleep(0.2)
            writer.write(HEAD)
            await asyncio.sleep(0.2 if server.heads[-1].startswith(b"POST") else 0)
            writer.write(chunk(b"hi") + b"0\r\n\r\n")

    async with serve(late) as server, FastHttpClient() as client:
        answer, _ = await listen(client, server, idle=0.1)
        assert answer.body == b"hi"
        plain = await client.request("POST", server.url, timeouts=Timeouts(idle=0.1))
        assert plain.body == b"hi"


async def test_a_stream_that_is_cut_is_an_error_after_its_chunks_were_heard():
    async def cut(server, reader, writer):
        await server.read(reader)
        writer.write(HEAD + chunk(b"one"))
        await writer.drain()
        await asyncio.sleep(0.05)
        reset(writer)

    heard = []
    async with serve(cut) as server, FastHttpClient() as client:
        with pytest.raises(ConnectionClosed, match="in the middle of its answer"):
            await client.send(
                client.prepare("GET", server.url), listener=lambda part, _: heard.append(part)
            )
    assert heard == [b"one"]


async def test_values_take_the_places_of_marks_in_a_head():
    async with serve(answering(OK)) as server, FastHttpClient() as client:
        url = server.url + "v1/markA/x?q=markB"
        prepared = client.prepare("GET", url, {"X-Key": "k markC!", "Host": "markD.org"})
        fill = client.filling(prepared, ["markA", "markB", "markC", "markD"])
        await client.send(fill([b"a%2F", b"b", b"c", b"d"]))
        await client.send(fill([b"1", b"2", b"3", b"4"]))
    first, second = server.heads
    assert first.startswith(b"GET /v1/a%2F/x?q=b HTTP/1.1\r\nHost: d.org\r\nX-Key: k c!\r\n")
    assert second.startswith(b"GET /v1/1/x?q=2 HTTP/1.1\r\nHost: 4.org\r\nX-Key: k 3!\r\n")


async def listen_until(client, server, last):
    """Listen until the body has ``last`` in it."""
    prepared = client.prepare("GET", server.url)
    return await client.send(prepared, listener=lambda part, _: last in part), prepared.pool


async def test_an_answer_is_complete_when_its_listener_says_so_and_its_connection_is_kept():
    parts = [HEAD, chunk(b"one"), chunk(b"done"), chunk(b"more"), b"0\r\n\r\n"]
    async with nothing_left_open(), serve(answering(*parts, pause=0.03)) as server:
        async with FastHttpClient() as client:
            answer, pool = await listen_until(client, server, b"done")
            assert answer.body == b"onedone"
            assert not pool._idle  # what is left of the body is still to come
            await asyncio.sleep(0.15)
            assert len(pool._idle) == 1
            assert (await listen_until(client, server, b"done"))[0].body == b"onedone"
        assert server.connections == 1


async def test_a_body_that_stays_open_behind_a_complete_answer_costs_its_connection(monkeypatch):
    monkeypatch.setattr(connection, "TAIL_LIMIT", 0.05)
    parts = [HEAD, chunk(b"done"), chunk(b"more")]

    async def handler(server, reader, writer):
        await answering(*parts, times=1)(server, reader, writer)
        await asyncio.sleep(5)

    async with nothing_left_open(), serve(handler) as server, FastHttpClient() as client:
        answer, pool = await listen_until(client, server, b"done")
        assert answer.body == b"done"
        await asyncio.sleep(0.2)
        assert pool.connections == 0


async def test_garbage_behind_a_complete_answer_is_no_failure():
    handler = answering(HEAD, chunk(b"done"), b"zz\r\n", pause=0.02)
    async with nothing_left_open(), serve(handler) as server, FastHttpClient() as client:
        answer, pool = await listen_until(client, server, b"done")
        await asyncio.sleep(0.1)
        assert (answer.body, pool.connections) == (b"done", 0)


async def test_an_answer_that_is_complete_in_one_read_keeps_its_connection():
    async with serve(answering(HEAD + chunk(b"done") + b"0\r\n\r\n")) as server:
        async with FastHttpClient() as client:
            for _ in range(3):
                assert (await listen_until(client, server, b"done"))[0].body == b"done"
        assert server.connections == 1
