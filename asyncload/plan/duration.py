"""Durations: ``20``, ``250ms``, ``1.5s``, ``10m``, ``1h30m``."""

from __future__ import annotations

import math
import re
from typing import Any, Final, Self

UNLIMITED: Final = "unlimited"

_NUMBER = r"(\d+\.?\d*|\.\d+)"
_UNITS = re.compile(
    rf"(?:{_NUMBER}\s*h)?\s*(?:{_NUMBER}\s*m(?!s))?\s*(?:{_NUMBER}\s*s)?\s*(?:{_NUMBER}\s*ms)?"
    rf"\s*(?:{_NUMBER}\s*[uµμ]s)?"  # u, the micro sign, and the Greek letter
)


def parse_duration(value: object) -> float:
    """Read a duration, in seconds.

    ``value`` is a number of seconds, or a text of amounts with the units ``h``, ``m``, ``s``,
    ``ms`` and ``us`` (or ``µs``), largest unit first: ``1m30s``. Raises ``ValueError`` for other
    values and for negative or infinite ones.
    """
    seconds = _seconds(value)
    if math.isfinite(seconds) and seconds >= 0:
        return seconds
    raise ValueError(
        f"{value!r} is not a duration; give seconds as a number of 0 or more, "
        "or a text such as 250ms, 20s, 10m, 2h or 1m30s"
    )


def _seconds(value: object) -> float:
    """Read ``value`` in seconds; NaN when it is no duration."""
    if isinstance(value, bool):
        return math.nan
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            return math.nan
    if not isinstance(value, str):
        return math.nan
    text = value.strip()
    try:
        return float(text)
    except ValueError:
        match = _UNITS.fullmatch(text)
    if not text or match is None:
        return math.nan
    hours, minutes, whole, milli, micro = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + whole + milli / 1000 + micro / 1_000_000


class Duration(float):
    """A duration in seconds, made from any value that :func:`parse_duration` reads."""

    __slots__ = ()

    def __new__(cls, value: object) -> Self:
        """Read ``value``. Raises ``ValueError``."""
        return super().__new__(cls, parse_duration(value))


class Drain(float):
    """The length of the drain in seconds: a duration, or ``unlimited`` (infinite)."""

    __slots__ = ()

    def __new__(cls, value: object) -> Self:
        """Read ``value``. Raises ``ValueError``."""
        if value == UNLIMITED:
            return super().__new__(cls, math.inf)
        try:
            return super().__new__(cls, parse_duration(value))
        except ValueError as problem:
            raise ValueError(f"{problem}, or {UNLIMITED} to wait for every job") from None


def dec_hook(type_: type, obj: Any) -> Any:
    """Decode :class:`Duration` and :class:`Drain` (``dec_hook`` of ``msgspec.convert``)."""
    if type_ is Duration or type_ is Drain:
        return type_(obj)
    raise NotImplementedError(f"no conversion to {type_}")


def enc_hook(seconds: float) -> float | str:
    """Encode both as a config writes them (``enc_hook`` of ``msgspec.to_builtins``)."""
    return UNLIMITED if seconds == math.inf else float(seconds)
