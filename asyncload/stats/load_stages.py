"""How a service keeps up with clients that become more, stage by stage.

For closed loads in stairs (``ramp``, ``custom_ramp``) whose users send at a fixed rate:
of each stage how much was asked for, and how much came of it. A stage is *steady* when at
least 95 % of the expected requests were answered and at least 99 % of the answers were good.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from asyncload.errors import ConfigError
from asyncload.plan.builtin import Ramp
from asyncload.plan.duration import parse_duration
from asyncload.plan.shapes import shape_from
from asyncload.plan.stages import CustomRamp
from asyncload.records.record import OK, SENT, Level, Request, RunHeader
from asyncload.stats.histogram import LatencyHistogram

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

DEFAULT_RATE: Final = 10.0
"""Requests per second of a client of ``kind: edge``."""
STEADY_RATE: Final = 0.95
"""Share of the expected requests that must be answered."""
STEADY_SUCCESS: Final = 0.99
"""Share of the answers that must be good."""
SETTLING: Final = 1.0
"""Seconds at the start of a stage that are left out: new clients join, old queues go."""
MAX_STAGES: Final = 1000
"""A load of more stages has no table: it is a slope."""
_SLACK: Final = 1.5  # seconds; levels are recorded once a second


class StageMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of a scenario. Times in seconds, rates per second, shares of 1."""

    scenario: str
    start: float
    """Of the stage."""
    end: float
    clients: int
    expected: float
    """Rate: clients times the rate of each."""
    achieved: float
    """Rate of the answers, good or not."""
    success: float | None
    """Share of the answers that were good."""
    p50: float | None
    """Latency of the good ones, from due to end."""
    p95: float | None
    steady: bool | None
    """``None``: the run ended within the stage."""


def largest_steady(stages: Sequence[StageMetrics]) -> StageMetrics | None:
    """Find the steady stage with the highest expected rate."""
    steady = [stage for stage in stages if stage.steady]
    return max(steady, key=lambda stage: stage.expected, default=None)


class Stairs(msgspec.Struct, frozen=True):
    """The load of a scenario: when each stage begins, how many clients it has."""

    starts: list[float]
    clients: list[int]
    end: float
    rate: float
    """Requests per second of each client."""


class LoadStages:
    """Folds the requests of a run into its stages; the header tells which there are.

    Memory is bounded by the number of stages.
    """

    def __init__(self) -> None:
        self._scenarios: dict[str, _Scenario] = {}
        self.known = False
        """Whether there are stages: if not, there is no need to come with every request."""

    def header(self, header: RunHeader) -> None:
        """Learn the stages; it comes before everything else."""
        for name, stairs in stairs_of(header).items():
            self._scenarios.setdefault(name, _Scenario(stairs))
        self.known = bool(self._scenarios)

    def request(self, request: Request) -> None:
        """Fold one request."""
        scenario = self._scenarios.get(request.scenario)
        if scenario is not None and request.outcome in SENT:
            scenario.add(request)

    def level(self, level: Level) -> None:
        """Fold one sample of the level: it tells how far the load got."""
        scenario = self._scenarios.get(level.scenario)
        if scenario is not None and level.target > 0:
            scenario.reached = max(scenario.reached, level.t)

    def columns(self, scenario: str, *, due: Array, end: Array, good: Bools, load: Array) -> None:
        """Fold all requests of a scenario at once: the same as one after the other.

        ``due`` and ``end`` in seconds, ``good`` which were answered well; ``load`` are
        the times at which the level was sampled and over 0.
        """
        found = self._scenarios.get(scenario)
        if found is not None:
            found.add_columns(due, end, good)
            found.reached = max(found.reached, float(load.max(initial=0.0)))

    def read(self) -> list[StageMetrics]:
        """Give the stages that have begun, scenario by scenario, as they stand."""
        return [
            stage for name, scenario in self._scenarios.items() for stage in scenario.read(name)
        ]


class _Stage:
    """Collects the answers of one stage."""

    __slots__ = ("count", "good", "last_end", "latency")

    def __init__(self) -> None:
        self.count = self.good = 0
        self.last_end = 0.0
        self.latency = LatencyHistogram()


class _Scenario:
    """Collects those of all stages of a scenario."""

    def __init__(self, stairs: Stairs) -> None:
        self.stairs = stairs
        self.reached = 0.0
        """When the load was last seen to go on."""
        self._ends = [*stairs.starts[1:], stairs.end]
        self._settled = [
            start + settling(end - start)
            for start, end in zip(stairs.starts, self._ends, strict=True)
        ]
        self._stages = [_Stage() for _ in stairs.starts]

    def add(self, request: Request) -> None:
        end = request.end
        self.reached = max(self.reached, request.due)
        if end >= self.stairs.end:
            return
        index = bisect.bisect_right(self.stairs.starts, end) - 1
        if index < 0 or end < self._settled[index]:
            return
        stage = self._stages[index]
        stage.count += 1
        stage.last_end = max(stage.last_end, end)
        if request.outcome == OK:
            stage.good += 1
            stage.latency.record(end - request.due)

    def add_columns(self, due: Array, end: Array, good: Bools) -> None:
        self.reached = max(self.reached, float(due.max(initial=0.0)))
        index = np.searchsorted(self.stairs.starts, end, side="right") - 1
        counted = (index >= 0) & (end < self.stairs.end) & (end >= np.take(self._settled, index))
        for number, stage in enumerate(self._stages):
            chosen = counted & (index == number)
            stage.count += int(np.count_nonzero(chosen))
            stage.last_end = max(stage.last_end, float(end[chosen].max(initial=0.0)))
            well = chosen & good
            stage.good += int(np.count_nonzero(well))
            for latency in (end[well] - due[well]).tolist():
                stage.latency.record(latency)

    def read(self, name: str) -> list[StageMetrics]:
        rows = []
        for index, stage in enumerate(self._stages):
            start, end = self.stairs.starts[index], self._ends[index]
            if start > self.reached or (start == self.reached and not stage.count):
                break
            if not self.stairs.clients[index]:
                continue  # a pause between two stages
            complete = self.reached >= end - _SLACK
            until = end if complete else max(stage.last_end, self.reached)
            seconds = until - self._settled[index]
            expected = self.stairs.clients[index] * self.stairs.rate
            success = stage.good / stage.count if stage.count else None
            # A client may miss one request of a window that is no multiple of its period:
            # so whole requests are asked for.
            enough = stage.count >= math.floor(STEADY_RATE * expected * seconds)
            p50, p95 = stage.latency.percentiles([50, 95])
            rows.append(
                StageMetrics(
                    scenario=name,
                    start=start,
                    end=end,
                    clients=self.stairs.clients[index],
                    expected=expected,
                    achieved=stage.count / seconds if seconds > 0 else 0.0,
                    success=success,
                    p50=p50,
                    p95=p95,
                    steady=enough and success is not None and success >= STEADY_SUCCESS
                    if complete
                    else None,
                )
            )
        return rows


def settling(length: float) -> float:
    """Seconds at the start of a stage of ``length`` seconds that are left out."""
    return min(SETTLING, length / 4)


def stairs_of(header: RunHeader) -> dict[str, Stairs]:
    """Find the scenarios of a run whose loads are stairs of clients at a fixed rate."""
    scenarios = header.config.get("scenarios")
    found = {}
    for scenario in scenarios if isinstance(scenarios, list) else []:
        stairs = _stairs(scenario) if isinstance(scenario, dict) else None
        if stairs is not None:
            found[str(scenario.get("name"))] = stairs
    return found


def _stairs(scenario: Mapping[str, Any]) -> Stairs | None:
    load, user = scenario.get("load"), scenario.get("user")
    if not (isinstance(load, dict) and isinstance(user, dict) and load.get("model") == "closed"):
        return None
    rate = _rate(user)
    spec = load.get("shape")
    if rate is None or not isinstance(spec, dict) or spec.get("kind") not in _STAIRS:
        return None
    # A log of another version may say things otherwise.
    with contextlib.suppress(ConfigError, msgspec.ValidationError, ValueError, TypeError):
        shape = shape_from(spec, horizon=None)
        end = parse_duration(load.get("duration"))
        starts = [start for start in _starts(shape) if start < end]
        if 0 < len(starts) <= MAX_STAGES:
            levels = shape.level(np.array(starts))
            return Stairs(starts, [math.floor(level + 0.5) for level in levels], end, rate)
    return None


_STAIRS: Final = ("ramp", "custom_ramp")


def _starts(shape: object) -> list[float]:
    """When each stage begins, seconds."""
    if isinstance(shape, Ramp):
        number = min(shape.stairs, MAX_STAGES + 1)
        return [float(index * shape.every) for index in range(number)]
    assert isinstance(shape, CustomRamp)
    if shape.stages is not None:
        lengths = [float(length) for _, length in shape.stages]
    else:
        lengths = [float(shape.every or 0.0)] * len(shape.levels or ())
    return [0.0, *itertools.accumulate(lengths[:-1])]


def _rate(user: Mapping[str, Any]) -> float | None:
    """Requests per second of each user, where that is fixed."""
    options = user.get("options", user)  # of a plan made in Python
    if not isinstance(options, dict) or user.get("kind") != "edge":
        return None
    rate = options.get("rate", DEFAULT_RATE)
    good = isinstance(rate, int | float) and not isinstance(rate, bool) and 0 < rate < math.inf
    return float(rate) if good else None
