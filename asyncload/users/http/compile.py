"""From the requests of a config to what is sent: everything is worked out once, in set-up."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from asyncload.errors import ConfigError
from asyncload.transport.http.tls import TlsSettings
from asyncload.transport.http_client import Body, HttpClient, PreparedRequest
from asyncload.users.base_url import behind
from asyncload.users.http.bodies import body_of
from asyncload.users.http.checks import ExpectOptions, Judge, good_statuses, judge
from asyncload.users.http.http_options import ChainedRequestOptions, HttpOptions, RequestOptions
from asyncload.users.http.streaming import READERS, StreamReader
from asyncload.users.templates.compiled import Maker, TemplateError, has_places
from asyncload.users.templates.functions import FUNCTIONS, text_of
from asyncload.users.templates.tables import Table
from asyncload.users.templates.template import (
    AS_TARGET,
    IN_HEADER,
    IN_URL,
    Form,
    Part,
    compiler_of,
    part,
    read,
    sole_place,
    value,
)

if TYPE_CHECKING:
    from jinja2 import nodes

    from asyncload.users.templates.expressions import Compiler

Make = Callable[[Any], tuple[PreparedRequest, Body]]
"""Gives head and body of a request for a scope."""

_RESERVED: Final = frozenset({"env", "row", *FUNCTIONS})


class CompiledRequest(msgspec.Struct, frozen=True):
    """One request of an iteration, ready to be made for a scope."""

    name: str
    lets: tuple[tuple[str, Maker], ...]
    """Values to be worked out first, by their names."""
    make: Make
    judge: Judge
    reader: Callable[[], StreamReader] | None
    fixed: tuple[PreparedRequest, Body] | None
    """What is made, where it is the same each time."""


class Call(msgspec.Struct, frozen=True):
    """What an iteration does."""

    name: str
    prepared: PreparedRequest | None
    """Of a plain request, which is the fastest: it is sent, and its status looked at."""
    body: Body
    good: frozenset[int]
    """Statuses that count as answered well."""
    requests: tuple[CompiledRequest, ...]
    """Where there is more to it."""
    uses_rows: bool


class CallMaker:
    """Makes the calls of one scenario. ``find`` gives the path of a file's name."""

    def __init__(
        self,
        client: HttpClient,
        options: HttpOptions,
        table: Table | None,
        *,
        find: Callable[[str], Path],
    ) -> None:
        self._client = client
        self._options = options
        self._table = table
        self._find = find
        tls = options.tls
        self._tls = TlsSettings(
            verify=tls.ca or tls.verify,
            certificate=tls.certificate,
            key=tls.key,
            server_name=tls.server_name,
            passphrase=tls.passphrase,
        )

    def call(self, request: RequestOptions, names: Sequence[str], *, key: str) -> Call:
        """Compile one of ``requests`` and those that follow it; ``names`` are theirs.

        Raises :class:`ConfigError` that names the key.
        """
        captured: frozenset[str] = frozenset()
        requests = []
        uses_rows = False
        for index, (wanted, name) in enumerate(zip([request, *request.then], names, strict=True)):
            where = f"{key}.then.{index - 1}" if index else key
            texts = [*self._options.headers.values(), *(text for _, text in wanted.texts())]
            self._check_names(wanted, key=where)
            lets = []
            try:
                for let, text in wanted.let.items():
                    compiler = compiler_of(texts, self._table, find=self._find, captured=captured)
                    lets.append((let, _value_of(text, compiler)))
                    captured |= {let}
                    uses_rows = uses_rows or (compiler is not None and compiler.uses_rows)
                compiler = compiler_of(texts, self._table, find=self._find, captured=captured)
                requests.append(self._compile(wanted, name, compiler, lets, key=where))
            except TemplateError as problem:
                raise ConfigError(f"{where}: {problem}") from None
            captured |= wanted.capture.keys()
            uses_rows = uses_rows or (compiler is not None and compiler.uses_rows)
        plain = _looks_at_status_only(request) and not self._options.cookies
        fixed = requests[0].fixed if plain else None
        return Call(
            name=requests[0].name,
            prepared=None if fixed is None else fixed[0],
            body=b"" if fixed is None else fixed[1],
            good=good_statuses(request.expect),
            requests=() if fixed is not None else tuple(requests),
            uses_rows=uses_rows,
        )

    def _compile(
        self,
        request: ChainedRequestOptions,
        name: str,
        compiler: Compiler | None,
        lets: Sequence[tuple[str, Maker]],
        *,
        key: str,
    ) -> CompiledRequest:
        body, content_type = body_of(request, compiler, key=key, find=self._find)
        headers = self._headers(request, content_type, key=key)
        make, fixed = self._make(request, headers, body, compiler, key=key)
        return CompiledRequest(
            name=name,
            lets=tuple(lets),
            make=make,
            fixed=fixed,
            judge=judge(request.expect, request.capture, compiler),
            reader=None if request.stream is None else READERS[request.stream],
        )

    def _make(
        self,
        request: ChainedRequestOptions,
        headers: Mapping[str, str],
        body: Part,
        compiler: Compiler | None,
        *,
        key: str,
    ) -> tuple[Make, tuple[PreparedRequest, Body] | None]:
        """Put head and body together, so that only what varies is worked out per request.

        Gives the two themselves, too, where nothing varies.
        """
        head = Head(compiler)
        target = head.path(request.path)
        if request.query:
            target += ("&" if "?" in target else "?") + head.query(request.query)
        filled = {name: head.text(value, IN_HEADER) for name, value in headers.items()}
        url = behind(self._options.base_url, target)
        client = self._client
        try:
            prepared = client.prepare(
                request.method.upper(), url, filled, tls=self._tls, reuse=self._options.reuse
            )
        except ConfigError as problem:
            raise ConfigError(f"{key}: {head.readable(str(problem))}") from None
        values = head.values
        if not values:
            if isinstance(body, bytes):
                fixed = prepared, body
                return (lambda _: fixed), fixed
            return (lambda scope: (prepared, body(scope))), None
        fill = client.filling(prepared, head.marks)
        if isinstance(body, bytes):
            return (lambda scope: (fill([value(scope) for value in values]), body)), None
        return (lambda scope: (fill([value(scope) for value in values]), body(scope))), None

    def _headers(
        self, request: ChainedRequestOptions, content_type: str | None, *, key: str
    ) -> dict[str, str]:
        """Give the headers of a request; its own win over those of all requests."""
        own = {name.lower() for name in request.headers}
        shared = self._options.headers.items()
        headers = {name: value for name, value in shared if name.lower() not in own}
        headers |= request.headers
        if content_type is None:
            return headers
        given = "content-type" in {name.lower() for name in headers}
        if given and request.multipart is not None:
            raise ConfigError(
                f"{key}.headers: Content-Type of a multipart body holds its boundary and is "
                "worked out; leave it out"
            )
        if not given:
            headers["Content-Type"] = content_type
        return headers

    def _check_names(self, request: ChainedRequestOptions, *, key: str) -> None:
        """Refuse captures and lets whose names mean something else already."""
        columns = self._table.names if self._table is not None else ()
        for option, names in (("let", request.let), ("capture", request.capture)):
            for name in names:
                if name in _RESERVED or name in columns:
                    what = "a column of the data" if name in columns else "a name of templates"
                    raise ConfigError(
                        f"{key}.{option}: {name!r} is {what} already; choose another name"
                    )


class Head:
    """A head while it is being written: text, with marks where values will be put in."""

    def __init__(self, compiler: Compiler | None) -> None:
        self._compiler = compiler
        self._word = f"asyncload{secrets.token_hex(8)}x"  # that no config has in it
        self.values: list[Maker] = []
        self.marks: list[str] = []

    def text(self, text: str, form: Form, static: Callable[[str], str] = str) -> str:
        """Give ``text`` with marks for its places; ``static`` writes what stands as it is."""
        return "".join(
            static(piece) if isinstance(piece, str) else self._place(text, piece, form)
            for piece in read(text)
        )

    def path(self, text: str) -> str:
        """Give a path and query with marks; a path that is one place alone is taken as a whole."""
        node = sole_place(read(text))
        if node is not None:
            return f"/{self._place(text, node, AS_TARGET)}"
        return self.text(text, IN_URL)

    def query(self, parameters: Mapping[str, Any]) -> str:
        """Give the parameters as a query with marks; a list gives one several times."""
        return "&".join(
            f"{_encoded(name)}={self.text(text_of(one), IN_URL, _encoded)}"
            for name, value in parameters.items()
            for one in (value if isinstance(value, list) else [value])
        )

    def readable(self, message: str) -> str:
        """Give a message without marks."""
        for mark in self.marks:
            message = message.replace(mark, "{{ … }}")
        return message

    def _place(self, text: str, node: nodes.Expr, form: Form) -> str:
        value = part(text, node, form, self._compiler)
        if isinstance(value, bytes):
            return value.decode()
        self.values.append(value)
        self.marks.append(f"{self._word}{len(self.marks)}x")
        return self.marks[-1]


def _value_of(given: str | float, compiler: Compiler | None) -> Maker:
    if isinstance(given, str) and has_places(given):
        return value(given, compiler).make
    return lambda _: given


def _encoded(text: str) -> str:
    return quote(text, safe="")


def _looks_at_status_only(request: RequestOptions) -> bool:
    """Whether nothing is done with the answer but to look at its status."""
    if request.then or request.capture or request.stream is not None:
        return False
    expect = request.expect
    if not isinstance(expect, ExpectOptions):
        return True
    return msgspec.structs.replace(expect, status=None) == ExpectOptions()
