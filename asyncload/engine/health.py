"""The generator's own health, and what is monitored beside it.

A run is only as honest as the loop that drove it; and a service that is slow
may be short of CPU, memory or a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import anyio.to_thread
from anyio.abc import TaskGroup

from asyncload.engine.clock import RunClock
from asyncload.engine.ending import Limited
from asyncload.engine.loop_watch import LoopWatch
from asyncload.jobs.consumer import StatusConsumer
from asyncload.jobs.polls import full_share, longest_lag
from asyncload.monitor.clock_jumps import ClockJumps
from asyncload.monitor.gaps import Gaps
from asyncload.monitor.gc_pauses import GcPauses
from asyncload.monitor.gpu import GpuMonitor
from asyncload.monitor.host import HostMonitor
from asyncload.monitor.remote import Note, RemoteMonitor
from asyncload.monitor.settings import MonitorSource
from asyncload.records.record import Sink, System


class Health:
    """Puts together what is sampled of the generator: its loop, its cores, its clock, its queues.

    What cannot be sampled is a gap in the log, never the end of the run. Other ``sources`` are sampled, too; their records go to ``sink`` by themselves.
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
        self._gaps = Gaps(note)
        self._gc = GcPauses()
        self._loop = LoopWatch(lambda: self._gc.total, self._gaps)
        self._consumers: Sequence[StatusConsumer] = ()
        self._host: HostMonitor | None = None
        self._clock_jumps: ClockJumps | None = None
        self._gpus: GpuMonitor | None = None
        self._gpu: list[dict[str, float]] | None = None
        self._remotes = [RemoteMonitor(source, clock) for source in sources]

    async def open(self, resources: AsyncExitStack) -> None:
        """Do what takes long (NVML, libraries) before the clock starts."""
        self._gpus = await anyio.to_thread.run_sync(GpuMonitor.open)
        if self._gpus is not None:
            resources.callback(self._gpus.close)
        for remote in self._remotes:
            await resources.enter_async_context(Limited(remote, self._note))

    def start(self, group: TaskGroup, consumers: Sequence[StatusConsumer] = ()) -> None:
        """Begin to watch, until ``group`` is cancelled; then the last sample is written."""
        self._consumers = consumers
        self._host = HostMonitor(self._gaps)
        self._clock_jumps = self._gaps.sample("the wall clock", ClockJumps)
        group.start_soon(self._watch)
        if self._gpus is not None:
            group.start_soon(self._watch_gpus, self._gpus)
        for remote in self._remotes:
            group.start_soon(self._watch_remote, remote)

    def sample(self, t: float) -> System:
        """The state at ``t``; what is longest or a mean is so since the previous call."""
        assert self._host is not None, "the watch has not begun"
        host = self._host.sample()
        lag, block = self._loop.take()
        gc_pause, gc_time = self._gc.take()
        jump = suspended = None
        if self._clock_jumps is not None:
            jump, suspended = self._gaps.sample("the wall clock", self._clock_jumps.look) or (
                None,
                None,
            )
        polls = [consumer.polls.take() for consumer in self._consumers]
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
            gc_pause=round(gc_pause, 6),
            gc_time=round(gc_time, 6),
            steal=host.steal,
            core_cpu=host.core_cpu,
            cpu_wait=host.cpu_wait,
            clock_jump=jump,
            suspended=suspended,
            consumer_lag=longest_lag(polls),
            full_polls=full_share(polls),
            blocked=None if block is None else round(block.seconds, 6),
            blocked_by=None if block is None else block.code,
        )

    async def _watch(self) -> None:
        """Watch the loop and the garbage collector."""
        assert self._host is not None
        self._gc.start()
        try:
            await self._loop.run()
        finally:
            self._gc.stop()
            self._sink.write(self.sample(self._clock()))
            self._host.close()

    async def _watch_gpus(self, gpus: GpuMonitor) -> None:
        """Look at the GPUs half a second before each sample, in a thread: drivers take their time."""
        while True:
            await self._clock.sleep_until(math.floor(self._clock() + 0.5) + 0.5)
            found = await anyio.to_thread.run_sync(
                lambda: self._gaps.sample("the GPUs", gpus.sample), abandon_on_cancel=True
            )
            self._gpu = found or None

    async def _watch_remote(self, remote: RemoteMonitor) -> None:
        await remote.look(self._sink, self._note)
        await remote.watch(self._sink, self._note)
