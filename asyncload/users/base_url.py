"""Base URLs in the config, to which paths are appended."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from asyncload.transport.error_text import hide_secrets

UNIX: Final = "unix:"
"""Begins the base URL that is a Unix socket."""
LOCAL: Final = "local"
"""The base URL that selects a server simulated on this host."""
# Also where a password has a sign that ends the host, which makes the URL a bad one.
_USER_INFO: Final = re.compile(r"(?<=://).*@")


def check_base_url(key: str, url: str, *, simulated: str | None = None) -> None:
    """Check that ``url`` is an HTTP URL without query or fragment, or ``local``.

    ``simulated`` describes the server that ``local`` selects; without it ``local`` is refused.
    Raises ValueError with a sentence that begins with ``key``.
    """
    if url == LOCAL and simulated is not None:
        return
    if url.startswith(UNIX):
        if not url.startswith(f"{UNIX}/") or any(
            sign in url.removeprefix(UNIX) for sign in ("?", "#", ":/", "{{")
        ):
            raise ValueError(f"{key} is {url!r}; give unix: and the whole path of a socket")
        return
    shown = hide_secrets(_USER_INFO.sub("", url))
    if "{{" in url:
        raise ValueError(
            f"{key} is {shown!r}, where {{{{…}}}} is not filled: all requests go to one server; "
            "write ${NAME} for an environment variable"
        )
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        good = False
    other = "" if simulated is None else f", or local for {simulated}"
    if not good or any(sign in url for sign in "?#"):
        raise ValueError(f"{key} is {shown!r}; give http://host:port{other}")


def behind(base_url: str, path: str) -> str:
    """Put a path behind a base URL."""
    if base_url.startswith(UNIX):
        return f"{base_url}:{path if path.startswith('/') else f'/{path}'}"
    return base_url.rstrip("/") + path
