"""Failures that look alike are told apart: each message says what happened, and whose limit passed."""

from __future__ import annotations

import asyncio
import errno
import re
import socket

import pytest

from asyncload.stats.failures import failure_kind
from asyncload.transport.error_text import describe
from asyncload.transport.http import connector
from asyncload.transport.http.client import FastHttpClient
from asyncload.transport.http.http_errors import TransportError
from asyncload.transport.http.pool import Timeouts
from tests.transport.servers import OK, answering, reset, serve


async def failure_of(client, url, timeouts=None):
    """Send one request that fails; its message, with ``H`` for the address."""
    with pytest.raises(TransportError) as caught:
        await client.request("POST", url, body=b"x", timeouts=timeouts)
    return re.sub(r"127\.0\.0\.1:\d+", "H", describe(caught.value))


def after(good, end):
    """Return a handler that answers ``good`` requests well, and has ``end`` the next."""

    async def handler(server, reader, writer):
        for _ in range(good):
            await server.read(reader)
            writer.write(OK)
        await server.read(reader)
        await end(writer)

    return handler


async def close(writer):
    writer.close()


async def break_off(writer):
    reset(writer)


async def close_midway(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    await writer.drain()
    writer.close()


async def stall(_):
    await asyncio.sleep(30)


async def stall_midway(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    await asyncio.sleep(30)


@pytest.mark.parametrize(
    ("end", "what"),
    [
        (close, "H closed the connection before it answered"),
        (break_off, "H reset the connection before it answered"),
        (close_midway, "H closed the connection in the middle of its answer, after 42 bytes"),
    ],
)
def test_a_connection_that_ends_says_whether_it_was_a_kept_one(run, end, what):
    async def main(good):
        async with serve(after(good, end)) as server, FastHttpClient() as client:
            for _ in range(good):
                await client.request("POST", server.url)
                await asyncio.sleep(0.03)
            return await failure_of(client, server.url)

    assert run(main(0)) == f"{what} (a new connection)"
    kept = run(main(3))
    found = re.fullmatch(
        re.escape(what) + r" \(a kept-alive connection, earlier requests: 3, idle (0\.\d{3}) s\)",
        kept,
    )
    assert found, kept
    assert float(found[1]) >= 0.025
    assert failure_kind(kept) == failure_kind(run(main(1)))


@pytest.mark.parametrize(
    ("end", "timeouts", "message"),
    [
        (
            stall,
            Timeouts(first_byte=0.1),
            "H did not begin to answer within 0.1 s (first_byte_timeout)",
        ),
        (
            stall,
            Timeouts(first_byte=0.1, total=0.1),
            "H did not begin to answer within 0.1 s (timeout)",
        ),
        (
            stall_midway,
            Timeouts(total=0.15),
            "H did not complete its answer within 0.15 s (timeout)",
        ),
    ],
)
def test_a_timeout_says_the_limit_and_the_key_that_sets_it(run, end, timeouts, message):
    async def main():
        async with serve(after(0, end)) as server, FastHttpClient() as client:
            return await failure_of(client, server.url, timeouts)

    assert run(main()) == message


@pytest.mark.parametrize(
    ("timeouts", "limit"),
    [
        (Timeouts(connect=0.2), "0.2 s (connect_timeout)"),
        (Timeouts(connect=5, total=0.25), "(timeout)"),
    ],
)
def test_a_connection_that_takes_too_long_says_which_limit_passed(run, timeouts, limit):
    async def main():
        # A listener whose queue is full: the kernel drops further SYNs.
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
            try:
                async with FastHttpClient() as client:
                    url = f"http://127.0.0.1:{full.getsockname()[1]}/"
                    return await failure_of(client, url, timeouts)
            finally:
                for filler in fillers:
                    filler.close()

    message = run(main())
    assert message.startswith("No connection to H within 0.2")
    assert message.endswith(limit)


def test_the_wait_for_a_connection_of_ours_is_no_failure_of_the_service(run):
    async def main():
        async with serve(answering(OK, pause=0.5)) as server, FastHttpClient(limit=1) as client:
            task = asyncio.create_task(client.request("POST", server.url))
            while not server.bodies:
                await asyncio.sleep(0.01)
            # The first request's connection is given back at its answer, so hold it by a second.
            busy = asyncio.create_task(client.request("POST", server.url))
            await asyncio.sleep(0)
            message = await failure_of(client, server.url, Timeouts(total=0.1))
            await asyncio.gather(task, busy)
            return message

    assert run(main()) == (
        "No connection to H was free within 0.1 s (timeout): "
        "all 1 of asyncload's own limit were in use"
    )


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (errno.ECONNREFUSED, "it was refused; is the service running there?"),
        (errno.EHOSTUNREACH, "the host is unreachable; check the address, routes and firewalls"),
        (errno.ENETUNREACH, "the network is unreachable; check the address, routes and firewalls"),
        (errno.EMFILE, "this process may open no more files; raise its limit (ulimit -n)"),
        (errno.EADDRNOTAVAIL, "this machine has no free port for it; "),
        (errno.EPROTO, "Protocol error"),
    ],
)
def test_why_no_connection_could_be_made_is_told_apart(run, monkeypatch, code, sentence):
    async def main():
        loop = asyncio.get_running_loop()
        problem = OSError(code, "Protocol error")

        async def refuse(*_, **__):
            raise problem

        monkeypatch.setattr(type(loop), "create_connection", refuse, raising=False)
        target = connector.Target("h", 80, None, None, "h")
        resolver = connector.Resolver()
        resolver._known[("h", 80)] = (loop.time() + 60, ["127.0.0.1"])
        with pytest.raises(TransportError) as caught:
            await connector.connect(target, resolver, asyncio.Protocol, 0)
        return str(caught.value)

    assert run(main()).startswith(f"No connection to h:80: {sentence}")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x15\x03\x01\x00\x02\x02\x46", "it speaks TLS; begin the URL with https://"),
        (
            b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00",
            "it speaks HTTP/2, and asyncload HTTP/1.1 alone",
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "Expected HTTP/, RTSP/ or ICE/"),
    ],
)
def test_what_is_not_http_is_named_where_it_shows(run, data, reason):
    async def main():
        async with serve(answering(data)) as server, FastHttpClient() as client:
            return await failure_of(client, server.url)

    assert run(main()) == f"H sent no valid HTTP/1.1 answer: {reason}"
