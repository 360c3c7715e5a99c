"""The figures a Groundlight edge endpoint serves of itself at ``/status/resources.json``.

::

    {"system": {"cpu_utilization_pct": {"total": 41.5},
                "ram_bytes": {"total": 16e9, "used": 9e9},
                "gpu": {"compute_utilization_pct": {"total": 87.0},
                        "vram_bytes": {"total": 24e9, "used": 20e9},
                        "devices": [{"index": 0, "compute_utilization_pct": 87.0,
                                     "vram_bytes": {"total": 24e9, "used": 20e9}}]}}}

``devices`` came later; without it the totals stand for one GPU. A figure that
is missing, or is no number from 0 to 2⁶³, is left out.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from asyncload.records.record import System

_HIGHEST: Final = 2**63  # what a log can hold


class NotResourcesError(ValueError):
    """A body is something else; the message says what."""


class _Resources(msgspec.Struct):
    """All that is decoded: the rest, which may be long, is skipped."""

    system: dict[str, Any]


_DECODER = msgspec.json.Decoder(_Resources)


def read_resources(body: bytes, t: float, name: str) -> System:
    """Read a body into a record. Raises :class:`NotResourcesError`."""
    try:
        system = _DECODER.decode(body)
    except msgspec.ValidationError:
        raise NotResourcesError("is JSON, but has no 'system' with figures") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotResourcesError("is not JSON") from None
    found = system.system
    record = System(
        t,
        name,
        host_cpu=_number(found, "cpu_utilization_pct", "total"),
        host_memory=_whole(found, "ram_bytes", "used"),
        memory_total=_whole(found, "ram_bytes", "total"),
        gpu=_gpus(found.get("gpu")) or None,
    )
    if record == System(t, name):
        raise NotResourcesError("has none of the figures of a Groundlight edge endpoint")
    return record


def _gpus(found: Any) -> list[dict[str, float]]:
    if not isinstance(found, dict):
        return []
    devices = found.get("devices")
    if not isinstance(devices, list) or not devices:
        whole = _gpu(0, found, _number(found, "compute_utilization_pct", "total"))
        # A host without a GPU tells of one with no memory.
        return [whole] if whole and whole.get("memory_total") != 0 else []
    gpus = []
    for position, device in enumerate(devices):
        number = _number(device, "index")
        gpu = _gpu(
            position if number is None else number,
            device,
            _number(device, "compute_utilization_pct"),
        )
        if gpu:
            gpus.append(gpu)
    return gpus


def _gpu(number: float, found: Any, utilisation: float | None) -> dict[str, float]:
    figures = {
        "utilisation": utilisation,
        "memory": _number(found, "vram_bytes", "used"),
        "memory_total": _number(found, "vram_bytes", "total"),
    }
    known = {key: value for key, value in figures.items() if value is not None}
    return {"id": number, **known} if known else {}


def _whole(found: Any, *path: str) -> int | None:
    number = _number(found, *path)
    return None if number is None else round(number)


def _number(found: Any, *path: str) -> float | None:
    """Give the number that stands at ``path``, if it can be a figure of a host."""
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return found if 0 <= found < _HIGHEST else None
