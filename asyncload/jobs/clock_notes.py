"""What there is to say of the service's clock at the end of a run."""

from __future__ import annotations

from collections.abc import Iterator

from asyncload.jobs.clock import ServiceClock
from asyncload.stats import units


def clock_notes(clock: ServiceClock) -> Iterator[tuple[str, str]]:
    """Give notes, each as its level and text."""
    times = units.counted(clock.observed, "time")
    if clock.skew:
        text = f"the service's clock is {units.seconds(abs(clock.skew))} "
        text += f"± {units.seconds(clock.uncertainty)} "
        text += f"{'ahead of' if clock.skew > 0 else 'behind'} ours: "
        text += f"{units.count(clock.observed - clock.rejected)} of {times} in statuses agree; "
        yield "info", text + "job times are corrected for it"
    if clock.changes:
        often = "once" if clock.changes == 1 else f"{units.count(clock.changes)} times"
        text = f"the service's clock was set {often}, as of {units.clock(clock.changed_at)}; "
        yield "warning", text + "jobs that were under way then have no queue wait or processing"
    if clock.first_rejected is not None:
        job_id, ahead = clock.first_rejected
        text = f"{units.count(clock.rejected)} of {times} in statuses fit no clock skew that "
        text += f"explains the others (the first: job {job_id}, {units.digits(abs(ahead))} s "
        yield "warning", text + f"{'ahead' if ahead > 0 else 'behind'}); they were not used"
