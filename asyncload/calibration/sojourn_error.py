"""How exactly latencies are measured: queues whose true sojourn times are known, twice over.

The service logs the sojourn time of each request, and theory knows their distribution.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asyncload.calibration.certificate import PercentileError, QueueError
from asyncload.calibration.plain_load import busy, make_config, open_scenario
from asyncload.calibration.queueing import (
    BATCHES,
    Interval,
    percentile_interval,
    relaxation_time,
    sojourn_percentile,
)
from asyncload.errors import TargetError
from asyncload.load_test import LoadTest
from asyncload.local.ground_truth import RequestTruth, read_ground_truth
from asyncload.local.model_server.server import ModelServer
from asyncload.records.record import OK, Record, Request
from asyncload.stats.times import Times
from asyncload.verdict.verdict import Reason

PERCENTS: Final = (50.0, 90.0, 99.0)
SERVICE_TIME: Final = 0.005
"""Seconds, mean."""
TIMER: Final = 0.001
"""Seconds: resolution of the timers that end a service. Formulas know nothing of it."""
_FORGOTTEN: Final = 2.0
"""Relaxation times that a batch lasts at least, for an interval to be worth anything."""
_PATH: Final = "/v1/models/queue:predict"


class QueueSpec(NamedTuple):
    """A queue that requests are sent to."""

    name: str
    workers: int
    utilisation: float

    @property
    def rate(self) -> float:
        """Arrivals per second."""
        return self.utilisation * self.workers / SERVICE_TIME


QUEUES: Final = (
    QueueSpec("M/M/1", 1, 0.5),
    QueueSpec("M/M/1", 1, 0.8),
    QueueSpec("M/M/4", 4, 0.8),
)


class QueueTimes(NamedTuple):
    """How long requests are sent to the queues, seconds."""

    duration: float
    """Of what is looked at."""
    warmup: float
    """Until the queues, which are empty at first, have filled as they do."""


class _Latencies:
    """A sink that keeps the requests of each scenario, in the order they went out."""

    def __init__(self) -> None:
        self.requests: dict[str, list[Request]] = {}

    def write(self, record: Record) -> None:
        if isinstance(record, Request):
            self.requests.setdefault(record.scenario, []).append(record)

    def of(self, scenario: str) -> list[Request]:
        return sorted(self.requests.get(scenario, ()), key=lambda one: one.start or one.due)


async def measure_queues(times: QueueTimes) -> tuple[QueueError, ...]:
    """Send Poisson arrivals to all queues at once: together they are a light load.

    Raises :class:`TargetError` when a service cannot start, or lost a request, and
    :class:`MachineBusyError` when the generator was late at that little load, twice.
    """
    found, reasons = await _send(times)
    if reasons:  # something else may have disturbed it once
        found, reasons = await _send(times)
    if reasons:
        raise busy(sum(queue.rate for queue in QUEUES), reasons[0].text)
    return found


async def _send(times: QueueTimes) -> tuple[tuple[QueueError, ...], list[Reason]]:
    """Do it once; returns what was found, and why that is worth nothing, if it is."""
    latencies = _Latencies()
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="asyncload-calibrate-"))
        )
        scenarios = []
        for index, queue in enumerate(QUEUES):
            server = ModelServer(
                workers=queue.workers,
                service_time=SERVICE_TIME,
                exponential=True,
                seed=index,
                truth_log=_truth_log(folder, index),
            )
            await stack.enter_async_context(server)
            scenarios.append(_scenario(index, server.url, times))
        test = LoadTest(make_config(scenarios, folder, warmup=times.warmup, seed=7), sink=latencies)
        result = await test.run()
        found = tuple(
            _compare(
                queue,
                latencies.of(_name(index)),
                read_ground_truth(_truth_log(folder, index)),
                Times(test.stats.fold.request_total(_name(index)).latency),
                times,
            )
            for index, queue in enumerate(QUEUES)
        )
    # What piles up in a queue at 80 % for a while is no fault of ours.
    reasons = [one for one in result.verdict.reasons if one.weight == "invalid"]
    return found, reasons


def _scenario(index: int, url: str, times: QueueTimes) -> dict[str, Any]:
    user = {
        "kind": "http",
        "base_url": url,
        "requests": [{"name": "predict", "method": "POST", "path": _PATH, "json": {}}],
    }
    return open_scenario(_name(index), QUEUES[index].rate, times.duration + times.warmup, user)


def _name(index: int) -> str:
    return f"queue-{index}"


def _truth_log(folder: Path, index: int) -> Path:
    return folder / f"queue-{index}.jsonl"


def _compare(
    queue: QueueSpec,
    requests: list[Request],
    records: list[Any],
    reported: Times,
    times: QueueTimes,
) -> QueueError:
    """Hold what was reported against the service's log of the same requests, and the formula."""
    truths = sorted(
        (one for one in records if isinstance(one, RequestTruth)), key=lambda one: one.number
    )
    answered = sum(one.outcome == OK for one in requests)
    if not answered == len(requests) == len(truths):
        raise TargetError(
            f"the built-in service {queue.name} logged {len(truths)} requests, and {answered} of "
            f"{len(requests)} were answered; end what else is running, and try again"
        )
    # The server numbers requests as they come in, which is the order they went out in.
    begin = sum(one.due < times.warmup for one in requests)
    latency = np.array([one.end - one.due for one in requests[begin:]])
    sojourn = np.array([one.sojourn for one in truths[begin:]])
    memory = relaxation_time(
        workers=queue.workers, service_time=SERVICE_TIME, utilisation=queue.utilisation
    )
    long = times.duration / BATCHES >= _FORGOTTEN * memory
    return QueueError(
        name=queue.name,
        workers=queue.workers,
        service_time=SERVICE_TIME,
        utilisation=queue.utilisation,
        count=len(latency),
        percentiles=tuple(
            _percentile(queue, percent, reported, latency, sojourn, long=long)
            for percent in PERCENTS
        ),
    )


def _percentile(
    queue: QueueSpec,
    percent: float,
    reported: Times,
    latency: NDArray[np.float64],
    sojourn: NDArray[np.float64],
    *,
    long: bool,
) -> PercentileError:
    measured = reported.statistic("p", percent) or 0.0
    formula = sojourn_percentile(
        percent,
        workers=queue.workers,
        service_time=SERVICE_TIME,
        utilisation=queue.utilisation,
    )
    # As a histogram has it: a value that occurred, not one between two.
    logged = float(np.percentile(sojourn, percent, method="inverted_cdf"))
    interval = percentile_interval(latency, percent) if long else Interval(None, None)
    agrees = None
    if interval.low is not None and interval.high is not None:
        # The formula knows neither the service's timers nor the error, which is told by itself.
        off = TIMER + abs(measured - logged)
        agrees = interval.low - off <= formula <= interval.high + off
    return PercentileError(
        percent=percent,
        measured=measured,
        logged=logged,
        formula=formula,
        low=interval.low,
        high=interval.high,
        agrees=agrees,
    )
