"""Structs that are checked when they are made in Python, as a config's are."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from asyncload.errors import ConfigError
from asyncload.plan.duration import dec_hook

_PLACE: Final = re.compile(r" - at `\$\.?(?P<place>[^`]*)`$")
_TYPES: Final = re.compile(r"Expected `(?P<wanted>[^`]*)`(?P<size>.*?)(?:, got .*)?$")
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>\w+)`")
_TYPE_NAMES: Final = {
    "float": "a number",
    "int": "a whole number",
    "str": "a text",
    "array": "a list",
    "object": "a mapping of names to values",
    "bool": "True or False",
}


class Checked(msgspec.StructMeta):
    """Makes a call of the class do what reading a config does.

    Fields are given by the names that they have in a config (the ``name`` of
    ``msgspec.field``), durations as texts, too; values are checked against
    their types. Raises :class:`ConfigError` with one sentence that names the
    class and the field. Reading a config does not come through here.
    """

    if not TYPE_CHECKING:  # which goes by the class's own __init__

        def __call__(cls, *args: Any, **fields: Any) -> Any:  # noqa: D102, N805 - a metaclass's
            given = _bound(cls, args, fields)
            tag = cls.__struct_config__.tag
            if tag is not None:
                given[cls.__struct_config__.tag_field] = tag
            try:
                return msgspec.convert(given, cls, dec_hook=dec_hook)
            except msgspec.ValidationError as problem:
                raise ConfigError(f"{cls.__name__}: {_sentence(str(problem), given)}") from None


def _bound(kind: msgspec.StructMeta, args: tuple[Any, ...], fields: Mapping[str, Any]) -> Any:
    """Give the values by the names that they have in a config."""
    names: tuple[str, ...] = kind.__struct_encode_fields__
    if len(args) > len(names):
        raise ConfigError(
            f"{kind.__name__} has {len(args)} values and takes {len(names)}: {', '.join(names)}"
        )
    given = dict(zip(names, args, strict=False))
    for name, value in fields.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"its fields are {', '.join(names)}"
            raise ConfigError(f"{kind.__name__} has no field {name!r}; {hint}")
        if name in given:
            raise ConfigError(f"{kind.__name__}: {name} is given twice; leave one of them out")
        given[name] = value
    return {name: _plain(value) for name, value in given.items()}


def _plain(value: Any) -> Any:
    """Give NumPy's numbers and arrays as Python's, which are what a field may hold."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def _sentence(message: str, given: Mapping[str, Any]) -> str:
    """Say what msgspec says of a field with its name, its value and what is wanted."""
    found = _PLACE.search(message)
    place = found["place"] if found else ""
    text = message[: found.start()] if found else message
    if missing := _MISSING.match(text):
        return f"{missing['name']} is missing; add it"
    types = _TYPES.match(text)
    if types is not None:
        wanted = [name for name in types["wanted"].split(" | ") if name != "null"]
        expected = " or ".join(_TYPE_NAMES.get(name, name) for name in wanted) + types["size"]
        return f"{place} must be {expected}, not {_value_at(place, given)!r}"
    if not place or text.startswith(place):
        return text
    return f"{place}: {text}"


def _value_at(place: str, given: Any) -> Any:
    """Give the value at a place such as ``stages[0][1]``; of a mapping's values the mapping."""
    for part in re.findall(r"\w+", place):
        given = given[int(part) if part.isdigit() else part]
    return given
