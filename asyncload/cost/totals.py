"""Reading ``job_summary.json``: asyncload's own, and that of OversightML's unified load tests."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import msgspec

from asyncload.cost.window import Span, read_time, span_of
from asyncload.errors import ConfigError
from asyncload.records.files import read_errors

_GIGAPIXEL: Final = 10**9


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The totals of a run, named as in the file; ``None`` for one that the file lacks."""

    total_image_sent: int | None = None
    total_image_in_progress: int | None = None
    total_image_processed: int | None = None
    total_image_succeeded: int | None = None
    total_image_failed: int | None = None
    total_gb_processed: float | None = None
    """GiB, whatever the name says."""
    total_pixels_processed: int | None = None

    @property
    def gigapixels(self) -> float | None:
        """10⁹ pixels."""
        pixels = self.total_pixels_processed
        return None if pixels is None else pixels / _GIGAPIXEL


class JobSummary(msgspec.Struct, frozen=True):
    """What such a file tells."""

    span: Span
    totals: Totals
    has_zone: bool
    """Whether its times named their zone; they were taken as UTC where they did not."""


def read_summary(path: Path) -> JobSummary:
    """Read the file at ``path``. Raises :class:`ConfigError` that names it and the key."""
    with read_errors(
        path,
        ConfigError,
        f"{path}: cannot be read",
        remedy="check the path",
        missing=f"{path}: there is no such file; name the job_summary.json of a run",
        folder=f"{path}: is a folder; name the job_summary.json in it",
    ):
        content = path.read_bytes()
    try:
        raw = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise ConfigError(
            f"{path}: is not JSON ({problem}); name the job_summary.json of a run"
        ) from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: is no summary; name the job_summary.json of a run")
    start, start_zone = _time(raw, "start_time", path)
    stop, stop_zone = _time(raw, "stop_time", path)
    span = span_of(start, stop, f"{path}: stop_time")
    totals = {name: _number(raw, name, path) for name in Totals.__struct_fields__}
    return JobSummary(span, Totals(**totals), start_zone and stop_zone)


def _time(raw: dict[str, Any], key: str, path: Path) -> tuple[Any, bool]:
    value = raw.get(key)
    if value is None:
        raise ConfigError(
            f"{path}: {key}: is missing; name the job_summary.json of a run that has ended, "
            "or give --start and --end"
        )
    if not isinstance(value, str):
        raise ConfigError(
            f"{path}: {key}: {value!r} is no time; write it like 2026-11-20T09:30:00Z"
        )
    return read_time(value, f"{path}: {key}")


def _number(raw: dict[str, Any], key: str, path: Path) -> Any:
    value = raw.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ConfigError(f"{path}: {key}: {value!r} is no amount; give a number of 0 or more")
    return value
