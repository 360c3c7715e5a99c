"""Messages that say what went wrong with a call, without its secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, ClassVar, Final
from urllib.parse import quote

from asyncload.errors import AsyncloadError

_LONGEST: Final = 300
_READ: Final = 3000
"""Characters of a message that are looked at; some services answer with a whole page."""
_SECRETS: Final = re.compile(
    r"(?i)(authorization|signature|api[-_ ]?key(?: provided| given)?|access[-_]?key|password|passwd"
    r"|passphrase|secret|credential|token(?!s\b)|\b(?:sig|jwt|sas|session[-_]?id)(?=[\"']?\s*[:=]))"
    r"([\w-]*[\"']?\s*[:=]\s*[\"']?)[^\s,;&\"']+([^,;&\"'\n]*)"
)
# A word without a capital or digit is prose: "basic authentication failed".
_BEARER: Final = re.compile(r"\b((?i:bearer|basic))\s+(?=[a-z]*[^a-z\s])[\w.~+/=-]{8,}")
_ACCESS_KEY: Final = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b")
# Tokens that are known by their form: OpenAI, Hugging Face, GitHub, Slack; and JSON web tokens.
_TOKEN: Final = re.compile(
    r"\b(?:(?:sk|pk|hf|gh[opsu]|xox[abps])[-_](?=[\w-]*\d)[\w-]{16,}|eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?)"
)
_TIMEOUTS: Final = frozenset(
    {"ConnectTimeout", "ConnectTimeoutError", "ReadTimeoutError", "RequestTimeout"}
)
_NEVER_CONNECTED: Final = frozenset(
    {
        "ClientConnectorError",
        "ConnectFailed",
        "ConnectTimeoutError",
        "NoCredentialsError",
        "ProxyConnectionError",
    }
)
_USER_INFO: Final = re.compile(r"(?<=://)[^/?#\s]*@")
_PLACE: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
# Parameters of a URL, and what is called a key, code or session in an assignment.
_PARAMETER: Final = re.compile(
    r"([?&][\w.~%\[\]-]{1,80}=|\b(?:key|code|session)=|[\"']key[\"']:\s*[\"']?"
    r"|\b(?i:[\w-]{0,40}[-_]key):\s*|\b(?i:x-[\w-]{0,40}(?:session|auth)):\s*)"
    r"((?:\{\{.*?\}\}|[^\s&#\"'<>(){}])+)"
)
_SECRET_PARAMETER: Final = re.compile(
    r"(?i)[?&]([\w.-]*[-_.])?(key|sig|jwt|sas|session|code|pwd?|pass|auth|pin|otp)="
)
# What cannot be a secret: an amount, yes or no, a word in small letters.
_HARMLESS: Final = re.compile(
    r"[-+]?[\d.,:/x]*(?:ms|s|m|h|d|%|[KMG]i?B|e[-+]?\d+)?|(?i:true|false|null|none)|\**"
    r"|[a-z]{1,12}(?:[-_][a-z]{1,12}){0,2}(?:-\d{1,2})?"
)
_ADDRESS: Final = re.compile(r"(?:https?|wss?)://[\w.-]+(?::\d+)?/?|s3://[\w./-]*|[\w.-]+:\d{1,5}")
SHORTEST: Final = 4
"""Characters; shorter secrets are not hidden, since they occur in any text."""


class _Known:
    """Secrets of the configs that this process has read."""

    texts: ClassVar[set[str]] = set()
    forms: re.Pattern[str] | None = None
    """Finds them in a text, also as they stand in a URL."""


def remember_secrets(secrets: Iterable[str]) -> None:
    """Hide the texts in ``secrets`` from now on in all that this process writes."""
    new = {one for one in secrets if len(one) >= SHORTEST} - _Known.texts
    if new:
        _Known.texts |= new
        forms = {form for one in _Known.texts for form in (one, quote(one, ""), repr(one)[1:-1])}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        _Known.forms = re.compile("|".join(map(re.escape, longest_first)))
        hide_known.cache_clear()


def forget_secrets() -> None:
    """Hide no longer what :func:`remember_secrets` was given, such as between two tests."""
    _Known.texts.clear()
    _Known.forms = None
    hide_known.cache_clear()


@lru_cache(maxsize=1024)
def hide_known(text: str) -> str:
    """``text`` without the secrets of :func:`remember_secrets`."""
    return text if _Known.forms is None else _Known.forms.sub("***", text)


def is_harmless(text: str) -> bool:
    """Whether ``text`` cannot be a secret: a number, a word, an address, or only places."""
    rest = _PLACE.sub("", text).strip()
    return _HARMLESS.fullmatch(rest) is not None or _ADDRESS.fullmatch(rest) is not None


def hide_secrets(text: str) -> str:
    """``text`` with the values of credentials, tokens and Authorization headers removed."""
    # Each pattern costs microseconds, and services fail thousands of times a second.
    text = hide_known(text)
    if "@" in text:
        text = hide_user_info(text)
    text = _TOKEN.sub("***", _BEARER.sub(r"\1 ***", text))
    if "IA" in text:
        text = _ACCESS_KEY.sub("***", text)
    if ":" in text or "=" in text:
        text = _PARAMETER.sub(_without_value, _SECRETS.sub(r"\1\2***", text))
    return text


def _without_value(found: re.Match[str]) -> str:
    harmless = is_harmless(found[2]) and not _SECRET_PARAMETER.match(found[1])
    return found[0] if harmless else f"{found[1]}***"


def hide_user_info(text: str) -> str:
    """``text`` with user names and passwords of URLs removed."""
    return _USER_INFO.sub("", text)


def error_code(problem: BaseException) -> str | None:
    """AWS's error code, such as ``ThrottlingException``, when ``problem`` carries one."""
    response = _response(problem)
    if isinstance(response, dict):
        error = response.get("Error")
        code = error.get("Code") if isinstance(error, dict) else None
        return str(code) if code else None
    return None


def _response(problem: BaseException) -> Any:
    """Give the answer that a problem of botocore carries; what a user's carries may be anything."""
    try:
        return getattr(problem, "response", None)
    except Exception:
        return None


def http_status(problem: BaseException) -> int | None:
    """HTTP status code of the answer, when ``problem`` carries one."""
    response = _response(problem)
    if isinstance(response, dict):
        metadata = response.get("ResponseMetadata")
        status = metadata.get("HTTPStatusCode") if isinstance(metadata, dict) else None
        return status if isinstance(status, int) else None
    return None


def describe(problem: BaseException) -> str:
    """One line: the error's code or class and its message, at most 300 characters.

    An error of asyncload's own is a sentence as it is.
    """
    try:
        return _described(problem)
    except Exception:  # an exception of a user's own may fail to say anything
        return f"{type(problem).__name__}: (it has no text: its __str__ fails)"


def _described(problem: BaseException) -> str:
    response = _response(problem)
    message = str(problem)
    if isinstance(problem, AsyncloadError) and message:
        return in_brief(message)
    if isinstance(response, dict) and "Error" in response:
        message = str(response["Error"].get("Message", message))
    kind = error_code(problem) or type(problem).__name__
    message = _one_line(message)
    return _cut(f"{kind}: {message}" if message and message != kind else kind)


def in_brief(text: str) -> str:
    """What a service says, in one line of at most 300 characters, without secrets."""
    return _cut(_one_line(text))


def _one_line(text: str) -> str:
    return hide_secrets(" ".join(text[:_READ].split()))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def is_timeout(problem: BaseException) -> bool:
    """Whether ``problem`` means that an answer did not come in time."""
    if isinstance(problem, TimeoutError):
        return True
    return any(kind.__name__ in _TIMEOUTS for kind in type(problem).__mro__)


def never_connected(problem: BaseException) -> bool:
    """Whether ``problem`` means that no connection came about, so nothing was sent."""
    if getattr(problem, "phase", None) in {"connect", "pool wait"}:  # of the fast backend's timeout
        return True
    # aiobotocore says EndpointConnectionError also for a connection that was reset
    # after the request had been sent; what it wraps tells the two apart.
    wrapped = getattr(problem, "kwargs", {}).get("error")
    causes = (problem, wrapped) if isinstance(wrapped, BaseException) else (problem,)
    return any(kind.__name__ in _NEVER_CONNECTED for one in causes for kind in type(one).__mro__)
