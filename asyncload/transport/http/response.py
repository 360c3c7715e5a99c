"""HTTP answers, whose headers are parsed on first use."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from asyncload.transport.http.http_errors import Timing

_FOLD: Final = re.compile(r"[ \t]*\r\n[ \t]+")
"""Where the value of a header goes on in the next line."""
Listener = Callable[[bytes, float], object]
"""Called with each piece of an answer's body and its arrival time, seconds on the client's clock.

It must not raise. What it returns is true when the answer is complete for it, body or not."""


class HeadOnly(Exception):  # noqa: N818 - stops the parser, is not an error
    """The answer to HEAD ends with its head, whatever its headers promise."""


class Response(msgspec.Struct, gc=False):
    """A complete HTTP answer.

    ``bytes_out`` and ``bytes_in`` are the bytes of the two bodies, without heads and chunk framing.
    """

    status: int
    body: bytes
    timing: Timing
    bytes_in: int
    bytes_out: int
    raw: bytes
    """The bytes received, from the first head on, including 1xx answers."""

    def json(self) -> Any:
        """Decode the body as JSON. Raises ``msgspec.DecodeError``, a ValueError."""
        return msgspec.json.decode(self.body)

    @property
    def reason(self) -> str:
        """The reason phrase; empty if there is none."""
        line = final_head(self.raw).partition(b"\r\n")[0]
        return line[13:].decode("latin-1").strip()

    @property
    def headers(self) -> dict[str, str]:
        """Headers by lower-case name; repeated ones joined by ``", "``."""
        return parse_headers(final_head(self.raw))

    def values(self, name: str) -> list[str]:
        """Each value of a header, ``name`` in lower case; Set-Cookie may not be joined."""
        return header_values(final_head(self.raw), name)


def header_values(head: bytes, name: str) -> list[str]:
    """Give the values of a header that may stand several times; ``name`` in lower case."""
    found = []
    for line in _FOLD.sub(" ", head.decode("latin-1")).split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.lower() == name:
            found.append(value.strip(" \t"))
    return found


def final_head(raw: bytes) -> bytes:
    """Return the head of the final answer in ``raw``, without 1xx answers."""
    start, end = _bounds(raw)
    return raw[start:end]


def head_length(raw: bytes) -> int:
    """Return the length of all heads at the start of ``raw``, 1xx answers included."""
    return _bounds(raw)[1]


def ends_with_connection(raw: bytes) -> bool:
    """Whether the answer has no stated length, so that the end of the connection ends it."""
    headers = parse_headers(final_head(raw))
    return "content-length" not in headers and "transfer-encoding" not in headers


def head_keeps_alive(raw: bytes) -> bool:
    """Whether the head alone allows another request on the connection."""
    head = final_head(raw)
    tokens = parse_headers(head).get("connection", "").lower()
    return head.startswith(b"HTTP/1.1") and "close" not in tokens


def _bounds(raw: bytes) -> tuple[int, int]:
    start = 0
    while True:
        end = raw.find(b"\r\n\r\n", start)
        if end < 0:
            return start, len(raw)
        if raw[start : start + 16].lstrip()[9:10] != b"1":
            return start, end
        start = end + 4


def parse_headers(head: bytes) -> dict[str, str]:
    """Parse the lines of ``head`` after the status line."""
    headers: dict[str, str] = {}
    for line in _FOLD.sub(" ", head.decode("latin-1")).split("\r\n")[1:]:
        name, _, value = line.partition(":")
        key = name.lower()
        value = value.strip(" \t")
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers
