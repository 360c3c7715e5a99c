"""SageMaker's InvokeEndpoint through the fast lane, also with a streamed answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from asyncload.transport.aws import Aws
from asyncload.transport.client import HttpClient
from asyncload.transport.fast import FastService, Operation

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
    """SageMaker Runtime on the fast lane. Raises ConfigError where there are no credentials."""
    return await FastService.of(aws, http, SERVICE)
