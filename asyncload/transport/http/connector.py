"""Making connections: names resolved and cached, addresses raced, proxies, TLS."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import ipaddress
import socket
import ssl
from collections.abc import Callable, Collection
from typing import Any, Final, TypeVar, cast
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import (  # type: ignore[attr-defined]  # typeshed leaves the second one out
    getproxies_environment,
    proxy_bypass_environment,
)

import msgspec

from asyncload.errors import ConfigError
from asyncload.transport.http.http_errors import ConnectFailed
from asyncload.transport.http.racing import first_connected, interleaved
from asyncload.transport.http.tls import explain

P = TypeVar("P", bound=asyncio.Protocol)

RESOLVED_FOR: Final = 60.0
"""Seconds a resolved name is kept."""
TUNNEL_HEAD_LIMIT: Final = 16_384


class Proxy(msgspec.Struct, frozen=True):
    """An HTTP proxy. ``authorization`` is the header's value, or None."""

    host: str
    port: int
    authorization: str | None = None


def proxy_for(scheme: str, host: str, port: int, environment: dict[str, str]) -> Proxy | None:
    """Choose the proxy by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY (or lower case).

    None for a service on this machine: a proxy for the way out does not know it.
    ``environment`` is :func:`environment_proxies`. Raises ConfigError for a
    proxy that is not ``http://``.
    """
    url = environment.get(scheme) or environment.get("all")
    bypass = cast("Callable[[str, dict[str, str]], bool]", proxy_bypass_environment)
    if not url or is_loopback(host) or bypass(f"{host}:{port}", environment):
        return None
    if _in_network(host, environment.get("no", "")):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise ConfigError(
            f"{scheme.upper()}_PROXY is {parts.scheme}://{parts.hostname}, but only http:// proxies "
            "are supported; change it, or list the host in NO_PROXY."
        )
    return Proxy(parts.hostname, parts.port or 80, basic(parts))


def _in_network(host: str, no_proxy: str) -> bool:
    """Whether NO_PROXY has an address or a block such as 10.0.0.0/8 that ``host`` is in."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a name, which urllib compares
        return False
    for entry in no_proxy.replace(",", " ").split():
        with contextlib.suppress(ValueError):
            if address in ipaddress.ip_network(entry.strip("[]"), strict=False):
                return True
    return False


def basic(parts: SplitResult) -> str | None:
    """Give the header for the user and password of a URL; ``None`` where it has none."""
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def is_loopback(host: str) -> bool:
    """Whether ``host`` names this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def environment_proxies() -> dict[str, str]:
    """Read the proxy variables once, at set-up."""
    return getproxies_environment()


class Resolver:
    """Resolves names off the loop and keeps the answers for a minute."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[float, list[str]]] = {}
        self._beaten: dict[tuple[str, int], set[str]] = {}
        """Addresses that others were faster than, since their name was resolved."""
        self._asking: dict[tuple[str, int], asyncio.Task[list[str]]] = {}

    async def resolve(self, host: str, port: int) -> list[str]:
        """Return the addresses of ``host``; one question for any number of askers."""
        key = (host, port)
        now = asyncio.get_running_loop().time()
        if key in self._known and self._known[key][0] > now:
            return self._known[key][1]
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(host, port))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._answered(key, done))
        # One asker's cancellation must not take the answer from the others.
        return await asyncio.shield(task)

    async def in_order(self, host: str, port: int, turn: int) -> list[str]:
        """Resolve, and give the addresses as they are to be tried: ``turn`` rotates through them.

        Those of which it is known that others are faster come last.
        """
        addresses = await self.resolve(host, port)
        first = turn % len(addresses)
        beaten = self._beaten.get((host, port), ())
        return sorted(addresses[first:] + addresses[:first], key=beaten.__contains__)

    def note_beaten(self, host: str, port: int, addresses: Collection[str]) -> None:
        """Note ``addresses`` that were tried, and were slower than another one or dead."""
        self._beaten.setdefault((host, port), set()).update(addresses)

    def forget(self, host: str, port: int) -> None:
        """Ask again next time: none of the addresses answered."""
        self._known.pop((host, port), None)

    def close(self) -> None:
        """Cancel questions under way."""
        for task in list(self._asking.values()):
            task.cancel()

    async def _ask(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ConnectFailed(
                f"The name of {host}:{port} cannot be resolved ({error}); check its spelling and the DNS."
            ) from error
        addresses = interleaved(dict.fromkeys(str(entry[4][0]) for entry in found))
        self._beaten.pop((host, port), None)
        self._known[(host, port)] = (loop.time() + RESOLVED_FOR, addresses)
        return addresses

    def _answered(self, key: tuple[str, int], task: asyncio.Task[list[str]]) -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen, also when every asker has gone


class Probe(asyncio.Protocol):
    """A connection that is opened to see whether it can be."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)


class _Tunnel(asyncio.Protocol):
    """Reads a proxy's answer to CONNECT."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self.answer.done():
            return
        if b"\r\n\r\n" in self._data or len(self._data) > TUNNEL_HEAD_LIMIT:
            self.answer.set_result(self._data)

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_result(self._data)


def authority(host: str, port: int) -> str:
    """Write host and port as in a URL: an IPv6 address stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Target(msgspec.Struct, frozen=True):
    """Where connections go: the address, the proxy before it, TLS and its name."""

    host: str
    port: int
    proxy: Proxy | None
    tls: ssl.SSLContext | None
    server_name: str

    socket_path: str | None = None
    """Of a Unix socket, in place of an address."""

    @property
    def where(self) -> str:
        """``host:port`` for messages, or ``unix:PATH``."""
        return f"unix:{self.socket_path}" if self.socket_path else f"{self.host}:{self.port}"


async def connect(target: Target, resolver: Resolver, factory: Callable[[], P], turn: int) -> P:
    """Open one connection. ``turn`` rotates through a name's addresses.

    Raises ConnectFailed. The time limit is the caller's.
    """
    proxy = target.proxy
    try:
        if target.socket_path is not None:
            return await _open_unix(target.socket_path, factory)
        if proxy is None:
            return await _open((target.host, target.port), target, resolver, factory, turn)
        if target.tls is None:
            return await _open((proxy.host, proxy.port), target, resolver, factory, turn)
        return await _open_through(proxy, target, resolver, factory, turn)
    except ssl.SSLError as error:
        raise ConnectFailed(
            f"No TLS connection to {target.where}: {_ended(explain(error, target.server_name))}"
        ) from error
    except ConnectionError as error:
        raise ConnectFailed(
            f"No connection to {target.where}: it closed the connection while it was being made ({error})."
        ) from error


async def _open_unix(path: str, factory: Callable[[], P]) -> P:
    try:
        _, protocol = await asyncio.get_running_loop().create_unix_connection(factory, path)
    except OSError as error:
        reason = {errno.ENOENT: "there is no such socket; is the service running?"}.get(
            error.errno or 0, _REASONS.get(error.errno) or error.strerror or str(error)
        )
        raise ConnectFailed(f"No connection to unix:{path}: {reason}") from error
    return protocol


async def _open(
    address: tuple[str, int],
    target: Target,
    resolver: Resolver,
    factory: Callable[[], P],
    turn: int,
    *,
    tls: bool = True,
) -> P:
    loop = asyncio.get_running_loop()
    host, port = address
    addresses = await resolver.in_order(host, port, turn)
    options: dict[str, Any] = {}
    if tls and target.tls is not None:
        options = {"ssl": target.tls, "server_hostname": target.server_name}
    try:
        if len(addresses) == 1:
            _, protocol = await loop.create_connection(factory, addresses[0], port, **options)
            return protocol
        sock, beaten = await first_connected(addresses, port)
        if beaten:
            resolver.note_beaten(host, port, beaten)
        _, protocol = await loop.create_connection(factory, sock=sock, **options)
        return protocol
    except ssl.SSLError:
        raise
    except OSError as error:
        resolver.forget(host, port)
        raise _refused(host, port, error) from error


def _ended(sentence: str) -> str:
    """``sentence`` with a full stop, if it does not end yet."""
    return sentence if sentence.endswith("?") else f"{sentence}."


_REASONS: Final[dict[int | None, str]] = {
    errno.ECONNREFUSED: "it was refused; is the service running there?",
    errno.ECONNRESET: "it was reset while it was being made",
    errno.EHOSTUNREACH: "the host is unreachable; check the address, routes and firewalls",
    errno.ENETUNREACH: "the network is unreachable; check the address, routes and firewalls",
    errno.EMFILE: "this process may open no more files; raise its limit (ulimit -n)",
    errno.ENFILE: "this machine may open no more files; raise its limit (fs.file-max)",
    errno.EADDRNOTAVAIL: (
        "this machine has no free port for it; send less at once, or widen ip_local_port_range"
    ),
    errno.ETIMEDOUT: "the host did not answer until the system gave up; check the firewalls",
}


def _refused(host: str, port: int, failure: OSError) -> ConnectFailed:
    reason = _REASONS.get(failure.errno) or failure.strerror or str(failure)
    return ConnectFailed(f"No connection to {host}:{port}: {reason}")


async def _open_through(
    proxy: Proxy, target: Target, resolver: Resolver, factory: Callable[[], P], turn: int
) -> P:
    """CONNECT through ``proxy``, then TLS inside the tunnel."""
    loop = asyncio.get_running_loop()
    tunnel = await _open((proxy.host, proxy.port), target, resolver, _Tunnel, turn, tls=False)
    transport = tunnel.transport
    try:
        address = authority(target.host, target.port)
        lines = [f"CONNECT {address} HTTP/1.1", f"Host: {address}"]
        if proxy.authorization is not None:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        transport.write("\r\n".join([*lines, "", ""]).encode("ascii"))
        answer = await tunnel.answer
        head, end, rest = answer.partition(b"\r\n\r\n")
        status = head[9:12]
        if not end or rest or not head.startswith(b"HTTP/1.") or not status.startswith(b"2"):
            first_line = head.partition(b"\r\n")[0][:100].decode("latin-1") or "nothing"
            raise ConnectFailed(
                f"The proxy {proxy.host}:{proxy.port} opened no tunnel to {target.where}; "
                f"it answered {first_line!r}."
            )
        assert target.tls is not None
        protocol = factory()
        secured = await loop.start_tls(
            transport, protocol, target.tls, server_hostname=target.server_name
        )
        if secured is None:
            raise ConnectFailed(f"No TLS connection to {target.where}: the tunnel closed.")
        protocol.connection_made(secured)
        return protocol
    except BaseException:
        transport.abort()
        raise
