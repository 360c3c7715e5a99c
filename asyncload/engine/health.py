"""The generator's own health, and what is monitored beside it.

A run is only as honest as the loop that drove it; and a service that is slow
may be short of CPU, memory or a GPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from asyncload.engine.clock import RunClock
from asyncload.monitor.gpu import GpuMonitor
from asyncload.monitor.host import HostMonitor
from asyncload.monitor.remote import Note, RemoteMonitor
from asyncload.monitor.settings import MonitorSource
from asyncload.records.record import Sink, System

STEP: Final = 0.05
"""Seconds between two wake-ups that are measured for lag."""


class Health:
    """Measures loop lag, and puts it together with CPU, memory, GPUs and the log's backlog.

    Other ``sources`` are sampled, too; their records go to ``sink`` by themselves.
    """

    def __init__(
        self,
        clock: RunClock,
        *,
        log_backlog: Callable[[], int],
        sources: Sequence[MonitorSource],
        sink: Sink,
        note: Note,
    ) -> None:
        self._clock = clock
        self._log_backlog = log_backlog
        self._sink = sink
        self._note = note
        self._longest_lag = 0.0
        self._host: HostMonitor | None = None
        self._gpus: GpuMonitor | None = None
        self._gpu: list[dict[str, float]] | None = None
        self._remotes = [RemoteMonitor(source, clock) for source in sources]

    async def open(self, resources: AsyncExitStack) -> None:
        """Do what takes long (NVML, libraries) before the clock starts."""
        self._gpus = await anyio.to_thread.run_sync(GpuMonitor.open)
        if self._gpus is not None:
            resources.callback(self._gpus.close)
        for remote in self._remotes:
            await resources.enter_async_context(remote)

    def start(self, group: TaskGroup) -> None:
        """Begin to watch, until ``group`` is cancelled."""
        self._host = HostMonitor()
        group.start_soon(self._watch_lag)
        if self._gpus is not None:
            group.start_soon(self._watch_gpus, self._gpus)
        for remote in self._remotes:
            group.start_soon(self._watch_remote, remote)

    def sample(self, t: float) -> System:
        """The state at ``t``; the lag is the longest since the previous call."""
        assert self._host is not None, "the watch has not begun"
        host = self._host.sample()
        lag, self._longest_lag = self._longest_lag, 0.0
        gpu, self._gpu = self._gpu, None
        return System(
            t=t,
            host=self._host.host,
            cpu=host.cpu,
            memory=host.memory,
            host_cpu=host.host_cpu,
            loop_lag=round(lag, 6),
            log_backlog=self._log_backlog(),
            gpu=gpu,
            host_memory=host.host_memory,
            memory_total=host.memory_total,
            network_in=host.network_in,
            network_out=host.network_out,
        )

    async def _watch_lag(self) -> None:
        """Wake up again and again and see how late."""
        while True:
            asleep = time.monotonic()
            await anyio.sleep(STEP)
            self._longest_lag = max(self._longest_lag, time.monotonic() - asleep - STEP)

    async def _watch_gpus(self, gpus: GpuMonitor) -> None:
        """Look at the GPUs half a second before each sample, in a thread: drivers take their time."""
        while True:
            await self._clock.sleep_until(math.floor(self._clock() + 0.5) + 0.5)
            found = await anyio.to_thread.run_sync(gpus.sample, abandon_on_cancel=True)
            self._gpu = found or None

    async def _watch_remote(self, remote: RemoteMonitor) -> None:
        await remote.look(self._sink, self._note)
        await remote.watch(self._sink, self._note)
