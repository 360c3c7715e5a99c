"""The calibration of a machine from beginning to end. All of its load stays on this machine."""

from __future__ import annotations

from typing import Final, NamedTuple

from asyncload.calibration.certificate import Certificate, now
from asyncload.calibration.machine import this_machine
from asyncload.calibration.plain_load import TrialSpec
from asyncload.calibration.sojourn_error import QUEUES, QueueTimes, measure_queues
from asyncload.calibration.status_rate import RATE, ConsumerTimes, measure_consumer
from asyncload.calibration.top_rate import Say, SearchTimes, find_top_rate, measure_lateness
from asyncload.local.model_server.server import ModelServer


class Times(NamedTuple):
    """How long each part takes."""

    search: SearchTimes
    lateness: TrialSpec
    queues: QueueTimes
    consumer: ConsumerTimes


FULL: Final = Times(
    search=SearchTimes(TrialSpec(1.6, 0.4), TrialSpec(5.5, 0.5), precision=0.12),
    lateness=TrialSpec(4.0, 0.5),
    queues=QueueTimes(16.0, 1.0),
    consumer=ConsumerTimes(6.0, 0.5, 20_000),
)
"""60 to 90 seconds in all; more on a machine that is busy otherwise, where trials are repeated."""
QUICK: Final = Times(
    search=SearchTimes(TrialSpec(0.5, 0.2), TrialSpec(1.0, 0.2), precision=0.7),
    lateness=TrialSpec(0.6, 0.1),
    queues=QueueTimes(2.5, 0.4),
    consumer=ConsumerTimes(1.0, 0.1, 4_000),
)
"""About 20 seconds in all."""


async def calibrate(*, quick: bool, say: Say) -> Certificate:
    """Measure this machine; ``say`` is told what is being done.

    Raises :class:`MachineBusyError` when this machine has no time left to be measured, and
    :class:`TargetError` when a built-in service cannot start.
    """
    times = QUICK if quick else FULL
    say("starting the built-in service")
    async with ModelServer(workers=1, service_time=0.0) as server:
        top_rate = await find_top_rate(server.url, times.search, say)
        lateness = await measure_lateness(server.url, top_rate.rate, times.lateness, say)
    names = ", ".join(f"{one.name} at {100 * one.utilisation:.0f} %" for one in QUEUES)
    say(f"error of percentiles: {names}")
    queues = await measure_queues(times.queues)
    say(f"statuses of {RATE:g} jobs/s on the embedded stack")
    consumer = await measure_consumer(times.consumer)
    return Certificate(
        machine=this_machine(),
        made_at=now(),
        quick=quick,
        top_rate=top_rate,
        lateness=lateness,
        queues=queues,
        consumer=consumer,
    )
