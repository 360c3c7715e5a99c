"""Splits URLs as a config has them, and writes configs as YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from asyncload.config.reader import parse_scalar
from asyncload.errors import ConfigError
from asyncload.transport.error_text import hide_secrets
from asyncload.users.base_url import LOCAL

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def split_url(url: str) -> tuple[str, str]:
    """Split ``url`` into the base of ``base_url`` and a path with its query.

    Without a scheme it is ``http://``; ``local`` is a simulated server. Raises
    :class:`ConfigError` for what is no URL.
    """
    if url == LOCAL or url.startswith(f"{LOCAL}/"):
        return LOCAL, url.removeprefix(LOCAL) or "/"
    full = url if _SCHEME.match(url) else f"http://{url}"
    try:
        parts = urlsplit(full)
        parts.port  # noqa: B018 - raises for one that is none
    except ValueError as problem:
        raise ConfigError(
            f"URL {hide_secrets(url)!r} cannot be read ({problem}); give one such as http://127.0.0.1:8080/predict"
        ) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(
            f"URL {hide_secrets(url)!r} is not http:// or https:// with a host; "
            "give one such as http://127.0.0.1:8080/predict"
        )
    if parts.fragment:
        raise ConfigError(
            f"URL {hide_secrets(url)!r} has a part behind #, which is never sent; "
            "leave it out, or write %23 if it belongs to the path"
        )
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}", (parts.path or "/") + query


def write_yaml(config: Mapping[str, Any], *, comments: Sequence[str] = ()) -> str:
    """Write a config as YAML that is read back as it is, below ``comments``, a line each."""
    head = "".join(f"# {comment}".rstrip() + "\n" for comment in comments)
    body = yaml.dump(_plain(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return head + body


def _plain(value: Any) -> Any:
    """Copy plain data with lists for tuples, which YAML has none of."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


class _Dumper(yaml.SafeDumper):
    """Puts quotes around texts that would be read as something else, and indents lists."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = None if parse_scalar(value) == value else '"'
    if "\n" in value and not value.startswith((" ", "\n")):
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
