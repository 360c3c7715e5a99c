"""The job counters of a run as text, for the final table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from asyncload.stats import units
from asyncload.stats.metrics import JobMetrics, JobTotals


def equation(jobs: JobMetrics) -> Text:
    """Write the equation of the job counters: submitted = succeeded + … ."""
    parts = [
        (jobs.succeeded, "succeeded", "green"),
        (jobs.partial, "partial", "yellow"),
        (jobs.failed, "failed", "red"),
        (jobs.timed_out, "timed out", "red"),
        (jobs.lost, "lost", "red"),
    ]
    if jobs.backlog:
        parts.append((jobs.backlog, "still open", "yellow"))
    return _sum(jobs.submitted, "submitted", parts)


def give_up_reasons(jobs: JobTotals) -> Text:
    """Write what is known of the jobs that were given up."""
    parts = [
        (jobs.rejected, "rejected by the service", "red"),
        (jobs.stuck, "stuck", "red"),
        (jobs.never_started, "never started", "red"),
    ]
    return _sum(jobs.timed_out + jobs.lost, "given up", parts)


def _sum(total: int, what: str, parts: Sequence[tuple[int, str, str]]) -> Text:
    """Write ``total what = number part + number part …``, the parts in their styles."""
    text = Text()
    text.append(units.count(total), "bold").append(f" {what} = ", "dim")
    for index, (number, part, style) in enumerate(parts):
        text.append(" + " if index else "", "dim")
        text.append(units.count(number), f"bold {style}" if number else "")
        text.append(f" {part}", "dim")
    return text


def beside(jobs: JobTotals) -> Text:
    """Write what else there is to say of the jobs as a whole."""
    parts = [
        Text(f"{units.rate(jobs.rate)} finished"),
        Text(f"{units.percent(jobs.success_rate)} succeeded"),
    ]
    amounts = [(jobs.size, "B"), (jobs.pixels, "px")]
    if any(number for number, _ in amounts):
        processed = ", ".join(units.amount(number, unit) for number, unit in amounts if number)
        parts.append(Text(f"{processed} processed"))
    for number, one, many in (
        (jobs.duplicates, "duplicate status", "duplicate statuses"),
        (jobs.late, "late status", "late statuses"),
        (jobs.orphans, "foreign status", "foreign statuses"),
        (jobs.unreadable, "unreadable message", "unreadable messages"),
        (jobs.regions, "region message", "region messages"),
        (jobs.unconfirmed, "unconfirmed send", "unconfirmed sends"),
    ):
        if number:
            parts.append(Text(units.counted(number, one, many), "yellow"))
    text = Text()
    for index, part in enumerate(parts):
        text.append(" · " if index else "", "dim").append_text(part)
    return text
