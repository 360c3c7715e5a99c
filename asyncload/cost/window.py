"""When a run was, and the whole hours or days that Cost Explorer tells the costs of."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final, Literal

import msgspec

from asyncload.errors import ConfigError

Granularity = Literal["daily", "hourly"]

STEPS: Final[dict[str, dt.timedelta]] = {
    "daily": dt.timedelta(days=1),
    "hourly": dt.timedelta(hours=1),
}
HOURS_KEPT: Final = dt.timedelta(days=14)
"""How far Cost Explorer's hourly data go back."""
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


class Span(msgspec.Struct, frozen=True):
    """From ``start`` up to, not including, ``stop``; both in UTC."""

    start: dt.datetime
    stop: dt.datetime

    @property
    def hours(self) -> Decimal:
        """Length in hours, exact to the microsecond."""
        return Decimal((self.stop - self.start) // _MICROSECOND) / Decimal(3_600_000_000)


def read_time(text: str, where: str) -> tuple[dt.datetime, bool]:
    """Read an ISO-8601 time or date; give it in UTC, and whether it named a zone.

    Without a zone it is taken as UTC; a date alone is its midnight. Raises
    :class:`ConfigError` that begins with ``where``.
    """
    try:
        time = dt.datetime.fromisoformat(text.strip())
        if time.tzinfo is None:
            return time.replace(tzinfo=dt.UTC), False
        return time.astimezone(dt.UTC), True
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{where}: {text!r} is no time; write it like 2026-11-20T09:30:00Z"
        ) from None


def span_of(start: dt.datetime, stop: dt.datetime, where: str) -> Span:
    """Make a span. Raises :class:`ConfigError` beginning with ``where`` when it has no length."""
    if stop <= start:
        raise ConfigError(
            f"{where}: the end, {format_time(stop)}, is not after the start, {format_time(start)}; "
            "give the times of a run"
        )
    return Span(start, stop)


def covering(span: Span, granularity: Granularity) -> Span:
    """Give the whole hours or days (UTC) that ``span`` lies in."""
    step = STEPS[granularity]
    first = (span.start - _EPOCH) // step
    last = -((_EPOCH - span.stop) // step)
    try:
        return Span(_EPOCH + first * step, _EPOCH + last * step)
    except OverflowError:  # the last day of the year 9999
        raise ConfigError(
            f"{format_time(span.stop)} is too late a time; give that of a run"
        ) from None


def check_kept(window: Span, granularity: Granularity, now: dt.datetime) -> None:
    """Refuse a window that Cost Explorer cannot know of at ``now``. Raises :class:`ConfigError`."""
    if window.start > now:
        raise ConfigError(
            f"the run starts at {format_time(window.start)}, which is still to come; "
            "ask for its cost when it is over"
        )
    if granularity == "hourly" and window.start < now - HOURS_KEPT:
        raise ConfigError(
            f"--granularity hourly: Cost Explorer keeps hours for 14 days, and the run began on "
            f"{window.start:%Y-%m-%d}; use --granularity daily"
        )


def format_time(time: dt.datetime) -> str:
    """Write a time as people read it, to the second: ``2026-11-20 09:30:00 UTC``."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"
