"""CPU and memory of this host and of this process."""

from __future__ import annotations

import platform
from typing import NamedTuple

import psutil


class HostSample(NamedTuple):
    """One look at the host."""

    cpu: float
    """Percent of one core used by this process since the last look."""
    memory: int
    """Resident bytes of this process."""
    host_cpu: float
    """Percent of all cores in use on the host since the last look."""


class HostMonitor:
    """Samples the host; the first sample starts the clock and counts from there."""

    def __init__(self) -> None:
        self.host = platform.node()
        self._process = psutil.Process()
        self._process.cpu_percent(None)
        psutil.cpu_percent(None)

    def sample(self) -> HostSample:
        """Usage since the previous call; takes well under a millisecond."""
        return HostSample(
            cpu=self._process.cpu_percent(None),
            memory=self._process.memory_info().rss,
            host_cpu=psutil.cpu_percent(None),
        )
