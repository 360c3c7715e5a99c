"""SageMaker's InvokeEndpoint through the fast lane."""

from __future__ import annotations

from urllib.parse import quote

from asyncload.transport.aws import Aws
from asyncload.transport.client import HttpClient
from asyncload.transport.fast import FastService, Operation
from asyncload.transport.response import Response


class FastEndpoint:
    """One real-time endpoint, with headers that are the same for every call.

    ``variant``, ``model``, ``inference_component``, ``custom_attributes`` and
    ``session_id`` are the ``X-Amzn-SageMaker-…`` headers of the service.
    """

    def __init__(
        self,
        service: FastService,
        name: str,
        *,
        content_type: str = "application/json",
        accept: str | None = None,
        variant: str | None = None,
        model: str | None = None,
        inference_component: str | None = None,
        custom_attributes: str | None = None,
        session_id: str | None = None,
    ) -> None:
        self.name = name
        headers = {
            "Content-Type": content_type,
            "Accept": accept,
            "X-Amzn-SageMaker-Target-Variant": variant,
            "X-Amzn-SageMaker-Target-Model": model,
            "X-Amzn-SageMaker-Inference-Component": inference_component,
            "X-Amzn-SageMaker-Custom-Attributes": custom_attributes,
            "X-Amzn-SageMaker-Session-Id": session_id,
        }
        given = {header: value for header, value in headers.items() if value is not None}
        path = f"/endpoints/{quote(name, safe='')}/invocations"
        self._invoke: Operation = service.operation("InvokeEndpoint", given, path=path)

    @classmethod
    async def of(cls, aws: Aws, http: HttpClient, name: str, **headers: str | None) -> FastEndpoint:
        """The endpoint ``name``; ``headers`` as in the constructor. Does not ask whether it exists."""
        service = await FastService.of(aws, http, "sagemaker-runtime")
        return cls(service, name, **headers)  # type: ignore[arg-type]  # checked by the constructor

    async def invoke(self, body: bytes) -> Response:
        """Call the endpoint; recorded as ``sagemaker-runtime.InvokeEndpoint``.

        Raises what the SDK raises for an answer that is an error, and
        TransportError when there is none.
        """
        return await self._invoke(body)
