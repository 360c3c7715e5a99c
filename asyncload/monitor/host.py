"""CPU, memory and network of this host, and of this process."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

import psutil

from asyncload.monitor.cores import Cores, RunQueue
from asyncload.monitor.counters import Counters, is_wire
from asyncload.monitor.gaps import Gaps

SHORTEST: Final = 0.05
"""Seconds between two looks that tell of what lies between them: clock ticks are 0.01."""

Direction = Literal["in", "out"]


class HostSample(NamedTuple):
    """One look at the host; ``None`` for what could not be read.

    Figures of the time since the last look are ``None``, too, where that is too short to tell.
    """

    cpu: float | None = None
    """Percent of one core used by this process since the last look."""
    memory: int | None = None
    """Resident bytes of this process."""
    host_cpu: float | None = None
    """Percent of all cores in use on the host since the last look."""
    host_memory: int | None = None
    """Bytes in use on the host."""
    memory_total: int | None = None
    network_in: float | None = None
    """Bytes per second since the last look, loopback left out; ``None`` where unknown."""
    network_out: float | None = None
    core_cpu: float | None = None
    """Percent that the cores which this process may run on were busy since the last look."""
    steal: float | None = None
    """Percent of the time of all cores that the hypervisor took; ``None`` where unknown."""
    cpu_wait: float | None = None
    """Percent of the time since the last look that the thread which made the monitor could have
    run, but had no core; ``None`` where unknown."""


class HostMonitor:
    """Samples the host; the first sample starts the clock and counts from there.

    A figure that cannot be read is a gap, which ``gaps`` notes once.
    """

    def __init__(self, gaps: Gaps | None = None) -> None:
        self.host = platform.node()
        self._gaps = gaps or Gaps()
        self._looked = time.monotonic()
        self._process: psutil.Process | None = None
        self._cores: Cores | None = None
        self._run_queue: RunQueue | None = None
        self._waited: tuple[float, float] | None = None
        """Seconds for which the thread had waited for a core, and when that was read."""
        self._traffic: Counters[tuple[str, Direction]] = Counters()
        self._look()

    def sample(self) -> HostSample:
        """Usage since the previous call; takes about a millisecond."""
        sample = HostSample()._replace(
            **self._figures("the memory of the process", self._process_memory),
            **self._figures("the memory of the host", _host_memory),
        )
        now = time.monotonic()
        if now - self._looked < SHORTEST:
            return sample
        self._looked = now
        return sample._replace(**self._look())

    def close(self) -> None:
        """Close what is open."""
        if self._run_queue is not None:
            self._run_queue.close()

    def _look(self) -> dict[str, Any]:
        """Give the figures of the time since the last look."""
        return {
            **self._figures("the CPU of the process", self._process_cpu),
            **self._figures("the CPU of the host", lambda: {"host_cpu": psutil.cpu_percent(None)}),
            **self._figures("the network", self._network),
            **self._figures("the cores", self._our_cores),
            **self._figures("the wait for a core", self._cpu_wait),
        }

    def _figures(self, what: str, look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return self._gaps.sample(what, look) or {}

    def _process_memory(self) -> dict[str, Any]:
        return {"memory": self._this_process().memory_info().rss}

    def _process_cpu(self) -> dict[str, Any]:
        return {"cpu": self._this_process().cpu_percent(None)}

    def _this_process(self) -> psutil.Process:
        self._process = self._process or psutil.Process()
        return self._process

    def _network(self) -> dict[str, Any]:
        traffic = _traffic()
        grown = self._traffic.look(self._looked, traffic)
        return {
            "network_in": grown.rate(key for key in traffic if key[1] == "in"),
            "network_out": grown.rate(key for key in traffic if key[1] == "out"),
        }

    def _our_cores(self) -> dict[str, Any]:
        if self._cores is None:
            self._cores = Cores()
            return {}
        core_cpu, steal = self._cores.look()
        return {"core_cpu": core_cpu, "steal": steal}

    def _cpu_wait(self) -> dict[str, Any]:
        self._run_queue = self._run_queue or RunQueue()
        waited = self._run_queue.waited()
        if waited is None:
            return {}
        before, self._waited = self._waited, (waited, self._looked)
        if before is None:
            return {}
        share = (waited - before[0]) / (self._looked - before[1])
        return {"cpu_wait": round(100 * min(max(share, 0.0), 1.0), 1)}


def _host_memory() -> dict[str, Any]:
    memory = psutil.virtual_memory()
    return {"host_memory": memory.total - memory.available, "memory_total": memory.total}


def _traffic() -> dict[tuple[str, Direction], float]:
    """Bytes through each interface since it came up."""
    try:
        found = psutil.net_io_counters(pernic=True)
    except (OSError, RuntimeError):  # some sandboxes hide them
        return {}
    counters: dict[tuple[str, Direction], float] = {}
    for name, io in found.items():
        if is_wire(name):
            counters[name, "in"] = io.bytes_recv
            counters[name, "out"] = io.bytes_sent
    return counters
