"""Counting what a run sends, and its price, up to a limit."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Final

from asyncload.config.prices import Prices
from asyncload.stats import units

_PARTS: Final = 10**15
"""Of one unit of the currency: in whole parts a million cheap requests add up exactly."""


class Meter:
    """Counts requests when they start, and what they cost, and ends the load at a limit.

    From the moment a limit is reached, :attr:`full`, no iteration may start;
    what iterations under way still send is counted on. The load is ended by
    the first iteration that is refused, or at once where more would follow:
    a load that was over when it reached its limit has lost nothing.
    """

    def __init__(self, max_requests: int | None, max_cost: float | None, prices: Prices) -> None:
        self.requests = 0
        """Started by users."""
        self.full = False
        self._refused = False
        self._price = functools.cache(lambda name: round(prices.of(name) * _PARTS))
        self._currency = prices.currency
        self._spent = 0
        self._most = math.inf if max_requests is None else max_requests
        self._budget = math.inf if max_cost is None else round(max_cost * _PARTS)
        self._has_more: Callable[[], bool] = lambda: False
        self._end_load: Callable[[], None] = lambda: None
        self._reached_by = ""

    @classmethod
    def up_to(
        cls, max_requests: int | None, max_cost: float | None, prices: Prices
    ) -> Meter | None:
        """Make one for these limits; ``None`` without any, as counting costs a little, too."""
        if max_requests is None and max_cost is None:
            return None
        return cls(max_requests, max_cost, prices)

    @property
    def cost(self) -> float:
        """What all requests until now cost, in the currency."""
        return self._spent / _PARTS

    def guard(self, has_more: Callable[[], bool], end_load: Callable[[], None]) -> None:
        """Tell how to see whether iterations would still start, and how to end the load."""
        self._has_more = has_more
        self._end_load = end_load

    def begun(self, name: str) -> None:
        """Count a request of a user, at its start."""
        self.requests += 1
        self._spent += self._price(name)
        if self.requests >= self._most or self._spent >= self._budget:
            self._reached()

    def beside(self, name: str) -> None:
        """Count a request that is no user's: it costs, and that is all."""
        self._spent += self._price(name)
        if self._spent >= self._budget:
            self._reached()

    def refuse(self) -> None:
        """Take note that an iteration did not start because of the limit."""
        if not self._refused:
            self._refused = True
            self._end_load()

    def sentence(self, t: float, end: float) -> str:
        """Say why the load ended at ``t``, before its planned ``end``; seconds of the run."""
        key = self._reached_by.partition(":")[0]
        return (
            f"{self._reached_by} had been sent after {units.seconds(t)}, and there the load ended, "
            f"not at {units.seconds(end)} as planned; raise {key}, or plan less load"
        )

    def _reached(self) -> None:
        if self.full:
            return
        self.full = True
        if self.requests >= self._most:
            self._reached_by = f"max_requests: {units.counted(self.requests, 'request')}"
        else:
            cost = units.money(self.cost, self._currency)
            self._reached_by = f"max_cost: requests for {cost} by the price list"
        if self._has_more():
            self.refuse()
