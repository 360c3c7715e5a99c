"""``kind: http``: weighted requests from the config, through the fast backend or aiohttp."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import ClassVar

import anyio.to_thread
import msgspec

from asyncload.transport.error_text import hide_secrets
from asyncload.transport.http.aiohttp_client import AiohttpClient
from asyncload.transport.http.pool import Timeouts
from asyncload.transport.http_client import HttpClient
from asyncload.users.base_url import LOCAL
from asyncload.users.http.checks import unexpected_status
from asyncload.users.http.compile import Call, CallMaker, CompiledRequest
from asyncload.users.http.cookies import Cookies
from asyncload.users.http.http_options import HttpOptions
from asyncload.users.http.names import names_of
from asyncload.users.http.streaming import send_measured
from asyncload.users.local_server import start_simulated
from asyncload.users.templates.templated_user import Rows, TemplateUser, work_of
from asyncload.users.user import Setup, task


class Calls(msgspec.Struct, frozen=True):
    """What all users of a scenario share."""

    client: HttpClient
    calls: list[Call]
    weights: list[float] | None
    """Cumulative; ``None`` where there is one call."""
    timeouts: Timeouts
    rows: Rows
    cookies: bool = False


class HttpUser(TemplateUser):
    """Carries out one of its requests in each iteration, picked at random by weight."""

    Options: ClassVar[type[msgspec.Struct]] = HttpOptions
    shared: Calls

    @classmethod
    def request_names(cls, options: HttpOptions) -> Collection[str]:
        """Give the names of the requests, and of those that follow them."""
        return [name for names in names_of(options.requests) for name in names]

    @classmethod
    def describe_work(cls, options: HttpOptions) -> Sequence[tuple[str, str]]:
        """Tell the requests and their weights."""
        requests = []
        for request, (name, *then) in zip(
            options.requests, names_of(options.requests), strict=True
        ):
            sent = f"{request.method.upper()} {hide_secrets(request.path)}"
            first = name if request.name is None else f"{name}: {sent}"
            requests.append((request.weight, ", then ".join([first, *then])))
        simulated = " (a simulated server)" if options.base_url == LOCAL else ""
        return [("base_url", f"{options.base_url}{simulated}"), *work_of(options, requests)]

    @classmethod
    async def prepare(cls, setup: Setup, options: HttpOptions) -> Calls:
        """Start the simulated server where it is asked for, read data, compile requests; once."""
        if options.base_url == LOCAL:
            url = await start_simulated(setup, options.local, what="model server")
            options = msgspec.structs.replace(options, base_url=url)
        client: HttpClient = setup.http
        if options.client == "aiohttp":
            client = await setup.enter(AiohttpClient(setup.http))
        # Rows and templates may take seconds; the live view goes on meanwhile.
        return await anyio.to_thread.run_sync(_calls, setup, options, client)

    @cached_property
    def cookies(self) -> Cookies:
        """What the service has set for this user."""
        return Cookies()

    @task()
    async def call(self) -> None:
        """Send one request, or several one after the other."""
        shared = self.shared
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
            if response.status not in chosen.good:
                measurement.fail(unexpected_status(response, chosen.good))

    async def _carry_out(self, chosen: Call) -> None:
        """Send the requests of a call until one fails."""
        if chosen.uses_rows:
            self.take_row()
        self.captured = {}
        for request in chosen.requests:
            if not await self._send(request):
                return

    async def _send(self, request: CompiledRequest) -> bool:
        """Send one request; whether it was answered well."""
        shared = self.shared
        try:
            for name, make in request.lets:
                self.captured[name] = make(self)
            prepared, body = request.make(self)
        except Exception as problem:  # what a template does is its author's business
            self.cannot_make(request.name, problem)
            return False
        cookies = self.cookies if shared.cookies else None
        with self.recorder.measure(request.name) as measurement:
            response, cut = await send_measured(
                shared.client,
                prepared,
                body,
                shared.timeouts,
                lines=b"" if cookies is None else cookies.line(prepared),
                reader=None if request.reader is None else request.reader(),
                measurement=measurement,
            )
            if cookies is not None:
                cookies.take(response, prepared)
            wrong = request.judge(response, self) or cut
            if wrong is not None:
                measurement.fail(wrong)
        return wrong is None


def _calls(setup: Setup, options: HttpOptions, client: HttpClient) -> Calls:
    rows = Rows.read(setup, options)
    maker = CallMaker(client, options, rows.table, find=setup.find)
    calls = [
        maker.call(request, names, key=setup.key(f"requests.{index}"))
        for index, (request, names) in enumerate(
            zip(options.requests, names_of(options.requests), strict=True)
        )
    ]
    weights = list(itertools.accumulate(request.weight for request in options.requests))
    return Calls(
        client=client,
        calls=calls,
        weights=weights if len(calls) > 1 else None,
        timeouts=options.limits,
        rows=rows,
        cookies=options.cookies,
    )
