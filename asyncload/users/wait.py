"""Think time: the pause of a user between two iterations, in the closed model."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any, Final

import msgspec

from asyncload.plan.duration import parse_duration


class Wait(msgspec.Struct, frozen=True):
    """Think time drawn uniformly from ``low`` to ``high`` seconds, or a ``pacing``.

    ``pacing`` is the time from one start of an iteration to the next, seconds; after an iteration
    that took longer the next one starts at once.
    """

    low: float = 0.0
    high: float = 0.0
    pacing: float | None = None

    def next_due(self, due: float, end: float, rng: Callable[[], random.Random]) -> float:
        """Give the next due time after an iteration from ``due`` to ``end``, all in seconds.

        ``rng`` is called only if a random number is needed.
        """
        if self.pacing is not None:
            return max(due + self.pacing, end)
        if self.low == self.high:
            return end + self.low
        return end + rng().uniform(self.low, self.high)


NO_WAIT: Final = Wait()


def constant(seconds: float | str) -> Wait:
    """Set a constant think time, in seconds or as a text such as ``"100ms"``."""
    length = parse_duration(seconds)
    return Wait(length, length)


def between(low: float | str, high: float | str) -> Wait:
    """Draw the think time uniformly from ``low`` to ``high``, in seconds or as texts.

    Raises ValueError if high < low.
    """
    first, last = parse_duration(low), parse_duration(high)
    if last < first:
        raise ValueError(f"between is {low!r} to {high!r}; give the shorter time first")
    return Wait(first, last)


def pacing(seconds: float | str) -> Wait:
    """Start an iteration every ``seconds`` (or a text such as ``"1m"``), for each user."""
    return Wait(pacing=parse_duration(seconds))


def rate(per_second: float) -> Wait:
    """Start ``per_second`` iterations a second for each user. Raises ValueError if not positive."""
    if not 0 < per_second < math.inf:
        raise ValueError(f"rate is {per_second!r}; give a number of iterations per second, over 0")
    return Wait(pacing=1 / per_second)


def parse_wait(value: Any) -> Wait:
    """Read ``wait``: a duration, ``{between: [1s, 5s]}``, ``{pacing: 1s}`` or ``{rate: 10}``.

    Raises ValueError for other values.
    """
    match value:
        case Wait():
            return value
        case str() | int() | float():
            return constant(value)
        case {"between": [low, high], **rest} if not rest:
            return between(low, high)
        case {"pacing": seconds, **rest} if not rest:
            return pacing(seconds)
        case {"rate": (int() | float()) as per_second, **rest} if not (
            rest or isinstance(per_second, bool)
        ):
            return rate(per_second)
    raise ValueError(
        f"{value!r} is no wait; give a duration, {{between: [1s, 5s]}}, {{pacing: 1s}} "
        "or {rate: 10}"
    )


def check_wait(value: Any) -> None:
    """Check the option ``wait``. Raises ValueError with the key."""
    if value is None:
        return
    try:
        parse_wait(value)
    except ValueError as problem:
        raise ValueError(f"wait: {problem}") from None
