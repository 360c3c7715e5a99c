"""AWS's event streams (``application/vnd.amazon.eventstream``), read while they come in.

A message is::

    total length (4 bytes), length of the headers (4), CRC-32 of these eight bytes (4)
    headers: length of the name (1), name, type of the value (1), value; one after the other
    payload
    CRC-32 of all that is before it (4)

All numbers are big-endian. Both checksums are verified.
"""

from __future__ import annotations

import struct
from binascii import crc32
from typing import Any, Final

import msgspec

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"
LARGEST_HEADERS: Final = 128 * 1024
LARGEST_PAYLOAD: Final = 24 * 1024 * 1024
"""Bytes; the limits of the SDKs."""
_PRELUDE: Final = struct.Struct("!III")
_LENGTH: Final = struct.Struct("!H")
_CRC: Final = struct.Struct("!I")
_NUMBERS: Final = {
    2: struct.Struct("!b"),
    3: struct.Struct("!h"),
    4: struct.Struct("!i"),
    5: struct.Struct("!q"),
    8: struct.Struct("!q"),  # a moment, in milliseconds
}
_BYTES: Final = 6
_TEXT: Final = 7
_UUID: Final = 9
_UUID_LENGTH: Final = 16


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message."""

    headers: dict[str, Any]
    """``:message-type``, ``:event-type`` and others; not to be changed."""
    payload: bytes


class DamagedStream(ValueError):  # noqa: N818 - it reads as what happened
    """The bytes are no event stream, or were changed on the way; says what is wrong."""


class EventStreamDecoder:
    """Makes messages of the pieces in which a stream comes in."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = _PRELUDE.size
        """Bytes in ``_rest`` before there is anything to look at."""
        self._last: tuple[bytes, dict[str, Any]] = b"", {}

    @property
    def cut_off(self) -> bool:
        """Whether what came so far ends within a message."""
        return bool(self._rest)

    def feed(self, part: bytes) -> list[Message]:
        """Take in a piece of the stream; give the messages that are complete with it.

        Raises :class:`DamagedStream`; then the rest of the stream cannot be read.
        """
        self._rest += part
        messages = []
        while len(self._rest) >= self._needed:
            message = self._next()
            if message is not None:
                messages.append(message)
        return messages

    def _next(self) -> Message | None:
        """Give the message at the front; ``None`` where it is not complete yet."""
        rest = self._rest
        total, headers_length, check = _PRELUDE.unpack_from(rest)
        if self._needed == _PRELUDE.size:
            if crc32(rest[:8]) != check:
                raise DamagedStream("the checksum of a message's first bytes is wrong")
            payload_length = total - headers_length - 16
            if payload_length < 0:
                raise DamagedStream("a message is shorter than its headers")
            if headers_length > LARGEST_HEADERS or payload_length > LARGEST_PAYLOAD:
                raise DamagedStream(f"a message of {total} bytes is too long")
            self._needed = total
            if len(rest) < total:
                return None
        with memoryview(rest) as view:
            if crc32(view[: total - 4]) != _CRC.unpack_from(rest, total - 4)[0]:
                raise DamagedStream("the checksum of a message is wrong")
            headers = self._headers(bytes(view[12 : 12 + headers_length]))
            payload = bytes(view[12 + headers_length : total - 4])
        del rest[:total]
        self._needed = _PRELUDE.size
        return Message(headers, payload)

    def _headers(self, encoded: bytes) -> dict[str, Any]:
        """Read headers; from one message to the next they are mostly the same."""
        if self._last[0] != encoded:
            try:
                self._last = encoded, _read_headers(encoded)
            except (IndexError, UnicodeDecodeError, struct.error):
                raise DamagedStream("a message has headers that cannot be read") from None
        return self._last[1]


def _read_headers(encoded: bytes) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    at = 0
    while at < len(encoded):
        end = at + 1 + encoded[at]
        name = _slice(encoded, at + 1, end).decode()
        kind, at = encoded[end], end + 1
        value: Any
        if kind <= 1:
            value = kind == 0  # the type is the value: 0 is true, 1 is false
        elif kind in _NUMBERS:
            (value,) = _NUMBERS[kind].unpack_from(encoded, at)
            at += _NUMBERS[kind].size
        elif kind == _UUID:
            value = _slice(encoded, at, at + _UUID_LENGTH)
            at += _UUID_LENGTH
        elif kind in {_BYTES, _TEXT}:
            start = at + _LENGTH.size
            at = start + _LENGTH.unpack_from(encoded, at)[0]
            value = _slice(encoded, start, at)
            if kind == _TEXT:
                value = value.decode()
        else:
            raise DamagedStream(f"a message has a header of the type {kind}, which there is not")
        if name in headers:
            raise DamagedStream(f"a message has the header {name!r} twice")
        headers[name] = value
    return headers


def _slice(encoded: bytes, start: int, end: int) -> bytes:
    if end > len(encoded):
        raise IndexError
    return encoded[start:end]
