"""The report of a run: what it proves, its numbers and charts, as one HTML file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from importlib import metadata, resources
from typing import Final

import yaml
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from asyncload.records.record import RunHeader
from asyncload.report.html.report_tables import Baseline, tables, time_of
from asyncload.report.html.run_charts import charts
from asyncload.report.plots.data import Run
from asyncload.report.tables.conclusion import conclusion
from asyncload.stats import units
from asyncload.stats.metrics import Summary
from asyncload.verdict.thresholds import Outcome, ThresholdResult
from asyncload.verdict.verdict import Verdict

_MARKS: Final[dict[Outcome, str]] = {"pass": "✓", "fail": "✗", "inconclusive": "?"}


def run_report(
    run: Run,
    summary: Summary,
    thresholds: Sequence[ThresholdResult],
    verdict: Verdict,
    *,
    baseline: Baseline | None = None,
    interrupted: bool = False,
) -> str:
    """Write the report of a run as HTML; nothing in it is fetched, and all texts are escaped."""
    js = _asset("report.js")
    digest = base64.b64encode(hashlib.sha256(js.encode()).digest()).decode()
    state, state_text = _state(verdict, interrupted=interrupted)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(_asset("report.html.j2")).render(
        name=run.name,
        subtitle=_subtitle(run, summary),
        state=state,
        state_text=state_text,
        conclusion=conclusion(summary, thresholds, verdict, interrupted=interrupted).plain,
        reasons=[reason for reason in verdict.reasons if "threshold" not in reason.evidence],
        tiles=list(_tiles(summary)),
        thresholds=[_threshold(one) for one in thresholds],
        charts=list(charts(run, baseline.run if baseline else None)) if run.sent else [],
        tables=[table for table in tables(run, summary, baseline) if table.rows],
        card=list(_card(run, summary)),
        config=_config(run.header),
        version=metadata.version("asyncload"),
        css=Markup(_asset("report.css")),  # noqa: S704 - files of our own
        js=Markup(js),  # noqa: S704
        script_hash=f"sha256-{digest}",
    )


def _asset(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _state(verdict: Verdict, *, interrupted: bool) -> tuple[str, str]:
    if verdict.state == "invalid":
        return "invalid", "Invalid"
    if not verdict.passed:
        return "failed", "Failed"
    if verdict.state == "inconclusive":
        return "inconclusive", "Inconclusive"
    return ("inconclusive", "Interrupted") if interrupted else ("passed", "Passed")


def _subtitle(run: Run, summary: Summary) -> str:
    parts = [] if run.header is None else [run.header.started_at.replace("T", " ")[:19] + " UTC"]
    parts.append(f"{units.clock(summary.t)} long")
    if not run.finished:
        parts.append("the log ends without a summary: the run was killed, or goes on")
    return " · ".join(parts)


def _tiles(summary: Summary) -> Iterator[tuple[str, str]]:
    requests, jobs = summary.requests, summary.jobs
    if jobs.submitted:
        yield units.count(jobs.submitted), "jobs submitted"
        yield units.count(jobs.errors), "failed or never ended"
        yield time_of(jobs.latency.p50, jobs.latency), "job latency p50"
        yield time_of(jobs.latency.p95, jobs.latency), "job latency p95"
    else:
        yield units.count(requests.count), "requests sent"
        yield units.rate(requests.rate), "per second"
        yield units.percent(requests.error_rate), "failed"
        for percent in ("p50", "p95", "p99"):
            yield (
                time_of(getattr(requests.latency, percent), requests.latency),
                f"latency {percent}",
            )
    if requests.dropped:
        yield units.count(requests.dropped), "arrivals dropped"


def _threshold(one: ThresholdResult) -> dict[str, str]:
    return {
        "result": one.result,
        "mark": _MARKS[one.result],
        "text": one.text,
        "measured": one.measured,
        "samples": "" if one.samples is None else units.count(one.samples),
        "reason": "" if one.result == "pass" else one.reason,
    }


def _card(run: Run, summary: Summary) -> Iterator[tuple[str, str]]:
    header = run.header
    if header is not None:
        yield "run", header.run_id
        yield "started", header.started_at
        yield "seed", str(header.seed)
        host = header.host
        names = ("name", "system", "machine", "python", "loop")
        yield "generator", ", ".join(str(host[one]) for one in names if host.get(one))
        yield (
            "versions",
            ", ".join(f"{name} {version}" for name, version in header.versions.items()),
        )
    for delivery in summary.delivery:
        sent, planned = delivery.sent, delivery.planned
        text = f"{units.count(sent.count)} of {units.counted(planned.count, 'arrival')}, "
        text += f"{units.rate(sent.rate)} of {units.rate(planned.rate)}; "
        yield f"sent: {delivery.scenario}", text + f"KS distance {units.digits(delivery.ks)}"
    if summary.warmup:
        yield "warm-up", f"the first {units.seconds(summary.warmup)} are left out of the figures"
    if run.skipped:
        yield "log", f"{units.counted(run.skipped, 'line')} could not be read"


def _config(header: RunHeader | None) -> str:
    if header is None:
        return ""
    text: str = yaml.safe_dump(header.config, sort_keys=False, allow_unicode=True, width=100)
    return text
