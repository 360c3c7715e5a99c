"""Counters that are read again and again, and what they grew by in between."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Final, Generic, NamedTuple, TypeVar

Key = TypeVar("Key")

_NOT_COUNTED: Final = re.compile(
    r"lo\d*|(veth|docker|br-|bridge|virbr|cni|flannel|cali|cilium|lxc|kube-|nodelocaldns|vxlan"
    r"|bond|team|dummy|ifb|utun|awdl|llw).*|.*[.@].*"
)


def is_wire(interface: str) -> bool:
    """Whether the traffic of a network interface is traffic of the host, counted once.

    Loopback is not, and neither are bridges, pairs, bonds and VLANs: what
    passes them passes a real interface too, or never leaves the host.
    """
    return _NOT_COUNTED.fullmatch(interface) is None


class Growth(NamedTuple, Generic[Key]):
    """What counters grew by between two looks."""

    seconds: float
    by: Mapping[Key, float]
    """Of counters seen both times; below 0 after a reset."""

    def rate(self, keys: Iterable[Key]) -> float | None:
        """How much the counters ``keys`` grew per second, together.

        ``None`` when none of them was seen both times, and when one was
        reset in between: how far it got before that, nobody knows.
        """
        grown = [self.by[key] for key in keys if key in self.by]
        if not grown or min(grown) < 0:
            return None
        rate = sum(grown) / self.seconds
        return rate if math.isfinite(rate) else None


class Counters(Generic[Key]):
    """Remembers counters from one look to the next."""

    def __init__(self) -> None:
        self._before: Mapping[Key, float] = {}
        self._at = -math.inf

    def look(self, at: float, values: Mapping[Key, float]) -> Growth[Key]:
        """Take in the ``values`` at ``at`` (seconds); there is no growth at the first look."""
        before, self._before = self._before, values
        seconds, self._at = at - self._at, at
        if not 0 < seconds < math.inf:
            return Growth(0.0, {})
        return Growth(seconds, {key: values[key] - before[key] for key in values if key in before})
