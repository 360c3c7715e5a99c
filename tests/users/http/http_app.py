"""A model server of aiohttp for the tests of HTTP users, and short runs against it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web

import asyncload
from asyncload import AwsConfig, Config, Plan, Scenario, UserSpec, shapes
from asyncload.engine.header import resolved_plan
from asyncload.records.log import LogReader
from asyncload.records.record import Request

NOWHERE = AwsConfig(region="us-west-2")


@dataclass
class ModelServer:
    """What arrived, and where it listens."""

    url: str = ""
    seen: Counter[str] = field(default_factory=Counter)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    """Path and query as they were sent."""
    tokens: Counter[str] = field(default_factory=Counter)
    """How often each token of /token was used for /use."""
    given: int = 0
    """Tokens given out."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen[f"{request.method} {request.path}"] += 1
        self.bodies.append(await request.read())
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.targets.append(request.raw_path)
        match request.path:
            case "/stream":
                return await stream(request)
            case "/token":
                self.given += 1
                answer = {"token": f"t{self.given}", "user": {"id": self.given}}
                return web.json_response(answer, headers={"ETag": f'"{self.given}"'})
            case "/use":
                self.tokens[request.headers["X-Token"]] += 1
            case "/page":
                return web.Response(text="<html>not a model</html>", content_type="text/html")
            case "/empty":
                return web.Response(status=200)
            case "/slow":
                await asyncio.sleep(30)
            case "/broken":
                return web.json_response({"error": "no model"}, status=503)
            case "/made":
                return web.json_response({}, status=201)
            case "/moved":
                raise web.HTTPFound("/predict")
            case "/packed":
                response = web.json_response({"label": "x" * 1000})
                response.enable_compression()
                return response
        return web.json_response({"label": "cat", "confidence": 0.9})


async def stream(request: web.Request) -> web.StreamResponse:
    """Answer in chunks, as the query says.

    ``kind``: sse, openai or lines; ``n`` chunks, ``pause`` ms before each; ``cut`` after so many,
    ``stall`` after so many; ``usage`` tokens told at the end; ``without`` the end of the stream;
    ``error`` in its middle.
    """
    query = request.query
    kind, number = query.get("kind", "sse"), int(query.get("n", "5"))
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    if kind == "openai":
        await response.write(openai({"delta": {"role": "assistant", "content": ""}}))
    for index in range(number):
        await asyncio.sleep(int(query.get("pause", "2")) / 1000)
        if query.get("cut") == str(index):
            assert request.transport is not None
            request.transport.abort()
            return response
        if query.get("stall") == str(index):
            await asyncio.sleep(30)
        if query.get("error") == str(index):
            await response.write(b'data: {"error": {"message": "out of memory"}}\n\n')
        await response.write(
            {
                "sse": f": ping\nevent: token\ndata: {index}\n\n".encode(),
                "openai": openai({"delta": {"content": f"word{index} "}}),
                "lines": json.dumps({"n": index}).encode() + b"\n",
            }[kind]
        )
    if kind == "openai":
        if "usage" in query:
            await response.write(openai(usage={"completion_tokens": int(query["usage"])}))
        if "without" not in query:
            await response.write(b"data: [DONE]\n\n")
    elif "without" in query:
        await response.write(b"data: half an ev")
    await response.write_eof()
    return response


def openai(choice: object = None, **more: object) -> bytes:
    """An event of a chat completion."""
    event = {"object": "chat.completion.chunk", "choices": [choice] if choice else [], **more}
    return f"data: {json.dumps(event)}\n\n".encode()


@contextlib.asynccontextmanager
async def model_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[ModelServer]:
    """A server on a free port of 127.0.0.1."""
    state = ModelServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", state.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    host, port = runner.addresses[0]
    state.url = f"{'http' if tls is None else 'https'}://{host}:{port}"
    try:
        yield state
    finally:
        await runner.cleanup()


def http(base_url, requests, **options):
    """A user of ``kind: http``."""
    return UserSpec("http", {"base_url": base_url, "requests": requests, **options})


async def run(user, tmp_path, *, level=50, duration=0.6, model="open", seed=3, probe=False, **load):
    """Run one scenario; return its requests."""
    plan = Plan(
        seed=seed,
        drain=5,
        scenarios=(
            Scenario(
                name="s",
                user=user,
                shape=shapes.Constant(level),
                duration=duration,
                model=model,
                **load,
            ),
        ),
    )
    log = tmp_path / f"run-{seed}.jsonl"
    config = Config(plan=plan, probe=probe, resolved=resolved_plan(plan))
    result = await asyncload.run(config, aws=NOWHERE, log=log)
    assert result.problems == ()
    return [one for one in LogReader(log) if isinstance(one, Request)]
