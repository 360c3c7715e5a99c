"""Child one: ministack's SQS, SNS, S3 and STS on one loopback socket.

ministack's own ``main`` is not used: it writes a process-id file, stops
Docker containers that carry its label, runs scripts it finds in system
folders and opens SFTP and MQTT ports, all in its start-up. Here its ASGI
application serves requests and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Any, Final

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from ministack.app import app
from ministack.services import sns

from asyncload.local.protocol import EmulatorOrder

_TRIM_INTERVAL: Final = 5.0


async def serve(order: EmulatorOrder) -> None:
    """Serve until the process ends."""
    config = Config()
    config.bind = [f"fd://{order.socket}"]
    config.backlog = 4096
    # A load generator keeps its connections; closing one under it would look
    # like a fault of the service.
    config.keep_alive_timeout = 3600
    config.keep_alive_max_requests = sys.maxsize
    config.loglevel = "WARNING"
    trimming = asyncio.create_task(_trim_topics())
    try:
        # The trigger never fires: this process is ended from outside.
        await hypercorn_serve(_requests_only, config, shutdown_trigger=asyncio.Event().wait)
    finally:
        trimming.cancel()


async def _requests_only(
    scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """Answer the server's start and stop here, and leave the requests to ministack."""
    if scope["type"] != "lifespan":
        await _request(scope, receive, send)
        return
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _request(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer one request, and give it up when its client goes away.

    Otherwise the long poll of a client that was killed would go on, take the
    next messages, and hide them from everybody for the visibility timeout.
    """
    body = []
    while True:
        event = await receive()
        body.append(event)
        if event["type"] != "http.request" or not event["more_body"]:
            break
    answer = asyncio.ensure_future(app(scope, _replay(body, receive), send))
    departure = asyncio.ensure_future(_departed(receive))
    try:
        await asyncio.wait((answer, departure), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await answer
    finally:
        departure.cancel()


def _replay(events: list[Any], receive: ASGIReceiveCallable) -> ASGIReceiveCallable:
    """A ``receive`` that gives what has been received already."""
    waiting = iter(events)

    async def next_event() -> Any:
        return next(waiting, None) or await receive()

    return next_event


async def _departed(receive: ASGIReceiveCallable) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _trim_topics() -> None:
    """Keep memory bounded: ministack remembers every message ever published to a topic."""
    while True:
        await asyncio.sleep(_TRIM_INTERVAL)
        for _, topic in sns._topics.all_items():  # noqa: SLF001 - ministack has no setting for it
            topic["messages"].clear()
