"""Lines of a frame: lists of (text, style), and texts of a given width."""

from __future__ import annotations

from typing import Final

from rich.cells import cell_len, set_cell_size

Line = list[tuple[str, str]]

LABEL: Final = 12
"""Columns of the labels at the left."""


def fit(text: str, width: int) -> str:
    """Make ``text`` exactly ``width`` columns wide."""
    return set_cell_size(cut(text, width), width)


def cut(text: str, width: int) -> str:
    """Make ``text`` at most ``width`` columns wide."""
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"
