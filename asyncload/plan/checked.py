"""Structs that check their fields when they are made in Python, as a config does."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from asyncload.errors import ConfigError
from asyncload.plan.duration import dec_hook
from asyncload.plan.fault import Fault, find_fault

_TYPE_NAMES: Final = {
    "float": "a number",
    "int": "a whole number",
    "str": "a text",
    "array": "a list",
    "object": "a mapping of names to values",
    "bool": "True or False",
}


class Checked(msgspec.StructMeta):
    """Makes calls of the class take and check values as a config does.

    Arguments have the field's config name (``name`` of ``msgspec.field``); durations may be
    texts. Raises :class:`ConfigError` with the class, the field and the value. Reading a config
    does not call this.
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
                raise ConfigError(
                    f"{cls.__name__}: {_sentence(find_fault(problem, given, cls))}"
                ) from None


def _bound(kind: msgspec.StructMeta, args: tuple[Any, ...], fields: Mapping[str, Any]) -> Any:
    """Map the arguments to the config names of the fields."""
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
    """Turn NumPy's numbers and arrays into Python's."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def _sentence(fault: Fault) -> str:
    """Write the sentence about a wrong field: what is allowed, and its value."""
    place = ""
    for part in fault.place.path:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else str(part)
    match fault.what:
        case "missing":
            return f"{place}.{fault.message} is missing; add it".removeprefix(".")
        case "value" if fault.wanted:
            if fault.allowed:
                expected = f"one of {', '.join(map(str, fault.allowed))}"
            else:
                names = [fault.fitting] if fault.fitting else fault.wanted
                expected = " or ".join(_TYPE_NAMES[name] for name in names)
            limits = " and ".join(fault.broken_limits)
            return f"{place} must be {expected} {limits}".rstrip() + f", not {fault.value!r}"
    if not place or fault.message.startswith(place):
        return fault.message
    return f"{place}: {fault.message}"
