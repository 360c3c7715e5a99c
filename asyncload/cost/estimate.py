"""What a run will send and cost, worked out from its plan before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec
import numpy as np

from asyncload.config.prices import Prices
from asyncload.errors import ConfigError
from asyncload.plan.plan import Plan, Scenario
from asyncload.transport.error_text import describe
from asyncload.users.call_estimate import NONE, Between, ExpectedCalls, ExpectedLoad
from asyncload.users.user import User
from asyncload.users.wait import NO_WAIT, Wait, parse_wait

_LOOKS: Final = 100_000
"""Times at which the level of a closed load is looked at."""


class CallCost(msgspec.Struct, frozen=True):
    """Requests of one name, and their price."""

    name: str
    calls: Between
    cost: Between


class ScenarioEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """What one scenario is expected to send."""

    scenario: str
    model: str
    iterations: Between
    lines: tuple[CallCost, ...]
    requests: Between
    """Those that its users send themselves."""
    per_image: Decimal
    """Cost of finding one image and reading its header, at least."""

    @property
    def calls(self) -> Between:
        """All of its requests."""
        return sum((line.calls for line in self.lines), NONE)

    @property
    def cost(self) -> Between:
        """Of all of them, but for the images'."""
        return sum((line.cost for line in self.lines), NONE)


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is expected to send and to cost."""

    prices: Prices
    scenarios: tuple[ScenarioEstimate, ...]
    """Those of whose users it is known."""
    unknown: tuple[str, ...]
    """Names of the others."""

    @property
    def calls(self) -> Between:
        """All requests to AWS."""
        return sum((one.calls for one in self.scenarios), NONE)

    @property
    def requests(self) -> Between:
        """Those that users send: what ``max_requests`` counts."""
        return sum((one.requests for one in self.scenarios), NONE)

    @property
    def cost(self) -> Between:
        """In the currency of the prices, without what finding images costs."""
        return sum((one.cost for one in self.scenarios), NONE)

    def warnings(self, *, max_requests: int | None, max_cost: float | None) -> list[str]:
        """Say, a sentence each, which of the limits this run is expected to meet."""
        found = []
        for key, limit, expected in (
            ("max_requests", max_requests, self.requests),
            ("max_cost", max_cost, self.cost),
        ):
            if limit is not None and self.scenarios and expected.high > limit:
                verb = "will" if expected.low > limit else "may"
                found.append(f"{key}: {limit:,} {verb} end the load early")
        if max_cost is not None and self.unknown:
            found.append(
                "max_cost counts requests to SQS and S3 only, and how many of them "
                f"{' and '.join(map(repr, self.unknown))} will send is not known"
            )
        return found


def estimate(
    plan: Plan, users: Sequence[tuple[type[User], msgspec.Struct]], prices: Prices
) -> Estimate:
    """Estimate ``plan``, whose scenarios have the user classes and options ``users``.

    Raises :class:`ConfigError` when a class cannot tell what it will send.
    """
    known: list[ScenarioEstimate] = []
    unknown: list[str] = []
    for scenario, (kind, options) in zip(plan.scenarios, users, strict=True):
        iterations = expected_iterations(scenario, _wait(kind, options))
        load = ExpectedLoad(iterations=iterations, seconds=scenario.end, drain=plan.drain)
        try:
            expected = kind.expected_calls(options, load)
        except Exception as problem:
            raise ConfigError(
                f"scenario {scenario.name!r}: {kind.__qualname__}.expected_calls fails with "
                f"{describe(problem)}; mend that"
            ) from problem
        if expected is None:
            unknown.append(scenario.name)
        else:
            known.append(_priced(scenario, iterations, expected, prices))
    return Estimate(prices=prices, scenarios=tuple(known), unknown=tuple(unknown))


def expected_iterations(scenario: Scenario, wait: Wait) -> Between:
    """Expect so many iterations; ``wait`` counts in the closed model.

    Open: the shape's area, which is the number of arrivals or its mean. Closed:
    from one for each user that starts to as many as there would be if every
    answer were instant, (user-seconds) / (mean wait) + (users started);
    without a wait there is no bound.
    """
    if scenario.model == "open":
        arrivals = scenario.expected_arrivals()
        return Between(arrivals, arrivals)
    times = (np.arange(_LOOKS, dtype=np.float64) + 0.5) * (scenario.end / _LOOKS)
    users = np.floor(np.asarray(scenario.shape.level(times), dtype=np.float64) + 0.5)
    rises = np.diff(users, prepend=0.0)
    started = float(rises[rises > 0].sum()) / scenario.parts
    pause = (wait.low + wait.high) / 2 if wait.pacing is None else wait.pacing
    if not pause:
        return Between(started, math.inf if started else 0.0)
    return Between(started, float(users.mean()) * scenario.end / scenario.parts / pause + started)


def _wait(kind: type[User], options: msgspec.Struct) -> Wait:
    """Find the wait between iterations, where a kind has it in its options or its class."""
    given = getattr(options, "wait", None)
    try:
        return parse_wait(kind.wait if given is None else given)
    except ValueError:  # an option of the user's own that only has the same name
        return NO_WAIT


def _priced(
    scenario: Scenario, iterations: Between, expected: ExpectedCalls, prices: Prices
) -> ScenarioEstimate:
    calls = [*expected.requests.items(), *expected.beside.items()]
    each = (prices.of(name) * Decimal(repr(n)) for name, n in expected.per_image.items())
    return ScenarioEstimate(
        scenario=scenario.name,
        model=scenario.model,
        iterations=iterations,
        lines=tuple(CallCost(name, number, _cost(number, prices, name)) for name, number in calls),
        requests=sum(expected.requests.values(), NONE),
        per_image=sum(each, Decimal(0)),
    )


def _cost(calls: Between, prices: Prices, name: str) -> Between:
    price = float(prices.of(name))
    # Nothing is not infinite however often it is paid.
    return calls.times(price, price) if price else NONE
