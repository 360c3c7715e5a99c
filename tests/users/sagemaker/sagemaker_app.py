"""SageMaker endpoints for the tests of their users: the stack's own, which verify signatures."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web

import asyncload
from asyncload import AwsConfig, Config, Plan, Scenario, UserSpec, shapes
from asyncload.engine.header import resolved_plan
from asyncload.local.sagemaker.runtime import SageMakerRuntime
from asyncload.local.sagemaker.signatures import Request
from asyncload.local.settings import LocalSettings, SageMakerSettings, ServiceTime
from asyncload.plan.duration import Duration
from asyncload.records.log import LogReader
from asyncload.records.record import Request as Record

REGION = "us-west-2"


@dataclass
class Endpoints:
    """What arrived, and where they listen."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    answers: list[web.StreamResponse] = field(default_factory=list)
    """Given instead of an endpoint's, one after the other, while there are any."""
    clock_ahead: float = 0.0
    """Seconds that the service's clock is ahead of ours."""
    break_off_after: int | None = None
    """Bytes after which a streamed answer ends."""

    @property
    def bodies(self) -> list[bytes]:
        return [request.body for request in self.requests]

    def header(self, name: str) -> list[str | None]:
        """A header of all requests."""
        return [request.headers.get(name) for request in self.requests]


@contextlib.asynccontextmanager
async def endpoints(**settings) -> AsyncIterator[Endpoints]:
    """Endpoints on a free port of 127.0.0.1."""
    fast = ServiceTime(mean=Duration(0.002), distribution="constant")
    given = SageMakerSettings(**{"workers": 50, "service_time": fast, **settings})
    state = Endpoints()
    runtime = SageMakerRuntime(
        LocalSettings(sagemaker=given),
        region=REGION,
        account_id="000000000000",
        clock=lambda: time.time() + state.clock_ahead,
    )

    async def answer(request: web.Request) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        arrived = Request(method=request.method, path=path, query=query, headers=headers, body=body)
        state.requests.append(arrived)
        if state.answers:
            return state.answers.pop(0)
        found = await runtime.answer(arrived)
        date = {"Date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(runtime._clock()))}
        if isinstance(found.body, bytes):
            return web.Response(status=found.status, headers=found.headers | date, body=found.body)
        response = web.StreamResponse(headers=found.headers)
        await response.prepare(request)
        sent = 0
        async for part in found.body:
            left = None if state.break_off_after is None else state.break_off_after - sent
            await response.write(part[:left])
            sent += len(part[:left])
            if sent == state.break_off_after:
                break
        await response.write_eof()
        return response

    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    state.url = "http://{}:{}".format(*runner.addresses[0][:2])
    try:
        yield state
    finally:
        await runner.cleanup()


async def run(url, tmp_path, *, level=50, duration=0.4, model="open", seed=3, name="run", **user):
    """Run one scenario at the endpoint ``centerpoint``, unless it is another; return its requests."""
    options = {"endpoint": "centerpoint", **user}
    scenario = Scenario(
        name="s",
        user=UserSpec("sagemaker", options),
        shape=shapes.Constant(level),
        duration=duration,
        model=model,
    )
    log = tmp_path / f"{name}.jsonl"
    plan = Plan(seed=seed, drain=5, scenarios=(scenario,))
    result = await asyncload.run(
        Config(plan=plan, probe=False, resolved=resolved_plan(plan)),
        aws=AwsConfig(endpoint_url=url, region=REGION),
        log=log,
    )
    assert result.problems == ()
    return [one for one in LogReader(log) if isinstance(one, Record)]


def outcomes(records):
    """Which outcomes and reasons there are."""
    return {(one.outcome, one.error) for one in records}
