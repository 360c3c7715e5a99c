"""Graphs one line high."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

_BLOCKS: Final = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None], top: float) -> str:
    """Draw each value as a block between 0 and ``top``; ``None`` as a gap."""
    return "".join(" " if value is None else _block(value, top) for value in values)


def _block(value: float, top: float) -> str:
    if top <= 0:
        return _BLOCKS[0]
    return _BLOCKS[min(int(value / top * len(_BLOCKS)), len(_BLOCKS) - 1)]


def squeeze(
    values: Sequence[float | None], width: int, how: Literal["mean", "max"]
) -> list[float | None]:
    """Bring values to at most ``width`` of them, each of the same number of neighbours.

    Neighbours are counted from the end, so the newest group is a whole one.
    """
    if not values or width < 1:
        return []
    size = -(-len(values) // width)
    result: list[float | None] = []
    for stop in range(len(values), 0, -size):
        group = [value for value in values[max(stop - size, 0) : stop] if value is not None]
        if not group:
            result.append(None)
        else:
            result.append(max(group) if how == "max" else sum(group) / len(group))
    return result[::-1]
