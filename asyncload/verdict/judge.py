"""The rules of the verdict: what was recorded in, reasons out.

Every rule looks at records alone, so that a log gives the verdict that the run had. Limits are
those of :class:`~asyncload.config.validity.Validity`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from asyncload.config.validity import Validity
from asyncload.records.record import loads
from asyncload.stats import units
from asyncload.stats.groups import RequestGroup
from asyncload.stats.summary import SummaryFold
from asyncload.stats.times import Times
from asyncload.verdict.generator_rules import generator_reasons
from asyncload.verdict.sample_size import CONFIDENCE, chance_of_at_most
from asyncload.verdict.steady_state import growth
from asyncload.verdict.thresholds import Threshold, ThresholdResult
from asyncload.verdict.verdict import Reason, Verdict

_CONNECTED: Final = re.compile(r"did not \w+ |(?:reset|closed) the connection")


def verdict_of(
    fold: SummaryFold,
    thresholds: Sequence[Threshold] = (),
    results: Sequence[ThresholdResult] = (),
    *,
    problems: Sequence[Reason] = (),
    limits: Validity | None = None,
) -> Verdict:
    """Judge a run by what was recorded of it, its thresholds, and what is known to be wrong.

    ``results`` are those of ``thresholds``, in their order.
    """
    limits = limits or Validity()
    reasons = [
        *problems,
        *_late(fold, limits),
        *generator_reasons(fold, limits),
        *_not_delivered(fold, thresholds, limits),
        *_connections(fold, limits),
        *_outcomes(fold),
        *_thresholds(results),
        *_unsteady(fold),
    ]
    return Verdict.of(tuple(reasons))


def limits_of(fold: SummaryFold) -> Validity:
    """Read the limits that a run was judged by from its header; the defaults where it has none."""
    header = fold.timeline.header
    given = {} if header is None else header.config.get("validity", {})
    try:
        return msgspec.convert(given, Validity, dec_hook=lambda kind, value: kind(value))
    except (msgspec.ValidationError, ValueError):
        return Validity()


def _late(fold: SummaryFold, limits: Validity) -> Iterator[Reason]:
    """Lateness of the generator, scenario by scenario, against what its users would wait."""
    for scenario in fold.scenarios():
        group = fold.request_total(scenario)
        late = Times(group.lateness)
        jobs = fold.job_total(scenario)
        latency = (jobs.latency if jobs.observed else group.latency).percentile(99) or 0.0
        limit = max(float(limits.lateness), limits.lateness_share * latency)
        if not surely_over(late, limit, 99):
            continue
        p99 = late.statistic("p", 99) or 0.0
        yield Reason(
            "generator_late",
            f"scenario {units.one_line(scenario)!r} went out late by our own doing: lateness p99 "
            f"{units.seconds(p99)}, over the limit of {units.seconds(limit)}",
            "ask for a lower rate, make the users' own code lighter, or give the generator more "
            "cores or machines",
            {"scenario": scenario, "lateness_p99": p99, "limit": limit, "latency_p99": latency},
        )


def surely_over(times: Times, limit: float, percent: float) -> bool:
    """Whether a percentile is over a limit, and not by the chance of a few samples."""
    value = times.statistic("p", percent)
    if value is None or value <= limit:
        return False
    over = times.over(limit)
    return 1 - chance_of_at_most(over - 1, times.samples, 1 - percent / 100) <= 1 - CONFIDENCE


def _not_delivered(
    fold: SummaryFold, thresholds: Sequence[Threshold], limits: Validity
) -> Iterator[Reason]:
    if any(one.metric.field in {"dropped", "drop_rate"} for one in thresholds):
        return
    total = fold.request_total()
    share = total.drop_rate or 0.0
    if share <= limits.drop_rate:
        return
    dropped = ", ".join(units.one_line(scenario) for scenario in fold.drops)
    yield Reason(
        "load_not_delivered",
        f"{units.percent(share)} of the arrivals were dropped ({units.count(total.dropped)} of "
        f"{units.count(total.arrivals)}; scenario {dropped}): as many were in flight as "
        "max_in_flight allows",
        "ask for a lower rate, or raise max_in_flight; if drops are expected, put a threshold on "
        "request.drop_rate",
        {"drop_rate": share, "dropped": total.dropped, "arrivals": total.arrivals},
    )


def _connections(fold: SummaryFold, limits: Validity) -> Iterator[Reason]:
    for scenario in fold.scenarios():
        group = fold.request_total(scenario)
        queued = group.times("queued")
        if queued is None or not group.queued.count:
            continue
        service = group.service_time.percentile(99) or 0.0
        limit = max(float(limits.queued), limits.queued_share * service)
        if not surely_over(queued, limit, 99):
            continue
        p99 = queued.statistic("p", 99) or 0.0
        most = _connections_allowed(fold)
        yield Reason(
            "connections_limited",
            f"requests of scenario {units.one_line(scenario)!r} waited for a free connection of "
            f"ours: p99 {units.seconds(p99)}, over the limit of {units.seconds(limit)}; at most "
            f"{most} are open to a target",
            "raise connections in the config, or ask for less at a time",
            {"scenario": scenario, "queued_p99": p99, "limit": limit, "connections": most},
        )


def _connections_allowed(fold: SummaryFold) -> int | None:
    header = fold.timeline.header
    value = None if header is None else header.config.get("connections")
    return value if isinstance(value, int) else None


def _outcomes(fold: SummaryFold) -> Iterator[Reason]:
    """Say when nothing was measured, or all of it failed."""
    requests, jobs = fold.request_total(), fold.job_total()
    if not requests.arrivals and not jobs.submitted:
        open_ = f": {units.counted(requests.interrupted, 'request')} never ended"
        yield Reason(
            "nothing_measured",
            f"nothing was measured{open_ if requests.interrupted else ''}",
            "let the load go on for longer, or ask for a higher level",
        )
        return
    if requests.arrivals and not requests.ok:
        yield _all_failed(requests)
    if jobs.submitted and jobs.submitted == jobs.errors:
        most = next(iter(sorted(jobs.failures, key=lambda text: -jobs.failures[text])), "")
        yield Reason(
            "all_failed",
            _none_well(jobs.submitted, "job")
            + (f", most often: {units.one_line(most)}" if most else ""),
            "see the failures above, and the logs of the service",
            {"jobs": jobs.submitted},
        )


def _none_well(number: int, what: str) -> str:
    if number == 1:
        return f"the only {what} did not end well"
    return f"none of the {units.counted(number, what)} ended well"


def _all_failed(requests: RequestGroup) -> Reason:
    failures = requests.failures
    most = max(failures, key=lambda text: failures[text], default="")
    # A service that takes connections and lets requests wait, or closes on them, is there.
    answered = bool(requests.statuses) or any(_CONNECTED.search(text) for text in failures)
    what = _none_well(requests.arrivals, "request")
    most = f", most often: {units.one_line(most)}" if most else ""
    if answered or not requests.count:
        return Reason(
            "all_failed",
            what + most,
            "see the failures above, and the logs of the service",
            {
                "requests": requests.arrivals,
                "statuses": {str(one): n for one, n in requests.statuses.items()},
            },
        )
    return Reason(
        "target_unreachable",
        f"the service never answered: {what}{most}",
        "check that it runs, and that the URL and port are right",
        {"requests": requests.arrivals},
    )


def _thresholds(
    results: Sequence[ThresholdResult],
) -> Iterator[Reason]:
    for result in results:
        if result.result == "fail":
            yield Reason(
                "threshold_failed",
                f"{result.text}: {result.reason}",
                "make the service faster, or the limit wider",
                {"threshold": result.text, "value": result.value},
            )
        elif result.result == "inconclusive":
            longer = result.needed is not None
            yield Reason(
                "too_few_samples",
                f"{result.text}: {result.reason}",
                "let the load go on for longer, or ask for a percentile that fewer samples tell"
                if longer
                else "ask for a metric that this run has",
                {
                    "threshold": result.text,
                    "samples": result.samples,
                    "needed": result.needed,
                },
            )


def _unsteady(fold: SummaryFold) -> Iterator[Reason]:
    """Over stretches of constant load: what is open grows, or latency never settles."""
    header = fold.timeline.header
    models = {} if header is None else {
        name: load.get("model", "open") for name, load in loads(header).items()
    }  # fmt: skip
    for scenario, levels in sorted(fold.timeline.levels.items()):
        if models.get(scenario) != "open":
            continue
        found = growth(levels, fold.warmup)
        if found is not None and found.grows:
            yield Reason(
                "unsteady",
                f"what is open in scenario {units.one_line(scenario)!r} grows by "
                f"{units.rate(found.per_second)} while {units.rate(found.arrived)} come: the "
                "service cannot keep up, so its latency depends on how long the load lasts",
                "ask for a lower rate; asyncload capacity finds the highest that it sustains",
                {
                    "scenario": scenario,
                    "growth": found.per_second,
                    "arrived": found.arrived,
                    "open_at_end": found.at_end,
                },
            )
            continue
        advice = None if found is None else fold.timeline.warm_up(scenario)
        if advice is not None and not advice.settled:
            yield Reason(
                "unsteady",
                f"the latency of scenario {units.one_line(scenario)!r} never settled: its "
                f"warm-up would end at {units.clock(advice.until)} only "
                f"({units.percent(advice.share)} of the run)",
                "let the load go on for longer, or set warmup to leave the beginning out",
                {"scenario": scenario, "until": advice.until, "share": advice.share},
            )
