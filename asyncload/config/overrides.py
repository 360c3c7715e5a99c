"""``--set KEY=VALUE``: keys of a config changed from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from asyncload.config.reader import parse_scalar, parse_yaml
from asyncload.errors import ConfigError


def with_override(raw: dict[str, Any], override: str) -> dict[str, Any]:
    """Copy ``raw`` with one ``KEY=VALUE`` applied; list items go by index or by name."""
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(
            f"--set {override!r}: write KEY=VALUE, such as scenarios.0.load.duration=10s"
        )
    try:
        value = parse_yaml(text)
    except yaml.YAMLError:
        value = None
    if not isinstance(value, dict | list):
        # Not as YAML, for which "a # b" ends in a comment and "&a b" has an anchor.
        value = parse_scalar(text.strip())
    changed: dict[str, Any] = _with(raw, keys, 0, value)
    return changed


def _with(at: Any, keys: Sequence[str], depth: int, value: Any) -> Any:
    """Copy ``at``, the value under the first ``depth`` keys, with ``value`` set in it.

    The original is not changed: a YAML anchor may use it in several places.
    """
    if depth == len(keys):
        return value
    key = keys[depth]
    if at is None:
        at = {}
    if isinstance(at, dict):
        return {**at, key: _with(at.get(key), keys, depth + 1, value)}
    if isinstance(at, list):
        index = _index(at, keys, depth)
        return [*at[:index], _with(at[index], keys, depth + 1, value), *at[index + 1 :]]
    above = ".".join(keys[:depth])
    raise ConfigError(
        f"--set {'.'.join(keys)}: {above} is a single value and has no key {key!r}; "
        f"set {above} as a whole, or write it as keys and values in the file"
    )


def _index(at: list[Any], keys: Sequence[str], depth: int) -> int:
    key = keys[depth]
    if key.isascii() and key.isdigit() and len(key) < 10 and int(key) < len(at):
        return int(key)
    names = [item.get("name") if isinstance(item, dict) else None for item in at]
    if key in names:
        return names.index(key)
    above = ".".join(keys[:depth])
    if not at:
        raise ConfigError(
            f"--set {'.'.join(keys)}: {above} is empty and has no {key!r}; "
            f"set {above} as a whole, such as {above}=[…]"
        )
    known = ", ".join(str(name) for name in names if name is not None)
    raise ConfigError(
        f"--set {'.'.join(keys)}: {above} has no {key!r}; use "
        + (f"a number from 0 to {len(at) - 1}" if len(at) > 1 else "0")
        + (f", or a name: {known}" if known else "")
    )
