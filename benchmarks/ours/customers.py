"""Customers of the stations of ``benchmarks/servers/stations.py``."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from asyncload import User, task


class CustomerOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which station, of how many queues, and where."""

    base_url: str
    station: int
    queues: int


class Customer(User):
    """Goes to a queue of its station at random.

    A Poisson stream whose arrivals are dealt out at random is as many independent Poisson
    streams. Number and user tell the server's log which request was which.
    """

    Options: ClassVar[type[msgspec.Struct]] = CustomerOptions

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.count = 0

    @task
    async def visit(self) -> None:
        """Wait in one queue, and be served."""
        options = self.options
        queue = self.rng.randrange(options.queues)
        body = f"{options.station} {queue} {self.id} {self.count}"
        self.count += 1
        await self.http.post("/", body=body, name="visit")
