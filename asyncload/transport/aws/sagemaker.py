"""SageMaker Runtime through the fast backend: InvokeEndpoint, its streamed form, and InvokeEndpointAsync."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from asyncload.transport.aws.operation import FastService, Operation
from asyncload.transport.aws.session import Aws
from asyncload.transport.http.client import HttpClient
from asyncload.transport.measure import CURRENT

INVOKE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "content_type": "Content-Type",
        "accept": "Accept",
        "variant": "X-Amzn-SageMaker-Target-Variant",
        "target_model": "X-Amzn-SageMaker-Target-Model",
        "inference_component": "X-Amzn-SageMaker-Inference-Component",
        "custom_attributes": "X-Amzn-SageMaker-Custom-Attributes",
        "session_id": "X-Amzn-SageMaker-Session-Id",
    }
)
"""Headers of InvokeEndpoint (service model 2017-05-13)."""
STREAM: Final[Mapping[str, str]] = MappingProxyType(
    {name: header for name, header in INVOKE.items() if name != "target_model"}
    | {"accept": "X-Amzn-SageMaker-Accept"}
)
"""Headers of InvokeEndpointWithResponseStream: it has no target model."""
ASYNC: Final[Mapping[str, str]] = MappingProxyType(
    {
        "content_type": "X-Amzn-SageMaker-Content-Type",
        "accept": "X-Amzn-SageMaker-Accept",
        "custom_attributes": "X-Amzn-SageMaker-Custom-Attributes",
        "request_ttl": "X-Amzn-SageMaker-RequestTTLSeconds",
        "invocation_timeout": "X-Amzn-SageMaker-InvocationTimeoutSeconds",
    }
)
"""Headers of InvokeEndpointAsync that are the same for every call (service model 2017-05-13)."""

SERVICE: Final = "sagemaker-runtime"


def label(*, streamed: bool) -> str:
    """What requests are called in the log."""
    return f"{SERVICE}.{_operation(streamed=streamed)}"


def _operation(*, streamed: bool) -> str:
    return "InvokeEndpointWithResponseStream" if streamed else "InvokeEndpoint"


def invocation(
    service: FastService,
    endpoint: str,
    given: Mapping[str, str | None],
    *,
    streamed: bool = False,
    marks: Sequence[str] = (),
) -> Operation:
    """Prepare calls of ``endpoint`` with headers by their names in :data:`INVOKE`.

    ``marks`` stand in values that differ from call to call. Raises ConfigError for a
    value that cannot be sent.
    """
    names = STREAM if streamed else INVOKE
    headers = {names[name]: value for name, value in given.items() if value is not None}
    action = "invocations-response-stream" if streamed else "invocations"
    path = f"/endpoints/{quote(endpoint, safe='')}/{action}"
    return service.operation(_operation(streamed=streamed), headers, path=path, marks=marks)


async def runtime(aws: Aws, http: HttpClient) -> FastService:
    """SageMaker Runtime with the fast backend. Raises ConfigError where there are no credentials."""
    return await FastService.of(aws, http, SERVICE)


class FastAsyncEndpoint:
    """One endpoint for asynchronous inference. ``headers`` are called as in :data:`ASYNC`."""

    def __init__(self, service: FastService, name: str, **headers: str | int | None) -> None:
        self.name = name
        # All that differs from call to call is in two headers.
        marks = [secrets.token_hex(16) for _ in range(2)]
        given = {ASYNC[key]: str(value) for key, value in headers.items() if value is not None}
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
