"""Conditions on one value, of a data row or of an answer.

A plain value must be equal, a list holds the values allowed, and a mapping
has limits: ``{min: 0, max: 1}``, ``{min_length: 10, max_length: 2000}``, or says
what is not allowed: ``{not: [en, de]}``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from asyncload.config.convert import convert
from asyncload.errors import ConfigError
from asyncload.transport.error_text import hide_secrets

Condition = Callable[[Any], str | None]
"""Gives what is wrong with a value in a few words, ``None`` when nothing is."""

_LONGEST: Final = 40
_KINDS: Final = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a value must keep to; without any limit it must only be there."""

    equals: Any = msgspec.UNSET
    no: Any = msgspec.field(default=msgspec.UNSET, name="not")
    """A condition that it must not meet."""
    when_present: bool = False
    """Nothing is wrong where there is no value."""
    min: float | None = None
    max: float | None = None
    min_length: int | None = None
    """Characters of a text, items of a list."""
    max_length: int | None = None


def parse_condition(raw: Any) -> Condition:
    """Read a condition of a config. Raises ValueError with a sentence."""
    if isinstance(raw, list):
        if not raw:
            raise ValueError("the list is empty, so that nothing is allowed; name the values")
        return _one_of(raw)
    if not isinstance(raw, dict):
        return _equal_to(raw)
    try:
        limits = convert(raw, Limits)  # which reads a number from a variable in quotes, too
    except ConfigError:
        known = ", ".join(Limits.__struct_encode_fields__)
        raise ValueError(
            f"{raw!r} is no condition; give a value, a list of values, or limits of these: {known} "
            "(numbers, but for equals, not and when_present)"
        ) from None
    return _within(limits)


def may_be_missing(raw: Any) -> bool:
    """Whether a condition holds where there is no value."""
    return isinstance(raw, dict) and raw.get("when_present") is True


def same(found: Any, wanted: Any) -> bool:
    """Whether two JSON values are equal: 1 is 1.0, but not true."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(same(found[k], wanted[k]) for k in wanted)
    return bool(found == wanted)


def kind(value: Any) -> str:
    """Name the JSON type of a value."""
    return "null" if value is None else _KINDS.get(type(value), "a number")


def _shown(value: Any) -> str:
    """Write a value in a few characters, without its secrets."""
    if isinstance(value, dict | list):
        return kind(value)
    text = msgspec.json.encode(value).decode() if not isinstance(value, str) else repr(value)
    text = hide_secrets(" ".join(text.split()))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _equal_to(wanted: Any) -> Condition:
    def check(found: Any) -> str | None:
        return None if same(found, wanted) else f"is {_shown(found)}, not {_shown(wanted)}"

    return check


def _one_of(allowed: list[Any]) -> Condition:
    def check(found: Any) -> str | None:
        if any(same(found, one) for one in allowed):
            return None
        return f"is {_shown(found)}, not one of the {len(allowed)} values allowed"

    return check


def _within(limits: Limits) -> Condition:
    low, high = limits.min, limits.max
    shortest, longest = limits.min_length, limits.max_length
    wants_number = low is not None or high is not None
    wants_length = shortest is not None or longest is not None
    _check_order(low, high, "min", "max")
    _check_order(shortest, longest, "min_length", "max_length")
    equal = None if limits.equals is msgspec.UNSET else _equal_to(limits.equals)
    unwanted = None if limits.no is msgspec.UNSET else parse_condition(limits.no)

    # Without the value itself: what is wrong is counted by its text.
    def check(found: Any) -> str | None:
        if wants_number:
            if isinstance(found, bool) or not isinstance(found, int | float):
                return f"is {kind(found)}, not a number"
            if low is not None and not found >= low:
                return f"is below {low:g}"
            if high is not None and not found <= high:
                return f"is above {high:g}"
        if wants_length:
            if not isinstance(found, str | list | bytes):
                return f"is {kind(found)} and has no length"
            if shortest is not None and len(found) < shortest:
                return f"is shorter than {shortest}"
            if longest is not None and len(found) > longest:
                return f"is longer than {longest}"
        if unwanted is not None and unwanted(found) is None:
            return f"is {_shown(found)}, which is not allowed"
        return None if equal is None else equal(found)

    return check


def _check_order(low: float | None, high: float | None, first: str, second: str) -> None:
    if low is not None and high is not None and low > high:
        raise ValueError(f"{first} is {low:g} and {second} {high:g}; give the smaller one first")
