"""Removes secrets from logs and messages."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from asyncload.errors import AsyncloadError
from asyncload.transport.error_text import SHORTEST, hide_known, hide_secrets, is_harmless

HIDDEN: Final = "***"
SECRET_KEY: Final = re.compile(
    r"(?i)(secret|passw(or)?d|passphrase|token|authorization|cookie|credential|signature|bearer|jwt"
    r"|(api|access|private)[-_]?key|session[-_]?id"
    r"|(^|[-_.])(auth|pwd?|pass|key|sig|sas|session|code|pin|otp)($|[-_.]))"
)
_COUNT: Final = re.compile(r"(?i)tokens$")  # prompt_tokens: 100 is an amount, not a secret
_LIMIT: Final = re.compile(r"(?i)^(max|min)\w*tokens$")  # also when it is a template
_SENT: Final = frozenset({"headers", "query", "params", "multipart", "form", "cookies"})
"""Keys under which names stand with what is sent under them."""
_HARMLESS_HEADER: Final = re.compile(
    r"(?i)accept(-\w+)*|cache-control|connection|content-(type|encoding|language|length)|expect"
    r"|host|origin|range|te|upgrade|user-agent"
)
_FORM: Final = re.compile(r"[^\s=&{}<>]+=[^\s&]*(&[^\s=&]+=[^\s&]*)*")
_LONG: Final = 12
"""Characters of a value that is looked for in all texts, though only its place is that of secrets."""
_VARIABLE: Final = re.compile(
    r"(?i)\w*(secret|token|password|passwd|api_?key|access_key|private_key|credentials?)"
)


def redact(
    value: Any, key: str = "", *, secrets: Collection[str] = (), above: str | None = None
) -> Any:
    """Copy a config's ``value`` with ``***`` in place of secrets.

    Secrets are values of keys with secret names, headers but for a few harmless ones, texts of
    queries and forms (``above`` is the key that ``key`` stands under), texts in the form of
    credentials, and all occurrences of the texts in ``secrets``.
    """
    if value is None or isinstance(value, bool):
        return value
    if _is_secret(value, key, above):
        return HIDDEN
    if isinstance(value, dict):
        return {
            hide_texts(str(name), secrets): redact(inner, str(name), secrets=secrets, above=key)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(inner, key, secrets=secrets, above=above) for inner in value]
    if isinstance(value, str):
        text = hide_secrets(hide_texts(value, secrets))
        if key == "body" and _FORM.fullmatch(text):
            text = hide_secrets(f"?{text}")[1:]
        return text
    return value


def _is_secret(value: Any, key: str, above: str | None) -> bool:
    is_amount = _COUNT.search(key) if isinstance(value, int | float) else _LIMIT.search(key)
    if is_secret_name(key) and not is_amount:
        return True
    if above not in _SENT or not isinstance(value, str):
        return False
    return above != "headers" or _HARMLESS_HEADER.fullmatch(key) is None


def secret_texts(value: Any, key: str = "", above: str | None = None) -> Iterator[str]:
    """Give the texts of a config that are to be found and hidden wherever they stand."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from secret_texts(inner, str(name), key)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from secret_texts(inner, key, above)
    elif isinstance(value, str):
        if _is_secret(value, key, above):
            least = 1 if is_secret_name(key) else _LONG
            # Also without what stands around it: "Bearer abc", "session=abc; theme=dark".
            parts = (value, *re.split(r"[\s;,]+|(?<=\w)=(?=\w)", value))
            yield from (one for one in parts if len(one) >= least and not is_harmless(one))
        elif user_info := _USER_INFO.search(value):
            yield from (one for one in user_info[1].split(":", 1)[1:] if not is_harmless(one))
        if key in {"path", "base_url", "url", "body"}:
            for parameter in re.finditer(r"(?:^|[?&])([\w.~-]+)=([^\s&#{}]+)", value):
                least = 1 if is_secret_name(parameter[1]) else _LONG
                if len(parameter[2]) >= least and not is_harmless(parameter[2]):
                    yield parameter[2]


_USER_INFO: Final = re.compile(r"://([^/?#\s]*)@")


def secret_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """Give the credentials in the environment, which code of users may send."""
    for name, value in environment.items():
        if _VARIABLE.fullmatch(name) and len(value) >= _LONG and not is_harmless(value):
            yield value


def hide_texts(text: str, secrets: Collection[str]) -> str:
    """Replace the texts in ``secrets``, and all secrets known so far, in ``text`` by ``***``."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST:
            text = text.replace(secret, HIDDEN)
    return hide_known(text)


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
