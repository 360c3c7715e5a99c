"""Base URLs of the config: what paths are appended to."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from asyncload.transport.error_text import hide_secrets

LOCAL: Final = "local"
"""What stands for a server that is simulated on this host."""


def check_base_url(key: str, url: str, *, simulated: str) -> None:
    """Refuse what is neither ``local`` nor a URL that a path may be appended to.

    ``simulated`` is what ``local`` is. Raises ValueError with a sentence that begins with ``key``.
    """
    if url == LOCAL:
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
    if not good or any(sign in url for sign in "?#"):
        raise ValueError(f"{key} is {shown!r}; give http://host:port, or local for {simulated}")
