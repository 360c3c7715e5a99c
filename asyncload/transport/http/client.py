"""The HTTP client of the fast backend.

:meth:`HttpClient.request` is the plain form. :meth:`HttpClient.prepare` and
:meth:`HttpClient.send` are the fast one: the head is encoded once, and each
request splices in its content length, its own header lines and its body.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Self
from urllib.parse import quote, urlsplit

from asyncload.errors import ConfigError
from asyncload.transport.error_text import hide_secrets, hide_user_info
from asyncload.transport.http.connector import (
    Resolver,
    Target,
    authority,
    basic,
    environment_proxies,
    proxy_for,
)
from asyncload.transport.http.http_errors import (
    ConnectFailed,
    ConnectionClosed,
    Timing,
    TransportError,
)
from asyncload.transport.http.pool import Pool, Timeouts
from asyncload.transport.http.response import Listener, Response
from asyncload.transport.http.reuse import DEFAULT, Reuse
from asyncload.transport.http.tls import TlsSettings
from asyncload.transport.http_client import Body, Fill, PreparedRequest

IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods of requests that may be sent again (RFC 9110, section 9.2.2)."""
PROBE_LIMIT: Final = 10.0
"""Seconds in which a target must be reached before a load starts."""
UNIX: Final = "unix"
"""The scheme of URLs such as ``unix:/run/model.sock:/v1/predict``: a socket, and a path."""
LARGE: Final = 131_072
"""Bodies above this many bytes are handed over in views instead of being joined to the head."""

DEFAULTS: Final = {"User-Agent": "asyncload", "Accept": "*/*", "Accept-Encoding": "identity"}
"""Headers sent unless the request has its own. We do not decompress, and say so."""


_PORTS: Final = {"http": 80, "https": 443, UNIX: 0}


class FastRequest(PreparedRequest, frozen=True, eq=False):
    """What the fast backend prepares: the bytes to send but for the body."""

    pool: Pool
    head: bytes
    """Request line and headers, up to where the content length is spliced in."""
    head_only: bool
    """The answer has no body (HEAD)."""
    sends_length: bool
    """A content length is sent even when the body is empty."""
    closes: bool
    """It says ``Connection: close``, so it is the last one of its connection."""


class FastHttpClient:
    """The fast backend's HttpClient: HTTP/1.1 over pooled connections; use as ``async with``.

    ``limit`` bounds the connections per target. ``clock`` is monotonic,
    seconds; all timings are on it. Proxies come from the environment, read
    once here. A response with any status is a response: nothing is raised for
    404 or 500, no redirect is followed, nothing is decompressed or retried, but
    for what an idempotent request meets on a connection that the service was closing.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.perf_counter,
        limit: int = 1024,
        timeouts: Timeouts | None = None,
        tls: TlsSettings | None = None,
    ) -> None:
        self._clock = self.clock = clock
        self._limit = limit
        self._timeouts = timeouts or Timeouts()
        self._tls = tls or TlsSettings()
        self._resolver = Resolver()
        self._proxies = environment_proxies()
        self._contexts: dict[TlsSettings, ssl.SSLContext] = {}
        self._pools: dict[tuple[str, str, int, TlsSettings, Reuse], Pool] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def prepare(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        tls: TlsSettings | None = None,
        reuse: Reuse = DEFAULT,
    ) -> FastRequest:
        """Encode the head of a request once; as :meth:`HttpClient.prepare`."""
        scheme, host, port, target, credentials = _split(url)
        pool = self._pool(scheme, host, port, tls or self._tls, reuse)
        address = authority(host, port)
        named = "localhost" if scheme == UNIX else address.removesuffix(f":{_PORTS[scheme]}")
        given = dict(headers or {})
        lower = {name.lower() for name in given}
        for name in ("content-length", "transfer-encoding"):
            if name in lower:
                raise ConfigError(f"Header {name!r} is worked out from the body; leave it out.")
        if "host" in lower:
            named = next(given.pop(name) for name in list(given) if name.lower() == "host")
        given |= {name: value for name, value in DEFAULTS.items() if name.lower() not in lower}
        if credentials is not None and "authorization" not in lower:
            given["Authorization"] = credentials
        if not reuse.keep_alive and "connection" not in lower:
            given["Connection"] = "close"
        proxy = pool.target.proxy
        sent = target
        if proxy is not None and scheme == "http":
            sent = f"http://{address}{target}"
            if proxy.authorization is not None:
                given["Proxy-Authorization"] = proxy.authorization
        lines = [f"{method} {sent} HTTP/1.1"]
        lines += [_header(name, value) for name, value in [("Host", named), *given.items()]]
        if not method.isascii() or not method.isalpha():
            raise ConfigError(f"{method!r} is not an HTTP method; use GET, POST or another word.")
        return FastRequest(
            method=method,
            url=hide_user_info(url),
            host=named,
            target=target,
            pool=pool,
            head="\r\n".join([*lines, ""]).encode(),
            head_only=method == "HEAD",
            sends_length=method not in {"GET", "HEAD", "DELETE", "OPTIONS", "TRACE"},
            closes=any(
                name.lower() == "connection" and "close" in re.split(r"[\s,]+", value.lower())
                for name, value in given.items()
            ),
        )

    def filling(self, prepared: PreparedRequest, marks: Sequence[str]) -> Fill:
        """Cut the head where the marks are; as :meth:`HttpClient.filling`."""
        assert isinstance(prepared, FastRequest)
        segments = re.split(f"({'|'.join(marks)})".encode(), prepared.head)
        where = {mark.encode(): index for index, mark in enumerate(marks)}
        places = [
            (position, where[segment])
            for position, segment in enumerate(segments)
            if segment in where
        ]
        p = prepared

        def fill(values: Sequence[bytes]) -> PreparedRequest:
            pieces = segments[:]
            for position, index in places:
                pieces[position] = values[index]
            return FastRequest(
                p.method,
                p.url,
                p.host,
                p.target,
                p.pool,
                b"".join(pieces),
                p.head_only,
                p.sends_length,
                p.closes,
            )

        return fill

    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: Body = b"",
        *,
        timeouts: Timeouts | None = None,
        tls: TlsSettings | None = None,
        reuse: Reuse = DEFAULT,
    ) -> Response:
        """Send one request and return its answer. Raises TransportError, ConfigError."""
        prepared = self.prepare(method, url, headers, tls=tls, reuse=reuse)
        return await self.send(prepared, body, timeouts=timeouts)

    async def send(
        self,
        prepared: PreparedRequest,
        body: Body = b"",
        lines: bytes = b"",
        timeouts: Timeouts | None = None,
        listener: Listener | None = None,
    ) -> Response:
        """Send a prepared request; as :meth:`HttpClient.send`."""
        assert isinstance(prepared, FastRequest)
        clock = self._clock
        limits = timeouts or self._timeouts
        now = clock()
        timing = Timing(now)
        total_by = now + limits.total
        pool = prepared.pool
        size = len(body)
        if size or prepared.sends_length:
            head = b"%bContent-Length: %d\r\n%b\r\n" % (prepared.head, size, lines)
        else:
            head = b"%b%b\r\n" % (prepared.head, lines)
        large = size > LARGE
        connection = pool.take(now)
        while True:
            if connection is None:
                try:
                    connection = await pool.acquire(
                        limits.connect, total_by, timing, fresh=timing.resent
                    )
                except TransportError as error:
                    error.timing = timing
                    timing.end = clock()
                    raise
            waiter = connection.start(
                head if large else head + body,
                timing,
                limits.first_byte,
                total_by,
                prepared.head_only,
                body_size=0 if large else size,
            )
            if prepared.closes:
                connection.is_last = True
            if listener is not None:
                connection.listen(listener, limits.idle)
            try:
                if large:
                    await connection.upload(memoryview(body), waiter, limits.first_byte)
                return await waiter
            except asyncio.CancelledError:
                connection.abandon(waiter)
                raise
            except ConnectionClosed as error:
                # As browsers do it (RFC 9112, section 9.3.1): the service was closing the
                # connection when the request went out, and has not worked on it.
                if timing.resent or not error.was_kept or prepared.method not in IDEMPOTENT:
                    raise
                timing.resent = True
                connection = None

    async def probe(self, limit: float = PROBE_LIMIT) -> None:
        """Open a connection to each target that requests were prepared for; nothing is sent.

        Raises ConnectFailed for the first that cannot be reached within ``limit`` seconds.
        """
        targets = {pool.target: pool for pool in self._pools.values()}
        try:
            await asyncio.gather(*(pool.probe(limit) for pool in targets.values()))
        except ConnectFailed as problem:
            text = str(problem).rstrip(".?")
            raise ConnectFailed(
                f"{text}; nothing was sent (probe: false starts the load all the same)"
            ) from problem

    async def close(self) -> None:
        """Close every connection; requests under way fail with ConnectionClosed."""
        self._resolver.close()
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))

    def _pool(self, scheme: str, host: str, port: int, tls: TlsSettings, reuse: Reuse) -> Pool:
        key = (scheme, host, port, tls, reuse)
        pool = self._pools.get(key)
        if pool is None:
            context = None
            if scheme == "https":
                context = self._contexts.get(tls)
                if context is None:
                    context = self._contexts[tls] = tls.context()
            target = Target(
                host=host,
                port=port,
                proxy=None if scheme == UNIX else proxy_for(scheme, host, port, self._proxies),
                tls=context,
                server_name=tls.server_name or host,
                socket_path=host if scheme == UNIX else None,
            )
            pool = Pool(target, self._resolver, self._clock, self._limit, reuse)
            self._pools[key] = pool
        return pool


def _split(url: str) -> tuple[str, str, int, str, str | None]:
    """Split ``url`` into scheme, host, port, target, percent-encoded, and Authorization header."""
    shown = hide_secrets(hide_user_info(url))
    if url.startswith(f"{UNIX}:"):
        path, _, target = url.removeprefix(f"{UNIX}:").partition(":/")
        if not path.startswith("/"):
            raise ConfigError(f"URL {shown!r} names no socket; give unix:/PATH:/v1/predict.")
        return UNIX, path, 0, quote(f"/{target}", safe="/%:@!$&'()*+,;=-._~?"), None
    url, mark, rest = url.partition("#")  # of a path: whoever writes it wants it sent
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(
            f"URL {shown!r} cannot be read ({error}); give http://host:port/path."
        ) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(
            f"URL {shown!r} is not http:// or https:// with a host; give one that is."
        )
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=-._~")
    if parts.query:
        target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=-._~?")
    if mark:
        target += "%23" + quote(rest, safe="/%:@!$&'()*+,;=-._~?")
    host = parts.hostname
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    return parts.scheme, host, port or _PORTS[parts.scheme], target, basic(parts)


def _header(name: str, value: str) -> str:
    line = f"{name}: {value}"
    bad = any(c in line for c in "\r\n\0")
    if bad or not name or not name.isascii() or any(c in name for c in " \t:"):
        raise ConfigError(
            f"Header {name!r} cannot be sent; its name must be one ASCII word and its value one line."
        )
    return line
