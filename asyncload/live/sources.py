"""The latest figures of a host as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from asyncload.records.record import System
from asyncload.stats import units

_SILENT: Final = 15.0  # seconds without a sample from which a figure is no longer the latest


def source_figures(source: System, now: float) -> str:
    """Write the figures of one of ``monitor:`` at ``now``, or since when there are none."""
    if now - source.t > _SILENT:
        return f"no figures since {units.clock(source.t)}"
    return ", ".join(figures(source))


def figures(sample: System) -> list[str]:
    """Write what is known: ``cpu 41 %``, ``memory 7.35 of 16.0 GB``, ``in 1.20 MB/s`` and so on."""
    parts = []
    if sample.host_cpu is not None:
        parts.append(f"cpu {sample.host_cpu:.0f} %")
    if sample.host_memory is not None:
        parts.append(f"memory {_of(sample.host_memory, sample.memory_total)}")
    gpus = sample.gpu or []
    parts += [_gpu(gpu, several=len(gpus) > 1) for gpu in gpus]
    for direction, rate in (("in", sample.network_in), ("out", sample.network_out)):
        if rate is not None:
            parts.append(f"{direction} {units.amount(rate, 'B')}/s")
    for name, value in (sample.metrics or {}).items():
        parts.append(f"{units.one_line(name)} {units.digits(value)}")
    return parts


def _gpu(gpu: Mapping[str, float], *, several: bool) -> str:
    parts = [f"gpu {gpu['id']:.0f}" if several else "gpu"]
    if "utilisation" in gpu:
        parts.append(f"{gpu['utilisation']:.0f} %")
    if "memory" in gpu:
        used = _of(gpu["memory"], gpu.get("memory_total"))
        parts.append(f"with {used}" if "utilisation" in gpu else used)
    return " ".join(parts)


def _of(used: float, total: float | None) -> str:
    """Write ``7.35 of 16.0 GB``."""
    amount = units.amount(used, "B")
    if not total:
        return amount
    whole = units.amount(total, "B")
    number, _, unit = amount.rpartition(" ")
    return f"{number if whole.endswith(f' {unit}') else amount} of {whole}"
