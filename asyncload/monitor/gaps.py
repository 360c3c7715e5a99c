"""Sampling that may fail: a figure that cannot be read is a gap, and the run goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from asyncload.transport.error_text import describe

Value = TypeVar("Value")


def _quiet(level: str, text: str) -> None:
    """Note nothing."""


class Gaps:
    """Calls functions that sample; notes the first failure of each."""

    def __init__(self, note: Callable[[str, str], None] = _quiet) -> None:
        self._note = note
        self._failed: set[str] = set()

    def sample(self, what: str, look: Callable[[], Value]) -> Value | None:
        """Give what ``look`` gives, or ``None`` when it raises. ``what`` it samples, in words."""
        try:
            return look()
        except Exception as problem:
            if what not in self._failed:
                self._failed.add(what)
                self._note(
                    "warning",
                    f"sampling {what} failed, which leaves a gap in the log: {describe(problem)}",
                )
            return None
