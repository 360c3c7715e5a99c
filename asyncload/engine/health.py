"""The generator's own health: a run is only as honest as the loop that drove it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import anyio

from asyncload.monitor.host import HostMonitor
from asyncload.records.record import System

STEP: Final = 0.05
"""Seconds between two wake-ups that are measured for lag."""


class Health:
    """Measures loop lag, and puts it together with CPU, memory and the log's backlog."""

    def __init__(self, log_backlog: Callable[[], int]) -> None:
        self._host = HostMonitor()
        self._log_backlog = log_backlog
        self._longest_lag = 0.0

    async def watch(self) -> None:
        """Wake up again and again and see how late; runs until cancelled."""
        while True:
            asleep = time.monotonic()
            await anyio.sleep(STEP)
            self._longest_lag = max(self._longest_lag, time.monotonic() - asleep - STEP)

    def sample(self, t: float) -> System:
        """The state at ``t``; the lag is the longest since the previous call."""
        host = self._host.sample()
        lag, self._longest_lag = self._longest_lag, 0.0
        return System(
            t=t,
            host=self._host.host,
            cpu=host.cpu,
            memory=host.memory,
            host_cpu=host.host_cpu,
            loop_lag=round(lag, 6),
            log_backlog=self._log_backlog(),
        )
