"""What events of streams say: that the stream failed, that it is over, or output.

Errors come in an event of that name, as ``{"error": …}``, or as ``{"object": "error", …}`` or
``{"type": "error", …}``, all of them with status 200.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from asyncload.transport.error_text import hide_secrets

DONE: Final = b"[DONE]"
"""The data that ends a completion of OpenAI."""
ERROR: Final = b"error"
"""Stands in every event that reports one."""
ENDS: Final[Mapping[bytes, bytes]] = MappingProxyType(
    {b"message_start": b"message_stop", b"response.created": b"response.completed"}
)
"""The event that has to follow the first one: Anthropic's messages, OpenAI's responses."""
FAILED: Final = frozenset({b"error", b"response.failed"})
"""Events that report an error, whatever they hold."""
LAST: Final = FAILED | {b"message_stop", b"response.completed", b"response.incomplete"}
"""Events that nothing follows."""
_SILENT: Final = frozenset(
    {
        b"ping", b"message_start", b"message_delta", b"message_stop",
        b"content_block_start", b"content_block_stop",
    }
)  # fmt: skip
_LONGEST: Final = 200


def is_output(name: bytes) -> bool:
    """Whether an event of this name holds output, or only says how the answer goes on."""
    if name.startswith(b"response."):
        return name.endswith(b".delta")
    return name not in _SILENT


def error_in(data: bytes, name: bytes = b"") -> str | None:
    """Say what an event, or a line, reports as failed; ``None`` if it reports nothing."""
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _sentence(data.decode(errors="replace")) if name in FAILED else None
    if not isinstance(document, dict):
        return _sentence(document) if name in FAILED else None
    if name == b"response.failed" and isinstance(document.get("response"), dict):
        document = document["response"]
    if document.get("error"):
        return _sentence(document["error"])
    if name in FAILED or document.get("object") == "error" or document.get("type") == "error":
        return _sentence(document)
    return None


def _sentence(error: Any) -> str:
    message = error
    if isinstance(error, dict):
        message = error.get("message") or msgspec.json.encode(error).decode()
    text = hide_secrets(" ".join(str(message).split()))
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return f"the stream says: {text}"
