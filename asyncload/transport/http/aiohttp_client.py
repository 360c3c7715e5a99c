"""HTTP through aiohttp, for what the fast backend does not do: redirects and compression.

Chosen by ``client: aiohttp``. Requests are prepared by the fast backend's client,
so both take the same options, and records look the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import msgspec

from asyncload.errors import ConfigError
from asyncload.transport.http.client import DEFAULTS
from asyncload.transport.http.connector import basic
from asyncload.transport.http.http_errors import (
    BODY_LIMIT,
    ConnectFailed,
    ConnectionClosed,
    Phase,
    ProtocolError,
    RequestTimeout,
    Timing,
    TransportError,
    limit_of,
    too_long,
)
from asyncload.transport.http.pool import Timeouts
from asyncload.transport.http.response import Listener, Response
from asyncload.transport.http.reuse import DEFAULT, Reuse
from asyncload.transport.http.tls import TlsSettings
from asyncload.transport.http_client import Body, Fill, HttpClient, PreparedRequest

if TYPE_CHECKING:
    import ssl

    import aiohttp


class AiohttpRequest(PreparedRequest, frozen=True, eq=False):
    """A prepared request with what aiohttp wants of it."""

    headers: dict[str, str]
    tls: TlsSettings


class AiohttpClient:
    """An HttpClient, and an async context manager; ``fast`` checks what is prepared."""

    def __init__(self, fast: HttpClient) -> None:
        self._fast = fast
        self._clock = self.clock = fast.clock
        self._contexts: dict[TlsSettings, ssl.SSLContext] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=True,
        )
        # It would send a request a second time when a kept connection closes, and nobody would
        # know. It has no public name; aiohttp's own test client sets it, too.
        self._session._retry_connection = False  # noqa: SLF001
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
        reuse: Reuse = DEFAULT,
    ) -> PreparedRequest:
        """As :meth:`HttpClient.prepare`, but for ``reuse``: aiohttp has rules of its own."""
        from yarl import URL

        if url.startswith("unix:"):
            raise ConfigError("client: aiohttp reaches no Unix socket; leave client out")
        prepared = self._fast.prepare(method, url, headers, tls=tls, reuse=reuse)
        given = dict(headers or {})
        credentials = basic(urlsplit(url))
        if credentials is not None and "authorization" not in {name.lower() for name in given}:
            given["Authorization"] = credentials
        given.setdefault("User-Agent", DEFAULTS["User-Agent"])
        settings = tls or TlsSettings()
        if url.startswith("https") and settings not in self._contexts:
            self._contexts[settings] = settings.context()
        return AiohttpRequest(
            method=prepared.method,
            url=f"{URL(url).origin()}{prepared.target}",
            host=prepared.host,
            target=prepared.target,
            headers=given,
            tls=settings,
        )

    def filling(self, prepared: PreparedRequest, marks: Sequence[str]) -> Fill:
        """As :meth:`HttpClient.filling`."""
        assert isinstance(prepared, AiohttpRequest)
        pattern = re.compile("|".join(marks))

        def fill(values: Sequence[bytes]) -> PreparedRequest:
            texts = dict(zip(marks, (value.decode() for value in values), strict=True))

            def put(text: str) -> str:
                return pattern.sub(lambda mark: texts[mark[0]], text)

            return msgspec.structs.replace(
                prepared,
                url=put(prepared.url),
                headers={name: put(value) for name, value in prepared.headers.items()},
            )

        return fill

    async def send(
        self,
        prepared: PreparedRequest,
        body: Body = b"",
        lines: bytes = b"",
        timeouts: Timeouts | None = None,
        listener: Listener | None = None,
    ) -> Response:
        """As :meth:`HttpClient.send`; decompresses answers, and follows redirects of GET and HEAD.

        Others are answered by the redirect itself: followed, a POST would arrive as a GET
        without its body, or twice.
        """
        import aiohttp
        from yarl import URL

        assert self._session is not None, "the client has not been entered"
        assert not lines, "signed requests go through the fast backend"
        assert isinstance(prepared, AiohttpRequest)
        limits = timeouts or Timeouts()
        timing = Timing(self._clock())
        url = URL(prepared.url, encoded=True)  # as the fast backend sends it: %2F is no slash
        host = url.authority
        try:
            async with _within(limits.first_byte, host, "first byte"):
                answer = await self._session.request(
                    prepared.method,
                    url,
                    data=bytes(body) or None,
                    headers=prepared.headers,
                    allow_redirects=prepared.method in {"GET", "HEAD"},
                    ssl=self._contexts[prepared.tls] if url.scheme == "https" else True,
                    server_hostname=prepared.tls.server_name,
                    timeout=aiohttp.ClientTimeout(total=limits.total, sock_connect=limits.connect),
                )
            async with answer:
                timing.first_byte = self._clock()
                content = await self._content(answer, listener, limits.idle)
                timing.end = self._clock()
                raw = f"HTTP/1.1 {answer.status} {answer.reason or ''}\r\n" + "".join(
                    f"{name}: {value}\r\n" for name, value in answer.headers.items()
                )
                return Response(
                    answer.status, content, timing, len(content), len(body), (raw + "\r\n").encode()
                )
        except (RequestTimeout, ProtocolError) as problem:
            timing.end = self._clock()
            problem.timing = timing
            raise
        except (aiohttp.ClientError, TimeoutError) as problem:
            timing.end = self._clock()
            raise _translated(problem, host, timing, limits) from problem

    async def _content(
        self, answer: aiohttp.ClientResponse, listener: Listener | None, idle_limit: float
    ) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            async with _within(
                math.inf if listener is None else idle_limit, answer.url.authority, "idle"
            ):
                part = await answer.content.readany()
            parts.append(part)
            size += len(part)
            if size > BODY_LIMIT:
                raise too_long(answer.url.authority)
            if not part or (listener is not None and listener(part, self._clock())):
                return b"".join(parts)


@contextlib.asynccontextmanager
async def _within(seconds: float, host: str, phase: Phase) -> AsyncIterator[None]:
    """Raise RequestTimeout when the block takes longer; aiohttp has no such limits."""
    limit = asyncio.timeout(None if seconds == math.inf else seconds)
    try:
        async with limit:
            yield
    except TimeoutError:
        if limit.expired():
            raise _late(host, phase, seconds) from None
        raise


def _late(host: str, phase: Phase, limit: float) -> RequestTimeout:
    within = limit_of(phase, limit)
    if phase == "connect":
        return RequestTimeout(f"No connection to {host} {within}", phase)
    what = {"first byte": "begin to answer", "idle": "go on with its answer"}
    return RequestTimeout(
        f"{host} did not {what.get(phase, 'complete its answer')} {within}", phase
    )


def _translated(problem: Exception, host: str, timing: Timing, limits: Timeouts) -> TransportError:
    """The fast backend's error for aiohttp's."""
    import aiohttp

    error: TransportError
    text = " ".join(str(problem).split()) or type(problem).__name__
    if isinstance(problem, TimeoutError):
        phase: Phase = "connect" if isinstance(problem, aiohttp.ConnectionTimeoutError) else "total"
        error = _late(host, phase, limits.connect if phase == "connect" else limits.total)
    elif isinstance(problem, aiohttp.ClientConnectorError):
        error = ConnectFailed(f"No connection to {host}: {text}")
    elif isinstance(problem, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError):
        error = ConnectionClosed(f"{host} closed the connection: {text}")
    else:
        error = ProtocolError(f"{host}: {text}")
    error.timing = timing
    return error
