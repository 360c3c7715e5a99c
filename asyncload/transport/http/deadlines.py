"""Deadlines of many things at once: a sweep looks at what may be due, and at nothing else.

A timer for each request would cost more than the request; a look at each connection, fifty times a
second, more than all else where there are 200,000. So each stands in one slot of :data:`TICK`
seconds. A deadline that moves to later costs nothing: what is not due yet when its slot comes goes
to the slot of its deadline, and one with no deadline any more to none.
"""

from __future__ import annotations

from collections.abc import Collection
from math import inf
from typing import Final, Protocol

TICK: Final = 0.02
"""Seconds between sweeps: what is overdue is noticed at most about this late."""
NOWHERE: Final = -1
"""The slot of what is not watched."""


class Watched(Protocol):
    """What has a deadline. It starts in no slot, with ``look_at`` at ``math.inf``."""

    deadline: float
    look_at: float
    """When its slot ends: with an earlier deadline it has to be watched anew."""
    slot: int

    def expire(self) -> None:
        """End, because the deadline has passed."""


class Deadlines:
    """The slots. Times are in seconds on any clock, which may be set back."""

    def __init__(self) -> None:
        self._slots: dict[int, set[Watched]] = {}
        self._swept = 0

    def watch(self, one: Watched) -> None:
        """Have ``one`` looked at when its deadline comes."""
        self.forget(one)
        if one.deadline < inf:
            one.slot = slot = max(int(one.deadline / TICK), self._swept)
            one.look_at = (slot + 1) * TICK
            self._slots.setdefault(slot, set()).add(one)

    def forget(self, one: Watched) -> None:
        """Watch ``one`` no longer."""
        found = self._slots.get(one.slot)
        if found is not None:
            found.discard(one)
            if not found:
                del self._slots[one.slot]
        one.slot, one.look_at = NOWHERE, inf

    def overdue(self, now: float) -> list[Watched]:
        """Give what is overdue, and watch it no longer."""
        slots = self._slots
        before, self._swept = self._swept, int(now / TICK)
        span: Collection[int] = range(before, self._swept + 1)
        if not span:  # the clock was set back, so that the slots mean nothing
            span = slots.keys()
        # After a long pause there are fewer slots than ticks that have passed.
        passed = span if len(span) <= len(slots) else [slot for slot in slots if slot in span]
        late = []
        for slot in list(passed):
            for one in slots.pop(slot, ()):
                one.slot, one.look_at = NOWHERE, inf
                if one.deadline <= now:
                    late.append(one)
                else:
                    self.watch(one)
        return late
