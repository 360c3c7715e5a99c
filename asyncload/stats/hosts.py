"""What was seen of hosts: mean and highest of each figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

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


class _Host:
    """Collects what is told of one host."""

    def __init__(self) -> None:
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
