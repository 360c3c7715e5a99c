"""The cores that the generator may run on: how busy they are, and whether it gets one."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import NamedTuple

import psutil


class CpuTimes(NamedTuple):
    """Seconds of CPU time since the host came up."""

    cores: list[tuple[float, float]]
    """Of each core the busy and the whole time; what the hypervisor took counts as busy."""
    stolen: float | None
    """By the hypervisor, of all cores together; ``None`` where the system does not count it."""


class Cores:
    """Counts from one look to the next."""

    def __init__(self) -> None:
        self._before = cpu_times()

    def look(self) -> tuple[float | None, float | None]:
        """Give the percent that our cores were busy, and the percent stolen of all cores."""
        before, self._before = self._before, cpu_times()
        grown = [
            (busy - busy_then, whole - whole_then)
            for (busy, whole), (busy_then, whole_then) in zip(
                self._before.cores, before.cores, strict=True
            )
        ]
        stolen = None
        if self._before.stolen is not None and before.stolen is not None:
            stolen = _percent(self._before.stolen - before.stolen, sum(all_ for _, all_ in grown))
        ours = our_cores()
        if ours is None:
            ours = set(range(len(grown)))
        elif max(ours) >= len(grown):  # a container shows fewer cores than the host has
            return None, stolen
        return _percent(
            sum(grown[core][0] for core in ours), sum(grown[core][1] for core in ours)
        ), stolen


def cpu_times() -> CpuTimes:
    """Ask the system."""
    found = psutil.cpu_times(percpu=True)
    cores = []
    for core in found:
        times = core._asdict()
        # The time of guests stands in `user` and `nice`, too.
        whole = sum(times.values()) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)
        cores.append((whole - times["idle"] - times.get("iowait", 0.0), whole))
    known = all(hasattr(core, "steal") for core in found)
    return CpuTimes(cores, sum(core.steal for core in found) if known else None)


def our_cores() -> set[int] | None:
    """Give the numbers of the cores this process may run on; ``None`` where all, as on macOS."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return None


def _percent(part: float, whole: float) -> float | None:
    return round(min(max(100.0 * part / whole, 0.0), 100.0), 1) if whole > 0 else None


class RunQueue:
    """How long the thread that makes it has waited for a core while it could run.

    Linux counts it for each thread; elsewhere it is not known.
    """

    def __init__(self) -> None:
        self._file: int | None = None
        path = f"/proc/self/task/{threading.get_native_id()}/schedstat"
        with contextlib.suppress(OSError):
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def waited(self) -> float | None:
        """Seconds since the thread began; about a microsecond. Raises ``OSError``, ``ValueError``."""
        if self._file is None:
            return None
        # Nanoseconds on a core, nanoseconds runnable without one, and turns.
        return int(os.pread(self._file, 100, 0).split()[1]) / 1e9

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
