"""Child one: ministack's SQS, SNS, S3, STS and ECS on one loopback socket, and SageMaker beside it.

ministack's own ``main`` is not used: it writes a process-id file, stops
Docker containers that carry its label, runs scripts it finds in system
folders and opens SFTP and MQTT ports, all in its start-up. Here its ASGI
application serves requests and nothing else. Its ECS keeps task definitions,
and would run one only on the Docker that ``DOCKER_HOST`` names, which is not
there. It has no SageMaker: requests for that are answered by
:mod:`asyncload.local.sagemaker` before it sees them.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
import uuid
from typing import Any, Final

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from ministack.app import app
from ministack.services import sns

from asyncload.local.protocol import ACCOUNT_ID, EmulatorOrder
from asyncload.local.sagemaker import CONTENT_TYPE, TARGET, SageMaker

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
    emulator = _Emulator(SageMaker(region=order.region, account_id=ACCOUNT_ID, created=time.time()))
    trimming = asyncio.create_task(_trim_topics())
    try:
        # The trigger never fires: this process is ended from outside.
        await hypercorn_serve(emulator, config, shutdown_trigger=asyncio.Event().wait)
    finally:
        trimming.cancel()


class _Emulator:
    """The ASGI application: ministack's for requests, SageMaker beside it."""

    def __init__(self, sagemaker: SageMaker) -> None:
        self._sagemaker = sagemaker

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Answer the server's start and stop here, and leave the requests to the services."""
        if scope["type"] != "lifespan":
            await self._request(scope, receive, send)
            return
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _request(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
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
        target = _target(scope)
        if target.startswith(TARGET):
            content = b"".join(part["body"] for part in body if part["type"] == "http.request")
            answer = self._sagemaker.answer(target.removeprefix(TARGET), content)
            await _send(send, *answer)
            return
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


def _target(scope: Scope) -> str:
    """``X-Amz-Target``, which names the operation in AWS's JSON protocols."""
    if scope["type"] != "http":
        return ""
    return next(
        (value.decode("latin-1") for name, value in scope["headers"] if name == b"x-amz-target"), ""
    )


async def _send(send: ASGISendCallable, status: int, body: bytes) -> None:
    headers = {
        "content-type": CONTENT_TYPE,
        "content-length": str(len(body)),
        "x-amzn-requestid": str(uuid.uuid4()),
    }
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body, "more_body": False})


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
