"""Limits a run must keep: ``job.latency.p95 < 10s``, ``request.error_rate < 1%``.

::

    METRIC OPERATOR VALUE [for NAME] [over DURATION]

The metric is that of :mod:`asyncload.stats.metric`; ``for NAME`` says of which name or
scenario, as ``request[NAME]`` does. A time needs its unit (``250ms``); a share is a percentage
or a fraction of 1, a rate a number (``/s`` allowed), a count a plain number. ``over 10s`` asks
for the limit in every 10 seconds of the load, by when requests and jobs were due.

A threshold passes, fails, or is inconclusive: there was nothing to measure, or too few
samples to know a percentile (:mod:`asyncload.verdict.sample_size`).
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, Literal

import msgspec

from asyncload.config.model import ThresholdOptions
from asyncload.errors import ConfigError
from asyncload.plan.duration import parse_duration
from asyncload.stats import units
from asyncload.stats.metric import WHOLE_RUN_NUMBERS, Metric, Unit

OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
# A name in brackets may hold anything, an operator too.
_TEXT: Final = re.compile(
    r"\s*(?P<metric>[^\[\]<>=!]*(?:\[.*\])?[^\[\]<>=!]*?)\s*(?P<operator>[<>=!]+)\s*(?P<limit>.*?)"
    r"(?:\s+for\s+(?P<name>.+?))?(?:\s+over\s+(?P<over>[^\s]+))?\s*"
)
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_EXAMPLES: Final[dict[Unit, str]] = {
    "seconds": "10s or 250ms",
    "share": "1% or 0.01",
    "per second": "50 or 50/s",
    "count": "100",
}
_WHAT: Final[dict[Unit, str]] = {
    "seconds": "a time",
    "share": "a share between 0 and 1",
    "per second": "a rate per second",
    "count": "a number",
}
_EXAMPLE: Final = "'job.latency.p95 < 10s'"
_SHORTEST: Final = 1.0
"""Seconds of the shortest window: levels and rates are sampled once a second."""

Outcome = Literal["pass", "fail", "inconclusive"]


class Threshold(msgspec.Struct, frozen=True):
    """A metric, a comparison and a limit."""

    text: str
    """As it was written."""
    metric: Metric
    operator: str
    limit: float
    """In the metric's unit."""
    over: float | None = None
    """Seconds of each part of the load that must keep the limit; ``None``: all of it together."""
    abort: bool = False
    """The load ends when the threshold has failed."""
    delay: float = 0.0
    """Seconds from the start in which it is not looked at for that."""

    @classmethod
    def parse(cls, given: str | ThresholdOptions) -> Threshold:
        """Read a threshold.

        Raises:
            ConfigError: it has no such form, names no metric there is, or its
                limit does not suit the metric; the sentence says which.

        """
        text = given if isinstance(given, str) else given.threshold
        match = _TEXT.fullmatch(text)
        if match is None or not match["metric"]:
            raise ConfigError(
                f"threshold {text!r}: it must be a metric, a comparison and a limit, "
                f"as in {_EXAMPLE}"
            )
        if match["operator"] not in OPERATORS:
            raise ConfigError(
                f"threshold {text!r}: {match['operator']!r} is no comparison; "
                f"use one of {' '.join(OPERATORS)}, as in {_EXAMPLE}"
            )
        try:
            metric = Metric.parse(_with_name(match["metric"].rstrip(), match["name"]))
            threshold = cls(
                text.strip(),
                metric,
                match["operator"],
                _limit(match["limit"], metric),
                _over(match["over"], metric),
            )
        except ConfigError as error:
            raise ConfigError(f"threshold {text!r}: {error}") from None
        if isinstance(given, str):
            return threshold
        return msgspec.structs.replace(threshold, abort=given.abort, delay=float(given.delay))

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

    def check_length(self, seconds: float) -> None:
        """Refuse a window or a delay that is longer than the ``seconds`` of load to judge.

        Raises:
            ConfigError: the sentence says which.

        """
        if self.over is not None and self.over > seconds:
            raise ConfigError(
                f"threshold {self.text!r}: over {self.over:g}s is longer than the {seconds:g} s "
                "of load that are measured; give a shorter time, or leave 'over' out"
            )
        if self.delay >= seconds > 0 and self.abort:
            raise ConfigError(
                f"threshold {self.text!r}: delay {self.delay:g}s is no shorter than the "
                f"{seconds:g} s of load, so it could never end it; give a shorter one"
            )

    def holds(self, value: float) -> bool:
        """Whether a value of the metric keeps the limit."""
        return OPERATORS[self.operator](value, self.limit)

    def show(self, value: float) -> str:
        """Write a value of the metric so that it can be told from the limit."""
        shown = format_value(value, self.metric.unit)
        if not self.holds(value) and shown == format_value(self.limit, self.metric.unit):
            return _exactly(value, self.metric.unit)  # "500 ms" is not less than "500ms"
        return shown


class ThresholdResult(msgspec.Struct, frozen=True):
    """How a threshold came out."""

    text: str
    """The threshold as it was written."""
    value: float | None
    """The metric; ``None`` when there was nothing to measure, or it is not finite. Of windows it
    is that of the worst."""
    measured: str
    """The metric as people read it: ``1.23 s``; ``no data``; ``never``, for a latency that lies
    among requests or jobs that did not end well."""
    passed: bool
    """``result`` is ``pass``."""
    reason: str
    """Why it did not pass; empty when it did."""
    result: Outcome = "pass"
    samples: int | None = None
    """Requests or jobs that the value is of, where it is a time."""
    needed: int | None = None
    """Samples it would take to be sure, where there were too few."""
    window: tuple[float, float] | None = None
    """Of ``over``: the worst part of the load, from and to (s)."""


def check_consistent(thresholds: Sequence[Threshold]) -> None:
    """Refuse thresholds that no run could keep together.

    Raises:
        ConfigError: the sentence names the two.

    """
    for index, one in enumerate(thresholds):
        for other in thresholds[index + 1 :]:
            if one.metric.path == other.metric.path and one.over == other.over:
                _check_pair(one, other)


def _check_pair(one: Threshold, other: Threshold) -> None:
    limits = sorted({one.limit, other.limit})
    between = [(limits[0] + limits[-1]) / 2] if len(limits) > 1 else []
    span = limits[-1] - limits[0] or abs(limits[0]) or 1.0
    candidates = [limits[0] - span, *limits, *between, limits[-1] + span]
    if not any(one.holds(value) and other.holds(value) for value in candidates):
        raise ConfigError(
            f"thresholds {one.text!r} and {other.text!r} cannot both hold; leave one of them out"
        )


def names_of(thresholds: Iterable[Threshold]) -> set[str]:
    """Collect the names that thresholds are about."""
    return {one.metric.name for one in thresholds if one.metric.name is not None}


def _with_name(path: str, name: str | None) -> str:
    """Put the NAME of ``for NAME`` into a metric's path."""
    if name is None:
        return path
    if "[" in path:
        raise ConfigError(f"{path} names what it is of already; leave 'for {name}' out")
    if len(name) > 1 and name[0] == name[-1] and name[0] in "\"'":
        name = name[1:-1]
    family, dot, rest = path.partition(".")
    return f"{family}[{name}]{dot}{rest}"


def _over(text: str | None, metric: Metric) -> float | None:
    if text is None:
        return None
    try:
        seconds = parse_duration(text)
    except ValueError as problem:
        raise ConfigError(f"over {text}: {problem}") from None
    if _NUMBER.fullmatch(text):
        raise ConfigError(f"over {text}: it has no unit; write {text}s or {text}m")
    if seconds < _SHORTEST:
        raise ConfigError(f"over {text}: that is too short; give {_SHORTEST:g}s or more")
    if metric.family == "job" and metric.field in WHOLE_RUN_NUMBERS:
        raise ConfigError(f"over {text}: {metric.field} is counted for the whole run only")
    return seconds


def _limit(text: str, metric: Metric) -> float:
    """Read a limit in the unit of ``metric``. Raises ConfigError when it does not suit."""
    unit = metric.unit
    if unit == "seconds" and _NUMBER.fullmatch(text) and float(text) != 0:
        raise ConfigError(
            f"{text} has no unit, and {metric.path} is a time; write {text}ms or {text}s"
        )
    limit = _number_in(text, unit)
    if limit is None:
        raise ConfigError(
            f"{text!r} is no limit for {metric.path}, which is {_WHAT[unit]}; "
            f"write something like {_EXAMPLES[unit]}"
        )
    if unit == "share" and limit == 1 and not text.endswith("%"):
        raise ConfigError(
            f"without % a limit of {text} for {metric.path} is 100 %; write 1% or 0.01, or 100% "
            "if that is meant"
        )
    return limit


def _number_in(text: str, unit: Unit) -> float | None:
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


def format_value(value: float, unit: Unit) -> str:
    """Write a value of a metric with its unit."""
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
