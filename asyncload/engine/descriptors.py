"""File descriptors: how many the process may open, and how many a load may need."""

from __future__ import annotations

import contextlib
import math
from typing import Final

from asyncload.plan.plan import Plan, Scenario
from asyncload.stats import units

RESERVE: Final = 64
"""Descriptors for all that is no connection of a user: the log, the monitor, the embedded stack."""


def raise_limit() -> int | None:
    """Raise the soft limit of open files to the hard one, and give it; ``None`` without a limit."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # macOS may refuse, and keeps its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def shortage(plan: Plan, connections: int) -> str | None:
    """Raise the limit, and say in a sentence that it may still be too low for ``plan``.

    A user has one connection at most, and a target ``connections``.
    """
    limit = raise_limit()
    needed = sum(min(_users(scenario), connections) for scenario in plan.scenarios) + RESERVE
    if limit is None or needed <= limit:
        return None
    return (
        f"this process may open {units.count(limit)} files, and the load may need "
        f"{units.count(needed)} at a time if the service is slow: connections beyond the limit "
        "fail; raise it (ulimit -n, with its hard limit), or lower max_in_flight, the users or "
        "connections"
    )


def _users(scenario: Scenario) -> int:
    """Give the most users that a scenario can have at a time."""
    if scenario.model == "closed":
        return math.ceil(scenario.peak(1.0))
    return min(scenario.in_flight_limit, math.ceil(scenario.expected_arrivals()))
