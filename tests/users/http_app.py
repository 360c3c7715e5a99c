"""A model server of aiohttp for the tests of HTTP users."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class ModelServer:
    """What arrived, and where it listens."""

    url: str = ""
    seen: Counter[str] = field(default_factory=Counter)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen[f"{request.method} {request.path}"] += 1
        self.bodies.append(await request.read())
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        match request.path:
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


@contextlib.asynccontextmanager
async def model_server() -> AsyncIterator[ModelServer]:
    """A server on a free port of 127.0.0.1."""
    state = ModelServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", state.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    state.url = f"http://{host}:{port}"
    try:
        yield state
    finally:
        await runner.cleanup()
