"""How often connections are used again, requests that meet a closing one, and credentials in URLs."""

from __future__ import annotations

import asyncio
import base64
import itertools

import pytest

from asyncload.errors import ConfigError
from asyncload.transport.http.aiohttp_client import AiohttpClient
from asyncload.transport.http.client import FastHttpClient
from asyncload.transport.http.http_errors import ConnectionClosed
from asyncload.transport.http.reuse import Reuse
from tests.transport.servers import OK, answering, nothing_left_open, reset, serve


async def send_some(number, reuse, headers=None, *, pause=0.0):
    """Send requests one after the other; how many connections they took, and are left."""
    async with nothing_left_open(), serve(answering(OK)) as server, FastHttpClient() as client:
        prepared = client.prepare("GET", server.url, headers, reuse=reuse)
        for _ in range(number):
            assert (await client.send(prepared)).body == b"hi"
            await asyncio.sleep(pause)
        return server, prepared.pool.connections


@pytest.mark.parametrize(
    ("reuse", "headers"),
    [
        (Reuse(keep_alive=False), None),
        (Reuse(), {"Connection": "close"}),
        (Reuse(), {"connection": "TE, Close"}),
    ],
)
def test_a_request_that_says_close_has_its_connection_to_itself(run, reuse, headers):
    """The server keeps the connection open, and says nothing about it."""
    server, _ = run(send_some(5, reuse, headers))
    assert server.connections == 5
    assert all(b"onnection: " in head and b"lose\r\n" in head for head in server.heads)


def test_a_header_of_another_meaning_closes_nothing(run):
    server, _ = run(send_some(3, Reuse(), {"Connection": "keep-alive"}))
    assert server.connections == 1


def test_a_connection_is_renewed_after_so_many_requests(run):
    server, left = run(send_some(7, Reuse(max_requests_per_connection=3)))
    assert server.connections == 3
    assert left == 1


def test_a_connection_is_renewed_at_an_age(run):
    server, _ = run(send_some(6, Reuse(max_connection_age=0.1), pause=0.06))
    assert server.connections == 3


def test_an_idle_connection_is_closed_at_its_age_though_nothing_is_sent(run):
    async def main():
        async with serve(answering(OK)) as server, FastHttpClient() as client:
            prepared = client.prepare("GET", server.url, reuse=Reuse(idle_age=0.05))
            await asyncio.gather(*(client.send(prepared) for _ in range(3)))
            assert prepared.pool.connections > 0
            await asyncio.sleep(0.15)
            return prepared.pool.connections, server.open

    assert run(main()) == (0, 0)


def test_connections_that_were_made_together_are_not_renewed_together():
    reuse = Reuse(max_connection_age=100.0)
    ages = sorted(reuse.renew_at(0.0, turn) for turn in range(100))
    assert 90 <= ages[0] < 92
    assert 108 < ages[-1] <= 110
    assert max(later - age for age, later in itertools.pairwise(ages)) < 1


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"idle_age": 0.0}, "idle_age is 0"),
        ({"max_requests_per_connection": -1}, "max_requests_per_connection is -1"),
        ({"keep_alive": False, "max_connection_age": 5.0}, "leave out max_connection_age"),
    ],
)
def test_limits_that_make_no_sense_are_refused(limits, words):
    with pytest.raises(ValueError, match=words):
        Reuse(**limits)


# A server closes a kept connection in the moment in which a request goes out on it.


async def close(writer):
    writer.close()


async def break_off(writer):
    reset(writer)


def closing_when_asked_again(end, times=1):
    """Answer one request of each connection; at the next one ``end`` it, ``times`` in all."""

    async def handler(server, reader, writer):
        for number in range(1000):
            await server.read(reader)
            if number and server.connections <= times:
                await end(writer)
                return
            writer.write(OK)

    return handler


async def second_request(method, end, times=1, first="GET"):
    handler = closing_when_asked_again(end, times)
    async with nothing_left_open(), serve(handler) as server, FastHttpClient() as client:
        await client.request(first, server.url)
        return await client.request(method, server.url), server


@pytest.mark.parametrize("end", [close, break_off])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_an_idempotent_request_that_meets_a_closing_connection_is_sent_once_more(run, method, end):
    answer, server = run(second_request(method, end))
    assert answer.status == 200
    assert answer.timing.resent
    assert server.connections == 2
    assert len(server.heads) == 3


def test_a_post_is_never_sent_again(run):
    with pytest.raises(ConnectionClosed, match="a kept-alive connection"):
        run(second_request("POST", close))


def test_a_request_is_sent_twice_and_no_more(run):
    async def handler(server, reader, writer):
        await server.read(reader)
        if server.connections == 1:
            writer.write(OK)
            await server.read(reader)

    async def main():
        async with serve(handler) as server, FastHttpClient() as client:
            await client.request("GET", server.url)
            with pytest.raises(ConnectionClosed, match="a new connection") as caught:
                await client.request("GET", server.url)
            return caught.value.timing.resent, len(server.heads)

    assert run(main()) == (True, 3)


def test_a_request_that_fails_on_a_new_connection_or_in_its_answer_is_not_sent_again(run):
    async def handler(server, reader, writer):
        await server.read(reader)
        writer.write(OK)
        await server.read(reader)
        writer.write(OK[:20])

    async def main():
        async with serve(handler) as server, FastHttpClient() as client:
            await client.request("GET", server.url)
            with pytest.raises(ConnectionClosed, match="in the middle") as caught:
                await client.request("GET", server.url)
            return caught.value.timing.resent, len(server.heads)

    assert run(main()) == (False, 2)


def authorization_of(server):
    (line,) = [one for one in server.heads[0].split(b"\r\n") if one.lower().startswith(b"auth")]
    scheme, _, value = line.partition(b": ")[2].partition(b" ")
    return scheme, base64.b64decode(value)


@pytest.mark.anyio
@pytest.mark.parametrize("backend", ["fast", "aiohttp"])
@pytest.mark.parametrize(
    ("user_info", "sent"),
    [("ann:s%40crit", b"ann:s@crit"), ("ann", b"ann:"), ("%C3%BC:a:b", "ü:a:b".encode())],
)
async def test_user_and_password_of_a_url_are_sent(backend, user_info, sent):
    async with (
        serve(answering(OK)) as server,
        FastHttpClient() as fast,
        AiohttpClient(fast) as other,
    ):
        client = fast if backend == "fast" else other
        url = server.url.replace("//", f"//{user_info}@")
        prepared = client.prepare("GET", url)
        assert user_info not in prepared.url
        await client.send(prepared)
    assert authorization_of(server) == (b"Basic", sent)
    assert b"@" not in server.heads[0]


def test_an_authorization_header_wins_over_the_url(run):
    async def main():
        async with serve(answering(OK)) as server, FastHttpClient() as client:
            url = server.url.replace("//", "//ann:x@")
            await client.request("GET", url, {"authorization": "Bearer t"})
            return server.heads[0]

    head = run(main())
    assert head.count(b"uthorization:") == 1
    assert b"Bearer t" in head


@pytest.mark.parametrize("url", ["http://ann:geheim@h:port/", "ftp://ann:geheim@h/"])
def test_a_url_that_is_refused_shows_no_password(run, url):
    async def main():
        async with FastHttpClient() as client:
            client.prepare("GET", url)

    with pytest.raises(ConfigError) as caught:
        run(main())
    assert "geheim" not in str(caught.value)
