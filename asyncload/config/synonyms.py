"""Synonyms: words of the field that mean the same as a key of a config: ``rate``, ``users``, ``think_time``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from asyncload.errors import ConfigError

_LEVEL: Final = {"open": "rate", "closed": "users"}
"""What a level is, by the load model."""


def without_synonyms(raw: Any) -> Any:
    """Copy the content of a config with such words replaced by its own keys.

    What has no such word, or is not as a config is, stays as it is. Raises :class:`ConfigError`
    for a word given beside its key, and for ``rate`` and ``users`` of the other load model.
    """
    if not isinstance(raw, Mapping) or not isinstance(raw.get("scenarios"), list):
        return raw
    scenarios = [
        _scenario(one, f"scenarios.{index}") if isinstance(one, Mapping) else one
        for index, one in enumerate(raw["scenarios"])
    ]
    return {**raw, "scenarios": scenarios}


def _scenario(scenario: Mapping[str, Any], where: str) -> dict[str, Any]:
    changed = dict(scenario)
    load, user = scenario.get("load"), scenario.get("user")
    if isinstance(load, Mapping) and isinstance(load.get("shape"), Mapping):
        shape = _shape(load["shape"], load.get("model", "open"), f"{where}.load.shape")
        changed["load"] = {**load, "shape": shape}
    if isinstance(user, Mapping):
        changed["user"] = _renamed(user, "think_time", "wait", f"{where}.user")
    return changed


def _shape(shape: Mapping[str, Any], model: Any, where: str) -> Mapping[str, Any]:
    word = _LEVEL.get(model) if isinstance(model, str) else None
    if shape.get("kind") != "constant" or word is None:
        return shape
    other = "users" if word == "rate" else "rate"
    if other in shape:
        raise ConfigError(
            f"{where}.{other}: in the {model} model a level is "
            f"{'arrivals per second' if word == 'rate' else 'users'}; write {word}, or set "
            f"model: {'closed' if model == 'open' else 'open'}"
        )
    return _renamed(shape, word, "level", where)


def _renamed(of: Mapping[str, Any], word: str, key: str, where: str) -> Mapping[str, Any]:
    if word not in of:
        return of
    if key in of:
        raise ConfigError(f"{where}.{word}: is the same as {key}, which is given, too; keep one")
    return {key if name == word else name: value for name, value in of.items()}
