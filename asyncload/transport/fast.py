"""Calls to AWS services through the fast lane: signed with our own SigV4, measured, never retried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from asyncload.transport.aws import Aws
from asyncload.transport.client import HttpClient, PreparedRequest
from asyncload.transport.measure import CURRENT
from asyncload.transport.pool import Timeouts
from asyncload.transport.response import Response
from asyncload.transport.sigv4 import Signer, SigningTemplate

if TYPE_CHECKING:
    from asyncload.transport.aws_errors import ErrorDecoder

TIMEOUTS: Final = Timeouts(connect=10, first_byte=70, total=300)
"""Those of the SDK lane: the first byte of a long poll takes 20 s."""


class FastService:
    """One AWS service, endpoint, region and set of credentials."""

    def __init__(
        self,
        http: HttpClient,
        *,
        service: str,
        endpoint_url: str,
        signer: Signer,
        errors: ErrorDecoder,
    ) -> None:
        self.service = service
        self.endpoint_url = endpoint_url.rstrip("/")
        self._http = http
        self._signer = signer
        self._errors = errors

    @classmethod
    async def of(cls, aws: Aws, http: HttpClient, service: str) -> FastService:
        """The service as the SDK would reach it: same endpoint, region, credentials and errors.

        Raises ConfigError where there are no credentials.
        """
        from asyncload.transport.aws_errors import ErrorDecoder

        client = await aws.client(service)
        provider = await aws.credentials()
        return cls(
            http,
            service=service,
            endpoint_url=client.meta.endpoint_url,
            signer=Signer(
                provider, client.meta.region_name, client.meta.service_model.signing_name
            ),
            errors=ErrorDecoder(service, client.exceptions),
        )

    def operation(self, name: str, headers: Mapping[str, str], *, path: str = "/") -> Operation:
        """Prepare an operation such as ``SendMessage``, a POST to ``path``."""
        url = self.endpoint_url + path
        prepared = self._http.prepare("POST", url, headers)
        template = self._signer.template("POST", prepared.target, prepared.host, headers)
        return Operation(self, name, prepared, template)

    async def send(self, operation: Operation, body: bytes) -> Response:
        """Sign and send; an answer from 300 on is returned like any other."""
        lines = operation.template.sign(body)
        return await self._http.send(operation.prepared, body, lines, TIMEOUTS)

    def error(self, response: Response, operation: str) -> Exception:
        """The exception the SDK lane would raise for ``response``; learns of a wrong clock."""
        problem: Any = self._errors.decode(response, operation)
        code = str(problem.response.get("Error", {}).get("Code", ""))
        self._signer.correct_clock(code, response.headers.get("date"))
        return problem  # type: ignore[no-any-return]  # botocore has no types


class Operation:
    """One operation, ready to be called with bodies."""

    __slots__ = ("_service", "name", "prepared", "template")

    def __init__(
        self,
        service: FastService,
        name: str,
        prepared: PreparedRequest,
        template: SigningTemplate,
    ) -> None:
        self.name = name
        self.prepared = prepared
        self.template = template
        self._service = service

    async def __call__(self, body: bytes) -> Response:
        """Call it and return the answer; recorded when a user calls.

        Raises what the SDK lane raises for an answer that is an error, and
        TransportError when there is none.
        """
        recorder = CURRENT.get()
        if recorder is None:
            response = await self._service.send(self, body)
            if response.status >= 300:
                raise self._service.error(response, self.name)
            return response
        with recorder.measure(f"{self._service.service}.{self.name}") as call:
            response = await self._service.send(self, body)
            call.answered(response)
            if response.status >= 300:
                raise self._service.error(response, self.name)
            return response
