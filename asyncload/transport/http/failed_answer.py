"""What an answer that counts as failed says of itself, in one line.

Services say why they fail in many forms: OpenAI's ``error.message``, FastAPI's ``detail``, problem
details (RFC 9457), AWS's ``Message``, a line of text, a page of HTML. Nothing here runs for
an answer that is good, and a body that has been read once is not read again: a service that sheds
load answers 20,000 times a second with the same bytes.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

import msgspec

from asyncload.transport.error_text import hide_secrets
from asyncload.transport.http.response import Response, final_head

LONGEST: Final = 200
"""Characters of a failure."""
READ: Final = 16_384
"""Bytes of a body that are looked at. JSON that is longer is shown as text."""
_KEPT: Final = 256
_MOST_ITEMS: Final = 3
_DEEPEST: Final = 4
_TEXT: Final = 600  # characters that are cleaned before they are cut

# In this order: what a person is meant to read comes first. "title" is of problem details.
_MESSAGES: Final = (
    "message", "Message", "error_message", "error_description", "errorMessage", "detail",
    "details", "msg", "description", "reason", "title",
)  # fmt: skip
_ERRORS: Final = ("error", "Error", "errors", "fault", "exception")
_CODES: Final = ("code", "Code", "__type", "type", "status", "error")
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,59}")
_TITLE: Final = re.compile(rb"<(title|h1)[^>]*>(.*?)</\1", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile(r"<[^>]*>")
# A terminal's control sequences (ECMA-48): without this only their first character would go.
_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)")

_known: dict[tuple[bytes, bytes, str], str] = {}


def failed_answer(response: Response, instead_of: str = "", *, can_expect: bool = True) -> str:
    """Write an answer that does not count as good: its status, and what its body says of it.

    ``instead_of`` is added to the status (``", not 201"``). A redirect says where it points;
    ``can_expect`` is whether the config may call it good.
    """
    if 300 <= response.status < 400:
        return _cut(f"{status_line(response)}{instead_of or _redirect(response, can_expect)}")
    body = response.body
    # A body beyond what is read is told apart by its beginning, as its text is.
    key = (
        final_head(response.raw).partition(b"\r\n")[0],
        body if len(body) <= READ else body[:READ],
        instead_of,
    )
    line = _known.get(key)
    if line is None:
        code, message = body_message(response) if response.status >= 400 else ("", "")
        line = f"{status_line(response)}{instead_of}{f' ({code})' if code else ''}"
        line = _cut(f"{line}: {message}" if message else line)
        if len(_known) >= _KEPT:
            _known.pop(next(iter(_known)))
        _known[key] = line
    return line


def status_line(response: Response) -> str:
    """Write the status with its reason phrase: ``HTTP 503 Service Unavailable``."""
    return _status_line(response.status, response.reason)


@lru_cache(maxsize=_KEPT)
def _status_line(status: int, reason: str) -> str:
    return f"HTTP {status} {_clean(reason)[:60]}".rstrip()


def body_message(response: Response) -> tuple[str, str]:
    """Read what a body says is wrong, as code and message; each is empty if there is none.

    The code is that of JSON, where its message and the status do not name it.
    """
    code, message = _read(response) if response.body else ("", "")
    # Such as the title of a proxy's page: "503 Service Unavailable".
    if message and message.lower() in f"{response.status} {response.reason}".lower():
        message = ""
    return code, message


def _read(response: Response) -> tuple[str, str]:
    body = response.body
    start = body[:READ].lstrip()
    if start[:1] in b'{["' and len(body) <= READ:
        try:
            document = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # shown as the text that it is
        else:
            return _of_json(document, response)
    if start[:1] == b"<" or "html" in response.headers.get("content-type", "").lower():
        title = _TITLE.search(start)
        return "", _clean(_TAG.sub(" ", _decode(title[2]))) if title else ""
    return "", _clean(_decode(start))


def _redirect(response: Response, can_expect: bool) -> str:
    status = response.status
    # Signatures and keys of signed addresses stand in the query, under any name.
    address, mark, _ = response.headers.get("location", "").partition("?")
    location = _clean(address) + (mark and "?…")
    expect = f"expect: {status} if this is the answer wanted"
    if not location:
        return f": only 2xx counts as ok; {expect}" if can_expect else ": only 2xx counts as ok"
    # The remedy must survive the cut.
    to = location if len(location) <= 60 else f"{location[:59]}…"
    remedy = f"send to that URL, or {expect}" if can_expect else "send to that URL"
    return f" to {to}: asyncload follows no redirect; {remedy}"


def _of_json(document: Any, response: Response) -> tuple[str, str]:
    code, message = _find(document, _DEEPEST)
    message = _clean(message or msgspec.json.encode(document).decode())
    known = code.lower() in message.lower()
    if known or code.replace("_", " ").lower() == response.reason.lower():
        code = ""
    return code, message


def _find(document: Any, depth: int) -> tuple[str, str]:
    """Find the error code and the message in a document; each is empty if there is none."""
    if isinstance(document, str):
        return "", document
    if isinstance(document, list):
        texts = [text for text in map(_item, document[:_MOST_ITEMS]) if text]
        more = len(document) - _MOST_ITEMS
        return "", "; ".join(texts) + (f"; and {more} more" if texts and more > 0 else "")
    if not isinstance(document, dict) or not depth:
        return "", ""
    for name in _ERRORS:
        if name in document and isinstance(document[name], dict | list):
            code, message = _find(document[name], depth - 1)
            if message:
                return code or _code(document), message
    for name in _MESSAGES:
        if name in document:
            code, message = _find(document[name], depth - 1)
            if message:
                return code or _code(document), message
    for name in _ERRORS:
        if isinstance(document.get(name), str):
            return _code(document, but=name), document[name]
    return "", ""


def _item(entry: Any) -> str:
    """Write an entry of a list of errors; FastAPI's say where in the request it is: ``loc``."""
    if not isinstance(entry, dict):
        return entry if isinstance(entry, str) else ""
    _, message = _find(entry, 1)
    where = entry.get("loc")
    if isinstance(where, list) and message:
        return f"{'.'.join(str(part)[:40] for part in where[:8])}: {message}"
    return message


def _code(document: dict[str, Any], but: str = "") -> str:
    for name in _CODES:
        if name != but and isinstance(document.get(name), str):
            # AWS: "com.amazonaws.sagemaker#ModelError"; problem details: a URL, which is no code.
            found = str(document[name]).rpartition("#")[2]
            if _CODE.fullmatch(found) and hide_secrets(found) == found:
                return found
    return ""


def _decode(body: bytes) -> str:
    """Decode a text; what is binary gives ``""``."""
    part = body[: 4 * _TEXT]
    text = part.decode(errors="replace")
    # A cut character, or a few of another encoding, leave it a text.
    if b"\0" in part or text.count("\N{REPLACEMENT CHARACTER}") > max(3, len(text) // 20):
        return ""
    return text


def _clean(text: str) -> str:
    """``text`` on one line, without secrets and what would steer a terminal."""
    line = " ".join(text[:_TEXT].split())
    if not line.isprintable():
        line = _ESCAPES.sub("", line)
        line = " ".join("".join(c if c.isprintable() else " " for c in line).split())
    return _cut(hide_secrets(line))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
