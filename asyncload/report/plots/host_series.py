"""CPU, memory, GPUs and network over time, and the generator's health: samples in, lines out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl

from asyncload.report.plots.bins import Array

POINTS: Final = 600
"""Points of a line; where there are more samples, each point is of several."""
_GAP: Final = 3.5
"""Times the usual distance of two points from which there is a gap between them."""

Figure = Literal["cpu", "memory", "gpu", "gpu memory", "network", "metric"]


@dataclass(frozen=True, slots=True, eq=False)
class HostLine:
    """One figure of one host over time, NaN in gaps."""

    host: str
    generator: bool
    """Whether it is the host that the load came from."""
    what: str
    """What of the host it is: ``""``, ``GPU 1``, ``in``, ``out``, ``process``, or a metric."""
    times: Array
    """Seconds."""
    values: Array
    """Percent, bytes per second, or what a metric is in; the mean where a point is of several
    samples."""
    highest: Array | None
    """The highest of the samples of each point, where there are several."""
    of: float | None = None
    """Bytes that 100 % are."""


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """What is drawn on one axis."""

    figure: Figure
    metric: str | None
    """The name of the metric, in a panel of one."""
    lines: tuple[HostLine, ...]


def panels(systems: pl.DataFrame) -> list[Panel]:
    """Give the panels that ``systems`` (columns ``SYSTEMS``) has figures for, in order."""
    found: dict[tuple[Figure, str | None], list[HostLine]] = {}
    hosts = (
        systems.select("host", generator=pl.col("loop_lag").is_not_null())
        .unique()
        .sort(pl.col("generator"), pl.col("host").cast(pl.String), descending=[True, False])
    )
    for host, generator in hosts.rows():
        mine = systems.filter(
            (pl.col("host") == host) & (pl.col("loop_lag").is_not_null() == generator)
        ).sort("t")
        for figure, metric, line in _lines(mine, host, generator=generator):
            found.setdefault((figure, metric), []).append(line)
    order: list[tuple[Figure, str | None]] = [
        ("cpu", None), ("memory", None), ("gpu", None), ("gpu memory", None), ("network", None),
    ]  # fmt: skip
    order += sorted(key for key in found if key[0] == "metric")
    return [
        Panel(figure, metric, tuple(found[figure, metric]))
        for figure, metric in order
        if (figure, metric) in found
    ]


def _lines(
    mine: pl.DataFrame, host: str, *, generator: bool
) -> list[tuple[Figure, str | None, HostLine]]:
    """Give every line of one host, with the panel it belongs to."""
    result: list[tuple[Figure, str | None, HostLine]] = []

    def add(
        figure: Figure, what: str, frame: pl.DataFrame, value: str, *, of: str | None = None
    ) -> None:
        metric = what if figure == "metric" else None
        frame = frame.filter(pl.col(value).is_not_null())
        whole = None
        if of is not None:
            frame = frame.filter(pl.col(of) > 0)
            frame = frame.with_columns(pl.col(value) * 100.0 / pl.col(of))
            top = frame[of].cast(pl.Float64).max()
            whole = top if isinstance(top, float) else None
        if not frame.is_empty():
            times, values = (frame[name].cast(pl.Float64).to_numpy() for name in ("t", value))
            label = "" if figure == "metric" else what
            line = HostLine(host, generator, label, *_points(times, values), of=whole)
            result.append((figure, metric, line))

    add("cpu", "", mine, "host_cpu")
    if generator:
        add("cpu", "process", mine, "cpu")
    add("memory", "", mine, "host_memory", of="memory_total")
    gpus = mine.select("t", "gpu").explode("gpu").unnest("gpu").drop_nulls("id")
    for number in gpus["id"].unique().sort():
        gpu = gpus.filter(pl.col("id") == number)
        add("gpu", f"GPU {number:.0f}", gpu, "utilisation")
        add("gpu memory", f"GPU {number:.0f}", gpu, "memory", of="memory_total")
    add("network", "in", mine, "network_in")
    add("network", "out", mine, "network_out")
    metrics = mine.select("t", "metrics").explode("metrics").unnest("metrics").drop_nulls()
    for name in metrics["name"].unique().sort():
        add("metric", name, metrics.filter(pl.col("name") == name), "value")
    return result


def _points(times: Array, values: Array) -> tuple[Array, Array, Array | None]:
    """Reduce samples to at most :data:`POINTS` points, and put NaN in between where some are missing.

    Returns times, means, and highest values where a point is of several samples.
    """
    each = math.ceil(len(times) / POINTS)
    starts = np.arange(0, len(times), each)
    sizes = np.diff(np.append(starts, len(times)))
    at = np.add.reduceat(times, starts) / sizes
    mean = np.add.reduceat(values, starts) / sizes
    highest = np.maximum.reduceat(values, starts)
    steps = np.diff(at)
    if steps.size:
        gaps = np.flatnonzero(steps > _GAP * np.median(steps)) + 1
        at = np.insert(at, gaps, at[gaps - 1])
        mean, highest = (np.insert(array, gaps, math.nan) for array in (mean, highest))
    return at, mean, highest if each > 1 else None


@dataclass(frozen=True, slots=True, eq=False)
class OwnHealth:
    """How the generator itself fared. A figure that was not sampled is NaN, which is a gap."""

    times: Array
    figures: dict[str, Array]
    """By field: of lags and pauses the highest, of shares the mean where a point is of several
    samples. Only those that were ever sampled."""
    blocks: list[tuple[float, float, str]]
    """When user code blocked the loop (s), for how long (s), and which."""
    jumps: list[tuple[float, float]]
    """When the wall clock jumped (s), and how far (s)."""


_HIGHEST: Final = ("loop_lag", "gc_pause", "consumer_lag", "log_backlog")
_MEANS: Final = ("cpu", "core_cpu", "cpu_wait", "steal", "full_polls")


def own_health(systems: pl.DataFrame) -> OwnHealth | None:
    """Take the generator's own figures; ``None`` where it was not sampled."""
    mine = systems.filter(pl.col("loop_lag").is_not_null()).sort("t")
    if mine.is_empty():
        return None
    times = mine["t"].to_numpy()
    starts = np.arange(0, len(times), math.ceil(len(times) / POINTS))
    figures: dict[str, Array] = {}
    for name in (*_HIGHEST, *_MEANS):
        values = mine[name].cast(pl.Float64).fill_null(math.nan).to_numpy()
        if not np.isfinite(values).any():
            continue
        if name in _HIGHEST:
            figures[name] = np.fmax.reduceat(values, starts)
        else:
            known = np.add.reduceat(np.isfinite(values).astype(float), starts)
            with np.errstate(invalid="ignore"):
                figures[name] = np.add.reduceat(np.nan_to_num(values), starts) / known
    blocks = mine.filter(pl.col("blocked_by").is_not_null()).select("t", "blocked", "blocked_by")
    jumps = mine.filter(pl.col("clock_jump").is_not_null()).select("t", "clock_jump")
    return OwnHealth(
        # Not the middle: what is longest in a second is told at its end.
        times[np.append(starts[1:], len(times)) - 1],
        figures,
        [(t, seconds or 0.0, code) for t, seconds, code in blocks.rows()],
        jumps.rows(),
    )


def highest_lines(lines: Sequence[HostLine], most: int) -> list[HostLine]:
    """Give the ``most`` of ``lines`` that are the highest on average, in the order they have."""
    order = sorted(range(len(lines)), key=lambda i: -float(np.nanmean(lines[i].values)))
    return [lines[i] for i in sorted(order[:most])]
