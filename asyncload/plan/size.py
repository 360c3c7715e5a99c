"""Sizes: ``2000``, ``100kB``, ``1.5 MB``, ``64KiB``."""

from __future__ import annotations

import math
import re
from types import MappingProxyType
from typing import Final

_UNITS: Final = MappingProxyType(
    {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
)
_SIZE: Final = re.compile(r"(\d+\.?\d*|\.\d+)\s*([a-z]*)", re.IGNORECASE)


def parse_size(value: object) -> int:
    """Read a size, in bytes: a whole number, or a text with ``B``, ``kB``, ``MB``, ``KiB``, ….

    Raises ``ValueError`` for other values and for negative ones.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    unit = _UNITS.get(match[2].lower() or "b") if match is not None else None
    if match is None or unit is None:
        raise ValueError(
            f"{value!r} is not a size; give bytes as a whole number, or a text such as 100kB, "
            "1.5MB or 64KiB"
        )
    return math.ceil(float(match[1]) * unit)
