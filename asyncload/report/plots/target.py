"""The target level over time: the shape itself, where the log tells it.

A log samples the target once a second, too coarse for a burst of a few
seconds; but its header has the config, and so the shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import polars as pl

from asyncload.errors import ConfigError
from asyncload.plan.shapes import SHAPES, Shape, end_of, shape_from
from asyncload.records.record import RunHeader
from asyncload.records.record import loads as load_sections
from asyncload.report.plots.bins import Array

POINTS: Final = 2000
"""Points of a line: more than a picture has pixels, so a step looks like one."""
_CLOSED_POINTS: Final = 100_000
_SAMPLE_ERROR: Final = 0.002  # seconds by which a sample's time may differ from what it was of


@dataclass(frozen=True, slots=True)
class Load:
    """The load of one scenario as the header of a log tells it."""

    scenario: str
    model: str
    """``open`` or ``closed``."""
    shape: Shape | None
    """``None`` when it is not one of the built-in shapes."""
    duration: float | None
    """Seconds."""

    def level(self, t: Array) -> Array:
        """Give the target at ``t`` seconds; users are whole, half a user is one."""
        assert self.shape is not None
        level = self.shape.level(t)
        if self.model != "closed":
            return level
        users: Array = np.floor(level + 0.5)
        return users

    def mean(self, low: Array, high: Array) -> Array:
        """Give the mean target from ``low`` to ``high`` seconds, where ``low`` < ``high``."""
        assert self.shape is not None
        if self.model != "closed":
            return (self.shape.area(high) - self.shape.area(low)) / (high - low)
        # Whole users have no area in closed form.
        edges = np.linspace(0.0, float(high.max()), _CLOSED_POINTS + 1)
        steps = self.level((edges[:-1] + edges[1:]) / 2) * np.diff(edges)
        area = np.concatenate([[0.0], np.cumsum(steps)])
        mean: Array = (np.interp(high, edges, area) - np.interp(low, edges, area)) / (high - low)
        return mean


def loads(header: RunHeader | None) -> dict[str, Load]:
    """Scenario name → load, in the order of the config, as far as ``header`` tells."""
    sections = load_sections(header) if header else {}
    return {name: _load(name, load) for name, load in sections.items()}


def _load(name: str, load: dict[str, object]) -> Load:
    shape = _shape(load.get("shape"))
    duration = load.get("duration")
    if duration is None and shape is not None:
        duration = end_of(shape)
    seconds = float(duration) if isinstance(duration, int | float) and duration > 0 else None
    return Load(name, str(load.get("model", "")), shape, seconds)


def _shape(spec: object) -> Shape | None:
    """Make a built-in shape. Users' own are not made: to draw a log runs no code it names."""
    kind = spec.get("kind") if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(kind, str) or kind not in SHAPES:
        return None
    try:
        return shape_from(spec, horizon=None)
    except (ConfigError, msgspec.ValidationError):
        return None


def from_shapes(
    loads: Sequence[Load], samples: pl.DataFrame, *, until: float, width: float
) -> tuple[Array, Array] | None:
    """Times (seconds) and levels of the target, summed over ``loads``; ends in a vertical line.

    ``until``: seconds from the start that are wanted. Where ``width`` is over
    1 s, the level at t is the mean over ``width`` seconds around t; it is so in
    any case where the points lie farther apart.
    ``None`` when a shape or its end is not known, or when ``samples``, the
    level records, tell of another target.
    """
    ends = []
    for load in loads:
        end = _end(load, samples.filter(pl.col("scenario") == load.scenario))
        if end is None:
            return None
        ends.append(end)
    if not ends:
        return None
    last = max(ends)
    times = np.linspace(0.0, min(last, until), POINTS)
    levels = np.zeros(POINTS)
    for load, end in zip(loads, ends, strict=True):
        levels += np.where(times <= end, _levels(load, end, times, max(width, times[1])), 0.0)
    if times[-1] == last:
        times, levels = np.append(times, last), np.append(levels, 0.0)
    return times, levels


def _levels(load: Load, end: float, times: Array, width: float) -> Array:
    before_end = np.minimum(times, np.nextafter(end, 0.0))
    if width <= 1:
        return load.level(before_end)
    low = np.maximum(before_end - width / 2, 0.0)
    return load.mean(low, np.minimum(before_end + width / 2, end))


def _end(load: Load, samples: pl.DataFrame) -> float | None:
    """When the load ended: its duration, or sooner when it was stopped. ``None`` if unknown."""
    if load.shape is None or load.duration is None:
        return None
    samples = samples.filter(pl.col("t") < load.duration).drop_nulls()
    times, recorded = samples["t"].to_numpy(), samples["target"].to_numpy()
    if not times.size:
        return load.duration
    near = np.stack([times - _SAMPLE_ERROR, times, times + _SAMPLE_ERROR])
    levels = load.level(np.maximum(near, 0.0))
    slack = 1e-6 * float(levels.max())
    wrong = (recorded < levels.min(axis=0) - slack) | (recorded > levels.max(axis=0) + slack)
    if not wrong.any():
        return load.duration
    first = int(np.argmax(wrong))
    return float(times[first]) if times[first] > 0 and not recorded[first:].any() else None


def from_samples(times: Array, levels: Array) -> tuple[Array, Array]:
    """Make a line of samples, with a vertical line where the target falls to 0 for good."""
    above = np.flatnonzero(levels > 0)
    if not above.size or above[-1] + 1 == len(levels):
        return times, levels
    last = int(above[-1])
    end = times[last + 1]
    return (
        np.concatenate([times[: last + 1], [end, end]]),
        np.concatenate([levels[: last + 1], [levels[last], 0.0]]),
    )
