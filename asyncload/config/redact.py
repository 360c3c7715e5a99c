"""Removes secrets from logs and messages."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator
from typing import Any, Final

from asyncload.errors import AsyncloadError
from asyncload.transport.error_text import hide_secrets

HIDDEN: Final = "***"
SECRET_KEY: Final = re.compile(
    r"(?i)(secret|passw(or)?d|passphrase|token|authorization|cookie|credential|signature|bearer"
    r"|(api|access|private)[-_]?key|(^|[-_.])(auth|pwd|pass|key|sig|jwt|sas|session)($|[-_.]))"
)
_HARMLESS_HEADERS: Final = frozenset(
    {"accept", "accept-encoding", "accept-language", "connection", "content-encoding"}
    | {"content-length", "content-type", "host", "user-agent"}
)
_FIELDS: Final = frozenset({"query", "form"})
"""Keys whose values are all hidden: what is in them has names of the service's own."""
_QUERY_VALUE: Final = re.compile(r"([?&](?:key|sig|jwt|sas|session|code)=)[^&#\s]+", re.IGNORECASE)
_COUNT: Final = re.compile(r"(?i)tokens$")  # prompt_tokens: 100 is an amount, not a secret
_LIMIT: Final = re.compile(r"(?i)^(max|min)\w*tokens$")  # also when it is a template
_SHORTEST: Final = 4
"""Characters; shorter secrets are not hidden, since they occur in any text."""


def redact(value: Any, key: str = "", *, secrets: Collection[str] = ()) -> Any:
    """Copy a config's ``value`` with ``***`` in place of secrets.

    Secrets are values of keys with secret names, headers but for a few harmless ones, values
    of queries and forms, texts in the form of credentials, and all occurrences of the texts
    in ``secrets``.
    """
    if value is None or isinstance(value, bool):
        return value
    is_amount = _COUNT.search(key) if isinstance(value, int | float) else _LIMIT.search(key)
    if is_secret_name(key) and not is_amount:
        return HIDDEN
    if isinstance(value, dict):
        if key in _FIELDS:
            return dict.fromkeys(value, HIDDEN)
        if key == "headers":
            value = {
                name: inner if str(name).lower() in _HARMLESS_HEADERS else HIDDEN
                for name, inner in value.items()
            }
        return {name: redact(inner, str(name), secrets=secrets) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redact(inner, key, secrets=secrets) for inner in value]
    if isinstance(value, str):
        return _QUERY_VALUE.sub(rf"\1{HIDDEN}", hide_secrets(hide_texts(value, secrets)))
    return value


def hide_texts(text: str, secrets: Collection[str]) -> str:
    """Replace the texts in ``secrets`` in ``text`` by ``***``."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, HIDDEN)
    return text


def is_secret_name(name: str) -> bool:
    """Whether values called ``name`` are secret."""
    return SECRET_KEY.search(name) is not None


@contextlib.contextmanager
def naming(source: str, secrets: Collection[str]) -> Iterator[None]:
    """Put the config file ``source`` before an error about it, and take its secrets out."""
    try:
        yield
    except AsyncloadError as problem:
        text = f"{source}: {problem}" if source else str(problem)
        problem.args = (hide_texts(text, secrets),)  # an error of its own class may take more
        raise
