"""A service whose capacity is known: a queue before four workers of 50 ms each, so 80/s."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from aiohttp import web

WORKERS = 4
SERVICE_TIME = 0.05
CAPACITY = WORKERS / SERVICE_TIME


@contextlib.contextmanager
def four_workers(*, errors_from: int | None = None) -> Iterator[str]:
    """Give its URL. With ``errors_from`` it answers 503 when so many requests are waiting."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    url: list[str] = []

    async def serve() -> None:
        free: list[float] = [0.0] * WORKERS

        async def answer(request: web.Request) -> web.Response:
            await request.read()
            now = loop.time()
            # First come, first served: the worker that is free first takes it. An end is
            # worked out, not slept after another: timers that are late would add up.
            first = min(range(WORKERS), key=free.__getitem__)
            start = max(now, free[first])
            if errors_from is not None and (start - now) * CAPACITY > errors_from:
                return web.Response(status=503)
            free[first] = start + SERVICE_TIME
            await asyncio.sleep(free[first] - now)
            return web.json_response({"label": "cat"})

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]
        url.append(f"http://127.0.0.1:{port}")
        ready.set()
        await stop.wait()
        await runner.cleanup()

    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield url[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
