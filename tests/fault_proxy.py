"""A proxy in front of a real service, which answers some requests itself."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from yarl import URL

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


class FaultProxy:
    """Passes requests on to ``upstream``, but for those of which :meth:`fault` makes an answer."""

    def __init__(self, upstream: str) -> None:
        self.url = ""
        self._upstream = upstream

    async def fault(self, request: web.Request, body: bytes) -> web.Response | str | None:
        """Give what to answer, ``None`` to pass the request on, or ``LOST`` to pass it on and
        answer nothing."""
        raise NotImplementedError

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        fault = await self.fault(request, body)
        if isinstance(fault, web.Response):
            return fault
        headers = {n: v for n, v in request.headers.items() if n.lower() not in _HOPS}
        url = URL(self._upstream + request.raw_path, encoded=True)
        async with self._client.request(
            request.method, url, data=body or None, headers=headers
        ) as answer:
            content = await answer.read()
            headers = {n: v for n, v in answer.headers.items() if n.lower() not in _HOPS}
            status, length = answer.status, answer.headers.get("Content-Length")
        if fault == LOST:
            assert request.transport is not None
            request.transport.abort()
            raise ConnectionResetError
        if request.method == "HEAD" and length is not None:
            headers["Content-Length"] = length
        return web.Response(status=status, body=content, headers=headers)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve inside of the block."""
        application = web.Application(client_max_size=2**25)
        application.router.add_route("*", "/{path:.*}", self._answer)
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
