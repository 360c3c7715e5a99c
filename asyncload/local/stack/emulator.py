"""Child one: ministack's SQS, SNS, S3, STS and ECS on one loopback socket, and SageMaker beside it.

ministack's own ``main`` is not used: it writes a process-id file, stops
Docker containers that carry its label, runs scripts it finds in system
folders and opens SFTP and MQTT ports, all in its start-up. Here its ASGI
application serves requests and nothing else. Its ECS keeps task definitions,
and would run one only on the Docker that ``DOCKER_HOST`` names, which is not
there. It has no SageMaker: requests for that are answered by
:mod:`asyncload.local.sagemaker.control` and, under ``/endpoints/``, by
:mod:`asyncload.local.sagemaker.runtime` before it sees them.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope
from ministack.app import app
from ministack.services import sns

from asyncload.local.sagemaker.async_api import ACTION, AsyncInvocations
from asyncload.local.sagemaker.control import CONTENT_TYPE, TARGET, SageMaker
from asyncload.local.sagemaker.runtime import PREFIX, SageMakerRuntime
from asyncload.local.sagemaker.signatures import Request
from asyncload.local.stack.protocol import ACCESS_KEY, ACCOUNT_ID, INFERENCE_BACKLOG, EmulatorOrder

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
    emulator = _Emulator(
        SageMaker(region=order.region, account_id=ACCOUNT_ID, created=time.time()),
        SageMakerRuntime(
            order.settings,
            region=order.region,
            account_id=ACCOUNT_ID,
            actions={ACTION: AsyncInvocations(_Backlog(order.region)).answer},
        ),
    )
    trimming = asyncio.create_task(_trim_topics())
    try:
        # The trigger never fires: this process is ended from outside.
        await hypercorn_serve(emulator, config, shutdown_trigger=asyncio.Event().wait)
    finally:
        trimming.cancel()


class _Emulator:
    """The ASGI application: ministack's for requests, SageMaker beside it."""

    def __init__(self, sagemaker: SageMaker, runtime: SageMakerRuntime) -> None:
        self._sagemaker = sagemaker
        self._runtime = runtime

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
            status, content = self._sagemaker.answer(target.removeprefix(TARGET), _content(body))
            headers = {"content-type": CONTENT_TYPE, "x-amzn-requestid": str(uuid.uuid4())}
            await _send(send, status, headers, content)
            return
        answer: asyncio.Future[None]
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            answer = asyncio.ensure_future(self._invoke(scope, _content(body), send))
        else:
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

    async def _invoke(self, scope: HTTPScope, content: bytes, send: ASGISendCallable) -> None:
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            headers[key] = f"{headers[key]},{text}" if key in headers else text
        answer = await self._runtime.answer(
            Request(
                method=scope["method"],
                path=scope["raw_path"].decode("latin-1"),
                query=scope["query_string"].decode("latin-1"),
                headers=headers,
                body=content,
            )
        )
        if isinstance(answer.body, bytes):
            await _send(send, answer.status, answer.headers, answer.body)
            return
        await _begin(send, answer.status, answer.headers)
        async for part in answer.body:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _content(events: list[Any]) -> bytes:
    return b"".join(part["body"] for part in events if part["type"] == "http.request")


def _target(scope: Scope) -> str:
    """``X-Amz-Target``, which names the operation in AWS's JSON protocols."""
    if scope["type"] != "http":
        return ""
    return next(
        (value.decode("latin-1") for name, value in scope["headers"] if name == b"x-amz-target"), ""
    )


async def _send(
    send: ASGISendCallable, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    await _begin(send, status, {**headers, "content-length": str(len(body))})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _begin(send: ASGISendCallable, status: int, headers: Mapping[str, str]) -> None:
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


def _replay(events: list[Any], receive: ASGIReceiveCallable) -> ASGIReceiveCallable:
    """A ``receive`` that gives what has been received already."""
    waiting = iter(events)

    async def next_event() -> Any:
        return next(waiting, None) or await receive()

    return next_event


async def _departed(receive: ASGIReceiveCallable) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _Backlog:
    """The queue of asynchronous inferences, reached without a connection of our own."""

    def __init__(self, region: str) -> None:
        scope = f"{ACCESS_KEY}/{time.strftime('%Y%m%d')}/{region}/sqs/aws4_request"
        self._headers = {
            "host": "localhost",
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": "AmazonSQS.SendMessage",
            # The emulator does not look at signatures, but tells the region by them.
            "authorization": f"AWS4-HMAC-SHA256 Credential={scope}",
        }

    async def __call__(self, message: str) -> None:
        """Send one message. Raises RuntimeError when it was not taken."""
        url = f"http://localhost/{ACCOUNT_ID}/{INFERENCE_BACKLOG}"
        body = msgspec.json.encode({"QueueUrl": url, "MessageBody": message})
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in self._headers.items()],
            "client": ("127.0.0.1", 0),
            "server": ("127.0.0.1", 0),
        }
        answered: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(event: Any) -> None:
            answered.append(event)

        await app(scope, receive, send)
        if answered[0]["status"] != 200:
            raise RuntimeError(f"the backlog answers {answered[0]['status']}")


async def _trim_topics() -> None:
    """Keep memory bounded: ministack remembers every message ever published to a topic."""
    while True:
        await asyncio.sleep(_TRIM_INTERVAL)
        for _, topic in sns._topics.all_items():  # noqa: SLF001 - ministack has no setting for it
            topic["messages"].clear()
