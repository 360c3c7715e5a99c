"""SageMaker's InvokeEndpointAsync through the fast lane."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from asyncload.transport.aws import Aws
from asyncload.transport.client import HttpClient
from asyncload.transport.fast import FastService
from asyncload.transport.fast_sagemaker import runtime
from asyncload.transport.measure import CURRENT

HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "content_type": "X-Amzn-SageMaker-Content-Type",
        "accept": "X-Amzn-SageMaker-Accept",
        "custom_attributes": "X-Amzn-SageMaker-Custom-Attributes",
        "request_ttl": "X-Amzn-SageMaker-RequestTTLSeconds",
        "invocation_timeout": "X-Amzn-SageMaker-InvocationTimeoutSeconds",
    }
)
"""Headers that are the same for every call (service model 2017-05-13)."""


class FastAsyncEndpoint:
    """One endpoint for asynchronous inference. ``headers`` are called as in :data:`HEADERS`."""

    def __init__(self, service: FastService, name: str, **headers: str | int | None) -> None:
        self.name = name
        # All that differs from call to call is in two headers.
        marks = [secrets.token_hex(16) for _ in range(2)]
        given = {HEADERS[key]: str(value) for key, value in headers.items() if value is not None}
        given["X-Amzn-SageMaker-Inference-Id"], given["X-Amzn-SageMaker-InputLocation"] = marks
        path = f"/endpoints/{quote(name, safe='')}/async-invocations"
        self._operation = service.operation("InvokeEndpointAsync", given, path=path, marks=marks)

    @classmethod
    async def of(
        cls, aws: Aws, http: HttpClient, name: str, **headers: str | int | None
    ) -> FastAsyncEndpoint:
        """The endpoint ``name``; ``headers`` as in the constructor. Does not ask whether it exists."""
        return cls(await runtime(aws, http), name, **headers)

    async def invoke(self, inference_id: str, input_location: str) -> None:
        """Submit one inference; recorded as ``sagemaker-runtime.InvokeEndpointAsync``.

        Raises what the SDK raises for an answer that is an error, and
        TransportError when there is none.
        """
        values = inference_id.encode(), input_location.encode()
        recorder, operation = CURRENT.get(), self._operation
        if recorder is None:
            response = await operation.send(b"", values=values)
            if response.status >= 300:
                raise operation.error(response)
            return
        with recorder.measure(operation.label) as measurement:
            response = await operation.send(b"", values=values)
            measurement.answered(response)
            if response.status >= 300:
                raise operation.error(response)
