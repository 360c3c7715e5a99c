"""How much may change before anybody is told: thresholds, the floor of times, names to ignore."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from asyncload.compare.comparison import FLOOR, METRICS, THRESHOLDS, Metric, NamedThreshold
from asyncload.errors import ConfigError
from asyncload.plan.duration import parse_duration

_THRESHOLD: Final = re.compile(
    r"\s*(?P<metric>[^=]*?)\s*=\s*(?P<limit>.*?)(?:\s+for\s+(?P<name>.+?))?\s*", re.DOTALL
)
_PERCENT: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*%")
_NUMBER: Final = re.compile(r"\d+(?:\.\d*)?|\.\d+")


class Limits(msgspec.Struct, frozen=True):
    """What a comparison takes for a change."""

    thresholds: dict[Metric, float] = {}
    """How much worse a metric may get; those left out are :data:`THRESHOLDS`."""
    by_name: tuple[NamedThreshold, ...] = ()
    """The same of some names; of two for one name the later one counts."""
    floor: float = FLOOR
    """Seconds; a time that changes by no more is the same."""
    ignore: tuple[str, ...] = ()
    """Names that are left out; ``*`` and ``?`` stand for any text and any letter."""

    @classmethod
    def parse(
        cls, thresholds: Iterable[str] = (), *, floor: str | None = None, ignore: Iterable[str] = ()
    ) -> Limits:
        """Read the options of the command line: ``p95=20%``, ``p95=50% for GET /slow``, ``1ms``.

        Raises:
            ConfigError: a text has no such form, or names no metric there is.

        """
        found: dict[Metric, float] = {}
        by_name = []
        for text in thresholds:
            metric, limit, name = _threshold(text)
            if name is None:
                found[metric] = limit
            else:
                by_name.append(NamedThreshold(name=name, metric=metric, threshold=limit))
        return cls(found, tuple(by_name), FLOOR if floor is None else _floor(floor), tuple(ignore))

    @property
    def for_all(self) -> dict[Metric, float]:
        """The threshold of every metric, where a name has none of its own."""
        return {**THRESHOLDS, **self.thresholds}

    def of(self, names: Iterable[str]) -> dict[Metric, float]:
        """Find the thresholds of what has any of these names."""
        called = list(names)
        mine = {one.metric: one.threshold for one in self.by_name if _matches(one.name, called)}
        return {**self.for_all, **mine}

    def ignores(self, names: Iterable[str]) -> bool:
        """Whether what has any of these names is left out."""
        called = list(names)
        return any(_matches(pattern, called) for pattern in self.ignore)

    def unused(
        self, compared: Iterable[Iterable[str]], ignored: Iterable[Iterable[str]]
    ) -> Iterator[str]:
        """Say which of the names that were given are those of nothing, in sentences.

        Each that is compared, or ignored, is given as all of its names.
        """
        left_out, known = [list(names) for names in ignored], [list(names) for names in compared]
        for pattern in self.ignore:
            if not any(_matches(pattern, names) for names in left_out):
                yield f"--ignore {pattern!r}: nothing is called that"
        for one in self.by_name:
            if not any(_matches(one.name, names) for names in (*known, *left_out)):
                yield (
                    f"--threshold '{one.metric}={100 * one.threshold:g}% for {one.name}': "
                    "nothing is called that"
                )


def _matches(pattern: str, names: Iterable[str]) -> bool:
    # A name may hold brackets, which mean something to fnmatch: the name itself always matches.
    return any(name == pattern or fnmatch.fnmatchcase(name, pattern) for name in names)


def _threshold(text: str) -> tuple[Metric, float, str | None]:
    match = _THRESHOLD.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"--threshold {text!r}: write METRIC=PERCENT, such as p95=20%, or METRIC=PERCENT for "
            "NAME, such as 'p95=50% for GET /slow'"
        )
    metric = _metric(match["metric"], text)
    number = _PERCENT.fullmatch(match["limit"])
    if number is None:
        raise ConfigError(
            f"--threshold {text!r}: {match['limit']!r} is no percentage; "
            f"write one of 0% or more, such as {metric}=20%"
        )
    limit = float(number[1]) / 100
    if limit >= 1 and metric in {"rate", "failures"}:
        what = "a rate cannot fall" if metric == "rate" else "failures cannot rise"
        raise ConfigError(
            f"--threshold {text!r}: {what} by 100% or more; write less, such as {metric}=20%"
        )
    name = match["name"]
    if name is not None and len(name) > 1 and name[0] == name[-1] and name[0] in "\"'":
        name = name[1:-1]
    return metric, limit, name


def _metric(name: str, text: str) -> Metric:
    for metric in METRICS:
        if metric == name:
            return metric
    raise ConfigError(
        f"--threshold {text!r}: there is no metric {name!r}; use one of {', '.join(METRICS)}"
    )


def _floor(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as problem:
        raise ConfigError(f"--floor {text!r}: {problem}") from None
    if seconds and _NUMBER.fullmatch(text.strip()):
        raise ConfigError(f"--floor {text!r}: it has no unit; write {text}ms or {text}s")
    return seconds
