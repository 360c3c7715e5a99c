"""Keeping secrets out of what is written."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from asyncload.transport.error_text import hide_secrets

HIDDEN: Final = "***"
SECRET_KEY: Final = re.compile(
    r"(?i)(secret|passw(or)?d|passphrase|token|authorization|cookie|credential|signature|bearer"
    r"|(api|access|private)[-_]?key|(^|[-_.])(auth|pwd|pass)($|[-_.]))"
)
_COUNT: Final = re.compile(r"(?i)tokens$")  # prompt_tokens: 100 is an amount, not a secret
_LIMIT: Final = re.compile(r"(?i)^(max|min)\w*tokens$")  # also when it is a template
_SHORTEST: Final = 4
"""Characters of a secret that is worth hiding; ``1`` stands in any text."""


def redact(value: Any, key: str = "", *, secrets: Collection[str] = ()) -> Any:
    """Copy a config's ``value`` with ``***`` in place of secrets.

    Secret is what stands under a secret's name, what reads like a credential,
    and the texts in ``secrets`` wherever they turn up.
    """
    if value is None or isinstance(value, bool):
        return value
    is_amount = _COUNT.search(key) if isinstance(value, int | float) else _LIMIT.search(key)
    if is_secret_name(key) and not is_amount:
        return HIDDEN
    if isinstance(value, dict):
        return {name: redact(inner, str(name), secrets=secrets) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redact(inner, key, secrets=secrets) for inner in value]
    if isinstance(value, str):
        return hide_secrets(hide_texts(value, secrets))
    return value


def hide_texts(text: str, secrets: Collection[str]) -> str:
    """Give ``text`` with ``***`` in place of the texts in ``secrets``."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, HIDDEN)
    return text


def is_secret_name(name: str) -> bool:
    """Tell whether what is called ``name`` is to be hidden."""
    return SECRET_KEY.search(name) is not None
