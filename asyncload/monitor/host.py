"""CPU, memory and network of this host, and of this process."""

from __future__ import annotations

import platform
import time
from typing import Final, Literal, NamedTuple

import psutil

from asyncload.monitor.counters import Counters, is_wire

SHORTEST: Final = 0.05
"""Seconds between two looks that tell of what lies between them: clock ticks are 0.01."""

Direction = Literal["in", "out"]


class HostSample(NamedTuple):
    """One look at the host."""

    cpu: float | None
    """Percent of one core used by this process since the last look; like the other figures of a
    time span ``None`` where that is too short to tell."""
    memory: int
    """Resident bytes of this process."""
    host_cpu: float | None
    """Percent of all cores in use on the host since the last look."""
    host_memory: int
    """Bytes in use on the host."""
    memory_total: int
    network_in: float | None
    """Bytes per second since the last look, loopback left out; ``None`` where unknown."""
    network_out: float | None


class HostMonitor:
    """Samples the host; the first sample starts the clock and counts from there."""

    def __init__(self) -> None:
        self.host = platform.node()
        self._process = psutil.Process()
        self._process.cpu_percent(None)
        psutil.cpu_percent(None)
        self._looked = time.monotonic()
        self._traffic: Counters[tuple[str, Direction]] = Counters()
        self._traffic.look(self._looked, _traffic())

    def sample(self) -> HostSample:
        """Usage since the previous call; takes well under a millisecond."""
        memory = psutil.virtual_memory()
        sample = HostSample(
            cpu=None,
            memory=self._process.memory_info().rss,
            host_cpu=None,
            host_memory=memory.total - memory.available,
            memory_total=memory.total,
            network_in=None,
            network_out=None,
        )
        now = time.monotonic()
        if now - self._looked < SHORTEST:
            return sample
        self._looked = now
        traffic = _traffic()
        grown = self._traffic.look(now, traffic)
        return sample._replace(
            cpu=self._process.cpu_percent(None),
            host_cpu=psutil.cpu_percent(None),
            network_in=grown.rate(key for key in traffic if key[1] == "in"),
            network_out=grown.rate(key for key in traffic if key[1] == "out"),
        )


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
