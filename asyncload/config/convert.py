"""Turning plain data into structs, with errors a person can act on."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from asyncload.config.reader import parse_scalar
from asyncload.config.redact import redact
from asyncload.errors import ConfigError
from asyncload.plan.duration import dec_hook
from asyncload.plan.fault import Fault, find_fault

T = TypeVar("T")

_EXPECTED: Final = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "array": "a list",
    "object": "keys and values",
}


def convert(raw: Any, kind: type[T], *, where: str = "") -> T:
    """Convert ``raw`` to ``kind``.

    ``where`` is the config key of ``raw``. Values are mended as :func:`mended` says. Raises :class:`ConfigError` with the key,
    its value, the allowed values and, for an unknown key, the nearest valid name.
    """
    while True:
        try:
            return msgspec.convert(raw, kind, dec_hook=dec_hook)
        except msgspec.ValidationError as problem:
            raw = mended(problem, raw, kind, where=where)


def mended(problem: msgspec.ValidationError, raw: Any, kind: Any, *, where: str) -> Any:
    """Give ``raw`` with the value that is at fault as its place takes it.

    A whole number becomes a text where the type is a text (an AWS profile may be called
    123456789012), and a text a number, true or false where that is wanted (variables in quotes
    are texts). Raises :class:`ConfigError` for other faults.
    """
    fault = find_fault(problem, raw, kind)
    if fault.what == "value" and fault.got == "int" and _takes_text(fault):
        return _replaced(raw, fault.place.path, str(fault.value))
    if fault.what == "value" and fault.got == "str" and "str" not in fault.wanted:
        value = parse_scalar(fault.value)
        taken = {int: {"int", "float"}, float: {"float"}, bool: {"bool"}}.get(type(value), set())
        if taken & set(fault.wanted):
            return _replaced(raw, fault.place.path, value)
    raise _refusal(fault, where) from None


def _refusal(fault: Fault, where: str) -> ConfigError:
    key = where
    for part in fault.place.path:
        key = below(key, part)
    place = key or "the config"
    match fault.what:
        case "key":
            expected = _one_of(fault) if fault.allowed else _format_types(fault)
            return ConfigError(f"{place}: a key there is not {expected}; write it as that")
        case "unknown":
            return _unknown_key(fault.message, fault.fields, key)
        case "missing":
            return ConfigError(f"{below(key, fault.message)}: is missing; add it")
        case "value":
            return ConfigError(f"{place}: {_value_sentence(fault)}")
    # What a struct says of one of its fields: "workers is 0; give …".
    own = re.match(r"(\w+)(?:: | (?=is |must ))", fault.message)
    if own and own[1] in fault.fields:
        return ConfigError(f"{below(key, own[1])}: {fault.message[own.end() :]}")
    return ConfigError(f"{key}: {fault.message}" if key else fault.message)


def below(where: str, key: str | int) -> str:
    """Join the path ``where`` and ``key`` in one line."""
    text = str(key)
    text = text if text and text.isprintable() else repr(text)
    return f"{where}.{text}" if where else text


def _takes_text(fault: Fault) -> bool:
    """Whether a number there should become a text, as most values of a mapping should."""
    wanted = fault.wanted
    return wanted == ["str"] or (fault.place.in_mapping and "str" in wanted and "int" not in wanted)


def _value_sentence(fault: Fault) -> str:
    """Write the sentence about a wrong value: the value, and what is allowed."""
    wanted, fitting = fault.wanted, fault.fitting
    path = fault.place.path
    value = redact(fault.value, str(path[-1]) if path else "")
    if value is None and wanted:
        more = "" if fault.place.required else ", or leave the key out"
        return f"is empty; give {_format_types(fault)}{more}"
    if fitting and fault.allowed:
        close = difflib.get_close_matches(str(value), _texts(fault), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"{_show(value)} is not {_one_of(fault)}{hint}"
    limits = fault.broken_limits
    if limits:
        return f"expected {_EXPECTED[fitting]} {' and '.join(limits)}, got {_show(value)}"
    if fitting and fault.got == "int":
        return f"{_show(value)} is too large; give a smaller number"
    if fitting or not wanted:
        return fault.message
    hint = ""
    if _takes_text(fault) and isinstance(value, bool | float):
        hint = "; put it in quotes"
    elif wanted == ["array"] and isinstance(value, str) and value.isprintable():
        hint = f"; write [{value}]"
    return f"expected {_format_types(fault)}, got {_show(value)}{hint}"


def _format_types(fault: Fault) -> str:
    return " or ".join(_EXPECTED[name] for name in fault.wanted)


def _one_of(fault: Fault) -> str:
    return f"one of {', '.join(_texts(fault))}"


def _texts(fault: Fault) -> list[str]:
    return [str(value) for value in fault.allowed]


def _replaced(raw: Any, path: Sequence[Any], value: Any) -> Any:
    if not path:
        return value
    part, *rest = path
    if isinstance(raw, Mapping):
        return {**raw, part: _replaced(raw[part], rest, value)}
    return [*raw[:part], _replaced(raw[part], rest, value), *raw[part + 1 :]]


def _unknown_key(name: str, fields: Sequence[str], where: str) -> ConfigError:
    key = below(where, name)
    close = difflib.get_close_matches(name, fields, n=1, cutoff=0.5)
    if close:
        return ConfigError(f"{key}: there is no such key; did you mean {close[0]!r}?")
    if not fields:
        return ConfigError(f"{key}: there is no such key, and no other here; leave it out")
    return ConfigError(f"{key}: there is no such key; allowed here: {', '.join(fields)}")


def _show(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
