"""Bodies of requests: encoded once, but for the places that are to be filled."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from asyncload.users.http.http_options import ChainedRequestOptions, PartOptions
from asyncload.users.templates.compiled import TemplateError, has_places
from asyncload.users.templates.functions import as_json, text_of
from asyncload.users.templates.tables import read_bytes
from asyncload.users.templates.template import (
    IN_JSON_TEXT,
    JSON,
    RAW,
    Form,
    Part,
    joined,
    part,
    parts,
    read,
    sole_place,
)

if TYPE_CHECKING:
    from asyncload.users.templates.expressions import Compiler

_OCTETS: Final = "application/octet-stream"


def body_of(
    request: ChainedRequestOptions,
    compiler: Compiler | None,
    *,
    key: str,
    find: Callable[[str], Path],
) -> tuple[Part, str | None]:
    """Compile the body of a request, and tell its content type where that is clear.

    Raises :class:`TemplateError` and :class:`ConfigError`.
    """
    if request.multipart is not None:
        return _multipart(request.multipart, compiler, key=f"{key}.multipart", find=find)
    return content_of(request, compiler, key=key, find=find)


class Content(Protocol):
    """What says what a body is: at most one of these is given."""

    @property
    def json(self) -> Any: ...  # noqa: D102
    @property
    def body(self) -> str | None: ...  # noqa: D102
    @property
    def file(self) -> str | None: ...  # noqa: D102


def content_of(
    content: Content, compiler: Compiler | None, *, key: str, find: Callable[[str], Path]
) -> tuple[Part, str | None]:
    """Compile a body that is JSON, a text or a file, and tell its content type where that is clear.

    Raises :class:`TemplateError` and :class:`ConfigError`.
    """
    if content.json is not msgspec.UNSET:
        return joined(_json(content.json, compiler)), "application/json"
    if content.body is not None:
        return joined(parts(content.body, RAW, compiler)), None
    if content.file is not None:
        return bytes(read_bytes(find(content.file), key=f"{key}.file")), None
    return b"", None


def _json(value: Any, compiler: Compiler | None) -> Iterator[Part]:
    """Give the parts of a JSON value. A text that is one place alone takes the place's type."""
    if isinstance(value, str) and has_places(value):
        node = sole_place(read(value))
        if node is not None:
            yield part(value, node, JSON, compiler)
            return
        yield b'"'
        yield from parts(value, IN_JSON_TEXT, compiler, IN_JSON_TEXT.encode)
        yield b'"'
    elif isinstance(value, dict):
        for index, (name, inner) in enumerate(value.items()):
            yield b"," if index else b"{"
            yield msgspec.json.encode(name) + b":"
            yield from _json(inner, compiler)
        yield b"}" if value else b"{}"
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield b"," if index else b"["
            yield from _json(inner, compiler)
        yield b"]" if value else b"[]"
    else:
        try:
            yield as_json(value)
        except ValueError as problem:
            raise TemplateError(f"json: {problem}") from None


def _multipart(
    fields: dict[str, str | PartOptions],
    compiler: Compiler | None,
    *,
    key: str,
    find: Callable[[str], Path],
) -> tuple[Part, str]:
    """Compile a body of ``multipart/form-data`` (RFC 7578)."""
    # The same config gives the same bytes: the boundary comes from what is sent.
    content = repr(fields).encode()
    boundary = f"asyncload-{hashlib.sha256(content).hexdigest()[:24]}"
    pieces: list[Part] = []
    for name, field in fields.items():
        pieces.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"'.encode()
        )
        pieces += _field(field, compiler, key=f"{key}.{name}", find=find)
        pieces.append(b"\r\n")
    pieces.append(f"--{boundary}--\r\n".encode())
    return joined(pieces), f"multipart/form-data; boundary={boundary}"


def _field(
    field: str | PartOptions, compiler: Compiler | None, *, key: str, find: Callable[[str], Path]
) -> Iterator[Part]:
    """Give a part of a multipart body behind its name: the rest of its head, and its content."""
    if isinstance(field, str):
        yield b"\r\n\r\n"
        yield from parts(field, RAW, compiler)
        return
    filename = field.filename
    if filename is None and field.file is not None:
        filename = Path(field.file).name
    if filename is not None:
        yield b'; filename="'
        yield from parts(filename, IN_QUOTES, compiler, IN_QUOTES.encode)
        yield b'"'
    guessed = mimetypes.guess_type(filename)[0] or _OCTETS if filename is not None else None
    content_type = field.type or guessed
    if content_type is not None:
        if any(sign in content_type for sign in "\r\n"):
            raise TemplateError(f"type is {content_type!r}; give a content type in one line")
        yield f"\r\nContent-Type: {content_type}".encode()
    yield b"\r\n\r\n"
    if field.file is not None:
        yield bytes(read_bytes(find(field.file), key=f"{key}.file"))
    else:
        assert field.value is not None  # __post_init__ saw to it
        yield from parts(field.value, RAW, compiler)


def _quoted(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


IN_QUOTES: Final = Form(lambda value: _quoted(text_of(value)).encode())
"""Within the quotes of a part's file name."""
