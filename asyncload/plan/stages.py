"""Shapes that are lists of levels with durations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from asyncload.plan.arrays import Array
from asyncload.plan.builtin import BuiltIn, check_not_negative, check_positive
from asyncload.plan.duration import Duration


class CustomRamp(BuiltIn, frozen=True, tag="custom_ramp"):
    """A ramp in stairs of any height; the last level has no end.

    Either ``levels``, each held for ``every`` seconds, or ``stages`` of (level, duration). The
    shape's end is the end of the last one.
    """

    levels: tuple[float, ...] | None = None
    every: Duration | None = None
    stages: tuple[tuple[float, Duration], ...] | None = None

    if TYPE_CHECKING:

        def __init__(
            self,
            levels: Sequence[float] | None = None,
            every: float | str | None = None,
            stages: Sequence[tuple[float, float | str]] | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        by_levels = self.levels is not None and self.every is not None and self.stages is None
        by_stages = self.levels is None and self.every is None and self.stages is not None
        if not (by_levels or by_stages):
            raise ValueError(
                "custom_ramp takes either levels and every, or stages of [level, duration]"
            )
        if not (self.levels or self.stages):
            raise ValueError(
                f"{'levels' if by_levels else 'stages'} must not be empty; give at least one"
            )
        if self.every is not None:
            check_positive("every", self.every)
        for index, (level, duration) in enumerate(self._stages()):
            where = f"levels[{index}]" if by_levels else f"stages[{index}]"
            check_not_negative(f"the level in {where}", level)
            check_positive(f"the duration in {where}", duration)

    def _level(self, t: Array) -> Array:
        _, levels, _ = self._table()
        return levels[self._stage(t)]

    def _area(self, t: Array) -> Array:
        starts, levels, heights = self._table()
        stage = self._stage(t)
        return heights[stage] + levels[stage] * (t - starts[stage])

    def end(self) -> float:
        """Give the end of the last stage, seconds."""
        return math.fsum(duration for _, duration in self._stages())

    def _stages(self) -> tuple[tuple[float, float], ...]:
        if self.stages is not None:
            return self.stages
        every = self.every if self.every is not None else 0.0
        return tuple((level, every) for level in self.levels or ())

    def _table(self) -> tuple[Array, Array, Array]:
        """Start of each stage, its level, and the area up to its start."""
        levels, durations = np.array(self._stages(), dtype=np.float64).T
        starts = np.concatenate([[0.0], np.cumsum(durations)[:-1]])
        heights = np.concatenate([[0.0], np.cumsum(levels * durations)[:-1]])
        return starts, levels, heights

    def _stage(self, t: Array) -> npt.NDArray[np.intp]:
        """Index of the stage at ``t``."""
        starts, _, _ = self._table()
        return np.searchsorted(starts, t, side="right") - 1


class Stages(BuiltIn, frozen=True, tag="stages"):
    """Levels reached one after the other: ``stages`` of (level, duration).

    ``interpolate`` says how a level is reached: along a straight line during its stage, from 0 or
    from the level before (``linear``), or at once (``hold``). The last level has no end; the
    shape's end is the end of the last stage.
    """

    stages: tuple[tuple[float, Duration], ...]
    interpolate: Literal["linear", "hold"] = "linear"

    if TYPE_CHECKING:

        def __init__(
            self,
            stages: Sequence[tuple[float, float | str]],
            interpolate: Literal["linear", "hold"] = "linear",
        ) -> None: ...

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError("stages must not be empty; give at least one")
        for index, (level, duration) in enumerate(self.stages):
            check_not_negative(f"the level in stages[{index}]", level)
            check_positive(f"the duration in stages[{index}]", duration)

    def _level(self, t: Array) -> Array:
        ends, levels, _ = self._table()
        if self.interpolate == "linear":
            return np.interp(t, ends, levels)
        stage = np.minimum(np.searchsorted(ends, t, side="right"), len(self.stages))
        return levels[stage]

    def _area(self, t: Array) -> Array:
        ends, levels, areas = self._table()
        last = np.searchsorted(ends, t, side="right") - 1
        since = t - ends[last]
        if self.interpolate == "hold":
            return areas[last] + levels[np.minimum(last + 1, len(self.stages))] * since
        return areas[last] + (levels[last] + self._level(t)) / 2 * since

    def end(self) -> float:
        """Give the end of the last stage, seconds."""
        return math.fsum(duration for _, duration in self.stages)

    def _table(self) -> tuple[Array, Array, Array]:
        """Ends of the stages after a 0, the levels there, and the area up to each."""
        levels, durations = np.array(self.stages, dtype=np.float64).T
        ends = np.concatenate([[0.0], np.cumsum(durations)])
        reached = np.concatenate([[0.0], levels])
        means = (reached[:-1] + levels) / 2 if self.interpolate == "linear" else levels
        return ends, reached, np.concatenate([[0.0], np.cumsum(means * durations)])
