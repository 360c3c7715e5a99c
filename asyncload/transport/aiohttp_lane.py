"""HTTP through aiohttp, for what the fast lane does not do: redirects and compression.

Chosen by ``client: aiohttp``. Requests are prepared by the fast lane's client,
so both take the same options, and records look the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import msgspec

from asyncload.transport.client import DEFAULTS, Body, HttpClient, PreparedRequest
from asyncload.transport.http_errors import (
    ConnectFailed,
    ConnectionClosed,
    Phase,
    ProtocolError,
    RequestTimeout,
    Timing,
    TransportError,
)
from asyncload.transport.pool import Timeouts
from asyncload.transport.response import Response
from asyncload.transport.tls import TlsSettings

if TYPE_CHECKING:
    import aiohttp


class _Call(msgspec.Struct, frozen=True, eq=False):
    headers: dict[str, str]
    tls: TlsSettings


class AiohttpClient:
    """An async context manager with the fast client's ``prepare`` and ``send``."""

    def __init__(self, fast: HttpClient) -> None:
        self._fast = fast
        self._clock = fast.clock
        self._calls: dict[int, tuple[PreparedRequest, _Call]] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=True,
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._session is not None:
            await self._session.close()

    def prepare(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        tls: TlsSettings | None = None,
    ) -> PreparedRequest:
        """As :meth:`HttpClient.prepare`, which checks what can be checked beforehand."""
        prepared = self._fast.prepare(method, url, headers, tls=tls)
        given = dict(headers or {})
        given.setdefault("User-Agent", DEFAULTS["User-Agent"])
        # Keeps the prepared request alive too, so that its id stays its own.
        self._calls[id(prepared)] = (prepared, _Call(given, tls or TlsSettings()))
        return prepared

    async def send(
        self,
        prepared: PreparedRequest,
        body: Body = b"",
        lines: bytes = b"",
        timeouts: Timeouts | None = None,
    ) -> Response:
        """As :meth:`HttpClient.send`; follows redirects, decompresses answers."""
        import aiohttp

        assert self._session is not None, "the client has not been entered"
        assert not lines, "signed requests go through the fast lane"
        _, call = self._calls[id(prepared)]
        limits = timeouts or Timeouts()
        timing = Timing(self._clock())
        host = urlsplit(prepared.url).netloc
        try:
            async with self._session.request(
                prepared.method,
                prepared.url,
                data=bytes(body) or None,
                headers=call.headers,
                ssl=call.tls.context() if prepared.url.startswith("https") else True,
                server_hostname=call.tls.server_name,
                timeout=aiohttp.ClientTimeout(total=limits.total, sock_connect=limits.connect),
            ) as answer:
                timing.first_byte = self._clock()
                content = await answer.read()
                timing.end = self._clock()
                raw = f"HTTP/1.1 {answer.status} {answer.reason or ''}\r\n" + "".join(
                    f"{name}: {value}\r\n" for name, value in answer.headers.items()
                )
                return Response(
                    answer.status, content, timing, len(content), len(body), (raw + "\r\n").encode()
                )
        except (aiohttp.ClientError, TimeoutError) as problem:
            timing.end = self._clock()
            raise _translated(problem, host, timing) from problem


def _translated(problem: Exception, host: str, timing: Timing) -> TransportError:
    """The fast lane's error for aiohttp's."""
    import aiohttp

    error: TransportError
    text = " ".join(str(problem).split()) or type(problem).__name__
    if isinstance(problem, TimeoutError):
        phase: Phase = "connect" if isinstance(problem, aiohttp.ConnectionTimeoutError) else "total"
        error = RequestTimeout(f"{host} did not answer within the limit ({phase})", phase)
    elif isinstance(problem, aiohttp.ClientConnectorError):
        error = ConnectFailed(f"cannot connect to {host}: {text}")
    elif isinstance(problem, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError):
        error = ConnectionClosed(f"{host} closed the connection: {text}")
    else:
        error = ProtocolError(f"{host}: {text}")
    error.timing = timing
    return error
