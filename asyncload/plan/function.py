"""A shape made from a user's function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.polynomial import chebyshev

from asyncload.errors import ConfigError
from asyncload.plan.arrays import Array, Times, seconds

_DEGREE: Final = 12  # of the polynomial on a panel
_TOLERANCE: Final = 1e-10  # of the level
_FLOOR: Final = 0.1  # levels below this part of the mean count as being there
_NARROWEST: Final = 1e-10  # seconds; a panel of this width is cut no more
_MOST_PANELS: Final = 2**18  # that are not good, in one round

# Where the function is looked at on a panel, stretched over [-1, 1]: also at its ends.
_NODES: Final = -np.cos(np.pi * np.arange(_DEGREE + 1) / _DEGREE)
# Values at the nodes -> Chebyshev coefficients of the polynomial through them.
_TO_SERIES: Final = np.linalg.inv(chebyshev.chebvander(_NODES, _DEGREE))


@dataclass(frozen=True, slots=True, eq=False)
class FunctionShape:
    """The shape whose level is ``function(t)``.

    ``function`` takes an (n,) float64 array of seconds and returns (n,) levels; it must be pure.
    ``name`` is its name in errors. The area up to ``horizon`` seconds is integrated once, beyond
    it at each call.

    In a load of up to one day, due times are accurate to 1 µs while the level is at least a tenth
    of its mean, if the function is smooth except for up to a thousand steps and kinks; the error
    grows as the level falls. A peak narrower than 40 ms (in loads over 4.5 hours, narrower than
    1/400,000 of the load) may be missed.

    Raises :class:`ConfigError`, also in its methods, when the function raises, when it returns
    levels that are negative, not finite or of another length, and when it has too much noise or
    too many steps to be integrated.
    """

    function: Callable[[Array], Array]
    name: str
    horizon: float
    _known: _Integral | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        self.level(0.0)
        if self.horizon > 0:
            object.__setattr__(self, "_known", self._integrate(0.0, self.horizon))

    def level(self, t: Times) -> Array:
        """Give the level at ``t`` seconds."""
        times = seconds(t)
        return self._checked(times.ravel()).reshape(times.shape)

    def area(self, t: Times) -> Array:
        """Integrate the level from 0 to ``t`` seconds."""
        times = seconds(t)
        known = self._known
        within = np.zeros_like(times) if known is None else known(np.minimum(times, self.horizon))
        last = float(np.max(times, initial=0.0))
        if last <= self.horizon:
            return within
        beyond = self._integrate(self.horizon, last)
        return within + beyond(np.maximum(times, self.horizon))

    def _integrate(self, start: float, end: float) -> _Integral:
        """Integrate the level over [start, end] by adaptive Clenshaw-Curtis quadrature.

        A panel is accepted when the last coefficients of the polynomial through its 13 points are
        nearly 0; else it is cut in two, at a step if it has one.
        """
        count = int(np.clip(np.ceil((end - start) * 4), 64, 65536))
        edges = np.linspace(start, end, count + 1)
        narrowest = max(_NARROWEST, 4 * float(np.spacing(end)))
        left, right, mean = edges[:-1], edges[1:], 0.0
        done: list[tuple[Array, Array]] = []
        while left.size:
            points = (left + right)[:, None] / 2 + (right - left)[:, None] / 2 * _NODES
            points[:, 0], points[:, -1] = left, np.nextafter(right, left)
            levels = self._checked(points.ravel()).reshape(points.shape)
            series = _TO_SERIES @ levels.T
            if not done:
                mean = float(np.mean(series[0]))
            # Between an error per panel, of which kinks would leave too much, and one per
            # second, which the rounding of t on a slope may exceed however narrow the panel.
            share = np.sqrt((right - left) * count / (end - start))
            error = share * np.abs(series[-3:]).sum(axis=0)
            allowed = _TOLERANCE * np.clip(series[0], _FLOOR * mean, mean)
            bad = (error > allowed) & (right - left > narrowest)
            done.append((left[~bad], series[:, ~bad]))
            left, right = left[bad], right[bad]
            if left.size > _MOST_PANELS:
                raise ConfigError(
                    f"shape function {self.name} is too irregular to integrate near "
                    f"t = {left[0]:g} s; it must be smooth but for some steps, and without noise"
                )
            cut = self._cuts(points[bad], levels[bad])
            left, right = np.concatenate([left, cut]), np.concatenate([cut, right])
        return _Integral.of(done, end)

    def _cuts(self, points: Array, levels: Array) -> Array:
        """Where to cut panels in two, given their points: (panels,) seconds.

        Where the level changes most, bisection finds two neighbouring numbers.
        If half of the change is between them, that is a step; else a panel is halved.
        """
        rows = np.arange(len(points))
        most = np.argmax(np.abs(np.diff(levels)), axis=1)
        left, right = points[rows, most], points[rows, most + 1]
        low, high = levels[rows, most], levels[rows, most + 1]
        change = np.abs(high - low)
        for _ in range(40):
            middle = (left + right) / 2
            level = self._checked(middle)
            first = np.abs(level - low) > np.abs(high - level)
            left, low = np.where(first, left, middle), np.where(first, low, level)
            right, high = np.where(first, middle, right), np.where(first, level, high)
        halves = (points[:, 0] + points[:, -1]) / 2
        return np.where(np.abs(high - low) > change / 2, right, halves)

    def _checked(self, t: Array) -> Array:
        """Give the levels at a 1-d ``t``. Raises :class:`ConfigError` when one is wrong."""
        if not t.size:
            return t
        try:
            levels = np.asarray(self.function(t), dtype=np.float64)
        except Exception as error:
            raise ConfigError(
                f"shape function {self.name} failed at t = {t[0]:g} to {t[-1]:g} s "
                f"({type(error).__name__}: {error}); it must take a NumPy array of seconds "
                "and return an array of levels of the same length"
            ) from error
        if levels.shape != t.shape:
            raise ConfigError(
                f"shape function {self.name} returned levels of shape {levels.shape} for times of "
                f"shape {t.shape} from t = {t[0]:g} s; return an array of the same length"
            )
        wrong = ~(np.isfinite(levels) & (levels >= 0))
        if wrong.any():
            first = int(np.argmax(wrong))
            raise ConfigError(
                f"shape function {self.name} returned {levels[first]:g} at t = {t[first]:g} s; "
                "a level is a finite number of 0 or more"
            )
        return levels


@dataclass(frozen=True, slots=True, eq=False)
class _Integral:
    """The integral of a function from ``edges[0]``, by panels.

    ``edges``: (n + 1,) seconds. ``heights``: (n + 1,) the integral up to each edge.
    ``series``: (14, n) Chebyshev coefficients of the integral within each panel.
    """

    edges: Array
    heights: Array
    series: Array

    @classmethod
    def of(cls, panels: list[tuple[Array, Array]], end: float) -> _Integral:
        """Join panels up to ``end``: their left edges, and the coefficients of the level."""
        left = np.concatenate([left for left, _ in panels])
        order = np.argsort(left)
        edges = np.append(left[order], end)
        levels = np.concatenate([series for _, series in panels], axis=1)[:, order]
        series = np.diff(edges) / 2 * chebyshev.chebint(levels, lbnd=-1)
        # At x = 1, where all Chebyshev polynomials are 1.
        heights = np.concatenate([[0.0], np.cumsum(series.sum(axis=0))])
        return cls(edges, heights, series)

    def __call__(self, t: Array) -> Array:
        """Integrate up to ``t``, an array of any shape, within the edges."""
        panel = np.clip(np.searchsorted(self.edges, t, side="right") - 1, 0, self.edges.size - 2)
        left, right = self.edges[panel], self.edges[panel + 1]
        x = 2 * (t - left) / (right - left) - 1
        within = chebyshev.chebval(x, self.series[:, panel], tensor=False)
        # Rounding and a step within the panel may not break monotony between panels.
        low, high = self.heights[panel], self.heights[panel + 1]
        return np.clip(low + np.where(t > left, within, 0.0), low, high)
