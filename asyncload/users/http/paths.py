"""URLs of a user's own requests: from base URL, path and parameters, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Final
from urllib.parse import quote, urlsplit

from asyncload.errors import ConfigError
from asyncload.transport.error_text import hide_secrets
from asyncload.users.base_url import behind

Parameter = str | float | bool | None
Parameters = Mapping[str, Parameter | Sequence[Parameter]]
"""A list gives a name several times; ``None`` is an empty value."""

_WHOLE: Final = re.compile(r"\w[\w+.-]*://", re.ASCII)
_ID: Final = re.compile(
    r"""(?<=/)(?:
        [-+]?\d[\d.,:_+-]*                                  # a number, a date, a place on a map
        | [\da-fA-F]{8}-(?:[\da-fA-F]{4}-){3}[\da-fA-F]{12}  # a UUID
        | (?=[a-fA-F]*\d)[\da-fA-F]{16,}                    # a hash, an id of a database
        | [0-7][\dA-HJKMNP-TV-Z]{25}                        # a ULID
    )(?=(?:[.:][A-Za-z]\w{0,15}){0,2}(?:/|$))               # 42, 42.json, 42.tar.gz, 42:predict
    """,
    re.VERBOSE | re.ASCII,
)


def joined(base_url: str, url: str) -> str:
    """Put a path behind ``base_url``; a URL with a host stands for itself.

    Raises :class:`ConfigError` for a path where there is no base URL.
    """
    if _WHOLE.match(url):
        return url
    if not base_url:
        raise ConfigError(
            f"{hide_secrets(url)!r} is a path, and self.http has no base_url; write base_url = "
            "'http://host:port' in the user class, or give the whole URL"
        )
    return behind(base_url, rooted(url))


def rooted(path: str) -> str:
    """Give a path with a slash in front of it, so that it never becomes part of a host's name."""
    return path if path[:1] in {"/", "?", ""} else f"/{path}"


def with_parameters(url: str, parameters: Parameters) -> str:
    """Put parameters behind a URL, encoded. Raises :class:`ConfigError` for one that is no text."""
    given = "&".join(
        f"{quote(name, safe='')}={quote(_text(name, one), safe='')}"
        for name, value in parameters.items()
        for one in (value if isinstance(value, list | tuple) else (value,))
    )
    return f"{url}{'&' if '?' in url else '?'}{given}" if given else url


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Real):
        return str(value)
    raise ConfigError(
        f"params: {name} is {value!r}; give a text, a number, True, False or None, or a list of them"
    )


def usual_name(method: str, url: str) -> str:
    """What a request is called that has no name: method and path, with ``{id}`` for what varies.

    A segment of the path that is a number, a date, a UUID, a ULID or a long
    hexadecimal number is an id, also with an ending such as ``.json`` or ``:predict``.
    """
    path = urlsplit(url).path if _WHOLE.match(url) else re.split("[?#]", rooted(url), maxsplit=1)[0]
    return hide_secrets(f"{method} {_ID.sub('{id}', path or '/')}")
