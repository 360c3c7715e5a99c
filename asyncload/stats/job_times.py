"""How exactly the parts of a job's time are known.

``started`` and ``finished`` are times of the service's clock, put on ours. Its skew is known to
± u, and its stamps are cut to the resolution r. So what lies between a moment of each clock is
known to ± (u + r), and what lies between two of the service's moments to ± r: the skew is the
same for both. Moments of our own clock are rounded to a microsecond.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from asyncload.records.record import Clock

WhichClock = Literal["ours", "service's", "both"]

CLOCK_OF: Final[dict[str, WhichClock]] = {
    "lateness": "ours",
    "submit": "ours",
    "queue_wait": "both",
    "processing": "service's",
    "notification": "both",
    "latency": "ours",
}
"""The clock that each time of a job begins and ends on."""
_OURS: Final = 1e-6
NOTABLE: Final = 0.01
"""Share of the median from which an uncertainty is worth telling."""


class TimeUncertainty(msgspec.Struct, frozen=True):
    """How exactly one of the times of a job is known."""

    clock: WhichClock
    """Whose clock tells it: ``ours``, ``service's``, or ``both`` when it ends on the other one."""
    uncertainty: float | None
    """The truth is at most so many seconds longer or shorter; ``None`` when there is no limit."""


class ServiceClockMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """What the run found out about the service's clock, seconds."""

    skew: float
    """It is taken to be so much ahead of ours."""
    uncertainty: float | None
    """The truth is at most so far from ``skew``; ``None`` when there is no limit."""
    resolution: float
    """Its times are cut to it."""
    observed: int
    """Times that the service's messages carried."""
    rejected: int
    """Those of them that no skew explains together with the others; they were not used."""
    changes: int
    """How often it was set during the run."""


class ClockFold:
    """Keeps the latest that is known of the service's clock."""

    def __init__(self) -> None:
        self._latest: Clock | None = None

    def add(self, clock: Clock) -> None:
        """Fold one record."""
        if self._latest is None or clock.t >= self._latest.t:
            self._latest = clock

    def fields(self) -> dict[str, Any]:
        """Give the fields of ``JobTotals`` that tell how exact the times are."""
        clock = self._latest
        if clock is None:
            return {}
        exactness: dict[WhichClock, float | None] = {
            "ours": _OURS,
            "service's": clock.resolution,
            "both": None,
        }
        if clock.uncertainty is not None:
            exactness["both"] = round(clock.uncertainty + clock.resolution, 6)
        known = {name: getattr(clock, name) for name in ServiceClockMetrics.__struct_fields__}
        return {
            "uncertainty": {
                part: TimeUncertainty(which, exactness[which]) for part, which in CLOCK_OF.items()
            },
            "service_clock": ServiceClockMetrics(**known),
        }
