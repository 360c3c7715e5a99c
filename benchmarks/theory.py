"""The M/M/c queue in formulas: Poisson arrivals, exponential services, c servers, one queue.

λ arrivals and μ services a second, ρ = λ / (c μ). Source: Kleinrock 1975, *Queueing Systems* 1,
sections 3.2 and 3.5; Gross and Harris, *Fundamentals of Queueing Theory*, section 2.3.
"""

from __future__ import annotations

import math
import random

import msgspec


class Station(msgspec.Struct, frozen=True, kw_only=True):
    """Queues of one kind, independent of each other."""

    servers: int
    rho: float
    """Share of its servers that is busy."""
    mean: float
    """Of a service, seconds."""
    queues: int = 1

    @property
    def mu(self) -> float:
        """Services of one server, per second."""
        return 1 / self.mean

    @property
    def arrivals(self) -> float:
        """Per second, of one queue: λ = ρ c μ."""
        return self.rho * self.servers * self.mu


def erlang_c(servers: int, rho: float) -> float:
    """Probability that a customer has to wait.

    C = a^c/c! / ((1 − ρ) Σ_{k<c} a^k/k! + a^c/c!), with a = c ρ. Of one server it is ρ.
    """
    offered = servers * rho
    last = offered**servers / math.factorial(servers)
    rest = sum(offered**k / math.factorial(k) for k in range(servers))
    return last / ((1 - rho) * rest + last)


def longer(station: Station, t: float) -> float:
    """P[sojourn > t], the time from arrival to end of service.

    The wait is 0 with the probability 1 − C, and else exponential with the rate δ = c μ − λ; the
    service is exponential with μ. Their sum: (1 − C) e^{−μt} + C (δ e^{−μt} − μ e^{−δt}) / (δ − μ).
    Of one server that is e^{−(μ − λ)t}.
    """
    mu, waits = station.mu, erlang_c(station.servers, station.rho)
    delta = station.servers * mu - station.arrivals
    both = (delta * math.exp(-mu * t) - mu * math.exp(-delta * t)) / (delta - mu)
    return (1 - waits) * math.exp(-mu * t) + waits * both


def percentile(station: Station, percent: float) -> float:
    """Seconds that ``percent`` % of the sojourns do not exceed, by bisection."""
    low, high = 0.0, 1000.0 * station.mean
    while high - low > 1e-12:
        middle = (low + high) / 2
        if longer(station, middle) > 1 - percent / 100:
            low = middle
        else:
            high = middle
    return high


def stationary(station: Station, chance: random.Random) -> int:
    """Draw how many customers an arriving one finds: p_{n+1} = p_n a / min(n + 1, c)."""
    servers, offered = station.servers, station.servers * station.rho
    term = total = 1.0
    terms = [term]
    n = 0
    while term > total * 1e-12:
        n += 1
        term *= offered / min(n, servers)
        total += term
        terms.append(term)
    [found] = chance.choices(range(len(terms)), terms)
    return found
