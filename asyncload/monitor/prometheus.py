"""What the series of a Prometheus endpoint say about its host.

Known are those of node_exporter (CPU, memory, network) and of NVIDIA's DCGM
exporter (GPUs); where there is neither, those that a model server tells of its own
process. Any other series may be asked for by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, Literal

from asyncload.monitor.counters import Counters, Growth, is_wire
from asyncload.monitor.exposition import Sample, read_samples, series_names
from asyncload.monitor.settings import SeriesOptions
from asyncload.records.record import System

_CPU: Final = "node_cpu_seconds_total"
_MEMORY: Final = "node_memory_MemTotal_bytes"
_AVAILABLE: Final = "node_memory_MemAvailable_bytes"
_IN: Final = "node_network_receive_bytes_total"
_OUT: Final = "node_network_transmit_bytes_total"
_GPU: Final = "DCGM_FI_DEV_GPU_UTIL"
_GPU_USED: Final = "DCGM_FI_DEV_FB_USED"
_GPU_FREE: Final = "DCGM_FI_DEV_FB_FREE"
_GPU_RESERVED: Final = "DCGM_FI_DEV_FB_RESERVED"
_HOST: Final = frozenset(
    {_CPU, _MEMORY, _AVAILABLE, _IN, _OUT, _GPU, _GPU_USED, _GPU_FREE, _GPU_RESERVED}
)
_PROCESS: Final = {
    "process_cpu": SeriesOptions(series="process_cpu_seconds_total", rate=True),
    "process_memory": SeriesOptions(series="process_resident_memory_bytes"),
}
"""What Prometheus's client libraries tell of the process they are in: cores, and bytes."""
_LISTED: Final = 5
"""Series named in the message that none is known."""
_IDLE: Final = {"idle", "iowait"}  # what psutil takes for idle, too
_MIB: Final = 1 << 20
_BLANK: Final = 1e9
"""MiB from which DCGM means that it does not know: its blanks are 2³¹, 2⁴⁷ and 2⁶³ less a few."""

_Figure = Literal["utilisation", "memory", "free", "reserved"]
_OF_GPU: Final[dict[str, _Figure]] = {
    _GPU: "utilisation",
    _GPU_USED: "memory",
    _GPU_FREE: "free",
    _GPU_RESERVED: "reserved",
}


class UnknownSeriesError(ValueError):
    """An answer has series, but none that is asked for; the message says which it has."""


class PrometheusReader:
    """Reads one endpoint again and again: rates are of what lies between two answers."""

    def __init__(self, metrics: Mapping[str, SeriesOptions]) -> None:
        self._metrics = metrics
        asked = [*_PROCESS.values(), *metrics.values()]
        self._wanted = _HOST | {one.series for one in asked}
        rates = (one.series for one in asked if one.rate)
        self._counted = {_CPU, _IN, _OUT, *rates}
        self._counters: Counters[str] = Counters()
        self._series: dict[str, Sample] = {}
        self.missing = set(metrics)
        """Metrics of which no series has come yet."""

    def read(self, body: bytes, t: float, name: str) -> System:
        """Read an answer of ``t`` (seconds) into a record.

        Raises :class:`~asyncload.monitor.exposition.NotExpositionError` when
        it is of another format, :class:`UnknownSeriesError` when it has none of the series.
        """
        samples = read_samples(body, self._wanted, self._series)
        if not samples:
            names = series_names(body)
            listed = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
            missing = ", and none of those in metrics" if self._metrics else ""
            raise UnknownSeriesError(
                f"has no series of node_exporter, DCGM or its own process{missing}; name some "
                f"of its series under metrics: it has {listed}"
            )
        by_name: dict[str, list[Sample]] = {}
        for sample in samples:
            by_name.setdefault(sample.name, []).append(sample)
        growth = self._counters.look(
            t,
            {
                sample.series: sample.value
                for counter in self._counted
                for sample in by_name.get(counter, ())
            },
        )
        total, available = _only(by_name.get(_MEMORY)), _only(by_name.get(_AVAILABLE))
        used = None if total is None or available is None else max(total - available, 0)
        return System(
            t,
            name,
            host_cpu=_cpu(by_name.get(_CPU, ()), growth),
            host_memory=used,
            memory_total=total,
            network_in=_traffic(by_name.get(_IN, ()), growth),
            network_out=_traffic(by_name.get(_OUT, ()), growth),
            gpu=_gpus(by_name) or None,
            metrics=self._chosen(by_name, growth) or None,
        )

    def _chosen(self, by_name: Mapping[str, list[Sample]], growth: Growth[str]) -> dict[str, float]:
        found = {}
        # An exporter tells of its own process, too, which is not what is under test.
        process = {} if by_name.keys() & _HOST else _PROCESS
        for name, wanted in {**process, **self._metrics}.items():
            matching = [
                sample
                for sample in by_name.get(wanted.series, ())
                if wanted.labels.items() <= sample.labels.items()
            ]
            if not matching:
                continue
            self.missing.discard(name)
            total = sum(sample.value for sample in matching)
            value = _rate(matching, growth) if wanted.rate else total
            if value is not None and math.isfinite(value):
                found[name] = value
        return found


def _rate(samples: Iterable[Sample], growth: Growth[str]) -> float | None:
    return growth.rate(sample.series for sample in samples)


def _only(samples: list[Sample] | None) -> int | None:
    """Give the value of a series without labels, as whole bytes."""
    return round(samples[0].value) if samples and 0 <= samples[0].value < 2**63 else None


def _cpu(samples: Iterable[Sample], growth: Growth[str]) -> float | None:
    """Percent of all cores in use: 100 · (1 − idle time / all time), both since the last answer."""
    idle = total = 0.0
    for sample in samples:
        seconds = growth.by.get(sample.series, 0.0)
        total += seconds
        if sample.labels.get("mode") in _IDLE:
            # Linux now and then takes a tick of them back.
            idle += max(seconds, 0.0)
    if total <= 0:  # the first answer, or the host was started anew
        return None
    return 100 * (1 - min(idle / total, 1.0))


def _traffic(samples: Iterable[Sample], growth: Growth[str]) -> float | None:
    return _rate((one for one in samples if is_wire(one.labels.get("device", ""))), growth)


def _gpus(by_name: Mapping[str, list[Sample]]) -> list[dict[str, float]]:
    """Put the figures of each GPU together.

    One that is divided (MIG) tells the memory of each instance, and one that
    several pods share is told of once for each of them.
    """
    instances: dict[tuple[str, str], dict[_Figure, dict[str, float]]] = {}
    for name, figure in _OF_GPU.items():
        for sample in by_name.get(name, ()):
            highest = 100 if figure == "utilisation" else _BLANK
            if 0 <= sample.value <= highest:
                labels = sample.labels
                gpu = labels.get("Hostname", ""), labels.get("gpu", "")
                values = instances.setdefault(gpu, {}).setdefault(figure, {})
                values[labels.get("GPU_I_ID", "")] = sample.value
    keys = sorted(instances, key=lambda key: (key[0], len(key[1]), key[1]))
    numbers = [key[1] for key in keys]
    own = len(set(numbers)) == len(numbers) and all(number.isdecimal() for number in numbers)
    return [
        _gpu(int(key[1]) if own else position, instances[key]) for position, key in enumerate(keys)
    ]


def _gpu(number: int, figures: Mapping[_Figure, Mapping[str, float]]) -> dict[str, float]:
    gpu: dict[str, float] = {"id": number}
    if busy := figures.get("utilisation"):
        gpu["utilisation"] = max(busy.values())
    if used := figures.get("memory"):
        gpu["memory"] = sum(used.values()) * _MIB
        if free := figures.get("free"):
            parts = used, free, figures.get("reserved", {})
            gpu["memory_total"] = sum(sum(part.values()) for part in parts) * _MIB
    return gpu
