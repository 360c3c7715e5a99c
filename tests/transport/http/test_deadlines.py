"""What is overdue is found at once, whatever moved its deadline, and nothing else is looked at."""

from __future__ import annotations

import asyncio
import time
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.transport.http.client import FastHttpClient
from asyncload.transport.http.deadlines import NOWHERE, TICK, Deadlines
from asyncload.transport.http.http_errors import RequestTimeout, TransportError
from asyncload.transport.http.pool import Pool, Timeouts
from tests.transport.servers import answering, serve


class Thing:
    def __init__(self, deadline=inf):
        self.deadline = deadline
        self.look_at, self.slot = inf, NOWHERE

    def move(self, deadline, deadlines):
        """Move the deadline as a connection does: it is watched anew where it comes earlier."""
        self.deadline = deadline
        if deadline < self.look_at:
            deadlines.watch(self)

    def expire(self):
        pass


moments = st.floats(0, 20, allow_nan=False)


@given(
    st.lists(st.tuples(st.integers(0, 4), moments | st.just(inf), st.floats(0, 1))),
    st.integers(0, 9),
)
def test_a_sweep_gives_what_has_become_overdue_and_nothing_else(moves, start):
    deadlines = Deadlines()
    things = [Thing() for _ in range(5)]
    now = float(start)
    for number, deadline, wait in moves:
        things[number].move(deadline, deadlines)
        now += wait
        late = deadlines.overdue(now)
        assert {id(one) for one in late} == {id(one) for one in things if one.deadline <= now}
        for one in late:
            one.deadline = inf


def test_a_clock_that_is_set_back_loses_nothing():
    deadlines = Deadlines()
    before, after = Thing(1010.0), Thing(0.5)
    deadlines.overdue(1000.0)
    deadlines.watch(before)
    deadlines.watch(after)
    assert deadlines.overdue(0.1) == []
    assert deadlines.overdue(0.6) == [after]
    assert deadlines.overdue(1011.0) == [before]


def test_what_is_forgotten_leaves_nothing_behind():
    deadlines = Deadlines()
    one = Thing(5.0)
    deadlines.watch(one)
    deadlines.forget(one)
    assert deadlines.overdue(6.0) == []
    assert not deadlines._slots


def test_a_sweep_of_many_that_are_not_due_takes_no_time():
    deadlines = Deadlines()
    for _ in range(50_000):
        deadlines.watch(Thing(60.0))
    began = time.perf_counter()
    for tick in range(100):
        assert deadlines.overdue(tick * TICK) == []
    assert time.perf_counter() - began < 0.05


class _Lost:
    """A connection as the pool knows it."""

    def __init__(self):
        self.look_at, self.slot = inf, NOWHERE


def test_many_connections_lost_at_once_take_as_much_longer_as_there_are_more():
    def seconds(number):
        pool = Pool(None, None, time.perf_counter, number)
        lost = [_Lost() for _ in range(number)]
        for one in lost:
            pool._open.add(one)
            pool._idle[one] = None
            pool._taken += 1
        began = time.perf_counter()
        for one in reversed(lost):
            pool.lost(one)
        took = time.perf_counter() - began
        assert pool.connections == 0
        return took

    few, many = (min(seconds(number) for _ in range(3)) for number in (2_000, 20_000))
    assert many < 40 * few  # it was a hundred times, and more for more


async def silent(server, reader, writer):
    await asyncio.sleep(30)


def test_a_timeout_fires_though_each_turn_of_the_loop_blocks(run):
    """It was judged only by sweeps that were not late themselves."""

    async def main():
        async with serve(silent) as server, FastHttpClient() as client:
            limits = Timeouts(first_byte=0.1)
            request = asyncio.ensure_future(client.request("GET", server.url, timeouts=limits))
            for _ in range(30):
                time.sleep(0.11)
                await asyncio.sleep(0)
                if request.done():
                    break
            with pytest.raises(RequestTimeout) as caught:
                await request
            return caught.value.timing

    timing = run(main())
    assert timing.end - timing.sent < 0.6  # 0.1 s, and a few turns


def test_what_a_late_loop_says_of_its_timeouts_is_the_limit_that_was_set(run):
    """It was what had been left of it, often less than nothing, in a row for each value."""

    async def main():
        texts = set()
        async with serve(silent) as server, FastHttpClient(limit=1) as client:
            limits = Timeouts(connect=0.05, total=0.05, first_byte=1)

            async def one():
                with pytest.raises(TransportError) as caught:
                    await client.request("GET", server.url, timeouts=limits)
                texts.add(str(caught.value))

            async def hog():
                for _ in range(4):
                    time.sleep(0.09)
                    await asyncio.sleep(0)

            await asyncio.gather(*(one() for _ in range(30)), hog())
        return texts

    texts = run(main())
    assert texts
    assert all("within 0.05 s" in text for text in texts)


def test_an_idle_timeout_is_noticed_though_the_first_byte_had_more_time(run):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"

    async def main():
        async with serve(answering(head, b"half", pause=5)) as server, FastHttpClient() as client:
            prepared = client.prepare("GET", server.url)
            began = time.monotonic()
            with pytest.raises(RequestTimeout) as caught:
                await client.send(
                    prepared,
                    timeouts=Timeouts(first_byte=10, total=20, idle=0.1),
                    listener=lambda *_: None,
                )
            return caught.value.phase, time.monotonic() - began

    phase, took = run(main())
    assert phase == "idle"
    assert took < 1
