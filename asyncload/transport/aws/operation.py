"""Calls to AWS services through the fast backend: signed with our own SigV4, measured, never retried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from asyncload.transport.aws.session import Aws
from asyncload.transport.aws.sigv4 import Signer, SigningTemplate
from asyncload.transport.http.pool import Timeouts
from asyncload.transport.http.response import Listener, Response
from asyncload.transport.http.tls import TlsSettings
from asyncload.transport.http_client import Body, Fill, HttpClient, PreparedRequest
from asyncload.transport.measure import CURRENT, Recorder

if TYPE_CHECKING:
    from asyncload.transport.aws.aws_errors import ErrorDecoder

TIMEOUTS: Final = Timeouts(connect=10, first_byte=70, total=300)
"""Those of the SDK backend: the first byte of a long poll takes 20 s."""


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
        tls: TlsSettings | None = None,
    ) -> None:
        self.service = service
        self.endpoint_url = endpoint_url.rstrip("/")
        self._http = http
        self._signer = signer
        self._errors = errors
        self._tls = tls

    @classmethod
    async def of(
        cls, aws: Aws, http: HttpClient, service: str, *, region: str | None = None
    ) -> FastService:
        """The service as the SDK would reach it: same endpoint, region, credentials and errors.

        Raises ConfigError where there are no credentials.
        """
        from asyncload.transport.aws.aws_errors import ErrorDecoder

        client = await aws.client(service, region=region)
        provider = await aws.credentials()
        signer = Signer(provider, client.meta.region_name, client.meta.service_model.signing_name)
        signer.offset = aws.clock.offset
        return cls(
            http,
            service=service,
            endpoint_url=client.meta.endpoint_url,
            signer=signer,
            errors=ErrorDecoder(service, client.exceptions),
            tls=aws.tls if client.meta.endpoint_url.startswith("https:") else None,
        )

    def operation(
        self,
        name: str,
        headers: Mapping[str, str],
        *,
        path: str = "/",
        marks: Sequence[str] = (),
    ) -> Operation:
        """Prepare an operation such as ``SendMessage``, a POST to ``path``.

        ``marks`` stand in values of ``headers`` that differ from call to call: see
        :meth:`HttpClient.filling` and :meth:`Signer.template`. Raises ConfigError for
        a header that cannot be sent.
        """
        url = self.endpoint_url + path
        prepared = self._http.prepare("POST", url, headers, tls=self._tls)
        template = self._signer.template(
            "POST", prepared.target, prepared.host, headers, marks=marks
        )
        fill = self._http.filling(prepared, marks) if marks else None
        return Operation(self, self._http, name, prepared, template, fill=fill)

    def error(self, response: Response, operation: str) -> Exception:
        """The exception the SDK backend would raise for ``response``; learns of a wrong clock or old keys."""
        problem: Any = self._errors.decode(response, operation)
        code = str(problem.response.get("Error", {}).get("Code", ""))
        self._signer.correct_clock(code, response.headers.get("date"))
        self._signer.provider.refused(code)
        return problem  # type: ignore[no-any-return]  # botocore has no types


class Operation:
    """One operation, ready to be called with bodies."""

    __slots__ = ("_fill", "_http", "_prepared", "_service", "_sign", "label", "name")

    def __init__(
        self,
        service: FastService,
        http: HttpClient,
        name: str,
        prepared: PreparedRequest,
        template: SigningTemplate,
        *,
        fill: Fill | None = None,
    ) -> None:
        self.name = name
        self.label = f"{service.service}.{name}"
        """What its requests are called in the log."""
        self._service = service
        self._http = http
        self._prepared = prepared
        self._sign = template.sign
        self._fill = fill

    async def __call__(self, body: bytes) -> Response:
        """Call it and return the answer; recorded when a user calls."""
        return await self.call(body, CURRENT.get())

    async def call(
        self,
        body: bytes,
        recorder: Recorder | None,
        due: float | None = None,
        begun: float | None = None,
    ) -> Response:
        """Call it and return the answer, recorded by ``recorder`` where there is one.

        Raises what the SDK backend raises for an answer that is an error, and
        TransportError when there is none.
        """
        if recorder is None:
            response = await self._http.send(self._prepared, body, self._sign(body), TIMEOUTS)
            if response.status >= 300:
                raise self._service.error(response, self.name)
            return response
        with recorder.measure(self.label, due=due, begun=begun) as measurement:
            response = await self._http.send(self._prepared, body, self._sign(body), TIMEOUTS)
            measurement.answered(response)
            if response.status >= 300:
                raise self._service.error(response, self.name)
            return response

    async def send(
        self,
        body: Body,
        timeouts: Timeouts = TIMEOUTS,
        *,
        payload_hash: bytes | None = None,
        values: Sequence[bytes] = (),
        listener: Listener | None = None,
    ) -> Response:
        """Call it and return the answer, whatever it says; nothing is recorded.

        ``values`` are those of the marks; ``payload_hash`` is the SHA-256 of ``body`` in
        hex, where it is known. Raises TransportError when there is no answer.
        """
        prepared = self._prepared if self._fill is None else self._fill(values)
        signature = self._sign(body, payload_hash, values)
        return await self._http.send(prepared, body, signature, timeouts, listener)

    def error(self, response: Response) -> Exception:
        """The exception the SDK would raise for an answer from status 300."""
        return self._service.error(response, self.name)
