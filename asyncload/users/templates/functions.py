"""Functions and filters that templates may use.

A function whose value differs from request to request takes the user's random
source first; a filter takes the value it stands behind. Names are Jinja2's
where Jinja2 has the thing.
"""

from __future__ import annotations

import base64
import math
import random
import re
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

import msgspec

from asyncload.users.templates.conditions import kind
from asyncload.users.templates.rows import near_names
from asyncload.users.templates.tables import FileBytes

RANDOM_FILE: Final = "random_file"
"""The function that is compiled by itself: its files are read in set-up."""
DEFAULT: Final = "default"
"""The filter that may stand behind a variable that is not set."""
LONGEST: Final = 16 * 2**20
"""Characters of a repeated text."""
_BITS: Final = 4096
_DIGITS: Final = 400
"""More than any number has before or behind its point."""
_PLAIN: Final = frozenset({str, int, bool, type(None)})


def as_json(value: Any) -> bytes:
    """Write a value as JSON. Raises ValueError for NaN and infinity, which JSON does not have."""
    encoded = msgspec.json.encode(value)
    # msgspec writes null for them. Most values are plain ones, which this must not slow down.
    if type(value) not in _PLAIN and b"null" in encoded and not _is_finite(value):
        raise ValueError(
            "NaN or infinity cannot be sent, for JSON has no such number; take it out (data rows "
            "with it are left out by where: {COLUMN: {min: …, max: …}})"
        )
    return encoded


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    return not isinstance(value, list | tuple) or all(map(_is_finite, value))


def text_of(value: Any) -> str:
    """Write a value as text: ``true``, ``1.5``, JSON for lists and objects, nothing for null."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bytes):
        raise TypeError("bytes are no text; write | base64 behind them")
    return as_json(value).decode().strip('"')


def random_int(rng: random.Random, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included."""
    if not (_is_whole(low) and _is_whole(high)) or low > high:
        raise ValueError(f"random_int({low}, {high}): give two whole numbers, the smaller first")
    return rng.randint(low, high)


def choice(rng: random.Random, *items: Any) -> Any:
    """One of the items, or of the items of a list."""
    chosen = items[0] if len(items) == 1 and isinstance(items[0], list) else items
    if not chosen:
        raise ValueError("choice(): there is nothing to choose from; give it values")
    return rng.choice(chosen)


def unique_id(rng: random.Random) -> str:
    """A UUID of version 4."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def now(_: random.Random, form: str | None = None) -> str:
    """The wall clock, UTC: ISO-8601 with milliseconds, or as ``strftime`` writes ``form``."""
    moment = datetime.now(UTC)
    if form is not None:
        return moment.strftime(form)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def timestamp(_: random.Random) -> float:
    """The wall clock in seconds since 1970, to the microsecond."""
    return round(time.time(), 6)


def repeat(text: str, times: int, separator: str = "") -> str:
    """The text ``times`` times, with ``separator`` between; at most :data:`LONGEST` characters."""
    if not _is_whole(times) or times < 0:
        raise ValueError(f"repeat(…, {times}): give a whole number of 0 or more")
    once = text_of(text)
    length = len(once) * times + len(separator) * max(times - 1, 0)
    if length > LONGEST:
        raise ValueError(
            f"repeat(…, {times}) would be a text of {length:,} characters, and {LONGEST:,} are "
            "the most; give a smaller number"
        )
    return separator.join([once] * times)


def times(left: Any, right: Any) -> Any:
    """``left * right``; of a text or list and a number :func:`repeat`'s limit holds."""
    for items, number in ((left, right), (right, left)):
        if isinstance(items, str | bytes | list) and isinstance(number, int):
            length = len(items) * number
            if length > LONGEST:
                raise ValueError(
                    f"… * {number} would have a length of {length:,}, and {LONGEST:,} is the most; "
                    "give a smaller number"
                )
    return left * right


def _check_length(what: str, length: float) -> None:
    if length > LONGEST:
        raise ValueError(
            f"{what} would be a text of {length:,.0f} characters, and {LONGEST:,} are the most; "
            "make it shorter"
        )


def remainder(left: Any, right: Any) -> Any:
    """``left % right``; of a text, which formats, widths and precisions have a limit."""
    if isinstance(left, str | bytes):
        form = left if isinstance(left, str) else left.decode("latin-1")
        given = right if isinstance(right, list | tuple) else [right]
        # "*" takes its width from a value; a long text may be put in as often as there are places.
        texts = sum(len(one) for one in given if isinstance(one, str | bytes | list | dict))
        widths = sum(int(digits[-12:]) for digits in re.findall(r"\d+", form))
        stars = max((abs(one) for one in given if isinstance(one, int)), default=0)
        _check_length(
            "a text % values",
            len(form) + widths + texts * max(form.count("%"), 1) + stars * form.count("*"),
        )
    return left % right


def plus(left: Any, right: Any) -> Any:
    """``left + right``; a text or list has the limit of :func:`repeat`."""
    if isinstance(left, str | bytes | list) and isinstance(right, str | bytes | list):
        _check_length("… + …", len(left) + len(right))
    return left + right


def power(base: Any, exponent: Any) -> Any:
    """``base ** exponent``; whole numbers of more than :data:`_BITS` bits are refused."""
    if isinstance(base, int) and isinstance(exponent, int) and exponent > 0:
        bits = base.bit_length() * exponent
        if bits > _BITS:
            raise ValueError(
                f"… ** {exponent} would be a number of about {bits:,} bits, and {_BITS:,} are the "
                "most; give a smaller number"
            )
    return base**exponent


def _base64(value: Any) -> str:
    if type(value) is FileBytes:
        return value.base64
    content = value if isinstance(value, bytes) else text_of(value).encode()
    return base64.b64encode(content).decode()


# Without the value in the message: it may be a secret of the environment.
def _int(value: Any) -> int:
    try:
        return int(value)
    except (ValueError, TypeError, OverflowError):
        raise ValueError("int: the value is not written as a whole number") from None


def _float(value: Any) -> float:
    try:
        return float(value)
    except (ValueError, TypeError, OverflowError):
        raise ValueError("float: the value is not written as a number") from None


def _round(value: Any, digits: int = 0) -> float | int:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"round: {kind(value)} cannot be rounded")
    if not _is_whole(digits) or abs(digits) > _DIGITS:
        raise ValueError(f"round({digits}): give a whole number from -{_DIGITS} to {_DIGITS}")
    return round(value, digits) if digits > 0 else int(round(value, digits))


def join(values: Any, separator: str = "") -> str:
    """The texts of the values, with ``separator`` between; at most :data:`LONGEST` characters."""
    texts: list[str] = []
    length = 0
    for value in values:
        texts.append(text_of(value))
        length += len(texts[-1]) + len(separator)
        _check_length("join", length - len(separator))
    return separator.join(texts)


def _replace(value: Any, old: str, new: str) -> str:
    text = text_of(value)
    if len(new) > len(old):
        _check_length("replace", len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


RANDOM: Final[MappingProxyType[str, Callable[..., Any]]] = MappingProxyType(
    {
        "choice": choice,
        "now": now,
        "random_int": random_int,
        "timestamp": timestamp,
        "uuid": unique_id,
    }
)
"""Functions whose value differs from request to request."""

PURE: Final[MappingProxyType[str, Callable[..., Any]]] = MappingProxyType({"repeat": repeat})
"""Functions of their arguments alone."""

FILTERS: Final[MappingProxyType[str, Callable[..., Any]]] = MappingProxyType(
    {
        "base64": _base64,
        DEFAULT: lambda value, other: other if value is None else value,
        "float": _float,
        "int": _int,
        "join": join,
        "length": len,
        "lower": lambda value: text_of(value).lower(),
        "replace": _replace,
        "round": _round,
        "string": text_of,
        "tojson": lambda value: as_json(value).decode(),
        "trim": lambda value: text_of(value).strip(),
        "upper": lambda value: text_of(value).upper(),
        "urlencode": lambda value: quote(text_of(value), safe=""),
    }
)

FUNCTIONS: Final = (*sorted((*RANDOM, *PURE, RANDOM_FILE)),)
"""Names of all functions."""

NO_METHODS: Final = "values have no functions of their own here; use a filter such as | upper"


def unknown(what: str, name: str, names: tuple[str, ...]) -> str:
    """Say that there is no function or filter of that name."""
    return f"there is no {what} {name!r}; {near_names(name, sorted(names))}"
