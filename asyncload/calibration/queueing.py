"""Queues whose sojourn times are known: M/M/c, first come, first served.

Poisson arrivals at the rate λ, c workers with exponential service times of mean 1/μ, the
load a = λ/μ < c. Shortle, Thompson, Gross and Harris, *Fundamentals of Queueing Theory*,
5th ed. (2018), section 3.3 (M/M/c) and 3.2 (M/M/1).
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

BATCHES: Final = 10
_T: Final = 2.262  # Student's t, 97.5 % one-sided, BATCHES − 1 degrees of freedom
_HALVINGS: Final = 60  # of a bracket: more than a float has digits


def erlang_c(workers: int, load: float) -> float:
    """Probability that a request has to wait: Erlang's C formula.

    From the recursion of Erlang's B formula, B(0) = 1, B(k) = a B(k−1) / (k + a B(k−1)):
    C = c B / (c − a (1 − B)).
    """
    _check(workers, load)
    blocking = 1.0
    for k in range(1, workers + 1):
        blocking = load * blocking / (k + load * blocking)
    return workers * blocking / (workers - load * (1 - blocking))


def sojourn_tail(t: float, *, workers: int, service_time: float, utilisation: float) -> float:
    """Probability that a request stays longer than ``t`` seconds, waiting and service together.

    With C of :func:`erlang_c` and d = c − 1 − a::

        P(T > t) = e^(−μt) (1 + C (1 − e^(−μ d t)) / d),   and  e^(−μt) (1 + C μ t)  for d = 0

    For c = 1 it is e^(−(μ−λ)t): exponential with the rate μ − λ.
    """
    load = workers * utilisation
    waits = erlang_c(workers, load)
    x = t / service_time
    d = workers - 1 - load
    more = x if abs(d) < 1e-9 else -math.expm1(-d * x) / d
    return math.exp(-x) * (1 + waits * more)


def sojourn_percentile(
    percent: float, *, workers: int, service_time: float, utilisation: float
) -> float:
    """Percentile of the sojourn time, seconds: where :func:`sojourn_tail` is 1 − ``percent`` %."""
    if not 0 < percent < 100:
        raise ValueError(f"percent is {percent:g}; give a number between 0 and 100")
    wanted = 1 - percent / 100

    def tail(t: float) -> float:
        return sojourn_tail(t, workers=workers, service_time=service_time, utilisation=utilisation)

    high = service_time
    while tail(high) > wanted:
        high *= 2
    low = 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if tail(middle) > wanted else (low, middle)
    return high


def relaxation_time(*, workers: int, service_time: float, utilisation: float) -> float:
    """Time constant with which a queue forgets how long it was, seconds: 1 / (√(cμ) − √λ)².

    Exact for M/M/1, and for many workers what it comes to under high load (Cohen, *The Single
    Server Queue*, 2nd ed. 1982, section II.2).
    """
    rate = workers / service_time
    return 1 / (math.sqrt(rate) - math.sqrt(utilisation * rate)) ** 2


class Interval(NamedTuple):
    """Where a percentile lies with 95 % confidence; ``None``: there are too few samples to say."""

    low: float | None
    high: float | None


def percentile_interval(values: NDArray[np.float64], percent: float) -> Interval:
    """Give the interval of a percentile of ``values``, which stand in the order they came.

    A batch of them must be long against the :func:`relaxation_time`.

    Sojourn times of neighbours in a queue are alike, so that they tell less than as many
    independent ones. What share of them is at most the percentile p is therefore taken in
    each of :data:`BATCHES` batches; t · s / √BATCHES of these shares is the half-width h of
    the interval of the share, and the percentiles p ± h are that of the percentile itself
    (Woodruff 1952, *J. Amer. Statist. Assoc.* 47:635; for batches Schmeiser 1982, *Oper.
    Res.* 30:556).
    """
    share = percent / 100
    size = len(values) // BATCHES
    if size < 2:
        return Interval(None, None)
    ordered = np.sort(values)
    at_most = values[: size * BATCHES] <= np.percentile(ordered, percent)
    shares = at_most.reshape(BATCHES, size).mean(axis=1)
    half = _T * float(shares.std(ddof=1)) / math.sqrt(BATCHES)
    return Interval(_at(ordered, share - half), _at(ordered, share + half))


def _at(ordered: NDArray[np.float64], share: float) -> float | None:
    """The value at a share of all; ``None`` beyond the outermost ones."""
    if not 1 / len(ordered) <= share <= 1 - 1 / len(ordered):
        return None
    return float(np.percentile(ordered, 100 * share))


def _check(workers: int, load: float) -> None:
    if workers < 1 or not 0 < load < workers:
        raise ValueError(
            f"{workers} workers under a load of {load:g} Erlang have no steady state; "
            "give 1 worker or more, and a load over 0 and below their number"
        )
