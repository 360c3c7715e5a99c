"""Where the time of requests went, and whether the load went out as planned."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.text import Text

from asyncload.records.record import Arrivals, Delivery
from asyncload.report.tables.layout import Row, fitted, indented, print_rows
from asyncload.stats import units
from asyncload.stats.metrics import STAGES, RequestMetrics, Summary

_BEFORE: Final = ("lateness", "preparation", "queued", "sending")
"""Stages before the service has the whole request."""
_LEAST: Final = 0.001
"""Seconds at the p99 from which a stage is shown."""
_WARM_UP: Final = 0.05
"""Share of a run from which a warm-up is notable."""
_SHARE: Final = 0.1
"""The same as a share of the latency."""


def print_request_stages(summary: Summary, console: Console) -> None:
    """Print what is notable of the stages, the answers by status, and the load that went out."""
    requests = summary.requests
    if _notable(requests):
        console.print()
        console.print(
            Text("Stages", "bold").append("  of the latency of requests, in order", "not bold dim")
        )
        rows = [
            _row("mean", [getattr(requests, stage).mean for stage in STAGES]),
            _row("p99", [getattr(requests, stage).p99 for stage in STAGES]),
        ]
        print_rows(fitted(list(STAGES), [], rows, console.width), rows, console)
    if text := _statuses(requests):
        indented(Text(f"answers by status: {text}", "dim"), console)
    if requests.interrupted:
        number = units.counted(requests.interrupted, "request")
        indented(Text(f"{number} interrupted: in no other number", "yellow"), console)
    if requests.resent:
        number = units.counted(requests.resent, "request")
        why = "the service was closing the kept connection that carried the first"
        indented(Text(f"{number} sent twice: {why}", "yellow"), console)
    several = len(summary.delivery) > 1
    for delivery in summary.delivery:
        indented(_delivered(delivery, named=several), console)
    # Of jobs the table is long already, and their levels are mostly those of a burst.
    advised = {} if summary.jobs.submitted else summary.warm_ups
    for scenario, advice in advised.items():
        if advice.notable and advice.share > _WARM_UP and advice.until > summary.warmup:
            of = f" of {units.one_line(scenario)}" if len(advised) > 1 else ""
            text = f"the warm-up{of} ends at {units.seconds(advice.until)} by MSER-5; "
            indented(Text(f"{text}warmup would leave it out", "dim"), console)
    if summary.warmup:
        left_out = f"the first {units.seconds(summary.warmup)} are left out (warm-up)"
        indented(Text(left_out, "dim"), console)


def _notable(requests: RequestMetrics) -> bool:
    """Whether a stage before the service's own takes a share of the latency that one sees."""
    latency = requests.ok_latency.p99 or 0.0
    least = max(_LEAST, _SHARE * latency)
    return any((getattr(requests, stage).p99 or 0.0) > least for stage in _BEFORE)


def _row(label: str, times: list[float | None]) -> Row:
    return Row(Text(label), [Text(units.seconds(value)) for value in times], [])


def _statuses(requests: RequestMetrics) -> str:
    """Write the answers by status, unless all are 200."""
    if set(requests.statuses) <= {"200"}:
        return ""
    return ", ".join(f"{status} × {units.count(n)}" for status, n in requests.statuses.items())


def _delivered(delivery: Delivery, *, named: bool) -> Text:
    """Write how a load went out, against its plan: ``1,200 of 1,200 arrivals sent …``."""
    planned, sent = delivery.planned, delivery.sent
    scenario = f"{units.one_line(delivery.scenario)}: " if named else ""
    text = f"{scenario}{units.count(sent.count)} of {units.counted(planned.count, 'arrival')} sent"
    rates = f", {units.rate(sent.rate)} of {units.rate(planned.rate)}"
    gaps = f"; {_gaps(sent)}, planned {_gaps(planned)}" if sent.cv is not None else ""
    distance = f"; KS distance {units.digits(delivery.ks)}"
    return Text(text + rates + gaps + distance, "dim" if sent.count == planned.count else "yellow")


def _gaps(arrivals: Arrivals) -> str:
    cv = units.NO_VALUE if arrivals.cv is None else f"{arrivals.cv:.2f}"
    return f"gaps {units.seconds(arrivals.mean_gap)}, CV {cv}"
