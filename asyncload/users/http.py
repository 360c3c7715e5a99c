"""``kind: http``: weighted requests from the config, over the fast lane or aiohttp."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec

from asyncload.errors import ConfigError
from asyncload.plan.duration import Duration
from asyncload.transport.aiohttp_lane import AiohttpClient
from asyncload.transport.client import HttpClient, PreparedRequest
from asyncload.transport.describe import hide_secrets
from asyncload.transport.pool import Timeouts
from asyncload.transport.tls import TlsSettings
from asyncload.users.user import Context, Setup, User, task
from asyncload.users.wait import NO_WAIT, check_wait, parse_wait


class RequestOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of ``requests``. At most one of ``json``, ``body`` and ``file``."""

    path: str = "/"
    method: str = "GET"
    name: str | None = None
    """What it is called in the report; method and path if left out."""
    headers: dict[str, str] = {}
    json: Any = msgspec.UNSET
    body: str | None = None
    file: str | None = None
    weight: float = 1.0
    expect: list[int] | int | None = None
    """Status codes that count as answered well; below 400 if left out."""

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise ValueError(f"weight is {self.weight:g}; give a number over 0")
        given = [self.json is not msgspec.UNSET, self.body is not None, self.file is not None]
        if sum(given) > 1:
            raise ValueError("json, body and file exclude each other; keep one of them")


class TlsOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the server is to be trusted."""

    verify: bool = True
    ca: str | None = None
    """File of a private certificate authority, in place of the system's."""
    certificate: str | None = None
    key: str | None = None
    server_name: str | None = None


class HttpOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The ``user`` section of a scenario with ``kind: http``."""

    base_url: str
    requests: list[RequestOptions]
    headers: dict[str, str] = {}
    """Of every request."""
    wait: Any = None
    timeout: Duration = Duration(60)
    """For the whole of a request."""
    connect_timeout: Duration = Duration(10)
    tls: TlsOptions = TlsOptions()
    client: Literal["fast", "aiohttp"] = "fast"

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("http://", "https://")):
            shown = hide_secrets(self.base_url)
            raise ValueError(f"base_url is {shown!r}; give http://host:port")
        if not self.requests:
            raise ValueError("requests is empty; give at least one request")
        if not (self.timeout > 0 and self.connect_timeout > 0):
            raise ValueError("timeout and connect_timeout must be over 0")
        check_wait(self.wait)


class Call(msgspec.Struct, frozen=True):
    """A request, ready to be sent."""

    name: str
    prepared: PreparedRequest
    body: bytes
    good: frozenset[int] | None


class Calls(msgspec.Struct, frozen=True):
    """What all users of a scenario share."""

    client: HttpClient | AiohttpClient
    calls: list[Call]
    weights: list[float] | None
    """Cumulative; ``None`` where there is one call."""
    timeouts: Timeouts


class HttpUser(User):
    """Sends one of its requests in each iteration, picked at random by weight."""

    Options: ClassVar[type[msgspec.Struct]] = HttpOptions

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options: HttpOptions = context.options
        self.wait = NO_WAIT if options.wait is None else parse_wait(options.wait)
        self._calls: Calls = context.shared

    @classmethod
    async def prepare(cls, setup: Setup, options: HttpOptions) -> Calls:
        """Encode every head and body once."""
        client: HttpClient | AiohttpClient = setup.http
        if options.client == "aiohttp":
            client = await setup.enter(AiohttpClient(setup.http))
        tls = TlsSettings(
            verify=options.tls.ca or options.tls.verify,
            certificate=options.tls.certificate,
            key=options.tls.key,
            server_name=options.tls.server_name,
        )
        calls = [
            _call(client, options, request, key=setup.key(f"requests.{index}"), tls=tls)
            for index, request in enumerate(options.requests)
        ]
        weights = list(itertools.accumulate(request.weight for request in options.requests))
        limits = Timeouts(
            connect=options.connect_timeout, first_byte=options.timeout, total=options.timeout
        )
        return Calls(client, calls, weights if len(calls) > 1 else None, limits)

    @task()
    async def call(self) -> None:
        """Send one request."""
        shared = self._calls
        calls = shared.calls
        if shared.weights is None:
            chosen = calls[0]
        else:
            chosen = self.rng.choices(calls, cum_weights=shared.weights)[0]
        with self.recorder.measure(chosen.name) as measurement:
            response = await shared.client.send(chosen.prepared, chosen.body, b"", shared.timeouts)
            measurement.answered(response)
            status = response.status
            if status >= 400 if chosen.good is None else status not in chosen.good:
                measurement.fail(f"HTTP {status} {response.reason}".rstrip())


def _call(
    client: HttpClient | AiohttpClient,
    options: HttpOptions,
    request: RequestOptions,
    *,
    key: str,
    tls: TlsSettings,
) -> Call:
    headers = {**options.headers, **request.headers}
    body = b""
    if request.json is not msgspec.UNSET:
        body = msgspec.json.encode(request.json)
        if "content-type" not in {name.lower() for name in headers}:
            headers["Content-Type"] = "application/json"
    elif request.body is not None:
        body = request.body.encode()
    elif request.file is not None:
        try:
            body = Path(request.file).read_bytes()
        except OSError as problem:
            raise ConfigError(
                f"{key}.file: cannot read {request.file!r}: {problem.strerror}; name a file that is there"
            ) from None
    try:
        prepared = client.prepare(
            request.method.upper(), options.base_url.rstrip("/") + request.path, headers, tls=tls
        )
    except ConfigError as problem:
        raise ConfigError(f"{key}: {problem}") from None
    expect = [request.expect] if isinstance(request.expect, int) else request.expect
    return Call(
        name=request.name or f"{request.method.upper()} {request.path.partition('?')[0]}",
        prepared=prepared,
        body=body,
        good=None if expect is None else frozenset(expect),
    )
