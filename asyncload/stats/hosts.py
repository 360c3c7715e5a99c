"""What was seen of hosts: mean and highest of each figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from asyncload.records.record import System

Number = TypeVar("Number", int, float)


class MeanMax(msgspec.Struct, frozen=True):
    """Mean and highest of the samples that told a figure."""

    mean: float
    max: float


class GpuMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU; ``None`` for what it did not tell."""

    id: int
    utilisation: MeanMax | None
    """Percent."""
    memory: MeanMax | None
    """Bytes in use."""
    memory_total: float | None


class BlockMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """The longest time for which user code blocked the event loop."""

    t: float
    """When it was sampled, s."""
    seconds: float
    by: str
    """Which code: ``Slow.go at slow.py:6``."""


class HealthMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """The generator's own health; ``None`` for what no sample told."""

    loop_lag: MeanMax | None
    """Seconds, of the longest lag of each sample."""
    cpu: MeanMax | None
    """Percent of one core, by the generator's process."""
    core_cpu: MeanMax | None
    """Percent of the cores that the process may run on."""
    cpu_wait: MeanMax | None
    """Percent of the time."""
    steal: MeanMax | None
    """Percent of the time of all cores."""
    gc_pause: MeanMax | None
    """Seconds, of the longest pause of each sample."""
    gc_time: float
    """Seconds of all garbage collections."""
    consumer_lag: MeanMax | None
    """Seconds, of the longest lag of each sample."""
    full_polls: MeanMax | None
    """Percent."""
    clock_jumps: int
    largest_clock_jump: float | None
    """Seconds, negative where the clock was set back; the largest either way."""
    suspended: float
    """Seconds, of all suspends."""
    blocks: int
    """Samples in which user code blocked the loop."""
    longest_block: BlockMetrics | None


class HostMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One host or source; ``None`` for what it did not tell."""

    host: str
    generator: bool
    """Whether it is the host that the load came from."""
    samples: int
    cpu: MeanMax | None
    """Percent of all cores."""
    memory: MeanMax | None
    """Bytes in use."""
    memory_total: int | None
    network_in: MeanMax | None
    """Bytes per second."""
    network_out: MeanMax | None
    gpus: list[GpuMetrics]
    metrics: dict[str, MeanMax]
    """Series of the user's choice, by name."""
    health: HealthMetrics | None = None
    """Of the generator; ``None`` for other hosts."""


class _Figure:
    """Collects the samples of one figure."""

    __slots__ = ("count", "highest", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.highest = -float("inf")

    def add(self, value: float | None) -> None:
        if value is not None:
            self.count += 1
            self.total += value
            self.highest = max(self.highest, value)

    def read(self) -> MeanMax | None:
        return MeanMax(self.total / self.count, self.highest) if self.count else None


def _higher(one: Number | None, other: Number | None) -> Number | None:
    """Give the higher of two numbers, as far as there are two."""
    known = [number for number in (one, other) if number is not None]
    return max(known, default=None)


class _Gpu:
    """Collects what is told of one GPU."""

    __slots__ = ("memory", "memory_total", "utilisation")

    def __init__(self) -> None:
        self.utilisation = _Figure()
        self.memory = _Figure()
        self.memory_total: float | None = None

    def add(self, gpu: Mapping[str, float]) -> None:
        self.utilisation.add(gpu.get("utilisation"))
        self.memory.add(gpu.get("memory"))
        self.memory_total = _higher(self.memory_total, gpu.get("memory_total"))


class _Health:
    """Collects what is told of the generator itself."""

    FIGURES: Final = (
        "loop_lag", "cpu", "core_cpu", "cpu_wait", "steal", "gc_pause", "consumer_lag", "full_polls",
    )  # fmt: skip

    def __init__(self) -> None:
        self.figures = {name: _Figure() for name in self.FIGURES}
        self.gc_time = 0.0
        self.clock_jumps = 0
        self.largest_clock_jump: float | None = None
        self.suspended = 0.0
        self.blocks = 0
        self.longest_block: BlockMetrics | None = None

    def add(self, record: System) -> None:
        for name, figure in self.figures.items():
            figure.add(getattr(record, name))
        self.gc_time += record.gc_time or 0.0
        self.suspended += record.suspended or 0.0
        if record.clock_jump is not None:
            self.clock_jumps += 1
            if abs(record.clock_jump) > abs(self.largest_clock_jump or 0.0):
                self.largest_clock_jump = record.clock_jump
        if record.blocked_by is not None:
            self.blocks += 1
            seconds = record.blocked or 0.0
            if self.longest_block is None or seconds > self.longest_block.seconds:
                self.longest_block = BlockMetrics(t=record.t, seconds=seconds, by=record.blocked_by)

    def read(self) -> HealthMetrics:
        return HealthMetrics(
            **{name: figure.read() for name, figure in self.figures.items()},
            gc_time=self.gc_time,
            clock_jumps=self.clock_jumps,
            largest_clock_jump=self.largest_clock_jump,
            suspended=self.suspended,
            blocks=self.blocks,
            longest_block=self.longest_block,
        )


class _Host:
    """Collects what is told of one host."""

    def __init__(self) -> None:
        self.health: _Health | None = None
        self.samples = 0
        self.memory_total: int | None = None
        self.cpu = _Figure()
        self.memory = _Figure()
        self.network_in = _Figure()
        self.network_out = _Figure()
        self.gpus: dict[int, _Gpu] = {}
        self.metrics: dict[str, _Figure] = {}

    def add(self, record: System) -> None:
        self.samples += 1
        if is_generator(record):
            self.health = self.health or _Health()
            self.health.add(record)
        self.memory_total = _higher(self.memory_total, record.memory_total)
        self.cpu.add(record.host_cpu)
        self.memory.add(record.host_memory)
        self.network_in.add(record.network_in)
        self.network_out.add(record.network_out)
        for gpu in record.gpu or ():
            self.gpus.setdefault(int(gpu.get("id", 0)), _Gpu()).add(gpu)
        for name, value in (record.metrics or {}).items():
            self.metrics.setdefault(name, _Figure()).add(value)

    def read(self, host: str, *, generator: bool) -> HostMetrics:
        return HostMetrics(
            host=host,
            generator=generator,
            samples=self.samples,
            cpu=self.cpu.read(),
            memory=self.memory.read(),
            memory_total=self.memory_total,
            network_in=self.network_in.read(),
            network_out=self.network_out.read(),
            gpus=[
                GpuMetrics(
                    id=number,
                    utilisation=gpu.utilisation.read(),
                    memory=gpu.memory.read(),
                    memory_total=gpu.memory_total,
                )
                for number, gpu in sorted(self.gpus.items())
            ],
            metrics={
                name: value
                for name, figure in sorted(self.metrics.items())
                if (value := figure.read()) is not None
            },
            health=None if self.health is None else self.health.read(),
        )


class Hosts:
    """Folds ``system`` records, by host. Its memory is bounded by their number."""

    def __init__(self) -> None:
        self._hosts: dict[tuple[bool, str], _Host] = {}

    def add(self, record: System) -> None:
        """Fold one record."""
        key = is_generator(record), record.host
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = _Host()
        host.add(record)

    def read(self) -> list[HostMetrics]:
        """Give the numbers as they stand, the generator's host first, the others by name."""
        order = sorted(self._hosts, key=lambda key: (not key[0], key[1]))
        return [self._hosts[key].read(key[1], generator=key[0]) for key in order]


def is_generator(record: System) -> bool:
    """Whether a record is of the host that the load comes from: only that has a loop to be late."""
    return record.loop_lag is not None
