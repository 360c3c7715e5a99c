"""Shapes of load: pure functions of time that give a level, and their names in a config.

A level is arrivals per second (open model) or concurrent users (closed model).
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from asyncload.errors import ConfigError
from asyncload.plan.arrays import Array
from asyncload.plan.builtin import (
    BuiltIn,
    Constant,
    Linear,
    PeriodicBurst,
    Ramp,
    Spawn,
)
from asyncload.plan.duration import dec_hook
from asyncload.plan.function import FunctionShape
from asyncload.plan.stages import CustomRamp, Stages

__all__ = [
    "SHAPES",
    "Array",
    "BuiltIn",
    "Constant",
    "CustomRamp",
    "FunctionShape",
    "Linear",
    "PeriodicBurst",
    "Ramp",
    "Shape",
    "Spawn",
    "Stages",
    "end_of",
    "shape_from",
]


@runtime_checkable
class Shape(Protocol):
    """A level over time: a pure function, without clock or random numbers.

    Both methods take a float64 array of seconds (0 or more) of any shape and return one of the
    same shape. An optional ``end() -> float | None`` gives the shape's end, see :func:`end_of`.
    """

    def level(self, t: Array, /) -> Array:
        """Give the level at ``t``: finite and 0 or more; at a step the level after it."""
        ...

    def area(self, t: Array, /) -> Array:
        """Integrate the level from 0 to ``t``."""
        ...


def end_of(shape: Shape) -> float | None:
    """Give the time of the shape's end, seconds, or ``None`` if it has no end."""
    end = getattr(shape, "end", None)
    return end() if callable(end) else None


SHAPES: Final[Mapping[str, type[BuiltIn]]] = MappingProxyType(
    {str(shape.__struct_config__.tag): shape for shape in BuiltIn.__subclasses__()}
)
"""The built-in shapes by ``kind``."""


def shape_from(spec: str | Mapping[str, Any], *, horizon: float | None) -> Shape:
    """Make a shape from its section of a config.

    ``spec`` is a mapping of ``kind`` and the fields of a built-in shape, or ``package.module:name``
    of a user's object, alone or as ``kind``. The object is a shape, a function level(t) of an
    array of seconds, or a class or factory of these; classes are always called, other objects only
    if ``spec`` has more keys, which are the arguments. ``horizon`` is the duration of the load in
    seconds, if known; a function is integrated up to it.

    Raises :class:`ConfigError`, and ``msgspec.ValidationError`` with the path below ``spec`` when
    a field of a built-in shape is wrong.
    """
    options = {"kind": spec} if isinstance(spec, str) else dict(spec)
    kind = options.pop("kind", None)
    if not isinstance(kind, str):
        raise ConfigError(
            f"shape {spec!r} has no kind; give one of {_kinds()}, or package.module:function"
        )
    if kind in SHAPES:
        if isinstance(spec, str):
            fields = ", ".join(SHAPES[kind].__struct_encode_fields__)
            raise ConfigError(
                f"shape {kind!r} cannot stand alone; write {{kind: {kind}, …}} with its "
                f"fields: {fields}"
            )
        return msgspec.convert({"kind": kind, **options}, SHAPES[kind], dec_hook=dec_hook)
    if ":" in kind:
        return _users_shape(kind, options, horizon or 0.0)
    near = difflib.get_close_matches(kind, SHAPES, n=1, cutoff=0.4)
    raise ConfigError(
        f"there is no shape of kind {kind!r}; "
        + (f"did you mean {near[0]!r}? " if near else "")
        + f"The kinds are {_kinds()}, and package.module:function for your own"
    )


def _kinds() -> str:
    return ", ".join(SHAPES)


def _users_shape(name: str, options: Mapping[str, Any], horizon: float) -> Shape:
    made = _named_object(name)
    if options or isinstance(made, type):
        if not callable(made):
            raise ConfigError(
                f"shape {name} cannot be called, so it takes no options; "
                f"leave out {', '.join(map(str, options))}"
            )
        try:
            made = made(**options)
        except Exception as error:
            raise ConfigError(
                f"shape {name} could not be made with the options {dict(options)!r}: "
                f"{type(error).__name__}: {error}"
            ) from error
    if isinstance(made, Shape):
        return made
    if callable(made):
        return FunctionShape(made, name, horizon)
    raise ConfigError(
        f"shape {name} gave {made!r}; it must be a function of an array of seconds, "
        "or have the methods level and area"
    )


def _named_object(name: str) -> Any:
    module_name, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:
        raise ConfigError(
            f"shape {name}: module {module_name!r} cannot be imported "
            f"({type(error).__name__}: {error}); check its name and that it is on PYTHONPATH"
        ) from error
    for part in path.split("."):
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, dir(found), n=1)
            raise ConfigError(
                f"shape {name}: there is no {part!r} in {getattr(found, '__name__', found)!r}; "
                + (f"did you mean {near[0]!r}?" if near else "check its name")
            )
        found = getattr(found, part)
    return found
