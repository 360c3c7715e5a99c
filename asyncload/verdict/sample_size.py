"""How many samples it takes to be sure of a percentile.

The rule is the early stopping of MLPerf's LoadGen (Reddi et al. 2020, "MLPerf
Inference Benchmark", ISCA; equation for its Beta quantile in LoadGen's
``early_stopping.cc``): of n independent samples h lie over the limit. If a share
of 1 − p or more of the service's answers were over it, h or fewer would be seen with
the probability P[Binomial(n, 1 − p) ≤ h] = I_p(n − h, h + 1) at most, I being the
regularised incomplete Beta function. Once that is no more than 1 − 0.99, it is sure
at 99 % that the p-th percentile keeps the limit.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final

CONFIDENCE: Final = 0.99


def chance_of_at_most(over: int, samples: int, share: float) -> float:
    """P[Binomial(samples, share) ≤ over], the chance to see so few.

    The shorter tail is summed from its largest term on, until terms no longer count:
    about √samples of them. ``share`` lies between 0 and 1, both left out.
    """
    if over < 0:
        return 0.0
    if over >= samples:
        return 1.0
    odds = share / (1 - share)
    below = over <= samples * share
    k = over if below else over + 1
    # P[X = k]; then each term from its neighbour, by the ratio of their binomials.
    term = math.exp(
        math.lgamma(samples + 1)
        - math.lgamma(k + 1)
        - math.lgamma(samples - k + 1)
        + k * math.log(share)
        + (samples - k) * math.log1p(-share)
    )
    total = 0.0
    while term > total * 1e-17:
        total += term
        if below:
            term *= k / ((samples - k + 1) * odds)
            k -= 1
        else:
            term *= (samples - k) * odds / (k + 1)
            k += 1
    return min(total if below else 1 - total, 1.0)


@cache
def least_samples(percent: float, over: int = 0) -> int:
    """Samples that prove a percentile when ``over`` of them lie over its limit.

    ``percent`` lies above 0 and below 100. 459 for the 99th percentile and none
    over, 662 and 838 for one and two.
    """
    share = 1 - percent / 100
    high = over + 1
    while chance_of_at_most(over, high, share) > 1 - CONFIDENCE:
        high *= 2
    low = over
    while high - low > 1:
        middle = (low + high) // 2
        if chance_of_at_most(over, middle, share) > 1 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def most_over(percent: float, samples: int) -> int:
    """Of ``samples``, how many may lie over the limit so that the percentile is proven to keep it.

    −1 when there are too few samples to prove anything.
    """
    share = 1 - percent / 100
    if samples <= 0 or chance_of_at_most(0, samples, share) > 1 - CONFIDENCE:
        return -1
    low, high = 0, math.ceil(samples * share) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if chance_of_at_most(middle, samples, share) > 1 - CONFIDENCE:
            high = middle
        else:
            low = middle
    return low
