"""Runs as Markdown, for the summary of a job on GitHub or for a comment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from asyncload.export.run_report import RunReport
from asyncload.stats import units
from asyncload.stats.metrics import Distribution, Summary
from asyncload.verdict.thresholds import Outcome

MOST: Final = 1_000_000
"""Bytes: GitHub takes a MiB for each step."""
_ROWS: Final = 50
_FAILURES: Final = 10
_LONGEST: Final = 300
_MARKS: Final[dict[Outcome, str]] = {"pass": "✅", "fail": "❌", "inconclusive": "❔"}
_SPECIAL: Final = {ord(one): f"&#{ord(one)};" for one in "&<>|`*_[]\\~#@!$"}


def markdown(reports: Sequence[RunReport]) -> str:
    """Write some runs as Markdown: for each the verdict, thresholds, numbers and failures."""
    text = "".join("\n".join(_report(report)) + "\n" for report in reports)
    if len(text.encode()) <= MOST:
        return text
    cut = text.encode()[:MOST].decode(errors="ignore")
    return cut[: cut.rfind("\n") + 1] + "\n… and more\n"


def _report(report: RunReport) -> Iterator[str]:
    yield f"## {_heading(report)}: {_cell(report.name)}"
    yield ""
    if report.problem is not None:
        yield _cell(report.problem)
        yield ""
    for reason in report.reasons:
        yield f"- **{_cell(reason.code)}**: {_cell(reason.text)}<br>{_cell(reason.remedy)}"
    if report.reasons:
        yield ""
    if report.thresholds:
        yield from _table(
            ["", "threshold", "measured", "samples", ""],
            (
                [
                    _MARKS[one.result],
                    _cell(one.text),
                    _cell(one.measured),
                    units.count(one.samples) if one.samples is not None else "",
                    "" if one.result == "pass" else _cell(one.reason),
                ]
                for one in report.thresholds
            ),
        )
    if report.summary is not None:
        yield from _numbers(report.summary)
    if report.baseline is not None:
        yield f"Against the baseline: {_cell(report.baseline)}"
        yield ""
    if report.log:
        yield f"Log: {_cell(report.log)}"
        yield ""


def _heading(report: RunReport) -> str:
    if report.problem is not None:
        return "❌ could not start"
    if report.own_exit_code == 130:
        return "⏹ interrupted"
    verdict = report.verdict
    if verdict is not None and verdict.state == "invalid":
        return "⚠️ invalid"
    if verdict is not None and not verdict.passed:
        return "❌ failed"
    if verdict is not None and verdict.state == "inconclusive":
        return "❔ inconclusive"
    if report.exit_code:
        return "❌ worse than its baseline" if report.exit_code == 1 else "❔ cannot tell"
    return "✅ passed"


def _numbers(summary: Summary) -> Iterator[str]:
    requests = summary.requests
    rows = sorted(summary.requests_by_name, key=lambda row: -row.count)
    if requests.count:
        shown = [
            (row.name, row.count, row.errors, row.rate, row.latency)
            for row in rows[:_ROWS]
        ]  # fmt: skip
        if len(rows) > 1:
            shown.append(("all", requests.count, requests.errors, requests.rate, requests.latency))
        yield from _table(
            ["requests", "sent", "failed", "rate", "p50", "p95", "p99", "max ok"], _lines(shown)
        )
        if len(rows) > _ROWS:
            yield f"and {units.counted(len(rows) - _ROWS, 'more name')}"
            yield ""
    jobs = summary.jobs
    if jobs.submitted:
        shown = [("all jobs", jobs.submitted, jobs.errors, jobs.rate, jobs.latency)]
        yield from _table(
            ["jobs", "submitted", "failed", "rate", "p50", "p95", "p99", "max ended"], _lines(shown)
        )
    for delivery in summary.delivery:
        sent, planned = delivery.sent, delivery.planned
        yield (
            f"{_cell(delivery.scenario)}: {units.count(sent.count)} of "
            f"{units.counted(planned.count, 'arrival')} sent, KS distance {units.digits(delivery.ks)}"
        )
        yield ""
    failures = [*requests.failures.items(), *jobs.failures.items()]
    if failures:
        yield from _table(
            ["", "failures"],
            ([f"{units.count(number)} ×", _cell(text)] for text, number in failures[:_FAILURES]),
        )


def _lines(
    shown: Iterable[tuple[str, int, int, float, Distribution]],
) -> Iterator[list[str]]:
    for name, count, errors, rate, latency in shown:
        times = (
            _time(latency.p50, latency),
            _time(latency.p95, latency),
            _time(latency.p99, latency),
            units.seconds(latency.max),
        )
        yield [_cell(name), units.count(count), units.count(errors), units.rate(rate), *times]


def _time(value: float | None, latency: Distribution) -> str:
    return "never" if value is None and latency.beyond else units.seconds(value)


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for line in lines:
        yield "| " + " | ".join(line) + " |"
    yield ""


def _cell(text: str) -> str:
    """Write a text of others so that it stands as it is, on one line, in a table, too."""
    line = units.one_line(text)
    short = line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
    return short.translate(_SPECIAL)
