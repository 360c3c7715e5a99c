"""What a config says about users of ``kind: http``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from asyncload.plan.duration import Duration
from asyncload.transport.error_text import hide_secrets
from asyncload.transport.http.reuse import DEFAULT, Reuse
from asyncload.users.base_url import check_base_url
from asyncload.users.edge.edge_options import SimulatedOptions
from asyncload.users.http.checks import (
    Expect,
    ExpectOptions,
    check_capture,
    check_names,
    check_statuses,
)
from asyncload.users.http.streaming import StreamKind
from asyncload.users.templates.compiled import TemplateError, has_places
from asyncload.users.templates.functions import as_json
from asyncload.users.templates.template import read, sole_place
from asyncload.users.templates.templated_user import TemplateOptions


class PartOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One part of ``multipart`` that is more than a text: ``file`` or ``value``."""

    file: str | None = None
    value: str | None = None
    filename: str | None = None
    """The file's own name if left out."""
    type: str | None = None
    """Content type; told by the file's name if left out."""

    def __post_init__(self) -> None:
        if (self.file is None) == (self.value is None):
            raise ValueError("file or value is needed, and not both; give one of them")


class ChainedRequestOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One request. At most one of ``json``, ``body``, ``file`` and ``multipart``."""

    path: str = "/"
    method: str = "GET"
    name: str | None = None
    """What it is called in the report; method and path if left out."""
    headers: dict[str, str] = {}
    query: dict[str, Any] = {}
    """Parameters behind the path; a list gives one several times."""
    json: Any = msgspec.UNSET
    body: str | None = None
    file: str | None = None
    multipart: dict[str, str | PartOptions] | None = None
    let: dict[str, str | int | float | bool] = {}
    """Values by name, worked out once for each request: its templates may use them several times."""
    expect: Expect | None = None
    """What counts as answered well: status codes, or more; 2xx if left out."""
    capture: dict[str, str] = {}
    """What requests after this one may use, by name: a path into the JSON answer, or
    ``header NAME``."""
    stream: StreamKind | None = None
    """How the answer comes in, where its chunks are to be timed."""

    def __post_init__(self) -> None:
        given = given_payloads(self, ("json", "body", "file", "multipart"))
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other; keep one of them")
        if self.multipart == {}:
            raise ValueError("multipart is empty; give it parts, or leave it out")
        check_statuses("expect", self.expect)
        check_names("let", self.let)
        check_capture(self.capture)
        check_stream(self.stream, self.expect, self.capture)
        check_templates(self.texts())
        check_path(self.path)
        try:
            as_json(self.query)
        except ValueError as problem:
            raise ValueError(f"query: {problem}") from None

    def texts(self) -> Iterator[tuple[str, str]]:
        """Give every text that may be a template, with the key it stands under."""
        yield from texts_in("let", self.let)
        yield "path", self.path
        yield from texts_in("headers", self.headers)
        yield from texts_in("query", self.query)
        yield from texts_in("json", self.json)
        yield from texts_in("body", self.body)
        for part in (self.multipart or {}).values():
            values = (part,) if isinstance(part, str) else (part.value, part.filename)
            for value in values:
                yield from texts_in("multipart", value)
        if isinstance(self.expect, ExpectOptions):
            yield from texts_in("expect", list(self.expect.json.values()))


def given_payloads(options: msgspec.Struct, keys: Iterable[str]) -> list[str]:
    """Name those of ``keys`` that say what is sent. JSON's null is something to send."""
    nothing = {"json": msgspec.UNSET}
    return [key for key in keys if getattr(options, key) is not nothing.get(key)]


def check_stream(
    stream: StreamKind | None,
    expect: Expect | None,
    capture: Mapping[str, str],
) -> None:
    """Refuse paths into an answer that is no JSON document. Raises ValueError with a sentence."""
    if stream is None or stream == "chunks":
        return
    wants_json = isinstance(expect, ExpectOptions) and expect.json
    if wants_json or any(place.startswith("$") for place in capture.values()):
        raise ValueError(
            f"stream is {stream}, and such an answer is not one JSON document; "
            "leave out the paths into it"
        )


def check_path(path: str) -> None:
    """Refuse a path that would become a part of the host's name, which it is appended to.

    One that is a place alone is taken as a whole, and gets its slash; within more text a place is
    one segment of the path, and its slashes are encoded. Raises ValueError that names the key.
    """
    if path and path[0] not in "/?" and sole_place(read(path)) is None:
        shown = hide_secrets(path)
        raise ValueError(f"path is {shown!r}; begin it with a slash: /{shown}")


def check_templates(texts: Iterable[tuple[str, str]]) -> None:
    """Refuse a text that is no template. Raises ValueError that names its key."""
    for key, text in texts:
        try:
            read(text)
        except TemplateError as problem:
            raise ValueError(f"{key}: {problem}") from None


def texts_in(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Give every text in a value of ``key``, however deep. Raises ValueError for a key as place."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if has_places(str(name)):
                raise ValueError(
                    f"{key}: the key {name!r} is no place to be filled; only values are"
                )
            yield from texts_in(key, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_in(key, inner)


class RequestOptions(ChainedRequestOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of ``requests``: what an iteration is, with the requests that follow in it."""

    weight: float = 1.0
    then: list[ChainedRequestOptions] = []
    """Requests sent after this one, each when the one before it was answered well."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.weight > 0:
            raise ValueError(f"weight is {self.weight:g}; give a number over 0")


class TlsOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the server is to be trusted."""

    verify: bool = True
    ca: str | None = None
    """File of a private certificate authority, in place of the system's."""
    certificate: str | None = None
    key: str | None = None
    passphrase: str | None = None
    """Of an encrypted key: ``${KEY_PASSPHRASE}``."""
    server_name: str | None = None


class HttpOptions(TemplateOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The ``user`` section of a scenario with ``kind: http``."""

    base_url: str
    """``http://host:port``, or ``local``."""
    requests: list[RequestOptions]
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    """Of every request."""
    tls: TlsOptions = TlsOptions()
    client: Literal["fast", "aiohttp"] = "fast"
    cookies: bool = False
    """Each user keeps the cookies that the service sets, and sends them back."""
    keep_alive: bool = True
    """Whether a connection carries more than one request."""
    max_requests_per_connection: int | None = None
    max_connection_age: Duration | None = None
    idle_age: Duration | None = None
    """How long a connection may be without a request before it is closed."""
    local: SimulatedOptions | None = None
    """Of the server of ``base_url: local``; else it is not read."""

    def __post_init__(self) -> None:
        check_base_url("base_url", self.base_url, simulated="a simulated server")
        if self.cookies:
            self._check_cookies()
        if not self.requests:
            raise ValueError("requests is empty; give at least one request")
        if self.reuse != DEFAULT and self.client == "aiohttp":
            raise ValueError(
                "client is aiohttp, which has rules of its own for connections; leave out "
                "keep_alive, max_requests_per_connection, max_connection_age and idle_age, or set "
                "client: fast"
            )
        super().__post_init__()

    @property
    def reuse(self) -> Reuse:
        """The limits of a connection. Raises ValueError that names the key."""
        limits = {
            "max_requests_per_connection": self.max_requests_per_connection,
            "max_connection_age": self.max_connection_age,
            "idle_age": self.idle_age,
        }
        given = {name: limit for name, limit in limits.items() if limit is not None}
        return Reuse(keep_alive=self.keep_alive, **given)

    def _check_cookies(self) -> None:
        if self.client != "fast":
            raise ValueError("cookies is true, which the fast backend does; leave out client")
        for request in self.requests:
            for headers in (self.headers, *(one.headers for one in (request, *request.then))):
                if "cookie" in {name.lower() for name in headers}:
                    raise ValueError(
                        "cookies is true, and headers has a Cookie of its own; keep one of them"
                    )
