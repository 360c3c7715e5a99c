"""Quantities as people read them: always three significant digits."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final

# (unit, seconds in it, first value in seconds that is too large for it); "999.5 µs" would
# round to "1000 µs", so it is 1.00 ms already.
_TIME_STEPS: Final = (
    ("µs", 1e-6, 999.5e-6),
    ("ms", 1e-3, 0.9995),
    ("s", 1.0, 999.5),
    ("min", 60.0, 59_970.0),
    ("h", 3600.0, float("inf")),
)
_PREFIXES: Final = ("", "k", "M", "G", "T", "P")

NO_VALUE: Final = "–"


def digits(value: float) -> str:
    """Write three significant digits: ``0.0123``, ``1.23``, ``12.3``, ``123``, ``1,234``."""
    size = abs(float(value))
    if size >= 99.95:
        return f"{value:,.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    if size >= 0.9995:
        return f"{value:.2f}"
    if size < 1e-6:
        return "0"
    return f"{value:.3g}" if size < 1e-4 else f"{value:#.3g}"


def seconds(value: float | None) -> str:
    """Write a time span in µs, ms, s, min or h: ``12.3 ms``."""
    if value is None:
        return NO_VALUE
    if value == 0:
        return "0 s"
    for unit, size, limit in _TIME_STEPS:
        if abs(value) < limit:
            return f"{digits(value / size)} {unit}"
    return NO_VALUE


def clock(value: float) -> str:
    """Write a moment of the run: ``0:15``, ``12:03``, ``1:02:03``."""
    total = max(int(value), 0)
    minutes, secs = divmod(total, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"


def clocks(first: float, last: float) -> str:
    """Write a time span of the run by its two moments: ``0:15–0:42``, or ``0:15``."""
    start, end = clock(first), clock(last)
    return start if start == end else f"{start}–{end}"


def rate(value: float | None) -> str:
    """Write events per second: ``12.3/s``."""
    return NO_VALUE if value is None else f"{digits(value)}/s"


def percent(value: float | None) -> str:
    """Write a share of 1 in percent: 0.0123 is ``1.23 %``."""
    return NO_VALUE if value is None else f"{digits(100 * value)} %"


def count(value: float) -> str:
    """Write a whole number with thousands separated: ``12,345``."""
    return f"{value:,.0f}"


def counted(value: float, singular: str, plural: str | None = None) -> str:
    """Write a number and its noun: ``1 job``, ``2 jobs``."""
    return f"{count(value)} {singular if value == 1 else plural or singular + 's'}"


def amount(value: float, unit: str) -> str:
    """Write a large amount with a decimal prefix: ``1.23 GB``, ``45.6 Mpx``."""
    step = 0
    while abs(value) >= 999.5 and step < len(_PREFIXES) - 1:
        value /= 1000
        step += 1
    number = count(value) if step == 0 else digits(value)
    return f"{number} {_PREFIXES[step]}{unit}"


def money(value: Decimal | float, currency: str) -> str:
    """Write a sum: hundredths from 1 on, below that three significant digits: ``0.000405 USD``."""
    size = abs(float(value))
    places = 2 if size == 0 or size >= 0.9995 else 2 - math.floor(math.log10(size))
    return f"{value:,.{places}f} {currency}"


def one_line(text: str) -> str:
    """Write a text of others on one line, without characters that would steer a terminal."""
    line = " ".join(text.split())
    return line if line.isprintable() else "".join(c if c.isprintable() else "?" for c in line)
