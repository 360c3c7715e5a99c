"""SageMaker endpoints of the embedded stack, with a capacity that is known.

Every request must be signed. What is behind an endpoint is simulated: one instance,
which works on so many invocations at once, each for its service time.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from asyncload.local.model_runner.behaviour import draw_service_time
from asyncload.local.model_server.server import Workers
from asyncload.local.sagemaker.control import IN_SERVICE, VARIANT, Endpoint
from asyncload.local.sagemaker.event_stream import event, exception
from asyncload.local.sagemaker.signatures import Refused, Request, Verifier
from asyncload.local.settings import LocalSettings
from asyncload.local.stack.protocol import ACCESS_KEY, SECRET_KEY

PREFIX: Final = "/endpoints/"
"""What the path of every request for an endpoint begins with."""
LARGEST: Final = 6_291_456
"""Bytes of a body (service model of SageMaker Runtime)."""
JSON: Final = "application/json"
EVENT_STREAM: Final = "application/vnd.amazon.eventstream"
_PATH: Final = re.compile(r"/endpoints/(?P<endpoint>[^/]+)/(?P<action>[^/]+)")
_HEADER: Final = "x-amzn-sagemaker-"
_SERVER_SENT: Final = "text/event-stream"


class Answer(msgspec.Struct, frozen=True):
    """An answer: its body as one, or in parts as they come."""

    status: int
    headers: Mapping[str, str]
    body: bytes | AsyncIterator[bytes]


Handler = Callable[[Request, Endpoint], Awaitable[Answer]]
"""Answers a request that is signed, for an endpoint that is in service, or raises Refused."""


class SageMakerRuntime:
    """Answers requests for endpoints. ``actions`` are further ones by the end of the path.

    ``clock`` gives epoch seconds.
    """

    def __init__(
        self,
        settings: LocalSettings,
        *,
        region: str,
        account_id: str,
        actions: Mapping[str, Handler] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._account_id = account_id
        self._clock = clock
        self._verifier = Verifier(
            access_key=ACCESS_KEY, secret_key=SECRET_KEY, region=region, service="sagemaker"
        )
        self._settings = settings.sagemaker
        self._in_service = {one.name: one for one in IN_SERVICE}
        self._workers = {
            name: Workers(self._settings.workers, float(self._settings.service_time.mean))
            for name in self._in_service
        }
        self._rng = random.Random(f"{settings.seed}:sagemaker")
        self._actions: dict[str, Handler] = {
            "invocations": self._invoke,
            "invocations-response-stream": self._stream,
            **(actions or {}),
        }

    async def answer(self, request: Request) -> Answer:
        """Give the answer to a request whose path begins with :data:`PREFIX`."""
        try:
            self._verifier.check(request, self._clock())
            found = _PATH.fullmatch(request.path)
            handler = self._actions.get(found["action"]) if found else None
            if found is None or handler is None or request.method != "POST":
                raise Refused(404, "UnknownOperationException", "There is no such operation.")
            return await handler(request, self._endpoint(unquote(found["endpoint"])))
        except Refused as refusal:
            return _refusal(refusal)

    def _endpoint(self, name: str) -> Endpoint:
        endpoint = self._in_service.get(name)
        if endpoint is None:
            message = f"Endpoint {name} of account {self._account_id} not found."
            raise Refused(400, "ValidationError", message)
        return endpoint

    async def _invoke(self, request: Request, endpoint: Endpoint) -> Answer:
        """InvokeEndpoint."""
        _check(request)
        start, done, fails = self._work(endpoint)
        await _sleep_until(done)
        if fails:
            raise self._model_error(endpoint)
        content = _echo(request, endpoint) | {"service_time": round(done - start, 6)}
        headers = _headers(request) | {"content-type": JSON}
        return Answer(200, headers, msgspec.json.encode(content))

    async def _stream(self, request: Request, endpoint: Endpoint) -> Answer:
        """InvokeEndpointWithResponseStream."""
        _check(request)
        start, done, fails = self._work(endpoint)
        parts = _events if request.headers.get(f"{_HEADER}accept") == _SERVER_SENT else _lines
        headers = _headers(request) | {
            "content-type": EVENT_STREAM,
            f"{_HEADER}content-type": _SERVER_SENT if parts is _events else "application/jsonlines",
        }
        number = self._settings.stream_parts
        pause = (done - start) / number
        await _sleep_until(start + pause)

        async def body() -> AsyncIterator[bytes]:
            """The k-th of n parts comes when k/n of the work is done."""
            for index in range(1, number + 1):
                await _sleep_until(start + index * pause)
                if fails and 2 * index >= number:
                    yield exception("ModelStreamError", _STREAM_ERROR)
                    return
                yield event("PayloadPart", parts(index, number))

        return Answer(200, headers, body())

    def _work(self, endpoint: Endpoint) -> tuple[float, float, bool]:
        """Give an invocation to a worker: when it begins and ends (loop time), and if it fails."""
        service_time = draw_service_time(self._settings.service_time, self._rng)
        fails = self._rng.random() < self._settings.failure_rate
        now = asyncio.get_running_loop().time()
        done = self._workers[endpoint.name].take(now, service_time)
        return done - service_time, done, fails

    def _model_error(self, endpoint: Endpoint) -> Refused:
        return Refused(
            424,
            "ModelError",
            'Received server error (500) from primary with message "the model failed". See '
            f"https://console.aws.amazon.com/cloudwatch/home#logEventViewer:group=/aws/sagemaker/"
            f"Endpoints/{endpoint.name} in account {self._account_id} for more information.",
            OriginalStatusCode=500,
            OriginalMessage="the model failed",
            LogStreamArn="",
        )


_STREAM_ERROR: Final = msgspec.json.encode(
    {"Message": "The model failed while it streamed.", "ErrorCode": "StreamBroken"}
)


def _lines(index: int, number: int) -> bytes:
    """A part of JSON lines."""
    return msgspec.json.encode({"part": index, "of": number}) + b"\n"


def _events(index: int, number: int) -> bytes:
    """A part of a chat completion: one token, and at the end what OpenAI's API ends with."""
    choice = {"index": 0, "delta": {"content": f"token{index} "}}
    content = _event({"object": "chat.completion.chunk", "choices": [choice]})
    if index == number:
        content += _event({"choices": [], "usage": {"completion_tokens": number}}) + _DONE
    return content


_DONE: Final = b"data: [DONE]\n\n"


def _event(content: Any) -> bytes:
    return b"data: " + msgspec.json.encode(content) + b"\n\n"


def _check(request: Request) -> None:
    """Refuse what SageMaker refuses before a model sees it."""
    if len(request.body) > LARGEST:
        raise Refused(
            413, "ValidationError", f"Request {len(request.body)} exceeds limit {LARGEST} bytes."
        )
    variant = request.headers.get(f"{_HEADER}target-variant", VARIANT)
    if variant != VARIANT:
        raise Refused(400, "ValidationError", f"Could not find variant {variant}.")


def _echo(request: Request, endpoint: Endpoint) -> dict[str, Any]:
    """What an answer tells of its request."""
    return {
        "endpoint": endpoint.name,
        "variant": VARIANT,
        "model": request.headers.get(f"{_HEADER}target-model", endpoint.name),
        "inference_component": request.headers.get(f"{_HEADER}inference-component"),
        "session_id": request.headers.get(f"{_HEADER}session-id"),
        "content_type": request.headers.get("content-type"),
        "bytes": len(request.body),
    }


def _headers(request: Request) -> dict[str, str]:
    headers = {"x-amzn-invoked-production-variant": VARIANT, **_named()}
    attributes = request.headers.get(f"{_HEADER}custom-attributes")
    if attributes is not None:
        headers[f"{_HEADER}custom-attributes"] = attributes
    return headers


def _named() -> dict[str, str]:
    """Every answer has an id."""
    return {"x-amzn-requestid": str(uuid.uuid4())}


def _refusal(refusal: Refused) -> Answer:
    body = msgspec.json.encode({"Message": refusal.message, **refusal.more})
    headers = {"content-type": JSON, "x-amzn-errortype": refusal.code, **_named()}
    return Answer(refusal.status, headers, body)


async def _sleep_until(moment: float) -> None:
    """Sleep until ``moment`` of the loop's clock."""
    await asyncio.sleep(moment - asyncio.get_running_loop().time())
