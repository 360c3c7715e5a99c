"""Asynchronous inference of the embedded stack: requests and notifications.

A request is accepted at once and goes to a queue of the service's own, where
:mod:`asyncload.local.sagemaker.async_worker` takes it up.
"""

from __future__ import annotations

import datetime as dt
import random
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from asyncload.local.sagemaker.control import Endpoint
from asyncload.local.sagemaker.runtime import JSON, Answer
from asyncload.local.sagemaker.signatures import Refused, Request
from asyncload.local.stack.protocol import INFERENCE_BUCKET

ACTION: Final = "async-invocations"
"""What the path of a request ends with."""
TIME_TO_LIVE: Final = 21_600
"""Seconds in the queue, unless the request says less."""
INVOCATION_TIMEOUT: Final = 900
"""Seconds of work, unless the request says otherwise."""
_HEADER: Final = "x-amzn-sagemaker-"
_LOCATION: Final = re.compile(r"(https|s3)://([^/]+)/?(.*)")
_LONGEST_LOCATION: Final = 1024
_LONGEST_ID: Final = 64


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was accepted."""

    inference_id: str
    endpoint: str
    input_location: str
    content_type: str
    received: float
    """Epoch seconds."""
    time_to_live: int
    timeout: int


class AsyncInvocations:
    """Accepts requests; ``enqueue`` takes the encoded :class:`Invocation`."""

    def __init__(self, enqueue: Callable[[str], Awaitable[None]]) -> None:
        self._enqueue = enqueue

    async def answer(self, request: Request, endpoint: Endpoint) -> Answer:
        """InvokeEndpointAsync. Raises :class:`Refused`."""
        received = time.time()
        if request.body:
            raise _invalid("the embedded stack takes InputLocation only, and no body")
        headers = request.headers
        location = headers.get(f"{_HEADER}inputlocation", "")
        if not _LOCATION.fullmatch(location) or len(location) > _LONGEST_LOCATION:
            raise _invalid(f"Value '{location}' at 'inputLocation' is not a valid S3 URI")
        inference_id = headers.get(f"{_HEADER}inference-id") or str(uuid.uuid4())
        if len(inference_id) > _LONGEST_ID:
            raise _invalid(f"'inferenceId' has more than {_LONGEST_ID} characters")
        invocation = Invocation(
            inference_id=inference_id,
            endpoint=endpoint.name,
            input_location=location,
            content_type=headers.get(f"{_HEADER}content-type", "application/octet-stream"),
            received=received,
            time_to_live=_seconds(request, "requestttlseconds", TIME_TO_LIVE, 60, 21_600),
            timeout=_seconds(request, "invocationtimeoutseconds", INVOCATION_TIMEOUT, 1, 3600),
        )
        await self._enqueue(msgspec.json.encode(invocation).decode())
        return Answer(
            202,
            {
                "content-type": JSON,
                "x-amzn-requestid": str(uuid.uuid4()),
                "x-amzn-sagemaker-outputlocation": location_of(output_key(inference_id)),
                "x-amzn-sagemaker-failurelocation": location_of(failure_key(inference_id)),
            },
            msgspec.json.encode({"InferenceId": inference_id}),
        )


def output_key(inference_id: str) -> str:
    """Where what the model answered is put, in the bucket of inferences."""
    return f"output/{inference_id}.out"


def failure_key(inference_id: str) -> str:
    """Where what is known of a failure is put."""
    return f"failure/{inference_id}-error.out"


def location_of(key: str) -> str:
    """The S3 URI of an object in the bucket of inferences."""
    return f"s3://{INFERENCE_BUCKET}/{key}"


def notification(
    invocation: Invocation, *, region: str, finished: float, reason: str | None
) -> dict[str, Any]:
    """What is published at the end of an inference; ``reason`` of one that failed."""
    body: dict[str, Any] = {
        "awsRegion": region,
        "eventTime": _format_time(finished),
        "receivedTime": _format_time(invocation.received),
        "invocationStatus": "Completed" if reason is None else "Failed",
        "requestParameters": {
            "contentType": invocation.content_type,
            "endpointName": invocation.endpoint,
            "inputLocation": invocation.input_location,
        },
        "inferenceId": invocation.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    if reason is None:
        output = location_of(output_key(invocation.inference_id))
        body["responseParameters"] = {"contentType": JSON, "outputLocation": output}
    else:
        body["failureReason"] = reason
    return body


def foreign_invocation(rng: random.Random, now: float) -> Invocation:
    """Make up an inference that somebody else asked for."""
    return Invocation(
        inference_id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        endpoint="somebody-elses-endpoint",
        input_location="s3://somebody-elses-inputs/scene.tif",
        content_type="image/tiff",
        received=now - rng.uniform(0.1, 9),
        time_to_live=TIME_TO_LIVE,
        timeout=INVOCATION_TIMEOUT,
    )


def _format_time(at: float) -> str:
    """``2022-01-25T22:46:00.608Z``: cut to milliseconds."""
    whole = dt.datetime.fromtimestamp(int(at * 1000) / 1000, dt.UTC)
    return whole.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = request.headers.get(_HEADER + name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise _invalid(f"'{name}' is {text}; it must be from {least} to {most}")
    return int(text)


def _invalid(message: str) -> Refused:
    return Refused(400, "ValidationError", message)
