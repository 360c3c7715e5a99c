"""Durations as people write them: ``20``, ``250ms``, ``1.5s``, ``10m``, ``1h30m``."""

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
    """Seconds in ``value``.

    A number is seconds. A text is a number, or amounts with the units ``h``,
    ``m``, ``s``, ``ms`` and ``us`` (or ``µs``), largest first: ``1m30s``. Raises ``ValueError``
    for all else, and for what is negative or not finite.
    """
    seconds = _seconds(value)
    if math.isfinite(seconds) and seconds >= 0:
        return seconds
    raise ValueError(
        f"{value!r} is not a duration; give seconds as a number of 0 or more, "
        "or a text such as 250ms, 20s, 10m, 2h or 1m30s"
    )


def _seconds(value: object) -> float:
    """``value`` in seconds, NaN where it cannot be read."""
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
    """A time span in seconds, made from anything :func:`parse_duration` reads."""

    __slots__ = ()

    def __new__(cls, value: object) -> Self:
        """Make one of ``value``; raises ``ValueError`` as :func:`parse_duration` does."""
        return super().__new__(cls, parse_duration(value))


class Drain(float):
    """How long to wait for what is open, in seconds: a duration, or ``unlimited`` (infinite)."""

    __slots__ = ()

    def __new__(cls, value: object) -> Self:
        """Make one of ``value``; raises ``ValueError`` for what is neither."""
        if value == UNLIMITED:
            return super().__new__(cls, math.inf)
        try:
            return super().__new__(cls, parse_duration(value))
        except ValueError as problem:
            raise ValueError(f"{problem}, or {UNLIMITED} to wait for every job") from None


def dec_hook(type_: type, obj: Any) -> Any:
    """Let ``msgspec.convert(…, dec_hook=dec_hook)`` fill :class:`Duration` and :class:`Drain`."""
    if type_ is Duration or type_ is Drain:
        return type_(obj)
    raise NotImplementedError(f"no conversion to {type_}")


def enc_hook(seconds: float) -> float | str:
    """Let ``msgspec.to_builtins(…, enc_hook=enc_hook)`` write both as a config says them."""
    return UNLIMITED if seconds == math.inf else float(seconds)
