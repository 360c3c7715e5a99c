"""``kind: http``: weighted requests from the config, over the fast lane or aiohttp."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any, ClassVar, Final

import anyio.to_thread
import msgspec

from asyncload.plan.plan import Scenario
from asyncload.transport.aiohttp_lane import AiohttpClient
from asyncload.transport.client import HttpClient
from asyncload.transport.describe import describe
from asyncload.transport.pool import Timeouts
from asyncload.users.http.options import HttpOptions
from asyncload.users.http.steps import Call, CallMaker, Step
from asyncload.users.http.streaming import send_listening
from asyncload.users.templates.rows import (
    Shares,
    Take,
    own_rows,
    random_rows,
    read_data,
    rows_in_turn,
)
from asyncload.users.user import Context, Setup, User, task
from asyncload.users.wait import NO_WAIT, parse_wait

PEAK_RESOLUTION: Final = 0.1
"""Seconds between two looks at the level for the largest number of users."""


class Calls(msgspec.Struct, frozen=True):
    """What all users of a scenario share."""

    client: HttpClient | AiohttpClient
    calls: list[Call]
    weights: list[float] | None
    """Cumulative; ``None`` where there is one call."""
    timeouts: Timeouts
    take: Take | None
    """Picks a data row."""
    shares: Shares | None
    """For the order ``split``."""


class HttpUser(User):
    """Carries out one of its requests in each iteration, picked at random by weight.

    It is the scope that templates are filled from.
    """

    Options: ClassVar[type[msgspec.Struct]] = HttpOptions
    row = 0
    captured: dict[str, Any]
    own_rows: Iterator[int]

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options: HttpOptions = context.options
        self.wait = NO_WAIT if options.wait is None else parse_wait(options.wait)
        self._calls: Calls = context.shared

    @classmethod
    async def prepare(cls, setup: Setup, options: HttpOptions) -> Calls:
        """Read the data and compile every request, once."""
        client: HttpClient | AiohttpClient = setup.http
        if options.client == "aiohttp":
            client = await setup.enter(AiohttpClient(setup.http))
        # Rows and templates may take seconds; the live view goes on meanwhile.
        return await anyio.to_thread.run_sync(_calls, setup, options, client)

    async def on_start(self) -> None:
        """Take a share of the rows, where they are split."""
        shares = self._calls.shares
        if shares is not None:
            self._share, self.own_rows = shares.take()

    async def on_stop(self) -> None:
        """Give the share back."""
        shares = self._calls.shares
        if shares is not None:
            shares.give_back(self._share)

    @task()
    async def call(self) -> None:
        """Send one request, or several one after the other."""
        shared = self._calls
        calls = shared.calls
        if shared.weights is None:
            chosen = calls[0]
        else:
            chosen = self.rng.choices(calls, cum_weights=shared.weights)[0]
        prepared = chosen.prepared
        if prepared is None:
            await self._carry_out(chosen)
            return
        with self.recorder.measure(chosen.name) as measurement:
            response = await shared.client.send(prepared, chosen.body, b"", shared.timeouts)
            measurement.answered(response)
            status = response.status
            if status >= 400 if chosen.good is None else status not in chosen.good:
                measurement.fail(f"HTTP {status} {response.reason}".rstrip())

    async def _carry_out(self, chosen: Call) -> None:
        """Send the steps of a call until one fails."""
        if chosen.uses_rows:
            take = self._calls.take
            assert take is not None  # without data there are no rows to use
            self.row = take(self)
        self.captured = {}
        for step in chosen.steps:
            if not await self._send(step):
                return

    async def _send(self, step: Step) -> bool:
        """Send one request; whether it was answered well."""
        shared = self._calls
        try:
            prepared, body = step.make(self)
        except Exception as problem:  # what a template does is its author's business
            with self.recorder.measure(step.name) as measurement:
                measurement.fail(f"the request cannot be made: {describe(problem)}")
            return False
        with self.recorder.measure(step.name) as measurement:
            if step.reader is None:
                response = await shared.client.send(prepared, body, b"", shared.timeouts)
                cut = None
            else:
                response, cut = await send_listening(
                    shared.client,
                    prepared,
                    body,
                    shared.timeouts,
                    reader=step.reader(),
                    measurement=measurement,
                )
            measurement.answered(response)
            wrong = step.judge(response, self) or cut
            if wrong is not None:
                measurement.fail(wrong)
        return wrong is None


def _calls(setup: Setup, options: HttpOptions, client: HttpClient | AiohttpClient) -> Calls:
    rows = options.rows
    table = None
    if rows is not None:
        setup.progress(f"reading the rows of {rows.file}")
        table = read_data(rows, key=setup.key("data"), find=setup.find)
    maker = CallMaker(client, options, table, find=setup.find)
    calls = [
        maker.call(request, key=setup.key(f"requests.{index}"))
        for index, request in enumerate(options.requests)
    ]
    weights = list(itertools.accumulate(request.weight for request in options.requests))
    total = options.timeout
    take: Take | None = None
    shares = None
    if rows is not None and table is not None:
        load = setup.load
        if rows.order == "sequential":
            take = rows_in_turn(table.count, part=load.part, parts=load.parts)
        elif rows.order == "split":
            shares = Shares(table.count, _most_users(load), part=load.part, parts=load.parts)
            take = own_rows
        else:
            take = random_rows(table.count)
    return Calls(
        client=client,
        calls=calls,
        weights=weights if len(calls) > 1 else None,
        timeouts=Timeouts(
            connect=options.connect_timeout,
            first_byte=options.first_byte_timeout or total,
            total=total,
            idle=options.idle_timeout or total,
        ),
        take=take,
        shares=shares,
    )


def _most_users(load: Scenario) -> int:
    """The most users that the whole of a load, not only this part, has at work at once."""
    whole = dataclasses.replace(load, part=0, parts=1)
    return whole.max_in_flight if load.model == "open" else int(whole.peak(PEAK_RESOLUTION))
