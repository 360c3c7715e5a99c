"""Environment variables in a config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from asyncload.config.convert import below
from asyncload.config.reader import parse_scalar
from asyncload.config.redact import is_secret_name
from asyncload.errors import ConfigError
from asyncload.transport.error_text import is_harmless, remember_secrets

_VARIABLE: Final = re.compile(
    r"\$\$\{|\$\{(?P<name>[A-Za-z_]\w*)(?::-(?P<default>(?:(?!\$\{)[^}])*))?\}|(?P<stray>\$\{)"
)
_LEAST: Final = 6
"""Characters of a value that is looked for in all texts, though its variable is not called a secret."""


def expand(value: Any, environment: Mapping[str, str], secrets: set[str], where: str) -> Any:
    """Replace ``${NAME}`` and ``${NAME:-default}`` by environment variables; ``$${`` is ``${``.

    Texts that come from the environment, and values of variables with secret names, are added to
    ``secrets``. Those that would not be found in any text are hidden in all that is written.
    """
    if isinstance(value, dict):
        return {
            key: expand(inner, environment, secrets, below(where, key))
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
        # Whatever the variable is called, but for defaults, which stand in the file, and numbers.
        from_environment = bool(environment.get(name))
        if is_secret_name(name) or (from_environment and isinstance(parse_scalar(found), str)):
            secrets.add(found)
            if is_secret_name(name) or (len(found) >= _LEAST and not is_harmless(found)):
                remember_secrets((found,))
        return found

    expanded = _VARIABLE.sub(put, value)
    whole = _VARIABLE.fullmatch(value)
    return parse_scalar(expanded) if whole is not None and whole["name"] else expanded
