"""What a config says about users of ``kind: http``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from asyncload.plan.duration import Duration
from asyncload.transport.describe import hide_secrets
from asyncload.users.http.answers import ExpectOptions, check_capture
from asyncload.users.http.streaming import StreamKind
from asyncload.users.templates.compiled import TemplateError, has_places
from asyncload.users.templates.rows import DataOptions
from asyncload.users.templates.template import read
from asyncload.users.wait import check_wait


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


class StepOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
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
    expect: ExpectOptions | list[int] | int | None = None
    """What counts as answered well: status codes, or more; below 400 if left out."""
    capture: dict[str, str] = {}
    """What requests after this one may use, by name: a path into the JSON answer, or
    ``header NAME``."""
    stream: StreamKind | None = None
    """How the answer comes in, where its chunks are to be timed."""

    def __post_init__(self) -> None:
        given = {
            "json": self.json is not msgspec.UNSET,
            "body": self.body is not None,
            "file": self.file is not None,
            "multipart": self.multipart is not None,
        }
        if sum(given.values()) > 1:
            names = " and ".join(name for name, there in given.items() if there)
            raise ValueError(f"{names} exclude each other; keep one of them")
        if self.multipart == {}:
            raise ValueError("multipart is empty; give it parts, or leave it out")
        check_capture(self.capture)
        if self.stream is not None and self.stream != "chunks":
            expect = self.expect
            wants_json = isinstance(expect, ExpectOptions) and expect.json
            if wants_json or any(place.startswith("$") for place in self.capture.values()):
                raise ValueError(
                    f"stream is {self.stream}, and such an answer is not one JSON document; "
                    "leave out the paths into it"
                )
        for key, text in self.texts():
            try:
                read(text)
            except TemplateError as problem:
                raise ValueError(f"{key}: {problem}") from None

    def texts(self) -> Iterator[tuple[str, str]]:
        """Give every text that may be a template, with the key it stands under."""
        yield "path", self.path
        yield from _texts("headers", self.headers)
        yield from _texts("query", self.query)
        yield from _texts("json", self.json)
        yield from _texts("body", self.body)
        for part in (self.multipart or {}).values():
            values = (part,) if isinstance(part, str) else (part.value, part.filename)
            for value in values:
                yield from _texts("multipart", value)
        if isinstance(self.expect, ExpectOptions):
            yield from _texts("expect", list(self.expect.json.values()))


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if has_places(str(name)):
                raise ValueError(
                    f"{key}: the key {name!r} is no place to be filled; only values are"
                )
            yield from _texts(key, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(key, inner)


class RequestOptions(StepOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of ``requests``: what an iteration is, with the requests that follow in it."""

    weight: float = 1.0
    then: list[StepOptions] = []
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
    server_name: str | None = None


class HttpOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The ``user`` section of a scenario with ``kind: http``."""

    base_url: str
    requests: list[RequestOptions]
    headers: dict[str, str] = {}
    """Of every request."""
    data: str | DataOptions | None = None
    """Rows that fill the places of templates."""
    wait: Any = None
    timeout: Duration = Duration(60)
    """For the whole of a request."""
    connect_timeout: Duration = Duration(10)
    first_byte_timeout: Duration | None = None
    """Until an answer begins; ``timeout`` if left out."""
    idle_timeout: Duration | None = None
    """Between two pieces of a streamed answer; ``timeout`` if left out."""
    tls: TlsOptions = TlsOptions()
    client: Literal["fast", "aiohttp"] = "fast"

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("http://", "https://")):
            shown = hide_secrets(self.base_url)
            raise ValueError(f"base_url is {shown!r}; give http://host:port")
        if not self.requests:
            raise ValueError("requests is empty; give at least one request")
        limits = (self.timeout, self.connect_timeout, self.first_byte_timeout, self.idle_timeout)
        if any(limit is not None and not limit > 0 for limit in limits):
            raise ValueError(
                "timeout, connect_timeout, first_byte_timeout and idle_timeout must be over 0"
            )
        check_wait(self.wait)
        if isinstance(self.data, str):
            try:
                DataOptions(file=self.data)
            except ValueError as problem:
                raise ValueError(f"data: {problem}") from None

    @property
    def rows(self) -> DataOptions | None:
        """What is said about data rows, if anything."""
        return DataOptions(file=self.data) if isinstance(self.data, str) else self.data
