"""The job counters of a run as text, for the final table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from asyncload.records.outcomes import BESIDE, OUTCOMES, REASONS, label
from asyncload.stats import units
from asyncload.stats.job_times import NOTABLE
from asyncload.stats.metrics import JobMetrics, JobTotals


def equation(jobs: JobMetrics) -> Text:
    """Write the equation of the job counters: submitted = succeeded + … ."""
    parts = [
        (getattr(jobs, counter), label(counter), outcome.style)
        for counter, outcome in OUTCOMES.items()
    ]
    if jobs.backlog:
        parts.append((jobs.backlog, "still open", "yellow"))
    return _sum(jobs.submitted, "submitted", parts)


def give_up_reasons(jobs: JobTotals) -> Text:
    """Write what is known of the jobs that were given up."""
    parts = [(getattr(jobs, counter), reason.text, "red") for counter, reason in REASONS.items()]
    return _sum(jobs.given_up, "given up", parts)


def stage_label(stage: str, jobs: JobTotals) -> Text:
    """Write the name of a part of a job's time, and how exact it is where that is notable."""
    text = Text(stage.replace("_", " "))
    known = jobs.uncertainty.get(stage)
    if known is None or known.clock == "ours":
        return text
    if known.uncertainty is None:
        return text.append(" ± ?", "yellow")
    median = getattr(jobs, stage).p50 or 0.0
    if known.uncertainty > NOTABLE * median:
        text.append(f" ± {units.seconds(known.uncertainty)}", "dim")
    return text


def clamped(jobs: JobTotals) -> Text | None:
    """Say how many times were below 0, and why they can be."""
    number = jobs.notification.clamped + jobs.queue_wait.clamped + jobs.processing.clamped
    if not number:
        return None
    text = f"{units.counted(number, 'time')} below 0 (the service's clock is not ours"
    known = jobs.uncertainty.get("queue_wait")
    if known is not None and known.uncertainty is not None:
        text += f", and is known to ± {units.seconds(known.uncertainty)}"
    return Text(f"{text}) {'is' if number == 1 else 'are'} counted as 0.", "dim")


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
    for counter, what in BESIDE.items():
        if number := getattr(jobs, counter):
            parts.append(Text(units.counted(number, what.one, what.many), "yellow"))
    text = Text()
    for index, part in enumerate(parts):
        text.append(" · " if index else "", "dim").append_text(part)
    return text
