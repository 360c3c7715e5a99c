"""Finds the part of plain data that does not fit a type, and the reason.

msgspec gives only an English sentence. So each part of the data is converted by itself to the
type declared for it.
"""

from __future__ import annotations

import operator
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import inspect

from asyncload.plan.duration import dec_hook

_TYPE_NAMES: Final = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    list: "array",
    tuple: "array",
    dict: "object",
}
_DECLARED: Final = {
    "bool": inspect.BoolType,
    "int": inspect.IntType,
    "float": inspect.FloatType,
    "str": inspect.StrType,
    # A list, among others, is a subclass of CollectionType.
    "array": inspect.CollectionType | inspect.TupleType | inspect.NamedTupleType,
    "object": inspect.DictType | inspect.StructType | inspect.DataclassType | inspect.TypedDictType,
}
_LIMITS: Final[tuple[tuple[str, Callable[[Any, Any], Any], str], ...]] = (
    ("ge", operator.ge, "of at least {:g}"),
    ("gt", operator.gt, "over {:g}"),
    ("le", operator.le, "of at most {:g}"),
    ("lt", operator.lt, "under {:g}"),
    ("multiple_of", lambda value, of: value % of == 0, "that is a multiple of {:g}"),
    ("pattern", lambda value, pattern: re.search(pattern, value), "that matches {!r}"),
    ("min_length", lambda value, least: len(value) >= least, "of length of at least {}"),
    ("max_length", lambda value, most: len(value) <= most, "of length of at most {}"),
)


class Place(NamedTuple):
    """The place of a value in the data."""

    path: tuple[Any, ...] = ()
    """Keys and indexes from the root."""
    required: bool = False
    """Whether the key is required."""
    in_mapping: bool = False
    """Whether it is below a key of a mapping, not of a struct."""

    def below(self, part: Any, *, required: bool = True, in_mapping: bool = False) -> Place:
        """Give the place of ``part`` within this one."""
        return Place((*self.path, part), required, self.in_mapping or in_mapping)


class Fault(NamedTuple):
    """The first part of the data that does not fit."""

    what: Literal["value", "check", "unknown", "missing", "key"]
    """The kind of fault: a value of the wrong type; a value that a check refuses; an unknown key;
    a missing key; a mapping's key of the wrong type."""
    place: Place
    """The place of the value, or of the mapping with the unknown or missing key."""
    value: Any
    """The data at that place."""
    kind: Any
    """The declared type of the value (``key``: of the key)."""
    message: str = ""
    """``check``: its message; ``unknown`` and ``missing``: the key; else msgspec's message."""

    @property
    def wanted(self) -> list[str]:
        """The names of the allowed types, without null."""
        named = {name for option in _infos(self.kind) for name in _names(option)}
        return [name for name in _DECLARED if name in named]

    @property
    def got(self) -> str:
        """The name of the type of the value."""
        return _type_name(self.value)

    @property
    def fitting(self) -> str:
        """The allowed type that the refused value has; empty when it has none."""
        wanted, got = self.wanted, self.got
        if got == "int" and "int" not in wanted:
            got = "float"
        return got if got in wanted else ""

    @property
    def allowed(self) -> list[Any]:
        """The allowed values, where the type lists them."""
        return [value for option in _infos(self.kind) for value in _listed(option)]

    @property
    def fields(self) -> list[str]:
        """The allowed keys."""
        options = [one for one in _infos(self.kind) if isinstance(one, inspect.StructType)]
        return [field.encode_name for field in options[0].fields] if len(options) == 1 else []

    @property
    def broken_limits(self) -> list[str]:
        """The limits, in words, that a value of the right type breaks."""
        found: list[str] = []
        for option in _infos(self.kind):
            if self.fitting not in _names(option):
                continue
            for name, holds, text in _LIMITS:
                limit = getattr(option, name, None)
                if limit is not None and not holds(self.value, limit):
                    found.append(text.format(limit))
            if isinstance(option, inspect.TupleType):
                found.append(f"of length {len(option.item_types)}")
        return found


def find_fault(problem: msgspec.ValidationError, raw: Any, kind: Any) -> Fault:
    """Find the fault for which msgspec raised ``problem`` when it converted ``raw`` to ``kind``."""
    return _search(problem, raw, kind, Place())


def _search(problem: msgspec.ValidationError, raw: Any, kind: Any, place: Place) -> Fault:
    if isinstance(raw, Mapping):
        found = _in_tag(raw, kind, place)
        if found is not None:
            return found
    for option in _options(kind):
        info = inspect.type_info(option)
        found = None
        if isinstance(raw, Mapping):
            if isinstance(info, inspect.StructType | inspect.DataclassType):
                found = _in_fields(raw, info, option, place)
            elif isinstance(info, inspect.DictType):
                found = _in_mapping(raw, typing.get_args(option) or (Any, Any), place)
        elif isinstance(raw, list | tuple):
            faults = (
                _fault_of(value, item_kind, place.below(index))
                for index, (value, item_kind) in enumerate(_items(raw, info, option))
            )
            found = next((fault for fault in faults if fault is not None), None)
        if found is not None:
            return found
    cause = problem.__cause__  # an error of our own, which msgspec has wrapped
    return Fault("value" if cause is None else "check", place, raw, kind, str(cause or problem))


def _fault_of(raw: Any, kind: Any, place: Place) -> Fault | None:
    try:
        msgspec.convert(raw, kind, dec_hook=dec_hook)
    except msgspec.ValidationError as problem:
        return _search(problem, raw, kind, place)
    return None


def _in_tag(raw: Mapping[Any, Any], kind: Any, place: Place) -> Fault | None:
    """Check the key (tag) that selects the struct of a union."""
    structs = [one for one in _infos(kind) if isinstance(one, inspect.StructType)]
    field = structs[0].tag_field if structs else None
    if field is None:
        return None
    if field not in raw:
        return Fault("missing", place, raw, kind, field) if len(structs) > 1 else None
    tags = tuple(struct.tag for struct in structs)
    return _fault_of(raw[field], Literal[tags], place.below(field))


def _in_fields(
    raw: Mapping[Any, Any],
    info: inspect.StructType | inspect.DataclassType,
    option: Any,
    place: Place,
) -> Fault | None:
    """Check the values in order, as msgspec does, then look for missing keys."""
    tag_field = getattr(info, "tag_field", None)
    if tag_field is not None and raw.get(tag_field, info.tag) != info.tag:  # type: ignore[union-attr]
        return None  # another struct of the union is meant
    hints = typing.get_type_hints(typing.get_origin(option) or option, include_extras=True)
    fields = {field.encode_name: field for field in info.fields}
    for key, value in raw.items():
        if not isinstance(key, str):
            return Fault("key", place, raw, str)
        field = fields.get(key)
        if field is not None:
            inner = place.below(key, required=field.required)
            found = _fault_of(value, hints[field.name], inner)
            if found is not None:
                return found
        elif key != tag_field and getattr(info, "forbid_unknown_fields", False):
            return Fault("unknown", place, raw, option, key)
    for name, field in fields.items():
        if field.required and name not in raw:
            return Fault("missing", place, raw, option, name)
    return None


def _in_mapping(raw: Mapping[Any, Any], kinds: tuple[Any, Any], place: Place) -> Fault | None:
    key_kind, value_kind = kinds
    for key, value in raw.items():
        if _fault_of(key, key_kind, place) is not None:
            return Fault("key", place, raw, key_kind)
        found = _fault_of(value, value_kind, place.below(key, in_mapping=True))
        if found is not None:
            return found
    return None


def _items(raw: list[Any] | tuple[Any, ...], info: Any, option: Any) -> Iterator[tuple[Any, Any]]:
    """Give the items of a list, each with its type."""
    kinds = typing.get_args(option)
    if isinstance(info, inspect.CollectionType | inspect.VarTupleType) and kinds:
        yield from ((value, kinds[0]) for value in raw)
    elif isinstance(info, inspect.TupleType) and len(raw) == len(kinds):
        yield from zip(raw, kinds, strict=True)


def _options(kind: Any) -> Iterator[Any]:
    """Give the types of a union one by one, without their annotations."""
    origin = typing.get_origin(kind)
    if origin is Annotated:
        yield from _options(typing.get_args(kind)[0])
    elif origin is typing.Union or origin is types.UnionType:
        for option in typing.get_args(kind):
            yield from _options(option)
    else:
        yield kind


def _infos(kind: Any) -> tuple[inspect.Type, ...]:
    info = inspect.type_info(kind)
    return info.types if isinstance(info, inspect.UnionType) else (info,)


def _names(info: inspect.Type) -> set[str]:
    """Give the names of the allowed types."""
    listed = _listed(info)
    if listed:
        return {_type_name(value) for value in listed}
    return {name for name, declared in _DECLARED.items() if isinstance(info, declared)}


def _listed(info: inspect.Type) -> list[Any]:
    if isinstance(info, inspect.LiteralType):
        return list(info.values)
    if isinstance(info, inspect.EnumType):
        return [member.value for member in info.cls]
    return []


def _type_name(value: Any) -> str:
    kinds = type(value).__mro__
    return next((_TYPE_NAMES[kind] for kind in kinds if kind in _TYPE_NAMES), "")
