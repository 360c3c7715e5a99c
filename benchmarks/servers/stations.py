"""Stations of queueing theory behind HTTP: M/M/c, first come, first served.

    python -m benchmarks.servers.stations PORT FILE STATIONS

STATIONS is JSON: a list of ``{"servers": c, "rho": load, "mean": seconds, "queues": number}``.
A POST of ``STATION QUEUE USER NUMBER`` is a customer of one queue of a station; it is answered
when its service is over. Services are computed on paper: each begins when the customer has come and a
server is free, both without the delays of timers, so that those do not add up from customer to
customer.

A queue is in its steady state from its first customer on, who finds as many others as the
stationary distribution says (Poisson arrivals see time averages).

At SIGTERM what was done is written to FILE, in order: records of :data:`CUSTOMER`.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import heapq
import json
import random
import signal
import sys
from pathlib import Path
from time import monotonic
from typing import Any, Final, cast

import numpy as np
import uvloop

from benchmarks.theory import Station, stationary

ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CUSTOMER: Final = np.dtype(
    [("station", "i2"), ("queue", "i2"), ("user", "i4"), ("number", "i4"),
     ("arrived", "f8"), ("answered", "f8")]
)  # fmt: skip
"""Times: monotonic clock, seconds; when the request had been read, and when its answer had been
handed to the socket."""


class Queue:
    """One queue with its servers."""

    def __init__(self, station: Station, seed: str) -> None:
        self._random = random.Random(seed)
        self._rate = station.mu
        self._station = station
        self._free: list[float] = []
        """When each server is free."""

    def over(self, now: float) -> float:
        """Take in a customer who comes ``now``, and say when the service is over."""
        if not self._free:
            self._free = [now] * self._station.servers
            for _ in range(stationary(self._station, self._random)):
                self._serve(now)
        return self._serve(now)

    def _serve(self, now: float) -> float:
        end = max(now, self._free[0]) + self._random.expovariate(self._rate)
        heapq.heapreplace(self._free, end)
        return end


class Connection(asyncio.Protocol):
    """Every piece that arrives is a whole request."""

    def __init__(
        self, queues: list[list[Queue]], log: list[tuple[int, int, int, int, float, float]]
    ) -> None:
        self._queues = queues
        self._log = log
        self._later = asyncio.get_running_loop().call_later

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        now = monotonic()
        body = data[data.index(b"\r\n\r\n") + 4 :]
        station, queue, user, number = map(int, body.split())
        end = self._queues[station][queue].over(now)
        answer = functools.partial(self._answer, station, queue, user, number, now)
        self._later(max(end - monotonic(), 0.0), answer)

    def _answer(self, station: int, queue: int, user: int, number: int, arrived: float) -> None:
        self._transport.write(ANSWER)
        self._log.append((station, queue, user, number, arrived, monotonic()))


async def main(port: int, stations: list[Station], log: list[Any]) -> None:
    queues = [
        [Queue(station, f"{index}.{queue}") for queue in range(station.queues)]
        for index, station in enumerate(stations)
    ]
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await loop.create_server(lambda: Connection(queues, log), "127.0.0.1", port, backlog=4096)
    gc.freeze()
    gc.disable()  # nothing here is part of a cycle, and a collection is a pause
    await ended.wait()


if __name__ == "__main__":
    done: list[tuple[int, int, int, int, float, float]] = []
    described = [Station(**one) for one in json.loads(sys.argv[3])]
    uvloop.run(main(int(sys.argv[1]), described, done))
    np.array(done, CUSTOMER).tofile(Path(sys.argv[2]))
