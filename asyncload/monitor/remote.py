"""A service that is asked for its own figures over HTTP, beside the load and not as part of it."""

from __future__ import annotations

import errno
import math
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, Self
from urllib.parse import urlsplit

from asyncload.errors import TargetError
from asyncload.monitor.exposition import NotExpositionError
from asyncload.monitor.prometheus import PrometheusReader, UnknownSeriesError
from asyncload.monitor.resources import NotResourcesError, read_resources
from asyncload.monitor.settings import MonitorSource
from asyncload.records.record import Sink, System
from asyncload.transport.error_text import describe
from asyncload.transport.http.connector import is_loopback

if TYPE_CHECKING:
    import aiohttp

LIMIT: Final = 10.0
"""Seconds a source may take to answer."""
LARGEST: Final = 8 << 20
"""Bytes of an answer that are read; one that is larger is refused."""

Note = Callable[[str, str], None]
"""Notes something: level and text."""


class Clock(Protocol):
    """Seconds of run time, and sleeping until a moment of it."""

    def __call__(self) -> float:
        """Seconds since the start."""

    async def sleep_until(self, t: float) -> None:
        """Sleep until ``t``; at least let other tasks run."""


class RemoteMonitor:
    """Samples one source over a connection of its own; use as ``async with``.

    With ``guess`` an answer may be of either format, whichever kind of URL
    the source has.
    """

    def __init__(self, source: MonitorSource, clock: Clock, *, guess: bool = False) -> None:
        self.source = source
        self.name = source.label
        self._clock = clock
        self._prometheus = PrometheusReader(source.metrics)
        self._guess = guess
        self._session: aiohttp.ClientSession | None = None
        self._down_since: float | None = None

    async def __aenter__(self) -> Self:
        import aiohttp

        address = self.source.address
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "asyncload", "Accept": self._accept, **self.source.headers},
            timeout=aiohttp.ClientTimeout(total=LIMIT),
            # A proxy for the way out does not know this machine.
            trust_env=not is_loopback(urlsplit(address).hostname or ""),
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def sample(self) -> System:
        """Ask once. Raises :class:`TargetError` whose message says what ails the source."""
        body = await self._fetch()
        t = self._clock()
        try:
            if self._is_resources(body):
                return read_resources(body, t, self.name)
            return self._prometheus.read(body, t, self.name)
        except (NotExpositionError, NotResourcesError) as problem:
            wanted = "Groundlight's JSON" if self.source.url else "Prometheus text"
            wanted = "Groundlight's JSON or Prometheus text" if self._guess else wanted
            raise TargetError(f"its answer is not {wanted}: it {problem}") from None
        except UnknownSeriesError as problem:
            raise TargetError(f"its answer {problem}") from None

    async def watch(self, sink: Sink, note: Note, *, until: float = math.inf) -> None:
        """Write a sample at each whole interval from now on, the last at ``until``.

        A source that does not answer is noted when that begins and when it
        ends; nothing is raised, whatever it answers.
        """
        interval = self.source.interval
        tick = 0
        try:
            while (tick := max(tick + 1, int(self._clock() / interval) + 1)) * interval <= until:
                await self._clock.sleep_until(tick * interval)
                await self.look(sink, note)
        finally:
            for name in sorted(self._prometheus.missing if self._down_since is None else ()):
                series = self.source.metrics[name].series
                note(
                    "warning",
                    f"monitor {self.name}: no series {series!r} has come for metrics.{name}; "
                    "check its name and labels",
                )

    async def look(self, sink: Sink, note: Note) -> None:
        """Write one sample, or note that there is none."""
        try:
            sample = await self.sample()
        except Exception as problem:  # no source may end a run
            if self._down_since is None:
                self._down_since = self._clock()
                why = str(problem) if isinstance(problem, TargetError) else describe(problem)
                note(
                    "warning",
                    f"monitor {self.name}: {why}; its figures are missing until it is back",
                )
            return
        if self._down_since is not None:
            seconds = self._clock() - self._down_since
            note("info", f"monitor {self.name}: it is back after {seconds:.0f} s")
            self._down_since = None
        sink.write(sample)

    @property
    def _accept(self) -> str:
        if self.source.url and not self._guess:
            return "application/json"
        return "text/plain;version=0.0.4, application/json;q=0.5, */*;q=0.1"

    def _is_resources(self, body: bytes) -> bool:
        if self._guess:
            return body[:64].lstrip().startswith((b"{", b"["))
        return self.source.url is not None

    async def _fetch(self) -> bytes:
        """Ask for the figures. Redirects are not followed: they would take the headers along."""
        import aiohttp

        assert self._session is not None, "the monitor has not been entered"
        parts = []
        left = LARGEST
        try:
            async with self._session.get(self.source.address, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise TargetError(f"it answers HTTP {answer.status}")
                async for part in answer.content.iter_any():
                    parts.append(part)
                    left -= len(part)
                    if left < 0:
                        answer.close()
                        raise TargetError(f"its answer is larger than {LARGEST >> 20} MiB")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
            raise TargetError(_reason(problem)) from problem
        return b"".join(parts)


def _reason(problem: Exception) -> str:
    """Say what went wrong, in words that name no header."""
    import aiohttp

    if isinstance(problem, TimeoutError):
        return f"it does not answer within {LIMIT:g} s"
    if isinstance(problem, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted; name its authority's file in SSL_CERT_FILE"
    if isinstance(problem, aiohttp.ClientConnectorSSLError):
        return "the TLS handshake failed (is it http instead of https?)"
    if isinstance(problem, aiohttp.ClientConnectorError):
        return f"it cannot be reached: {_system_error(problem.os_error)}"
    if isinstance(problem, aiohttp.ClientPayloadError):
        return "it breaks off in the middle of its answer"
    if isinstance(problem, aiohttp.ServerDisconnectedError | ConnectionError):
        return "it closes the connection without an answer"
    return "it does not answer as HTTP/1.1 asks"


def _system_error(problem: Any) -> str:
    if isinstance(problem, socket.gaierror):
        return "its name cannot be resolved"
    number: int | None = getattr(problem, "errno", None)
    if number is None or number not in errno.errorcode:
        return "no connection"
    return os.strerror(number).lower()
