"""The state of a search on disk: its finished trials, so that it can go on another day."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec

from asyncload.capacity.result import SCHEMA, TrialResult
from asyncload.errors import ConfigError
from asyncload.records.files import cannot_write, read_errors, replacing

FILE: Final = "search.json"


class State(msgspec.Struct, kw_only=True):
    """What is kept of a search."""

    schema: int = SCHEMA
    fingerprint: str
    """Of config and options: another search is not gone on with."""
    started_at: str
    """Wall clock, ISO-8601 UTC."""
    finished: bool = False
    steps: list[TrialResult] = []
    """The trials that are finished."""


def fingerprint(*parts: Any) -> str:
    """Short hash of plain data and structs; the same data has the same one."""
    encoded = msgspec.json.encode(parts, enc_hook=float, order="sorted")
    return hashlib.sha256(encoded).hexdigest()[:16]


def load(folder: Path, expected: str) -> State | None:
    """Read the unfinished search in ``folder``; ``None`` when there is none.

    Raises :class:`ConfigError` when it is of another config or other options
    than the fingerprint ``expected`` says, or cannot be read.
    """
    path = folder / FILE
    with read_errors(
        path, ConfigError, f"cannot read {path}", remedy="choose another folder with --log"
    ):
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):  # the log's place is checked elsewhere
            return None
    try:
        state = msgspec.json.decode(content, type=State)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ConfigError(f"{path} is not the state of a search; start anew with --fresh") from None
    if state.finished:
        return None
    if state.schema != SCHEMA or state.fingerprint != expected:
        raise ConfigError(
            f"the unfinished search in {folder} has another config or other options; "
            "repeat its command, start anew with --fresh, or choose another folder with --log"
        )
    return state


def save(folder: Path, state: State) -> None:
    """Write ``state``; whoever reads it finds it whole. Raises :class:`ConfigError`."""
    path = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(msgspec.json.format(msgspec.json.encode(state), indent=1) + b"\n")
    except (OSError, ValueError) as problem:
        reason = problem if isinstance(problem, OSError) else OSError(str(problem))
        raise ConfigError(
            f"{cannot_write(path, reason)}, or choose another folder with --log"
        ) from None
