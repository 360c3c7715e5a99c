"""An edge endpoint of aiohttp for the tests, whose answers can be chosen."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web

from asyncload import UserSpec

PATH = "/device-api/v1/image-queries"


@dataclass
class EdgeEndpoint:
    """What arrived, where it listens, and what it answers."""

    url: str = ""
    targets: list[str] = field(default_factory=list)
    """Path and query as they were sent."""
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    token: str | None = None
    """Wanted from clients."""
    text: str = '{"result": {"label": "YES", "count": 3, "confidence": 0.9}}'
    status: int = 200

    async def answer(self, request: web.Request) -> web.Response:
        self.targets.append(request.raw_path)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.bodies.append(await request.read())
        if self.token is not None and request.headers.get("x-api-token") != self.token:
            return web.json_response({"detail": "who are you?"}, status=401)
        return web.Response(text=self.text, status=self.status, content_type="application/json")


@contextlib.asynccontextmanager
async def edge_endpoint(**settings) -> AsyncIterator[EdgeEndpoint]:
    """An endpoint on a free port of 127.0.0.1."""
    state = EdgeEndpoint(**settings)
    app = web.Application()
    app.router.add_post(PATH, state.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    state.url = f"http://{host}:{port}"
    try:
        yield state
    finally:
        await runner.cleanup()


def edge(endpoint, **options):
    """A user of ``kind: edge``."""
    options.setdefault("detectors", ["det_a"])
    return UserSpec("edge", {"endpoint": endpoint, **options})
