"""``asyncload cost``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, cast

from asyncload.commands.loop import Output, run_loop
from asyncload.cost.explorer import REGION, Costs, ask, check_metric, only
from asyncload.cost.report import make_report, write_report
from asyncload.cost.show import print_report
from asyncload.cost.totals import Totals, read_summary
from asyncload.cost.window import Span, check_kept, covering, read_time, span_of
from asyncload.errors import ConfigError
from asyncload.transport.aws.session import Aws

_NO_ZONE = "times without a zone are taken as UTC"


def cost_command(
    summary: Path | None,
    *,
    start: str | None,
    end: str | None,
    granularity: str,
    metric: str,
    services: Sequence[str],
    profile: str | None,
    output: Path | None,
) -> None:
    """Ask Cost Explorer what the run of ``summary``, or from ``start`` to ``end``, cost."""
    run, totals, notes = _what_run(summary, start, end)
    metric = check_metric(metric)
    step = cast("Literal['daily', 'hourly']", granularity)
    window = covering(run, step)
    check_kept(window, step, dt.datetime.now(dt.UTC))
    if output is not None and not output.absolute().parent.is_dir():
        raise ConfigError(f"--output: there is no folder {output.parent}; make it first")

    async def asked() -> Costs:
        async with Aws(region=REGION, profile=profile) as aws:
            return await ask(aws, window, granularity=step, metric=metric)

    try:
        costs = run_loop(asked)
    except ConfigError as problem:  # of the profile, which no config names here
        raise ConfigError(str(problem).replace("aws.profile:", "--profile:", 1)) from None
    if services:
        costs, missing = only(costs, services)
        notes += [f"the service {name!r} has no costs in that time" for name in missing]
    now = dt.datetime.now(dt.UTC)
    report = make_report(
        run, totals, costs, window=window, granularity=step, metric=metric, now=now, notes=notes
    )
    console = Output()
    print_report(report, console)
    if output is not None:
        write_report(report, output)
        console.print(f"\nwritten to {output}", soft_wrap=True)


def _what_run(
    summary: Path | None, start: str | None, end: str | None
) -> tuple[Span, Totals | None, list[str]]:
    """Find out when the run was, and what it came to where a summary tells."""
    if summary is not None:
        if start is not None or end is not None:
            raise ConfigError("give either a summary, or --start and --end; not both")
        known = read_summary(summary)
        return known.span, known.totals, [] if known.has_zone else [_NO_ZONE]
    if start is None or end is None:
        raise ConfigError(
            "give the job_summary.json of a run, or a time with both --start and --end"
        )
    first, first_zone = read_time(start, "--start")
    last, last_zone = read_time(end, "--end")
    return span_of(first, last, "--end"), None, [] if first_zone and last_zone else [_NO_ZONE]
