"""The summary of a run as tables in the terminal."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from asyncload.records.outcomes import REASONS, add_up
from asyncload.report.tables.conclusion import conclusion
from asyncload.report.tables.hosts_table import print_hosts
from asyncload.report.tables.jobs_table import (
    beside,
    clamped,
    equation,
    give_up_reasons,
    stage_label,
)
from asyncload.report.tables.layout import Row, fitted, indented, plain_table, print_rows, shortened
from asyncload.report.tables.load_stages_table import print_load_stages
from asyncload.report.tables.notes_table import print_found, print_notes
from asyncload.report.tables.request_stages_table import print_request_stages
from asyncload.report.tables.streams_table import print_streams
from asyncload.report.tables.verdict_table import print_thresholds, print_verdict
from asyncload.stats import units
from asyncload.stats.metrics import (
    Distribution,
    JobMetrics,
    JobRow,
    JobTotals,
    RequestMetrics,
    RequestRow,
    Summary,
)
from asyncload.stats.snapshot import NoteSeen
from asyncload.verdict.thresholds import ThresholdResult
from asyncload.verdict.verdict import Verdict

MAX_ROWS: Final = 30
"""Names shown; those with the most requests (or jobs) when there are more."""
_MAX_FAILURES: Final = 5
_FEW_NAMES: Final = 3  # so many names of jobs always have rows of their own
_ENOUGH: Final = 10  # jobs of a name from which its p95 is compared with others
_NOTABLE: Final = 2.0  # times by which the p95 of names differ notably
_IMAGE: Final = re.compile(r"(.+?\.\w{2,4}):", re.ASCII)
_TIMES: Final = ["mean", "p50", "p95", "p99", "max"]
_STAGES: Final = ("lateness", "submit", "queue_wait", "processing", "notification")


def print_summary(
    summary: Summary,
    thresholds: Sequence[ThresholdResult] | None,
    console: Console,
    *,
    log_path: Path | str | None = None,
    artifacts: Sequence[Path | str] = (),
    notes: Sequence[NoteSeen] = (),
    more_notes: int = 0,
    found: Sequence[str] = (),
    interrupted: bool = False,
    problems: Sequence[str] = (),
    verdict: Verdict | None = None,
) -> None:
    """Print the numbers of a run, what they come to, and where its files are.

    ``thresholds`` are ``None`` when it is not known how they came out,
    ``notes`` are the warnings and errors the reader of the numbers should
    know of, ``more_notes`` counts those that the log has beside them, ``found`` what set-up found out, ``problems`` is what kept the run from going as planned.
    """
    if summary.requests.count:
        _print_requests(summary, console)
        print_streams(summary, console, label=_label, most=MAX_ROWS)
        print_request_stages(summary, console)
    else:
        console.print(Text("No request was sent.", "bold"))
    print_load_stages(summary.steps, console)
    if summary.jobs.submitted:
        _print_jobs(summary, console)
    if any(host.gpus or not host.generator for host in summary.hosts):
        console.print()
        print_hosts(summary.hosts, console)
    _print_failures(summary, console)
    print_found(found, console)
    print_notes(notes, more_notes, console)
    console.print()
    print_thresholds(thresholds or (), console)
    if verdict is not None:
        print_verdict(verdict, console)
    reasons = () if verdict is None else verdict.reasons
    for problem in problems:
        if not any(reason.text == problem.rstrip(".") for reason in reasons):
            console.print(Text(units.one_line(problem), "bold red"))
    console.print(conclusion(summary, thresholds, verdict, interrupted=interrupted))
    _print_files(log_path, artifacts, console)


def _print_requests(summary: Summary, console: Console) -> None:
    total = summary.requests
    by_name = summary.requests_by_name
    shown = sorted(by_name, key=lambda row: -row.count)[:MAX_ROWS]
    several = len({row.scenario for row in shown}) > 1
    rows = [
        _request_row(_label(row.scenario if several else "", row.name), row, summary)
        for row in sorted(shown, key=lambda row: (row.scenario, row.name))
    ]
    if len(by_name) > 1 or by_name[0].dropped != total.dropped:
        rows.append(_request_row(Text("all", "bold"), total, summary))
    headers = ["sent", "failed", *(["dropped"] if total.dropped else []), "rate"]
    headers += [*(["ok p95"] if total.errors else []), "service p95"]
    halves = fitted(headers, _TIMES, rows, console.width)
    aside = "latency from when each was due"
    if any("service p95" in half.headers for half in halves):
        aside += "; service p95 from when it was sent"
    if total.errors or total.dropped:
        aside += "; what did not end well counts as never"
    console.print(Text("Requests", "bold").append(f"  {aside}", "not bold dim"))
    print_rows(halves, rows, console)
    _print_hidden(len(by_name) - len(shown), console)


def _request_row(label: Text, metrics: RequestMetrics, summary: Summary) -> Row:
    failed = metrics.errors
    left = [
        Text(units.count(metrics.count)),
        Text(units.count(failed), "bold red" if failed else ""),
        Text(units.rate(metrics.rate)),
        _time(metrics.service_time.p95, metrics.service_time),
    ]
    if summary.requests.errors:
        left.insert(3, Text(units.seconds(metrics.ok_latency.p95)))
    if summary.requests.dropped:
        dropped = Text(units.count(metrics.dropped), "bold red" if metrics.dropped else "")
        if isinstance(metrics, RequestRow) and not metrics.dropped:
            # The arrivals dropped in a scenario of several names are of none of them.
            unknown = metrics.scenario in summary.dropped_by_scenario
            dropped = Text(units.NO_VALUE) if unknown else dropped
        left.insert(2, dropped)
    return Row(label, left, _times(metrics.latency))


def _print_jobs(summary: Summary, console: Console) -> None:
    jobs = summary.jobs
    console.print()
    heading, more = Text("Jobs", "bold"), beside(jobs)
    if heading.cell_len + 2 + more.cell_len <= console.width:
        console.print(Text.assemble(heading, "  ", more))
    else:
        console.print(heading)
        indented(more, console)
    indented(equation(jobs), console)
    if add_up(jobs, REASONS):
        indented(give_up_reasons(jobs), console)
    if jobs.latency.count:
        _print_stages(jobs, console)
    given_up = jobs.latency.beyond
    if given_up:
        text = f"{units.counted(given_up, 'job')} never ended: "
        text += f"percentiles of the latency count {'it' if given_up == 1 else 'them'}; "
        text += f"mean, max and the parts are of the {units.count(jobs.latency.count)} that ended."
        indented(Text(text, "red"), console)
    names = summary.jobs_by_name
    if len(names) > _FEW_NAMES and not _differ(names):
        indented(_names_line(names, console.width - 2), console)
    elif len(names) > 1:
        _print_names(names, console)


def _print_names(names: Sequence[JobRow], console: Console) -> None:
    shown = sorted(names, key=lambda row: -row.submitted)[:MAX_ROWS]
    several = len({row.scenario for row in shown}) > 1
    rows = [
        _job_row(_label(row.scenario if several else "", row.name), row)
        for row in sorted(shown, key=lambda row: (row.scenario, row.name))
    ]
    console.print()
    headers = ["jobs", "partial", "failed", "rate"]
    print_rows(fitted(headers, _TIMES, rows, console.width), rows, console)
    _print_hidden(len(names) - len(shown), console)


def _differ(names: Sequence[JobRow]) -> bool:
    """Whether jobs of some names went notably better than those of others."""
    failing = {(row.error_rate or 0.0) >= 0.5 for row in names}
    p95s = [_p95(row) for row in names if row.latency.count + row.latency.beyond >= _ENOUGH]
    # The second comparison is for a p95 that is infinite while others are not.
    return len(failing) > 1 or (bool(p95s) and max(p95s) > _NOTABLE * min(p95s))


def _p95(row: JobRow) -> float:
    """The 95th percentile of the latency; infinite when it lies among jobs that never ended."""
    return math.inf if row.latency.p95 is None else row.latency.p95


def _image_and_model(name: str) -> tuple[str, str]:
    """Cut the name of a job after its image; the model may be a URL, which has colons itself."""
    found = _IMAGE.match(name)
    if found is None:
        return name.rpartition(":")[::2]
    return found[1], name[found.end() :]


def _names_line(names: Sequence[JobRow], width: int) -> Text:
    """Write how far the latencies of several names are apart."""
    several = len({row.scenario for row in names}) > 1
    best, worst = min(names, key=_p95), max(names, key=_p95)
    models = {_image_and_model(row.name)[1] for row in names}
    labels = [
        _label(
            row.scenario if several else "",
            _image_and_model(row.name)[0] or row.name if len(models) == 1 else row.name,
        )
        for row in (best, worst)
    ]
    low, high = _time(best.latency.p95, best.latency), _time(worst.latency.p95, worst.latency)
    if math.isinf(_p95(best)):
        return Text(f"{units.count(len(names))} names; the p95 of each is never", "red")
    start = f"{units.count(len(names))} names; p95 from {low.plain} ("
    between = f") to {high.plain} ("
    room = max((width - cell_len(start + between) - 1) // 2, 8)
    text = Text(start, "dim")
    text.append_text(shortened(labels[0], room)).append(between)
    return text.append_text(shortened(labels[1], room)).append(")")


def _print_stages(jobs: JobTotals, console: Console) -> None:
    """Print where the time of a job goes: its stages, and the whole of it."""
    whole = (jobs.latency.mean or 0.0) * jobs.latency.count
    rows = []
    for stage in _STAGES:
        times: Distribution = getattr(jobs, stage)
        if not times.count:
            continue
        share = (times.mean or 0.0) * times.count / whole if whole else 0.0
        rows.append(_stage_row(stage_label(stage, jobs), share, times))
    rows.append(_stage_row(Text("latency", "bold"), 1.0, jobs.latency))
    print_rows(fitted(["share"], _TIMES, rows, console.width), rows, console)
    below = clamped(jobs)
    if below is not None:
        indented(below, console)


def _stage_row(label: Text, share: float, times: Distribution) -> Row:
    return Row(label, [Text(f"{100 * share:.0f} %", "dim")], _times(times))


def _job_row(label: Text, metrics: JobMetrics) -> Row:
    failed = metrics.errors
    left = [
        Text(units.count(metrics.submitted)),
        Text(units.count(metrics.partial), "yellow" if metrics.partial else ""),
        Text(units.count(failed), "bold red" if failed else ""),
        Text(units.rate(metrics.rate)),
    ]
    return Row(label, left, _times(metrics.latency))


def _print_failures(summary: Summary, console: Console) -> None:
    failures = [
        (number, what, text, metrics.failure_times[text])
        for what, metrics in (("request", summary.requests), ("job", summary.jobs))
        for text, number in metrics.failures.items()
    ]
    if not failures:
        return
    failures.sort(key=lambda failure: -failure[0])
    shown = failures[:_MAX_FAILURES]
    table = plain_table([("", "left"), ("", "right"), *[("", "left")] * 3], header=False)
    for index, (number, what, text, times) in enumerate(shown):
        title = Text("" if index else "Failures", "bold")
        number_of = Text(f"{units.count(number)} ×", "red")
        when = Text(units.clocks(*times), "dim")
        table.add_row(title, number_of, Text(what, "dim"), when, Text(units.one_line(text)))
    console.print()
    console.print(table)
    _print_hidden(len(failures) - _MAX_FAILURES, console)


def _print_files(
    log_path: Path | str | None, artifacts: Sequence[Path | str], console: Console
) -> None:
    paths = [str(path) for path in (log_path, *artifacts) if path is not None]
    if not paths:
        return
    fit = cell_len("Files   " + "  ".join(paths)) <= console.width
    for index, line in enumerate(["  ".join(paths)] if fit else paths):
        title = "" if index else "Files"
        console.print(Text(f"{title:<8}", "bold").append(line, "not bold"), soft_wrap=True)
    if log_path is not None:
        command = f"asyncload plot {shlex.quote(str(log_path))}"
        console.print(
            Text(f"{'Graphs':<8}", "bold").append(command, "not bold cyan"), soft_wrap=True
        )


def _print_hidden(number: int, console: Console) -> None:
    if number > 0:
        indented(Text(f"and {units.count(number)} more", "dim"), console)


def _label(scenario: str, name: str) -> Text:
    return Text(units.one_line(f"{scenario} / {name}" if scenario else name), "cyan")


def _times(times: Distribution) -> list[Text]:
    p95 = _time(times.p95, times)
    p95.stylize("bold")
    return [
        Text(units.seconds(times.mean)),
        _time(times.p50, times),
        p95,
        _time(times.p99, times),
        Text(units.seconds(times.max)),
    ]


def _time(percentile: float | None, times: Distribution) -> Text:
    """Write a percentile; ``never`` when it lies among what did not end well."""
    if percentile is None and times.beyond:
        return Text("never", "red")
    return Text(units.seconds(percentile))
