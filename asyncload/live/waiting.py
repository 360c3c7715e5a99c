"""What a run that sends nothing more is waiting for, and for how long."""

from __future__ import annotations

from typing import Final

from asyncload.progress import Progress
from asyncload.stats import units
from asyncload.stats.snapshot import Snapshot

_SHORTEST: Final = 10  # seconds that the present rate is over, at least
_ENOUGH: Final = 20  # jobs from which a rate is good to a fifth or so: no need to look further back
_FEWEST: Final = 5  # jobs below which there is no telling


def time_left(progress: Progress) -> str:
    """Say how long the phase will still take."""
    if progress.phase == "drain" and progress.drain_end is None:
        return "no limit"
    end = progress.drain_end if progress.phase == "drain" else progress.end
    if progress.phase not in {"load", "drain"} or end is None:
        return ""
    left = units.clock(max(end - progress.t, 0.0) + 0.999)  # rounded up: 0:00 is the end
    return f"at most {left} left" if progress.phase == "drain" else f"{left} left"


def waiting(snapshot: Snapshot, progress: Progress) -> str:
    """Say what is waited for after the load, since when, and how long it may take."""
    since = units.clock(progress.t if progress.load_end is None else progress.load_end)
    text = f"waiting since {since} for {_what_is_open(snapshot, progress)}"
    rest = estimate(snapshot)
    return text if rest is None else f"{text}, about {_roughly(rest)} left"


def stopping(snapshot: Snapshot, progress: Progress) -> str:
    """Say what a run that was asked to stop is doing."""
    if progress.phase == "setup":
        return "stopping"
    if progress.phase == "done":
        return "stopping: writing the report"
    what = "waiting for open jobs" if progress.has_jobs else "waiting for open requests"
    if progress.given_up:
        what = f"no longer waiting for {_what_is_open(snapshot, progress)}"
    elif progress.phase == "drain":
        what = waiting(snapshot, progress)
    return f"stopping (Ctrl-C again stops now): {what}"


def estimate(snapshot: Snapshot) -> float | None:
    """Seconds until no job is open, if they go on ending as they did lately.

    ``None`` when too few have ended in the seconds that the snapshot tells of.
    The longer nothing ends, the lower the rate: a service that stands still
    is not promised to be done soon.
    """
    backlog = snapshot.ledger.backlog if snapshot.ledger is not None else 0
    ended = seconds = 0
    for number in reversed(snapshot.series.jobs):
        if ended >= _ENOUGH and seconds >= _SHORTEST:
            break
        ended += number
        seconds += 1
    return backlog * seconds / ended if backlog and ended >= _FEWEST else None


def _what_is_open(snapshot: Snapshot, progress: Progress) -> str:
    ledger = snapshot.ledger
    parts = []
    if progress.has_jobs and ledger is not None and ledger.backlog:
        parts.append(units.counted(ledger.backlog, "job"))
    if progress.unconfirmed:
        parts.append(units.counted(progress.unconfirmed, "send") + " without an answer")
    if not parts and (in_flight := sum(scenario.in_flight for scenario in snapshot.scenarios)):
        parts.append(units.counted(in_flight, "request"))
    return " and ".join(parts) or "the last answers"


def _roughly(seconds: float) -> str:
    """Write a time span no more precisely than it can be known."""
    step = 1 if seconds < 60 else 10 if seconds < 600 else 60
    return units.clock(max(round(seconds / step), 1) * step)
