"""Names of single metrics, as thresholds use them.

::

    request.error_rate                 all requests
    request.latency.p99.9              any percentile; also .mean .min .max
    request[NAME].service_time.p95     requests named NAME, or of the scenario NAME
    request.ok_latency.p99             of those alone that ended well
    request.first_token.p95            of answers that are streams
    job.latency.p95                    all jobs
    job[NAME].queue_wait.max           jobs named NAME, or of the scenario NAME
"""

from __future__ import annotations

import difflib
import re
from typing import Final, Literal

import msgspec

from asyncload.errors import ConfigError
from asyncload.records.outcomes import COUNTERS, OUTCOMES
from asyncload.stats.metrics import JOB_TIMES, REQUEST_TIMES

Unit = Literal["seconds", "share", "per second", "count"]

_REQUEST_NUMBERS: Final[dict[str, Unit]] = {
    "count": "count",
    "ok": "count",
    "failed": "count",
    "timeout": "count",
    "dropped": "count",
    "interrupted": "count",
    "resent": "count",
    "rate": "per second",
    "error_rate": "share",
    "drop_rate": "share",
    "bytes_out": "count",
    "bytes_in": "count",
    "chunks": "count",
    "tokens": "count",
    "token_rate": "per second",
}
_JOB_NUMBERS: Final[dict[str, Unit]] = {
    "submitted": "count",
    **dict.fromkeys(OUTCOMES, "count"),
    "duplicates": "count",
    "rate": "per second",
    "success_rate": "share",
    "error_rate": "share",
    "size": "count",
    "pixels": "count",
}
WHOLE_RUN_NUMBERS: Final = tuple(name for name in COUNTERS if name not in _JOB_NUMBERS)
_REQUEST_TIMES: Final = (
    "latency",
    "ok_latency",
    *REQUEST_TIMES[1:],
    "first_byte",
    "first_token",
    "token_gap",
)
_ALSO: Final = {"ttft": "first_token"}
"""Other words of the field for a time."""
_STATISTICS: Final = ("p50", "p90", "p95", "p99", "p99.9", "mean", "min", "max")

_PATH: Final = re.compile(r"(?P<family>request|job)(?:\[(?P<name>.*)\])?\.(?P<rest>.+)")
_PERCENTILE: Final = re.compile(r"p(\d+(?:\.\d+)?)")


class Metric(msgspec.Struct, frozen=True):
    """One metric, named."""

    path: str
    family: Literal["request", "job"]
    name: str | None
    """Name of a request, job or scenario; ``None`` for all."""
    field: str
    statistic: str | None
    """``mean``, ``min``, ``max`` or ``p`` for the times; ``None`` for the plain numbers."""
    percent: float
    """Which percentile, for the statistic ``p``."""
    unit: Unit

    @classmethod
    def parse(cls, path: str) -> Metric:
        """Read a metric's name.

        Raises:
            ConfigError: there is no such metric; the sentence gives the nearest one there is.

        """
        match = _PATH.fullmatch(path)
        if match is None:
            raise _unknown(path, "", None, path)
        family: Literal["request", "job"] = "request" if match["family"] == "request" else "job"
        name, rest = match["name"], match["rest"]
        numbers = _REQUEST_NUMBERS if family == "request" else _JOB_NUMBERS
        if rest in numbers:
            return cls(path, family, name, rest, None, 0.0, numbers[rest])
        if family == "job" and rest in WHOLE_RUN_NUMBERS:
            if name is not None:
                raise ConfigError(
                    f"{path}: {rest} is counted for the whole run only; write job.{rest}"
                )
            return cls(path, family, name, rest, None, 0.0, "count")
        field, _, statistic = rest.partition(".")
        field = _ALSO.get(field, field)
        if field not in (_REQUEST_TIMES if family == "request" else JOB_TIMES):
            raise _unknown(path, family, name, rest)
        if statistic in {"mean", "min", "max"}:
            return cls(path, family, name, field, statistic, 0.0, "seconds")
        percentile = _PERCENTILE.fullmatch(statistic)
        if percentile is None:
            raise _unknown(path, family, name, rest)
        percent = float(percentile[1])
        if not 0 < percent <= 100:
            raise ConfigError(f"{path}: a percentile lies above 0 and at most at 100, as in p99.9")
        return cls(path, family, name, field, "p", percent, "seconds")


def _unknown(path: str, family: str, name: str | None, rest: str) -> ConfigError:
    """Explain that there is no such metric, and name the nearest ones."""
    valid = [f"request.{number}" for number in _REQUEST_NUMBERS]
    valid += [f"job.{number}" for number in (*_JOB_NUMBERS, *WHOLE_RUN_NUMBERS)]
    valid += [f"request.{time}.{part}" for time in _REQUEST_TIMES for part in _STATISTICS]
    valid += [f"job.{time}.{part}" for time in JOB_TIMES for part in _STATISTICS]
    # A last part that is right (".p95") says what kind of metric is meant.
    last = "." + rest.rpartition(".")[2]
    valid = [metric for metric in valid if metric.endswith(last)] or valid
    if family:
        valid = [metric for metric in valid if metric.startswith(family)] or valid
    plain = f"{family}.{rest}" if family else rest
    nearest = difflib.get_close_matches(plain, valid, n=2, cutoff=0.0)
    if name is not None:
        nearest = [metric.replace(f"{family}.", f"{family}[{name}].", 1) for metric in nearest]
    return ConfigError(f"{path}: there is no such metric; the nearest are {' and '.join(nearest)}")
