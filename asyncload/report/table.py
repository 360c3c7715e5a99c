"""The summary of a run as tables in the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from asyncload.stats import units
from asyncload.stats.metrics import Distribution, JobMetrics, JobTotals, RequestMetrics
from asyncload.stats.snapshot import NoteSeen
from asyncload.stats.summary import Summary
from asyncload.stats.thresholds import ThresholdResult

MAX_ROWS: Final = 30
"""Names shown; those with the most requests (or jobs) when there are more."""
_MAX_FAILURES: Final = 5
_LABEL: Final = 28  # columns a long name is cut to before a table is split into its halves
_NARROW: Final = 70
_SPARE: Final = {"mean", "share", "service p95"}  # columns left out where it is narrow
_TIMES: Final = ["mean", "p50", "p95", "p99", "max"]
_STAGES: Final = ("lateness", "submit", "queue_wait", "processing", "notification")


class _Row(NamedTuple):
    """A line of a table. A narrow terminal shows its two halves below each other."""

    label: Text
    left: list[Text]
    right: list[Text]


def print_summary(
    summary: Summary,
    thresholds: Sequence[ThresholdResult],
    console: Console,
    *,
    log_path: Path | str | None = None,
    artifacts: Sequence[Path | str] = (),
    notes: Sequence[NoteSeen] = (),
) -> None:
    """Print the numbers of a run, how its thresholds came out, and where its files are.

    ``notes`` are the warnings and errors the reader of the numbers should know of.
    """
    if summary.requests.count + summary.requests.dropped:
        _print_requests(summary, console)
    else:
        console.print(Text("No request was sent.", "bold"))
    if summary.jobs.submitted:
        _print_jobs(summary, console)
    _print_failures(summary, console)
    _print_thresholds(thresholds, console)
    _print_notes(notes, console)
    _print_files(log_path, artifacts, console)


def _print_requests(summary: Summary, console: Console) -> None:
    aside = "latency from when each was due"
    aside += "" if console.width < _NARROW else "; service p95 from when it was sent"
    _heading("Requests", console, aside)
    shown = sorted(summary.requests_by_name, key=lambda row: -row.count)[:MAX_ROWS]
    several = len({row.scenario for row in shown}) > 1
    rows = [
        _request_row(_label(row.scenario if several else "", row.name), row)
        for row in sorted(shown, key=lambda row: (row.scenario, row.name))
    ]
    if len(summary.requests_by_name) > 1:
        rows.append(_request_row(Text("all", "bold"), summary.requests))
    _print_rows(
        ["sent", "failed", "dropped", "rate", "service p95"],
        _TIMES,
        rows,
        console,
    )
    _print_hidden(len(summary.requests_by_name) - len(shown), console)
    if summary.requests.dropped:
        _indented(
            Text(
                f"{units.counted(summary.requests.dropped, 'arrival')} "
                f"({units.percent(summary.requests.drop_rate)}) dropped: so many requests were in "
                "flight already that no more were sent.",
                "red",
            ),
            console,
        )


def _request_row(label: Text, metrics: RequestMetrics) -> _Row:
    failed = metrics.failed + metrics.timeout
    left = [
        Text(units.count(metrics.count)),
        Text(units.count(failed), "bold red" if failed else ""),
        Text(units.count(metrics.dropped), "bold red" if metrics.dropped else ""),
        Text(units.rate(metrics.rate)),
        Text(units.seconds(metrics.service_time.p95)),
    ]
    return _Row(label, left, _times(metrics.latency))


def _print_jobs(summary: Summary, console: Console) -> None:
    jobs = summary.jobs
    _heading("Jobs", console)
    _indented(_equation(jobs), console)
    _indented(_beside(jobs), console)
    if jobs.latency.count:
        console.print()
        _print_stages(jobs, console)
    if len(summary.jobs_by_name) > 1:
        console.print()
        shown = sorted(summary.jobs_by_name, key=lambda row: -row.submitted)[:MAX_ROWS]
        several = len({row.scenario for row in shown}) > 1
        rows = [
            _job_row(_label(row.scenario if several else "", row.name), row)
            for row in sorted(shown, key=lambda row: (row.scenario, row.name))
        ]
        headers = ["jobs", "partial", "failed", "rate"]
        _print_rows(headers, _TIMES, rows, console)
        _print_hidden(len(summary.jobs_by_name) - len(shown), console)
    given_up = jobs.timed_out + jobs.lost
    if given_up:
        text = f"{units.counted(given_up, 'job')} never came to an end and "
        text += f"{'is' if given_up == 1 else 'are'} in none of these latencies."
        _indented(Text(text, "red"), console)


def _equation(jobs: JobMetrics) -> Text:
    """Write the account of the jobs: submitted = succeeded + … ."""
    text = Text()
    text.append(units.count(jobs.submitted), "bold").append(" submitted = ", "dim")
    parts = [
        (jobs.succeeded, "succeeded", "green"),
        (jobs.partial, "partial", "yellow"),
        (jobs.failed, "failed", "red"),
        (jobs.timed_out, "timed out", "red"),
        (jobs.lost, "lost", "red"),
    ]
    if jobs.backlog:
        parts.append((jobs.backlog, "still open", "yellow"))
    for index, (number, what, style) in enumerate(parts):
        text.append(" + " if index else "", "dim")
        text.append(units.count(number), f"bold {style}" if number else "")
        text.append(f" {what}", "dim")
    return text


def _beside(jobs: JobTotals) -> Text:
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
        (jobs.orphans, "orphan status", "orphan statuses"),
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


def _print_stages(jobs: JobMetrics, console: Console) -> None:
    """Print where the time of a job goes: its stages, and the whole of it."""
    whole = (jobs.latency.mean or 0.0) * jobs.latency.count
    rows = []
    for stage in _STAGES:
        times: Distribution = getattr(jobs, stage)
        if not times.count:
            continue
        share = (times.mean or 0.0) * times.count / whole if whole else 0.0
        rows.append(_stage_row(Text(stage.replace("_", " ")), share, times))
    rows.append(_stage_row(Text("latency", "bold"), 1.0, jobs.latency))
    _print_rows(["share"], _TIMES, rows, console)
    clamped = jobs.notification.clamped + jobs.queue_wait.clamped + jobs.processing.clamped
    if clamped:
        text = f"{units.counted(clamped, 'time')} below 0 (the service's clock is not ours) "
        text += f"{'is' if clamped == 1 else 'are'} counted as 0."
        _indented(Text(text, "dim"), console)


def _stage_row(label: Text, share: float, times: Distribution) -> _Row:
    return _Row(label, [Text(f"{100 * share:.0f} %", "dim")], _times(times))


def _job_row(label: Text, metrics: JobMetrics) -> _Row:
    failed = metrics.failed + metrics.timed_out + metrics.lost
    left = [
        Text(units.count(metrics.submitted)),
        Text(units.count(metrics.partial), "yellow" if metrics.partial else ""),
        Text(units.count(failed), "bold red" if failed else ""),
        Text(units.rate(metrics.rate)),
    ]
    return _Row(label, left, _times(metrics.latency))


def _print_failures(summary: Summary, console: Console) -> None:
    failures = [(number, "request", text) for text, number in summary.requests.failures.items()]
    failures += [(number, "job", text) for text, number in summary.jobs.failures.items()]
    if not failures:
        return
    failures.sort(key=lambda failure: -failure[0])
    _heading("Failures", console)
    table = _table([("", "right"), ("", "left"), ("", "left")], header=False)
    for number, what, text in failures[:_MAX_FAILURES]:
        times = Text(f"{units.count(number)} ×", "red")
        table.add_row(times, Text(what, "dim"), Text(units.one_line(text)))
    _indented(table, console)
    _print_hidden(len(failures) - _MAX_FAILURES, console)


def _print_thresholds(thresholds: Sequence[ThresholdResult], console: Console) -> None:
    if not thresholds:
        return
    _heading("Thresholds", console)
    table = _table([("", "left"), ("", "left"), ("", "right")], header=False)
    for result in thresholds:
        style = "green" if result.passed else "bold red"
        mark = Text("✓" if result.passed else "✗", style)
        table.add_row(mark, Text(result.text), Text(result.measured, style))
    _indented(table, console)


def _print_notes(notes: Sequence[NoteSeen], console: Console) -> None:
    if not notes:
        return
    _heading("Warnings", console)
    table = _table([("", "right"), ("", "left")], header=False)
    for note in notes:
        text = units.one_line(note.text) + (f" ({note.times} times)" if note.times > 1 else "")
        style = "red" if note.level == "error" else "yellow"
        table.add_row(Text(units.clock(note.t), "dim"), Text(text, style))
    _indented(table, console)


def _print_files(
    log_path: Path | str | None, artifacts: Sequence[Path | str], console: Console
) -> None:
    if log_path is None and not artifacts:
        return
    _heading("Files", console)
    for path in (log_path, *artifacts):
        if path is not None:
            console.print(Text(f"  {path}"), soft_wrap=True)
    if log_path is not None:
        command = f"asyncload plot {shlex.quote(str(log_path))}"
        console.print(Text("  graphs: ", "dim").append(command, "not dim cyan"), soft_wrap=True)


def _heading(text: str, console: Console, aside: str = "") -> None:
    console.print()
    heading = Text(text, "bold")
    if aside:
        heading.append(f"  {aside}", "not bold dim")
    console.print(heading)


def _print_hidden(number: int, console: Console) -> None:
    if number > 0:
        _indented(Text(f"and {units.count(number)} more", "dim"), console)


def _indented(content: Text | Table, console: Console) -> None:
    console.print(Padding(content, (0, 0, 0, 2), expand=False))


def _label(scenario: str, name: str) -> Text:
    return Text(units.one_line(f"{scenario} / {name}" if scenario else name), "cyan")


def _times(times: Distribution) -> list[Text]:
    p95 = Text(units.seconds(times.p95), "bold")
    others = [Text(units.seconds(value)) for value in (times.mean, times.p50, times.p99, times.max)]
    return [others[0], others[1], p95, others[2], others[3]]


def _print_rows(left: list[str], right: list[str], rows: list[_Row], console: Console) -> None:
    """Print one table, or where that is too wide its halves below each other."""
    halves = [(left, [row.left for row in rows]), (right, [row.right for row in rows])]
    if console.width < _NARROW:
        halves = [_without_spare(headers, lines) for headers, lines in halves]
    widths = [_width(headers, lines) for headers, lines in halves]
    labels = max(row.label.cell_len for row in rows)
    room = console.width - 4
    if room - sum(widths) >= min(labels, _LABEL):
        (left, left_lines), (right, right_lines) = halves
        lines = [first + second for first, second in zip(left_lines, right_lines, strict=True)]
        halves = [(left + right, lines)]
        widths = [sum(widths)]
    longest = max(room - max(widths), 8)
    for index, (headers, lines) in enumerate(halves):
        if index:
            console.print()
        table = _table([("", "left"), *((header, "right") for header in headers)], header=True)
        for row, line in zip(rows, lines, strict=True):
            table.add_row(_shortened(row.label, longest), *line)
        _indented(table, console)


def _without_spare(
    headers: list[str], lines: list[list[Text]]
) -> tuple[list[str], list[list[Text]]]:
    """Leave out the columns that a narrow terminal can best do without."""
    kept = [i for i, header in enumerate(headers) if header not in _SPARE]
    return [headers[i] for i in kept], [[line[i] for i in kept] for line in lines]


def _width(headers: list[str], lines: list[list[Text]]) -> int:
    """Width of some columns with the gaps between them."""
    columns = [[cell_len(header)] for header in headers]
    for line in lines:
        for column, text in zip(columns, line, strict=True):
            column.append(text.cell_len)
    return sum(max(column) + 2 for column in columns)


def _shortened(label: Text, width: int) -> Text:
    """Cut the middle out of a label that is too long: names differ at their ends."""
    if label.cell_len <= width:
        return label
    half = (width - 1) // 2
    return Text(f"{label.plain[: width - 1 - half]}…{label.plain[-half:]}", label.style)


def _table(columns: list[tuple[str, str]], *, header: bool) -> Table:
    table = Table(box=None, show_header=header, header_style="dim", padding=(0, 2, 0, 0))
    for name, justify in columns:
        right = justify == "right"
        table.add_column(name, justify="right" if right else "left", overflow="fold", no_wrap=right)
    return table
