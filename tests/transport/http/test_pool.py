"""The pool: bounded, fair, safe under cancellation, and nothing left open."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
import time

import pytest

from asyncload.transport.http.client import FastHttpClient
from asyncload.transport.http.http_errors import (
    ConnectFailed,
    ConnectionClosed,
    RequestTimeout,
    TransportError,
)
from asyncload.transport.http.pool import DIALS, Timeouts
from tests.transport.servers import OK, answering, nothing_left_open, reset, serve


def gated():
    """Return a handler that answers one request for each permit of the semaphore."""
    gate = asyncio.Semaphore(0)

    async def handler(server, reader, writer):
        while True:
            await server.read(reader)
            await gate.acquire()
            writer.write(OK)

    return gate, handler


async def until(condition):
    """Wait until ``condition()`` holds; the test's own limit bounds it."""
    while not condition():
        await asyncio.sleep(0.005)


def test_no_more_connections_than_the_limit_are_opened(run):
    async def main():
        async with serve(answering(OK)) as server, FastHttpClient(limit=3) as client:
            prepared = client.prepare("POST", server.url)
            await asyncio.gather(*(client.send(prepared, b"x") for _ in range(200)))
            return server.connections, len(server.bodies), prepared.pool.waiting

    assert run(main()) == (3, 200, 0)


def test_a_crowd_begins_a_few_connections_in_each_turn_of_the_loop(run):
    async def main():
        _, handler = gated()
        async with serve(handler) as server, FastHttpClient(limit=1000) as client:
            prepared = client.prepare("POST", server.url)
            tasks = [asyncio.create_task(client.send(prepared)) for _ in range(10 * DIALS)]
            begun = []
            while prepared.pool.connections < 10 * DIALS:
                await asyncio.sleep(0)
                begun.append(prepared.pool.connections)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            return [0, *begun]

    begun = run(main())
    steps = [later - before for before, later in itertools.pairwise(begun)]
    assert max(steps) == DIALS


def test_who_finds_no_free_connection_gets_one_however_long_the_others_take(run):
    async def main():
        gate, handler = gated()
        async with serve(handler) as server, FastHttpClient(limit=1000) as client:
            prepared = client.prepare("POST", server.url)
            tasks = [asyncio.create_task(client.send(prepared)) for _ in range(100)]
            await until(lambda: len(server.bodies) == 100)  # none of them is answered
            for _ in tasks:
                gate.release()
            await asyncio.gather(*tasks)
            return server.connections, prepared.pool.connections

    assert run(main()) == (100, 100)


def test_waiting_requests_are_served_first_come_first_served(run):
    async def main():
        gate, handler = gated()
        async with serve(handler) as server, FastHttpClient(limit=1) as client:
            prepared = client.prepare("POST", server.url)
            tasks = []
            for number in range(20):
                tasks.append(asyncio.create_task(client.send(prepared, b"%d" % number)))
                await asyncio.sleep(0)
            for _ in range(20):
                gate.release()
            await asyncio.gather(*tasks)
            return server.bodies, server.connections

    bodies, connections = run(main())
    assert bodies == [b"%d" % number for number in range(20)]
    assert connections == 1


def test_a_cancelled_waiter_is_passed_over(run):
    async def main():
        gate, handler = gated()
        async with serve(handler) as server, FastHttpClient(limit=1) as client:
            prepared = client.prepare("POST", server.url)
            tasks = [asyncio.create_task(client.send(prepared, b"%d" % n)) for n in range(6)]
            await until(lambda: prepared.pool.waiting == 5)
            for task in tasks[1:4]:
                task.cancel()
            for _ in range(3):
                gate.release()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert [isinstance(f, asyncio.CancelledError) for f in found[1:4]] == [True] * 3
            return server.bodies, prepared.pool.connections

    assert run(main()) == ([b"0", b"4", b"5"], 1)


def test_a_waiter_cancelled_in_the_moment_of_its_turn_passes_the_connection_on(run):
    async def main():
        gate, handler = gated()
        async with serve(handler) as server, FastHttpClient(limit=1) as client:
            prepared = client.prepare("POST", server.url)
            first = asyncio.create_task(client.send(prepared, b"0"))
            await until(lambda: server.bodies)
            second = asyncio.create_task(client.send(prepared, b"1"))
            third = asyncio.create_task(client.send(prepared, b"2"))
            await until(lambda: prepared.pool.waiting == 2)
            release = prepared.pool.release

            def release_and_cancel(connection):
                prepared.pool.release = release
                release(connection)
                assert prepared.pool.waiting == 1  # it was the second's turn
                second.cancel()

            prepared.pool.release = release_and_cancel
            gate.release()
            gate.release()
            await first
            assert (await third).status == 200
            with pytest.raises(asyncio.CancelledError):
                await second
            return server.bodies

    assert run(main()) == [b"0", b"2"]


def test_a_waiter_cancelled_in_the_moment_it_gets_a_place_passes_the_place_on(run):
    async def main():
        gate, handler = gated()
        async with serve(handler) as server, FastHttpClient(limit=1) as client:
            prepared = client.prepare("POST", server.url)
            first = asyncio.create_task(client.send(prepared, b"0"))
            await until(lambda: server.bodies)
            second = asyncio.create_task(client.send(prepared, b"1"))
            third = asyncio.create_task(client.send(prepared, b"2"))
            await until(lambda: prepared.pool.waiting == 2)
            lost = prepared.pool.lost

            def lost_and_cancel(connection):
                prepared.pool.lost = lost
                lost(connection)
                assert prepared.pool.waiting == 1  # the place was the second's
                second.cancel()

            prepared.pool.lost = lost_and_cancel
            gate.release()
            gate.release()
            first.cancel()
            assert (await third).status == 200
            await asyncio.gather(first, second, return_exceptions=True)
            return server.bodies, prepared.pool.connections

    assert run(main()) == ([b"0", b"2"], 1)


def test_cancelling_a_request_closes_its_connection_and_no_other(run):
    async def main():
        gate, handler = gated()
        async with nothing_left_open(), serve(handler) as server, FastHttpClient(limit=2) as client:
            prepared = client.prepare("POST", server.url)
            tasks = [asyncio.create_task(client.send(prepared, b"%d" % n)) for n in range(2)]
            await until(lambda: len(server.bodies) == 2)
            tasks[0].cancel()
            await until(lambda: prepared.pool.connections == 1)
            for _ in range(3):  # one of them for the handler whose client has gone
                gate.release()
            assert (await tasks[1]).body == b"hi"
            assert (await client.send(prepared, b"3")).body == b"hi"
            return server.connections

    assert run(main()) == 2


def test_the_wait_for_a_connection_has_a_limit(run):
    async def main():
        _, handler = gated()
        async with serve(handler) as server, FastHttpClient(limit=1) as client:
            prepared = client.prepare("POST", server.url)
            holder = asyncio.create_task(client.send(prepared))
            await until(lambda: server.bodies)
            with pytest.raises(RequestTimeout) as caught:
                await client.send(prepared, b"", timeouts=Timeouts(total=0.1))
            holder.cancel()
            return caught.value

    error = run(main())
    assert error.phase == "pool wait"
    assert error.timing.sent is None


def test_a_place_lost_by_a_failed_connection_goes_to_the_next_waiter(run):
    async def main():
        async def handler(server, reader, writer):
            await server.read(reader)
            if server.connections > 1:
                writer.write(OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))

        async with serve(handler) as server, FastHttpClient(limit=1) as client:
            prepared = client.prepare("POST", server.url)
            sends = [client.send(prepared, b"%d" % n) for n in range(4)]
            found = await asyncio.gather(*sends, return_exceptions=True)
            return found, server.connections, prepared.pool.waiting

    found, connections, waiting = run(main())
    assert isinstance(found[0], ConnectionClosed)
    assert [f.status for f in found[1:]] == [200, 200, 200]
    assert connections == 4
    assert waiting == 0


def test_an_idle_connection_the_server_closes_is_dropped_at_once(run):
    async def main():
        async with serve(answering(OK, times=1)) as server, FastHttpClient() as client:
            prepared = client.prepare("POST", server.url)
            for _ in range(3):
                assert (await client.send(prepared, b"x")).body == b"hi"
                await until(lambda: prepared.pool.connections == 0)
            return server.connections

    assert run(main()) == 3


def test_an_idle_connection_that_closed_while_the_loop_was_busy_is_not_used(run):
    async def main():
        close = asyncio.Event()

        async def handler(server, reader, writer):
            await server.read(reader)
            writer.write(OK)
            if server.connections == 1:
                await close.wait()
            else:
                await server.read(reader)

        now = 0.0
        async with serve(handler) as server, FastHttpClient(clock=lambda: now) as client:
            prepared = client.prepare("POST", server.url)
            await client.send(prepared, b"0")
            (idle,) = prepared.pool._idle
            idle.transport.pause_reading()  # its end arrives, and our loop does not notice
            close.set()
            await until(lambda: server.open == 0)
            now = 10.0
            assert (await client.send(prepared, b"1")).body == b"hi"
            return server.bodies

    assert run(main()) == [b"0", b"1"]


def test_a_request_lost_with_a_reused_connection_fails_and_is_never_sent_again(run):
    async def main():
        async def handler(server, reader, writer):
            await server.read(reader)
            writer.write(OK)
            await server.read(reader)  # processed, but never answered
            reset(writer)

        async with serve(handler) as server, FastHttpClient() as client:
            prepared = client.prepare("POST", server.url)
            await client.send(prepared, b"0")
            with pytest.raises(ConnectionClosed):
                await client.send(prepared, b"1")
            return server.bodies

    assert run(main()) == [b"0", b"1"]


def test_closing_fails_requests_under_way_and_waiting_and_leaves_nothing_open(run):
    async def main():
        async with nothing_left_open():
            _, handler = gated()
            async with serve(handler) as server:
                client = FastHttpClient(limit=2)
                prepared = client.prepare("POST", server.url)
                tasks = [asyncio.create_task(client.send(prepared)) for _ in range(5)]
                await until(lambda: len(server.bodies) == 2)
                await client.close()
                found = await asyncio.gather(*tasks, return_exceptions=True)
                assert [type(f) for f in found] == [ConnectionClosed] * 5
                with pytest.raises(ConnectionClosed):
                    await client.send(prepared)
                assert prepared.pool.connections == 0

    run(main())


def test_a_refused_connection_says_so(run):
    async def main():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        async with FastHttpClient() as client:
            with pytest.raises(ConnectFailed, match=f"127.0.0.1:{port}.*refused") as caught:
                await client.request("GET", f"http://127.0.0.1:{port}/")
            return caught.value.timing

    timing = run(main())
    assert timing.sent is None
    assert timing.end >= timing.queued


def test_a_name_that_does_not_exist_says_so(run):
    async def main():
        async with FastHttpClient() as client:
            with pytest.raises(ConnectFailed, match=r"no-such-host\.invalid:80 cannot be resolved"):
                await client.request("GET", "http://no-such-host.invalid/")

    run(main())


def test_a_connection_that_cannot_be_made_in_time_is_given_up(run):
    async def main():
        # A listener whose queue is full: the kernel drops further SYNs.
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
            url = f"http://127.0.0.1:{full.getsockname()[1]}/"
            await asyncio.sleep(0.05)
            async with FastHttpClient() as client:
                for limits, phase in (
                    (Timeouts(connect=0.1), "connect"),
                    (Timeouts(total=0.1), "total"),
                ):
                    with pytest.raises(RequestTimeout) as caught:
                        await client.request("GET", url, timeouts=limits)
                    assert caught.value.phase == phase
            for filler in fillers:
                filler.close()

    run(main())


def test_a_name_is_resolved_once_for_many_connections(run):
    async def main():
        async with serve(answering(OK, times=1)) as server, FastHttpClient() as client:
            loop = asyncio.get_running_loop()
            asked = []

            async def lookup(host, port):
                asked.append(host)
                await asyncio.sleep(0)
                found = await loop.getaddrinfo("127.0.0.1", port)
                addresses = [found[0][4][0]]
                client._resolver._known[host, port] = (loop.time() + 60, addresses)
                return addresses

            client._resolver._ask = lookup
            prepared = client.prepare("GET", f"http://service.test:{server.port}/")
            await asyncio.gather(*(client.send(prepared) for _ in range(20)))
            await client.send(prepared)
            return asked, server.heads[0]

    asked, head = run(main())
    assert asked == ["service.test"]
    assert b"Host: service.test:" in head


def test_a_host_header_does_not_change_the_address(run):
    async def main():
        async with serve(answering(OK)) as server, FastHttpClient() as client:
            await client.request("GET", server.url, {"host": "model.ns.example"})
            return server.heads[0]

    head = run(main())
    assert head.count(b"ost: ") == 1
    assert b"Host: model.ns.example\r\n" in head


class _Stalls(asyncio.Protocol):
    """Answers, then holds up the loop, the client's too, before it can read the answer."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(OK)
        time.sleep(0.4)


def test_a_stall_of_our_own_loop_does_not_time_out_an_answer_that_has_come(run):
    async def main():
        server = await asyncio.get_running_loop().create_server(_Stalls, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with server, FastHttpClient() as client:
            limits = Timeouts(first_byte=0.2, total=0.3)
            return (await client.request("GET", url, timeouts=limits)).body

    assert run(main()) == b"hi"


def test_chaos_ends_every_request_once_and_leaves_nothing_open(run):
    """A server that does something else each time; callers that give up at random."""

    async def handler(server, reader, writer):
        chance = random.Random(server.connections)
        while True:
            body = await server.read(reader)
            what = chance.randrange(12)
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            if what == 0:
                reset(writer)
                return
            if what == 1:
                return
            if what == 2:
                writer.write(answer[: chance.randrange(len(answer))])
                return
            if what == 3:
                await asyncio.sleep(1)
            elif what == 4:
                writer.write(b"garbage\r\n\r\n")
            elif what == 5:
                writer.write(answer + answer)
            elif what == 6:
                for n in range(len(answer)):
                    writer.write(answer[n : n + 1])
                    await asyncio.sleep(0)
            else:
                writer.write(answer)

    async def main():
        outcomes = {"ok": 0, "failed": 0, "cancelled": 0}

        async def one(client, prepared, number):
            body = b"job-%d" % number
            try:
                async with asyncio.timeout(0.15 if number % 7 == 0 else None):
                    answer = await client.send(prepared, body)
            except TimeoutError:
                outcomes["cancelled"] += 1
            except TransportError:
                outcomes["failed"] += 1
            else:
                assert answer.body == body  # never somebody else's answer
                outcomes["ok"] += 1
            assert len(prepared.pool._open) <= prepared.pool.connections <= 8

        async with nothing_left_open(), serve(handler) as server:
            async with FastHttpClient(
                limit=8, timeouts=Timeouts(first_byte=0.2, total=5)
            ) as client:
                prepared = client.prepare("POST", server.url)
                async with asyncio.TaskGroup() as group:
                    for number in range(600):
                        group.create_task(one(client, prepared, number))
                assert prepared.pool.waiting == 0
                assert prepared.pool.connections == len(prepared.pool._idle)
            assert prepared.pool.connections == 0
        return outcomes

    outcomes = run(main(), 30)
    assert sum(outcomes.values()) == 600
    assert outcomes["ok"] > 100
    assert outcomes["failed"] > 20
