"""The cost of a run in numbers, from what Cost Explorer told of its hours or days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Context, Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from asyncload.cost.explorer import Costs
from asyncload.cost.totals import Totals
from asyncload.cost.window import Granularity, Span, format_time
from asyncload.errors import ConfigError

LATE: Final = dt.timedelta(hours=48)
"""After so long Cost Explorer usually knows everything."""
_DIGITS: Final = Context(prec=12)  # of quotients; sums are exact
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A cost, and what it comes to for each hour and each thing processed; in the currency."""

    total: Decimal
    per_hour: Decimal
    """Of the run's own time."""
    per_image: Decimal | None
    """Of the images processed; ``None``, like the next two, where there are none."""
    per_gb: Decimal | None
    """GiB."""
    per_gigapixel: Decimal | None


class CostReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a run cost."""

    run: Span
    totals: Totals | None
    """``None`` where only a time was given."""
    window: Span
    """The whole hours or days around the run, of which ``costs`` are."""
    granularity: Granularity
    metric: str
    costs: Costs
    share: Decimal
    """The run's part of the window's time."""
    whole: Figures
    """If the run caused all costs of the window."""
    by_time: Figures
    """If costs come about evenly over the window: the share of the time."""
    notes: tuple[str, ...]
    """What the reader must know, a sentence each."""

    def to_dict(self) -> dict[str, Any]:
        """Give it as :func:`write_report` writes it, with exact decimals."""
        totals = self.totals or Totals()
        return {
            "run": {
                "start_time": self.run.start.isoformat(),
                "stop_time": self.run.stop.isoformat(),
                "hours": _rounded(self.run.hours),
                **msgspec.structs.asdict(totals),
                "gigapixels": totals.gigapixels,
            },
            "time_period": {
                "start": self.window.start.isoformat(),
                "end": self.window.stop.isoformat(),
                "hours": _rounded(self.window.hours),
                "granularity": self.granularity,
                "share_of_run": self.share,
            },
            "metric": self.metric,
            "currency": self.costs.currency,
            "estimated": self.costs.estimated,
            "cost_summary": _summary(self.whole),
            "cost_summary_by_time": _summary(self.by_time),
            "costs_by_service": self.costs.by_service,
            "notes": self.notes,
        }


def make_report(
    run: Span,
    totals: Totals | None,
    costs: Costs,
    *,
    window: Span,
    granularity: Granularity,
    metric: str,
    now: dt.datetime,
    notes: Sequence[str] = (),
) -> CostReport:
    """Work the numbers out; ``notes`` are those that the caller has to add."""
    share = _DIGITS.divide(run.hours, window.hours)
    part = _DIGITS.divide(costs.total * run.hours, window.hours)
    return CostReport(
        run=run,
        totals=totals,
        window=window,
        granularity=granularity,
        metric=metric,
        costs=costs,
        share=share,
        whole=_figures(costs.total, run, totals),
        by_time=_figures(part, run, totals),
        notes=(*notes, *_notes(run, costs, granularity, now)),
    )


def write_report(report: CostReport, path: Path) -> None:
    """Write it as JSON to ``path``. Raises :class:`ConfigError` where that cannot be."""
    content = msgspec.json.format(_ENCODER.encode(report.to_dict()), indent=2) + b"\n"
    try:
        path.write_bytes(content)
    except OSError as problem:
        raise ConfigError(
            f"--output: cannot write {path}: {problem.strerror}; choose another place"
        ) from None


def _figures(total: Decimal, run: Span, totals: Totals | None) -> Figures:
    totals = totals or Totals()
    return Figures(
        total=total,
        per_hour=_DIGITS.divide(total, run.hours),
        per_image=_each(total, totals.total_image_processed),
        per_gb=_each(total, totals.total_gb_processed),
        per_gigapixel=_each(total, totals.gigapixels),
    )


def _each(total: Decimal, number: float | None) -> Decimal | None:
    return _DIGITS.divide(total, Decimal(str(number))) if number else None


def _rounded(value: Decimal) -> Decimal:
    return _DIGITS.plus(value)


def _summary(figures: Figures) -> dict[str, Decimal | None]:
    return {
        "total_cost": figures.total,
        "cost_per_hour": figures.per_hour,
        "cost_per_image": figures.per_image,
        "cost_per_gb": figures.per_gb,
        "cost_per_gigapixel": figures.per_gigapixel,
    }


def _notes(run: Span, costs: Costs, granularity: Granularity, now: dt.datetime) -> list[str]:
    notes = []
    if now - run.stop < LATE:
        notes.append(
            "costs come 24 to 48 hours late, and the run ended "
            f"{_ago(now - run.stop)}: more may be added; ask again after "
            f"{format_time(run.stop + LATE)}"
        )
    if costs.silent:
        unit = "day" if granularity == "daily" else "hour"
        number = len(costs.silent)
        what = f"the {unit}" if number == 1 else f"{number} {unit}s, the first"
        notes.append(f"no costs are known of {what} beginning {format_time(costs.silent[0])}")
    if costs.estimated:
        notes.append(
            "Cost Explorer calls these costs estimated: they change until the bill is final"
        )
    if any(cost < 0 for cost in costs.by_service.values()):
        notes.append("amounts below 0 are credits or refunds; shares are left out")
    return notes


def _ago(age: dt.timedelta) -> str:
    if age < dt.timedelta():
        return "in the future"
    hours = age // dt.timedelta(hours=1)
    if not hours:
        return "less than an hour ago"
    return f"{hours} hour{'' if hours == 1 else 's'} ago"
