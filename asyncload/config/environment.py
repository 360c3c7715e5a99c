"""Environment variables in a config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from asyncload.config.convert import below
from asyncload.config.reader import Quoted, parse_scalar
from asyncload.config.redact import is_secret_name
from asyncload.errors import ConfigError
from asyncload.transport.error_text import is_harmless

_VARIABLE: Final = re.compile(
    r"\$\$\{|\$\{(?P<name>[A-Za-z_]\w*)(?::-(?P<default>(?:(?!\$\{)[^}])*))?\}|(?P<stray>\$\{)"
)
_LEAST: Final = 6
"""Characters of a value that is hidden, though its variable is not called a secret."""


def expand(value: Any, environment: Mapping[str, str], secrets: set[str], where: str) -> Any:
    """Replace ``${NAME}`` and ``${NAME:-default}`` by environment variables; ``$${`` is ``${``.

    A text in quotes stays one (``1e5`` in a header), and is read as a number where one is wanted:
    within ``{ }`` YAML takes variables in quotes alone. One that is empty is no value either way.
    What comes from the environment is added to ``secrets``, unless it cannot be one.
    """
    if isinstance(value, dict):
        return {
            str(key): expand(inner, environment, secrets, below(where, key))
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [
            expand(inner, environment, secrets, below(where, index))
            for index, inner in enumerate(value)
        ]
    if not isinstance(value, str) or "${" not in value:
        return value

    def put(match: re.Match[str]) -> str:
        if match["stray"]:
            raise ConfigError(
                f"{where}: {value!r} has a ${{ that begins no variable; write ${{NAME}} or "
                "${NAME:-default}, or $${ for the two characters themselves"
            )
        name = match["name"]
        if name is None:
            return "${"
        found = environment.get(name) or match["default"]
        if found is None:
            found = environment.get(name)
        if found is None:
            raise ConfigError(
                f"{where}: the environment variable {name} is not set; "
                f"set it, or write ${{{name}:-default}}"
            )
        foreign = environment.get(name) is not None
        if is_secret_name(name) or (foreign and len(found) >= _LEAST and not is_harmless(found)):
            secrets.add(found)
        return found

    expanded = _VARIABLE.sub(put, value)
    whole = _VARIABLE.fullmatch(value)
    if whole is None or not whole["name"] or (expanded and isinstance(value, Quoted)):
        return expanded
    return parse_scalar(expanded)
