"""The built-in shapes.

To add a shape, write a subclass of :class:`BuiltIn` here: its fields are the config keys, its
``tag`` is the ``kind``, and :data:`asyncload.plan.shapes.SHAPES` finds it. Its ``__init__`` is for
type checkers only: :class:`Checked` takes the same names at run time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from asyncload.plan.arrays import Array, Times, seconds
from asyncload.plan.checked import Checked
from asyncload.plan.duration import Duration


class BuiltIn(
    msgspec.Struct, metaclass=Checked, frozen=True, tag_field="kind", forbid_unknown_fields=True
):
    """Base of the built-in shapes, whose areas are in closed form.

    Raises :class:`~asyncload.errors.ConfigError` with the field and its value when a field is
    wrong.
    """

    def level(self, t: Times) -> Array:
        """Give the level at ``t`` seconds."""
        return self._level(seconds(t))

    def area(self, t: Times) -> Array:
        """Integrate the level from 0 to ``t`` seconds."""
        return self._area(seconds(t))

    def end(self) -> float | None:
        """Give the time of the last change, seconds, or ``None`` if the level never changes."""
        return None

    def __repr__(self) -> str:
        names = zip(self.__struct_fields__, self.__struct_encode_fields__, strict=True)
        given = ((name, getattr(self, field)) for field, name in names)
        fields = ", ".join(f"{name}={value!r}" for name, value in given if value is not None)
        return f"{type(self).__name__}({fields})"

    def _level(self, t: Array) -> Array:
        raise NotImplementedError

    def _area(self, t: Array) -> Array:
        raise NotImplementedError


class Constant(BuiltIn, frozen=True, tag="constant"):
    """A constant ``level`` without an end."""

    height: float = msgspec.field(name="level")

    if TYPE_CHECKING:

        def __init__(self, level: float) -> None: ...

    def __post_init__(self) -> None:
        check_not_negative("level", self.height)

    def _level(self, t: Array) -> Array:
        return np.full_like(t, self.height)

    def _area(self, t: Array) -> Array:
        return self.height * t


class Ramp(BuiltIn, frozen=True, tag="ramp"):
    """A ramp in stairs: ``step``, 2·``step``, … up to ``max``, each held for ``every`` seconds.

    The last stair is ``max`` and has no end; the shape's end is when it has lasted ``every``.
    """

    max: float
    step: float
    every: Duration

    if TYPE_CHECKING:

        def __init__(self, max: float, step: float, every: float | str) -> None: ...  # noqa: A002

    def __post_init__(self) -> None:
        check_positive("max", self.max)
        check_positive("step", self.step)
        check_positive("every", self.every)

    @property
    def stairs(self) -> int:
        """The number of stairs, without rounding errors: 1.1 in steps of 0.1 are 11 stairs."""
        return max(1, math.ceil(self.max / self.step * (1 - 1e-12)))

    def _level(self, t: Array) -> Array:
        return self._height(self._stair(t))

    def _area(self, t: Array) -> Array:
        stair = self._stair(t)
        before = self.step * stair * (stair + 1) / 2 * self.every
        return before + self._height(stair) * (t - stair * self.every)

    def end(self) -> float:
        """Give the end of the last stair, seconds."""
        return self.stairs * self.every

    def _stair(self, t: Array) -> Array:
        """Index of the stair at ``t``, from 0."""
        return np.minimum(t // self.every, self.stairs - 1)

    def _height(self, stair: Array) -> Array:
        return np.minimum(self.step * (stair + 1), self.max)


class Linear(BuiltIn, frozen=True, tag="linear"):
    """A straight line from ``start`` to ``end`` in ``over`` seconds; then ``end``."""

    start: float
    target: float = msgspec.field(name="end")
    over: Duration

    if TYPE_CHECKING:

        def __init__(self, start: float, end: float, over: float | str) -> None: ...

    def __post_init__(self) -> None:
        check_not_negative("start", self.start)
        check_not_negative("end", self.target)
        check_positive("over", self.over)

    def _level(self, t: Array) -> Array:
        done = np.minimum(t / self.over, 1.0)
        return self.start * (1 - done) + self.target * done

    def _area(self, t: Array) -> Array:
        slanted = np.minimum(t, self.over)
        half = slanted / self.over / 2
        mean = self.start * (1 - half) + self.target * half
        return mean * slanted + self.target * (t - slanted)

    def end(self) -> float:
        """Give the end of the line, seconds."""
        return self.over


class Spawn(BuiltIn, frozen=True, tag="spawn"):
    """A rise from 0 to ``users`` at ``spawn_rate`` per second; then ``users``."""

    users: float
    spawn_rate: float

    if TYPE_CHECKING:

        def __init__(self, users: float, spawn_rate: float) -> None: ...

    def __post_init__(self) -> None:
        check_not_negative("users", self.users)
        check_positive("spawn_rate", self.spawn_rate)

    def _level(self, t: Array) -> Array:
        return np.minimum(self.spawn_rate * t, self.users)

    def _area(self, t: Array) -> Array:
        rising = np.minimum(t, self.users / self.spawn_rate)
        return self.spawn_rate * rising**2 / 2 + self.users * (t - rising)


class PeriodicBurst(BuiltIn, frozen=True, tag="periodic_burst"):
    """A bell-shaped burst in every ``period``.

    level(t) = min + (peak − min)·exp(−π z²), z = ((t mod period) − mean)/std (formula of the
    OversightML ModelRunner's Locust harness). ``mean`` is the time of the peak within the period,
    by default period/2; ``std`` is the width, by default period/10; both in seconds. A burst
    wider than its period is cut off at the period's ends.
    """

    period: Duration
    min: float
    peak: float
    mean: Duration | None = None
    std: Duration | None = None

    if TYPE_CHECKING:

        def __init__(
            self,
            period: float | str,
            min: float,  # noqa: A002
            peak: float,
            mean: float | str | None = None,
            std: float | str | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        check_positive("period", self.period)
        check_not_negative("min", self.min)
        check_not_negative("peak", self.peak)
        if self.peak < self.min:
            raise ValueError(f"peak must not be less than min, and {self.peak:g} < {self.min:g}")
        mean, std = self._mean_and_std()
        if not 0 <= mean <= self.period:
            raise ValueError(
                f"mean must be within the period, 0 to {self.period:g} s, not {mean:g}"
            )
        check_positive("std", std)

    def _level(self, t: Array) -> Array:
        mean, std = self._mean_and_std()
        z = (np.fmod(t, self.period) - mean) / std
        return self.min + (self.peak - self.min) * np.exp(-np.pi * z * z)

    def _area(self, t: Array) -> Array:
        periods, phase = np.divmod(t, self.period)
        bursts = periods * self._bell_area(seconds(self.period)) + self._bell_area(phase)
        return self.min * t + (self.peak - self.min) * bursts

    def _bell_area(self, phase: Array) -> Array:
        """Integral of exp(−π z²) from 0 to ``phase``; ∫ exp(−π z²) dt = std/2 · erf(√π z)."""
        mean, std = self._mean_and_std()
        scale = math.sqrt(math.pi) / std
        return std / 2 * (_erf(scale * (phase - mean)) + math.erf(scale * mean))

    def _mean_and_std(self) -> tuple[float, float]:
        return (
            self.period / 2 if self.mean is None else self.mean,
            self.period / 10 if self.std is None else self.std,
        )


def _erf(x: Array) -> Array:
    """:func:`math.erf` of an array; 65 ns per number."""
    return np.fromiter(map(math.erf, x.ravel().tolist()), np.float64, x.size).reshape(x.shape)


def check_positive(name: str, value: float) -> None:
    """Raise ValueError for a value of 0 or less, or without end."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a finite number over 0, not {value:g}")


def check_not_negative(name: str, value: float) -> None:
    """Raise ValueError for a value under 0, or without end."""
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be a finite number of 0 or more, not {value:g}")
