"""SQS with trouble: a proxy in front of the embedded stack that answers some calls itself."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable

import aiohttp
from aiohttp import web

Trouble = Callable[[str], str | None]
"""Of an operation such as ``SendMessage``: the error code to answer with, ``None`` to let it
pass, or :data:`LOST` to carry it out and answer nothing."""
LOST = "the answer gets lost"
_HOPS = {
    "connection",
    "content-length",
    "host",
    "transfer-encoding",
    "keep-alive",
    "date",
    "server",
}


class TroubledSqs:
    """A proxy whose ``trouble`` may be changed at any moment."""

    def __init__(self, upstream: str) -> None:
        self.url = ""
        self.trouble: Trouble = lambda _: None
        self.answered = 0
        """How many calls met with trouble."""
        self._upstream = upstream

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        operation = request.headers["X-Amz-Target"].rpartition(".")[2]
        code = self.trouble(operation)
        if code is not None:
            self.answered += 1
        if code is not None and code != LOST:
            return web.Response(
                status=400,
                body=json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": "as told"}),
                headers={"x-amzn-query-error": f"{code};Sender"},
                content_type="application/x-amz-json-1.0",
            )
        headers = {n: v for n, v in request.headers.items() if n.lower() not in _HOPS}
        async with self._client.post(self._upstream, data=body, headers=headers) as answer:
            content = await answer.read()
            headers = {n: v for n, v in answer.headers.items() if n.lower() not in _HOPS}
            status = answer.status
        if code == LOST:
            assert request.transport is not None
            request.transport.abort()
            raise ConnectionResetError
        return web.Response(status=status, body=content, headers=headers)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve inside of the block."""
        application = web.Application(client_max_size=2**21)
        application.router.add_post("/{path:.*}", self._answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        async with aiohttp.ClientSession(auto_decompress=False) as self._client:
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                yield
            finally:
                await runner.cleanup()
