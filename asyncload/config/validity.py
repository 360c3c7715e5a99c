"""Limits beyond which a run proves nothing: the ``validity`` section of a config."""

from __future__ import annotations

import msgspec

from asyncload.plan.duration import Duration


class Validity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Limits of the verdict. Shares are of 1; docs/measurement.md says what each is about."""

    lateness: Duration = Duration(0.010)
    """Lateness p99 that never matters."""
    lateness_share: float = 0.10
    """Share of the p99 of latency that the p99 of lateness may be."""
    cpu: float = 0.95
    """Share of a second from which the generator is busy: what its process used of a core, and
    what it waited for one, ready to run."""
    busy_share: float = 0.20
    """Share of the load's seconds that may be busy, or spent waiting."""
    steal: float = 0.02
    """Share of the CPU time that the host may be without its cores."""
    loop_lag: Duration = Duration(0.100)
    """Longest block of the event loop by a user's code."""
    loop_lag_often: Duration = Duration(0.030)
    """Block that may come in half of the seconds. It is measured up to 20 ms too short, so this
    is about blocks of 50 ms."""
    drop_rate: float = 0.001
    """Share of the arrivals that may be dropped, unless a threshold is on them."""
    queued: Duration = Duration(0.005)
    """Wait for a connection (p99) that never matters."""
    queued_share: float = 0.05
    """Share of the p99 of the service time that the p99 of that wait may be."""
    clock_jump: Duration = Duration(0.050)
    """How far the wall clock may jump."""

    def __post_init__(self) -> None:
        for name in ("lateness_share", "cpu", "busy_share", "steal", "drop_rate",
                     "queued_share"):  # fmt: skip
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is {value:g}; give a share between 0 and 1, such as 0.1")
