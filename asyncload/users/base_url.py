"""Base URLs of the config: what paths are appended to."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from asyncload.transport.error_text import hide_secrets

LOCAL: Final = "local"
"""What stands for a server that is simulated on this host."""


def check_base_url(key: str, url: str, *, simulated: str | None = None) -> None:
    """Refuse what is neither a URL that a path may be appended to, nor ``local``.

    ``simulated`` is what ``local`` is, where there is such a thing. Raises ValueError with a
    sentence that begins with ``key``.
    """
    if url == LOCAL and simulated is not None:
        return
    shown = hide_secrets(url)
    if "{{" in url:
        raise ValueError(
            f"{key} is {shown!r}, where places are not filled: all requests go to one server; "
            "write ${NAME} for a value of the environment"
        )
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        good = False
    other = "" if simulated is None else f", or local for {simulated}"
    if not good or any(sign in url for sign in "?#"):
        raise ValueError(f"{key} is {shown!r}; give http://host:port{other}")
