"""What a command was given to run: a config file, a folder of them, or a config on standard input."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from asyncload.config.reader import config_content
from asyncload.errors import ConfigError
from asyncload.records.files import read_errors

_ENDINGS: Final = frozenset({".yaml", ".yml"})


def config_source(path: Path) -> Path | Mapping[str, Any]:
    """Give what is at ``path``; ``-`` is the config on standard input.

    Raises :class:`ConfigError` for a URL, which has a command of its own.
    """
    text = str(path)
    if text.startswith(("http:/", "https:/")):
        url = text.replace(":/", "://", 1)  # a path has no double slash
        raise ConfigError(
            f"{url} is a URL, and this takes a config file; "
            f"asyncload http {url} tests a URL without one"
        )
    return config_content(sys.stdin.read(), "standard input") if text == "-" else path


def config_files(folder: Path) -> list[Path]:
    """Find the configs of a folder and its sub-folders, sorted; hidden ones are left out."""
    with read_errors(
        folder, ConfigError, f"cannot read the folder {folder}", remedy="check its permissions"
    ):
        next(folder.iterdir(), None)
        found = sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in _ENDINGS
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
            and path.is_file()
        )
    if not found:
        raise ConfigError(
            f"the folder {folder} has no configs; put files that end in .yaml or .yml into it"
        )
    return found
