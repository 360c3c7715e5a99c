"""Addresses of a name race: a dead one costs a moment, and is known from then on."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from asyncload.transport.http import racing
from asyncload.transport.http.client import FastHttpClient
from asyncload.transport.http.http_errors import ConnectFailed
from asyncload.transport.http.pool import Timeouts
from asyncload.transport.http.racing import first_connected, interleaved
from tests.transport.servers import OK, answering, nothing_left_open, serve


@contextlib.contextmanager
def dead_address(port):
    """Give an address where connections hang, as behind a dead route: its queue is full."""
    with contextlib.ExitStack() as stack:
        hole = stack.enter_context(socket.socket())
        hole.bind(("127.0.0.2", port))
        hole.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(hole.getsockname())
        yield "127.0.0.2"


def know(client, port, addresses):
    """Have the client's resolver know a name."""
    at = asyncio.get_running_loop().time() + 60
    client._resolver._known["dual.test", port] = (at, addresses)
    return f"http://dual.test:{port}/"


def test_a_dead_address_fails_no_request_and_is_tried_once(run, monkeypatch):
    monkeypatch.setattr(racing, "ATTEMPT_DELAY", 0.05)

    async def main():
        async with nothing_left_open(), serve(answering(OK, times=1, close=True)) as server:
            with dead_address(server.port) as dead:
                async with FastHttpClient(timeouts=Timeouts(connect=3)) as client:
                    url = know(client, server.port, [dead, "127.0.0.1"])
                    answers = await asyncio.gather(*(client.request("GET", url) for _ in range(8)))
                    began = asyncio.get_running_loop().time()
                    for _ in range(8):
                        answers.append(await client.request("GET", url))
                    took = asyncio.get_running_loop().time() - began
        return {answer.status for answer in answers}, took

    statuses, took = run(main())
    assert statuses == {200}
    assert took < 0.2  # half of them would have waited for 0.05 s each


def test_an_address_that_refuses_costs_nothing(run):
    async def main():
        async with serve(answering(OK)) as server, FastHttpClient() as client:
            url = know(client, server.port, ["127.0.0.3", "127.0.0.1"])
            began = asyncio.get_running_loop().time()
            await asyncio.gather(*(client.request("GET", url) for _ in range(4)))
            return asyncio.get_running_loop().time() - began

    assert run(main()) < 0.2


def test_where_no_address_answers_the_last_reason_is_told(run):
    async def main():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        async with FastHttpClient() as client:
            url = know(client, port, ["127.0.0.1", "127.0.0.3"])
            with pytest.raises(ConnectFailed, match="it was refused"):
                await client.request("GET", url)
            assert not client._resolver._known  # asked again next time

    run(main())


def test_two_that_answer_in_the_same_moment_leave_one_connection(run, monkeypatch):
    monkeypatch.setattr(racing, "ATTEMPT_DELAY", 0)

    async def main():
        async with nothing_left_open():
            with socket.socket() as server:
                server.bind(("0.0.0.0", 0))
                server.listen(100)
                port = server.getsockname()[1]
                for _ in range(20):
                    sock, _ = await first_connected(["127.0.0.1", "127.0.0.2", "127.0.0.3"], port)
                    sock.close()

    run(main())


def test_a_race_that_is_given_up_leaves_nothing_open(run):
    async def main():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with dead_address(port) as dead:
            async with nothing_left_open():
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await first_connected([dead, dead], port)

    run(main())


def test_families_take_turns():
    assert interleaved(["::1", "::2", "1.1.1.1", "::3"]) == ["::1", "1.1.1.1", "::2", "::3"]
    assert interleaved(["1.1.1.1", "2.2.2.2", "::1"]) == ["1.1.1.1", "::1", "2.2.2.2"]
    assert interleaved(["1.1.1.1"]) == ["1.1.1.1"]
