"""Cost Explorers to ask: moto's, which can be primed, and one that answers as a test says."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from aiohttp import web
from moto.server import ThreadedMotoServer


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def moto_url():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Explorer:
    """A Cost Explorer that gives one answer after the other, the last one for ever."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[tuple[int, Any]] = []
        self.questions: list[dict[str, Any]] = []
        self.heads: list[Mapping[str, str]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.questions.append(json.loads(await request.text()))
        self.heads.append(dict(request.headers))
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, content_type="application/x-amz-json-1.1")


@pytest.fixture
def explorer() -> Callable[..., contextlib.AbstractAsyncContextManager[Explorer]]:
    """Starts such a Cost Explorer on 127.0.0.1."""

    @contextlib.asynccontextmanager
    async def start(*answers: tuple[int, Any]) -> AsyncIterator[Explorer]:
        server = Explorer()
        server.answers = list(answers)
        app = web.Application()
        app.router.add_post("/", server.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield server
        finally:
            await runner.cleanup()

    return start
