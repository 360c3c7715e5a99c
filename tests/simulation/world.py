"""What a simulated world is like, drawn from a seed."""

from __future__ import annotations

import random
from typing import Final, Literal

import msgspec

Kind = Literal[
    "partition",  # no byte arrives until it is over
    "reset",  # a share of the calls loses its connection, half of them after they were carried out
    "restart",  # all connections are reset, and new ones are refused until it is over
    "garbage",  # a share of the answers is no HTTP
    "slow",  # a share of the answers takes seconds longer
    "throttle",  # a share of the calls is refused
    "broken",  # a share of the calls ends with HTTP 500, half of them after they were carried out
    "entries",  # a share of the entries of batches fails
    "redeliver",  # a share of the messages received stays visible
    "crash",  # the service stops, and begins again with what it was working on
    "refresh",  # credentials cannot be refreshed
]
KINDS: Final[tuple[Kind, ...]] = Kind.__args__  # type: ignore[attr-defined]


class Trouble(msgspec.Struct, frozen=True):
    """One kind of trouble, from ``start`` to ``end`` (seconds of the run)."""

    kind: Kind
    start: float
    end: float
    share: float = 1.0


class World(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides how a trial goes. Times in seconds."""

    seed: int
    model: Literal["open", "closed"] = "open"
    level: float = 4.0
    """Arrivals per second, or users."""
    duration: float = 15.0
    drain: float = 30.0
    timeout: float = 60.0
    """Of a job."""
    linger: float = 0.0
    """Of a batch; 0: each message is sent by itself."""
    waits: bool = False
    """Users wait for their jobs."""
    delete_foreign: bool = False
    workers: int = 4
    service_time: float = 0.5
    visibility: float = 30.0
    skew: float = 0.0
    """Seconds that the service's clock is ahead."""
    partial: float = 0.0
    failed: float = 0.0
    stuck: float = 0.0
    silent: float = 0.0
    rejected: float = 0.0
    """Shares of jobs that end so; rejected ones are in the dead-letter queue."""
    repeated: float = 0.0
    """Share of statuses that are published twice."""
    scattered: float = 0.0
    """Longest time that a status may take to its queue."""
    corrupted: float = 0.0
    """Share of statuses whose text is cut off."""
    foreign: float = 0.0
    """Foreign messages per second, of which every second one is unreadable."""
    keys_live: float = 0.0
    """Seconds for which credentials are valid; 0: for ever."""
    ending: tuple[Literal["stop", "give_up", "abort"], float] | None = None
    troubles: tuple[Trouble, ...] = ()

    def trouble(self, kind: Kind, now: float) -> Trouble | None:
        """Find the trouble of ``kind`` that is under way."""
        for trouble in self.troubles:
            if trouble.kind == kind and trouble.start <= now < trouble.end:
                return trouble
        return None


def world_of(seed: int) -> World:
    """Draw a world: half of its features are absent, so that each is met alone, too."""
    rng = random.Random(seed)

    def some(low: float, high: float, *, odds: float = 0.5) -> float:
        return round(rng.uniform(low, high), 3) if rng.random() < odds else 0.0

    model: Literal["open", "closed"] = rng.choice(("open", "closed"))
    duration = round(rng.uniform(4, 25), 1)
    drain = round(rng.choice((rng.uniform(0, 5), rng.uniform(5, 60))), 1)
    over = duration + drain
    troubles = []
    for _ in range(rng.choice((0, 1, 1, 2, 3, 5))):
        start = round(rng.uniform(0, over), 2)
        length = rng.choice((rng.uniform(0.05, 1), rng.uniform(1, 15)))
        share = rng.choice((1.0, round(rng.uniform(0.05, 0.6), 2)))
        troubles.append(Trouble(rng.choice(KINDS), start, round(start + length, 2), share))
    endings: tuple[Literal["stop", "give_up", "abort"], ...] = ("stop", "give_up", "abort")
    ending = (rng.choice(endings), round(rng.uniform(0, over), 2)) if rng.random() < 0.3 else None
    return World(
        seed=seed,
        model=model,
        level=round(rng.uniform(1, 6), 1) if model == "open" else rng.randint(1, 8),
        duration=duration,
        drain=drain,
        timeout=round(rng.choice((rng.uniform(1, 10), rng.uniform(10, 90))), 1),
        linger=rng.choice((0.0, 0.0, 0.02, 0.3)),
        waits=rng.random() < 0.4,
        delete_foreign=rng.random() < 0.3,
        workers=rng.choice((1, 2, 8, 50)),
        service_time=rng.choice((0.01, 0.3, 2.0)),
        visibility=rng.choice((1.0, 5.0, 30.0)),
        skew=rng.choice((0.0, 0.0, round(rng.uniform(-5, 5), 3))),
        partial=some(0, 0.3),
        failed=some(0, 0.3),
        stuck=some(0, 0.2, odds=0.3),
        silent=some(0, 0.2, odds=0.3),
        rejected=some(0, 0.2, odds=0.3),
        repeated=some(0, 0.5),
        scattered=some(0, 4),
        corrupted=some(0, 0.1, odds=0.2),
        foreign=some(0.1, 4, odds=0.3),
        keys_live=some(5, 90, odds=0.3),
        ending=ending,
        troubles=tuple(troubles),
    )
