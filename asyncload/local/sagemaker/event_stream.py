"""Messages of AWS's event streams, written as a service writes them.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

_STRING: Final = 7


def message(payload: bytes, **headers: str) -> bytes:
    """One message; an underscore in a header's name stands for a hyphen, and a colon goes before."""
    encoded = b"".join(
        _header(f":{name.replace('_', '-')}", value) for name, value in headers.items()
    )
    # Prelude: length of it all, length of the headers, CRC of these two. Then the
    # headers, the payload, and the CRC of everything before it.
    prelude = struct.pack("!II", 16 + len(encoded) + len(payload), len(encoded))
    text = prelude + struct.pack("!I", zlib.crc32(prelude)) + encoded + payload
    return text + struct.pack("!I", zlib.crc32(text))


def event(kind: str, payload: bytes) -> bytes:
    """An event, such as ``PayloadPart``."""
    return message(
        payload, event_type=kind, content_type="application/octet-stream", message_type="event"
    )


def exception(kind: str, payload: bytes) -> bytes:
    """An exception, such as ``ModelStreamError``; nothing comes after it."""
    return message(
        payload, exception_type=kind, content_type="application/json", message_type="exception"
    )


def _header(name: str, value: str) -> bytes:
    encoded = value.encode()
    return struct.pack(
        f"!B{len(name)}sBH{len(encoded)}s", len(name), name.encode(), _STRING, len(encoded), encoded
    )
