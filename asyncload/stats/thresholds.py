"""Limits a run must keep: ``job.latency.p95 < 10s``, ``request.error_rate < 1%``.

The left side is a metric (:mod:`asyncload.stats.metric`), the right side a
limit in the metric's unit: a duration (``250ms``; a bare number is seconds)
for times, a percentage or a fraction of 1 for rates that are shares, a number
(``/s`` allowed) for rates per second, a plain number for counts.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Collection, Iterable
from typing import Final

import msgspec

from asyncload.errors import ConfigError
from asyncload.plan.duration import parse_duration
from asyncload.stats import units
from asyncload.stats.metric import Metric, Unit
from asyncload.stats.summary import SummaryFold

_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
# A name in brackets may hold anything, an operator too.
_TEXT: Final = re.compile(
    r"\s*(?P<metric>[^\[\]<>=!]*(?:\[.*\])?[^\[\]<>=!]*?)\s*(?P<operator>[<>=!]+)\s*(?P<limit>.*?)\s*"
)
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_EXAMPLES: Final[dict[Unit, str]] = {
    "seconds": "10s or 250ms",
    "share": "1% or 0.01",
    "per second": "50 or 50/s",
    "count": "100",
}
_EXAMPLE: Final = "'job.latency.p95 < 10s'"


class Threshold(msgspec.Struct, frozen=True):
    """A metric, a comparison and a limit."""

    text: str
    """As it was written."""
    metric: Metric
    operator: str
    limit: float
    """In the metric's unit."""

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """Read a threshold.

        Raises:
            ConfigError: it has no such form, names no metric there is, or its
                limit does not suit the metric; the sentence says which.

        """
        match = _TEXT.fullmatch(text)
        if match is None or not match["metric"]:
            raise ConfigError(
                f"threshold {text!r}: it must be a metric, a comparison and a limit, "
                f"as in {_EXAMPLE}"
            )
        if match["operator"] not in _OPERATORS:
            raise ConfigError(
                f"threshold {text!r}: {match['operator']!r} is no comparison; "
                f"use one of {' '.join(_OPERATORS)}, as in {_EXAMPLE}"
            )
        try:
            metric = Metric.parse(match["metric"].rstrip())
        except ConfigError as error:
            raise ConfigError(f"threshold {text!r}: {error}") from None
        limit = _limit(match["limit"], metric.unit)
        if metric.unit == "share" and limit == 1 and not match["limit"].endswith("%"):
            raise ConfigError(
                f"threshold {text!r}: without % a limit of {match['limit']} for {metric.path} is "
                "100 %; write 1% or 0.01, or 100% if that is meant"
            )
        if limit is None:
            raise ConfigError(
                f"threshold {text!r}: {match['limit']!r} is no limit for {metric.path}, "
                f"which is {_WHAT[metric.unit]}; write something like {_EXAMPLES[metric.unit]}"
            )
        return cls(text.strip(), metric, match["operator"], limit)

    def check_name(self, names: Collection[str]) -> None:
        """Refuse a request's name that is none of ``names``, which are all there will be.

        Raises:
            ConfigError: the sentence gives the nearest one there is.

        """
        name = self.metric.name
        if name is None or self.metric.family != "request" or name in names:
            return
        known = sorted(names)
        longer = [one for one in known if one.startswith(name)]
        close = longer or difflib.get_close_matches(name, known, n=1)
        listed = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {listed}"
        raise ConfigError(
            f"threshold {self.text!r}: no request and no scenario is called {name!r}; {hint}"
        )

    def evaluate(self, fold: SummaryFold) -> ThresholdResult:
        """Hold the threshold against what has been recorded."""
        value, missing = fold.metric(self.metric), fold.without_value(self.metric)
        if value is None or missing:
            never = self.metric.field == "latency" and missing != "no data"
            measured = "never" if never else "no data"
            return ThresholdResult(self.text, None, measured, False, missing)
        measured = _format_value(value, self.metric.unit)
        note = fold.caution(self.metric)
        passed = _OPERATORS[self.operator](value, self.limit)
        if not passed and measured == _format_value(self.limit, self.metric.unit):
            measured = _exactly(value, self.metric.unit)  # "500 ms" is not less than "500ms"
        measured += note
        reason = "" if passed else f"it is {measured}"
        return ThresholdResult(self.text, value, measured, passed, reason)


class ThresholdResult(msgspec.Struct, frozen=True):
    """How a threshold came out."""

    text: str
    """The threshold as it was written."""
    value: float | None
    """The metric; ``None`` when there was nothing to measure, or it is not finite."""
    measured: str
    """The metric as people read it: ``1.23 s``; ``no data``; ``never``, for the latency of jobs
    that were given up."""
    passed: bool
    reason: str
    """Why it did not pass; empty when it did."""


def evaluate(thresholds: Iterable[Threshold], fold: SummaryFold) -> list[ThresholdResult]:
    """Hold every threshold against what has been recorded; without data none passes."""
    return [threshold.evaluate(fold) for threshold in thresholds]


_WHAT: Final[dict[Unit, str]] = {
    "seconds": "a time",
    "share": "a share between 0 and 1",
    "per second": "a rate per second",
    "count": "a number",
}


def _limit(text: str, unit: Unit) -> float | None:
    """Read a limit in ``unit``; ``None`` when it does not suit."""
    if unit == "seconds":
        try:
            return parse_duration(text)
        except ValueError:
            return None
    if unit == "share":
        if text.endswith("%"):
            percent = _number(text[:-1].rstrip())
            share = None if percent is None else percent / 100
        else:
            share = _number(text)
        return share if share is not None and 0 <= share <= 1 else None
    if unit == "per second":
        return _number(text.removesuffix("/s").rstrip())
    return _number(text)


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _format_value(value: float, unit: Unit) -> str:
    if unit == "seconds":
        return units.seconds(value)
    if unit == "share":
        return units.percent(value)
    if unit == "per second":
        return units.rate(value)
    return units.count(value)


def _exactly(value: float, unit: Unit) -> str:
    if unit == "seconds":
        return f"{value:.6g} s"
    if unit == "share":
        return f"{100 * value:.6g} %"
    return f"{value:.6g}/s" if unit == "per second" else f"{value:g}"
