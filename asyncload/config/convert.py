"""Turning plain data into structs, with errors a person can act on."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import inspect as types

from asyncload.config.redact import redact
from asyncload.errors import ConfigError
from asyncload.plan.duration import dec_hook

T = TypeVar("T")

_EXPECTED = {
    "float": "a number",
    "int": "a whole number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "keys and values",
}
_NAMES = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    list: "array",
    tuple: "array",
    dict: "object",
    type(None): "null",
}
_PATH = re.compile(r" - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


def convert(raw: Any, kind: type[T], *, where: str = "") -> T:
    """Convert ``raw`` to ``kind``.

    ``where`` is the config key that ``raw`` stands under. A whole number is
    taken for a text where one is wanted: an AWS profile may be called
    123456789012. Raises :class:`ConfigError` that names the key, its value,
    what is allowed there and, for an unknown key, the nearest valid name.
    """
    while True:
        try:
            return msgspec.convert(raw, kind, dec_hook=dec_hook)
        except msgspec.ValidationError as problem:
            of_key, path, message = _read(problem)
            wanted, got = _types(message)
            is_text = _takes_text(wanted, path) and not of_key
            path = _located(raw, path, wanted, got)
            if is_text and got == "int" and path and ... not in path:
                raw = _replaced(raw, path, str(_value_at(raw, path)))
                continue
            raise explain(problem, raw, kind, where=where) from None


def explain(problem: msgspec.ValidationError, raw: Any, kind: Any, *, where: str) -> ConfigError:
    """Make the :class:`ConfigError` that says what ``problem`` means."""
    of_key, path, message = _read(problem)
    wanted, got = _types(message)
    is_text = _takes_text(wanted, path)
    if not of_key:
        path = _located(raw, path, wanted, got)
    named = [str(part) for part in path if part is not ...]
    key = where
    for part in named:
        key = below(key, part)
    value = redact(_value_at(raw, path), named[-1] if named else "")
    place = key or "the config"
    fields = _fields_at(kind, raw, path)
    if of_key:
        return ConfigError(
            f"{place}: a key there is not {_format_types(message)}; write it as that"
        )
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL):
        return _unknown_key(unknown[1], fields, key)
    if missing := re.fullmatch(r"Object missing required field `(.*)`", message):
        return ConfigError(f"{below(key, missing[1])}: is missing; add it")
    if re.fullmatch(r"Invalid (enum )?value .*", message, re.DOTALL):
        allowed = _allowed_at(kind, raw, path)
        return ConfigError(
            f"{place}: {_show(value)} is not one of {', '.join(allowed)}{_near(value, allowed)}"
        )
    if message.startswith("Expected `"):
        required = bool(named) and _is_required(kind, raw, path)
        return ConfigError(
            f"{place}: {_type_sentence(message, value, required=required, is_text=is_text)}"
        )
    if message == "Number out of range":
        return ConfigError(f"{place}: {_show(value)} is too large; give a smaller number")
    # What a struct says of one of its fields: "workers is 0; give …".
    if (own := re.match(r"(\w+)(?:: | (?=is |must ))", message)) and own[1] in fields:
        place, message = below(key, own[1]), message[own.end() :]
    return ConfigError(f"{place}: {message}" if place != "the config" else message)


def below(where: str, key: str | int) -> str:
    """Give the path of ``key`` below the path ``where``, on one line whatever the key is."""
    text = str(key)
    text = text if text and text.isprintable() else repr(text)
    return f"{where}.{text}" if where else text


def _read(problem: msgspec.ValidationError) -> tuple[bool, list[Any], str]:
    """Whether a key is wrong (not a value), the path to it, and msgspec's message.

    A part of the path is a field, an index, or ``...`` for any key of a mapping.
    """
    text = str(problem)
    match = _PATH.search(text)
    if match is None:
        return False, [], text
    path: list[Any] = [
        name or (... if index == "..." else int(index))
        for name, index in _STEP.findall(match["path"])
    ]
    return match["key"] is not None, path, text[: match.start()]


def _located(raw: Any, path: Sequence[Any], wanted: Sequence[str], got: str) -> list[Any]:
    """Put in the key that msgspec leaves out of a path: the first one of a value of type ``got``.

    The path stays as it is where no value is of that type.
    """
    if ... not in path or got in wanted:
        return list(path)
    before, after = path[: path.index(...)], path[path.index(...) + 1 :]
    above = _value_at(raw, before)
    for key in above if isinstance(above, Mapping) else ():
        found = _located(raw, [*before, key, *after], wanted, got)
        if ... not in found and _has_type(_value_at(raw, found), got):
            return found
    return list(path)


def _has_type(value: Any, name: str) -> bool:
    """Whether msgspec would call the type of ``value`` so."""
    return next((_NAMES[kind] for kind in type(value).__mro__ if kind in _NAMES), "") == name


def _takes_text(wanted: Sequence[str], path: Sequence[Any]) -> bool:
    """Whether a number there was meant as a text: of the values of a mapping most are."""
    return wanted == ["str"] or (... in path and "str" in wanted and "int" not in wanted)


def _type_sentence(message: str, value: Any, *, required: bool, is_text: bool) -> str:
    """Say which type is expected, of msgspec's "Expected `int`, got `str`"."""
    names, _ = _types(message)
    more = re.sub(r"^Expected `[^`]*`|, got .*$", "", message)
    wanted = _format_types(message) + more.replace(">=", "of at least").replace("<=", "of at most")
    if value is None:
        return f"is empty; give {wanted}" + ("" if required else ", or leave the key out")
    hint = ""
    if is_text and isinstance(value, bool | float):
        hint = "; put it in quotes"
    elif names == ["array"] and isinstance(value, str) and value.isprintable():
        hint = f"; write [{value}]"
    elif names in (["int"], ["float"]) and isinstance(value, str) and _is_number(value):
        hint = "; take the quotes away"
    return f"expected {wanted}, got {_show(value)}{hint}"


def _types(message: str) -> tuple[list[str], str]:
    """Give the types that msgspec expected, but for null, and the one that it got."""
    found = re.match(r"Expected `([^`]*)`[^`]*(?:`([^`]*)`)?", message)
    if found is None:
        return [], ""
    return [name for name in found[1].split(" | ") if name != "null"], found[2] or ""


def _format_types(message: str) -> str:
    names, _ = _types(message)
    return " or ".join(_EXPECTED.get(name, name) for name in names) or "nothing"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _replaced(raw: Any, path: Sequence[Any], value: Any) -> Any:
    """Copy ``raw`` with ``value`` at ``path``."""
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


def _near(value: Any, allowed: Sequence[str]) -> str:
    close = difflib.get_close_matches(str(value), allowed, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _show(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _value_at(raw: Any, path: Sequence[Any]) -> Any:
    for part in path:
        if part is ...:
            return raw
        try:
            raw = raw[part]
        except (KeyError, IndexError, TypeError):
            return None
    return raw


def _fields_at(kind: Any, raw: Any, path: Sequence[Any]) -> list[str]:
    """Names of the fields of the struct at ``path``."""
    found = _type_at(kind, raw, path)
    if not isinstance(found, types.StructType):
        return []
    return [field.encode_name for field in found.fields]


def _is_required(kind: Any, raw: Any, path: Sequence[Any]) -> bool:
    """Tell whether what stands at ``path`` must be there."""
    above = _type_at(kind, raw, path[:-1])
    if not isinstance(above, types.StructType):
        return True
    return any(field.required for field in above.fields if field.encode_name == path[-1])


def _allowed_at(kind: Any, raw: Any, path: Sequence[Any]) -> list[str]:
    """Values that the literal at ``path`` may have."""
    found = _type_at(kind, raw, path)
    options = found.types if isinstance(found, types.UnionType) else (found,)
    literals = [one for one in options if isinstance(one, types.LiteralType)]
    return [str(value) for literal in literals for value in literal.values]


def _type_at(kind: Any, raw: Any, path: Sequence[Any]) -> types.Type | None:
    """Find the type that stands at ``path`` below ``kind``, through structs, lists and dicts."""
    at: types.Type | None = types.type_info(kind)
    for part in path:
        options = at.types if isinstance(at, types.UnionType) else (at,)
        inner = [_type_below(option, part) for option in options]
        at = next((one for one in inner if one is not None), None)
        raw = _value_at(raw, [part])
    if isinstance(at, types.UnionType) and isinstance(raw, Mapping):
        structs = [one for one in at.types if isinstance(one, types.StructType)]
        return structs[0] if len(structs) == 1 else at
    return at


def _type_below(at: types.Type | None, part: Any) -> types.Type | None:
    if isinstance(at, types.StructType):
        return next((field.type for field in at.fields if field.encode_name == part), None)
    if isinstance(at, types.ListType | types.VarTupleType):
        return at.item_type
    if isinstance(at, types.TupleType) and isinstance(part, int) and part < len(at.item_types):
        return at.item_types[part]
    if isinstance(at, types.DictType):
        return at.value_type
    return None
