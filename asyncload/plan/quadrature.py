"""Integrals of functions that have no closed form, kept as a piecewise polynomial."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.polynomial import legendre

from asyncload.plan.arrays import Array

_POINTS: Final = 10  # Gauss-Legendre points a panel
_TOLERANCE: Final = 1e-10  # of the area of a panel
_FLOOR: Final = 1e-2  # levels below this part of the mean count as being there
_NARROWEST: Final = 1e-10  # seconds; a panel that holds a step ends at this width
_MOST_PANELS: Final = 2**17  # that are not good, in one round
_SMOOTH_ROUNDS: Final = 4  # what is still not good then has a step or a kink


_NODES, _WEIGHTS = legendre.leggauss(_POINTS)
# Values at the nodes -> Legendre coefficients of the polynomial through them:
# c_k = (2k+1)/2 Σ_j w_j P_k(x_j) f_j, exact for k < _POINTS.
_TO_SERIES: Final = (
    legendre.legvander(_NODES, _POINTS - 1).T * _WEIGHTS * (np.arange(_POINTS)[:, None] + 0.5)
)
# … -> coefficients of its integral from -1.
_TO_INTEGRAL: Final = legendre.legint(_TO_SERIES, lbnd=-1)
# … -> its values at the nodes of both halves and at both ends.
_TO_CHECKS: Final = (
    legendre.legvander(
        np.concatenate([_NODES / 2 - 0.5, _NODES / 2 + 0.5, [-1.0, 1.0]]), _POINTS - 1
    )
    @ _TO_SERIES
)


class TooIrregularError(ValueError):
    """The function has more steps, or more noise, than can be integrated. ``t`` says where."""

    def __init__(self, t: float) -> None:
        super().__init__(f"too irregular near t = {t:g} s")
        self.t = t


@dataclass(frozen=True, slots=True, eq=False)
class Antiderivative:
    """The integral from ``edges[0]`` of a function on ``[edges[0], edges[-1]]``.

    ``edges``: (n + 1,) seconds. ``heights``: (n + 1,) the integral up to each
    edge. ``series``: (11, n) Legendre coefficients of the integral within each
    panel, for a panel stretched over [-1, 1].
    """

    edges: Array
    heights: Array
    series: Array

    def __call__(self, t: Array) -> Array:
        """Integrate up to ``t``, an array of any shape, within the edges."""
        panel = np.clip(np.searchsorted(self.edges, t, side="right") - 1, 0, self.edges.size - 2)
        left, half = self.edges[panel], (self.edges[panel + 1] - self.edges[panel]) / 2
        inner = legendre.legval((t - left) / half - 1.0, self.series[:, panel], tensor=False)
        inner = np.where(t > left, inner, 0.0)  # exactly, whatever rounding says
        low, high = self.heights[panel], self.heights[panel + 1]
        # Rounding and a step within the panel may not break monotony between panels.
        return np.clip(low + half * inner, low, high)


def integrate(function: Callable[[Array], Array], start: float, end: float) -> Antiderivative:
    """Integrate a non-negative ``function`` (1-d array of seconds -> values) over [start, end].

    Adaptive Gauss-Legendre quadrature: a panel is done when the polynomial
    through its 10 points foretells the function at the 20 points of its two
    halves and at its ends, else both halves become panels. So the integral is right at every
    t, not only at the edges: to 1e-9 of itself from the end of the first panel
    on. A step is pinned down to 1e-10 s. Panels start at 1/4 s, or 1/65536 of
    the range if that is more; what is narrower than a tenth of it may be
    overlooked.

    Raises :class:`TooIrregularError` for noise and for more than some 130,000 steps.
    """
    count = int(np.clip(np.ceil((end - start) * 4), 64, 65536))
    edges = np.linspace(start, end, count + 1)
    mean = float(np.mean(_sample(function, edges[:-1], edges[1:]) @ _WEIGHTS) / 2)
    narrowest = max(_NARROWEST, 4 * float(np.spacing(end)))
    rule = _Rule(function, (end - start) / count, _FLOOR * mean, narrowest)
    # Twice: first to find the steps and kinks, then with edges right there,
    # or each of them would leave dozens of panels behind.
    edges = np.union1d(edges, _breaks(rule, edges))
    done = [
        (left[good], right[good], values[good])
        for left, right, values, good in _rounds(rule, edges)
    ]
    return _join(done, end)


@dataclass(frozen=True, slots=True)
class _Rule:
    """What is integrated, and when a panel is done."""

    function: Callable[[Array], Array]
    panel: float  # width at the start, seconds
    floor: float
    narrowest: float

    def good(self, width: Array, area: Array, error: Array) -> npt.NDArray[np.bool_]:
        """Let a panel err by a share of what a whole starting panel at its level holds."""
        level = np.maximum(area / width, self.floor)
        return (error <= _TOLERANCE * self.panel * level) | (width <= self.narrowest)


_Round = tuple[Array, Array, Array, npt.NDArray[np.bool_]]


def _rounds(rule: _Rule, edges: Array) -> Iterator[_Round]:
    """Halve panels till all are good: (left, right, values, good) of each round.

    The next round has the left halves of what was not good, then the right halves.
    """
    left, right = edges[:-1], edges[1:]
    values = _sample(rule.function, left, right)
    while left.size:
        middle = (left + right) / 2
        first = _sample(rule.function, left, middle)
        second = _sample(rule.function, middle, right)
        # The ends too, where a step would hide between the outermost points and the edge.
        ends = rule.function(np.concatenate([left, np.nextafter(right, left)])).reshape(2, -1).T
        seen = np.hstack([first, second, ends])
        width = right - left
        error = width * np.mean(np.abs(values @ _TO_CHECKS.T - seen), axis=1)
        good = rule.good(width, width / 4 * ((first + second) @ _WEIGHTS), error)
        yield left, right, values, good
        bad = ~good
        left, middle, right = left[bad], middle[bad], right[bad]
        if left.size > _MOST_PANELS:
            raise TooIrregularError(float(left[0]))
        values = np.concatenate([first[bad], second[bad]])
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])


def _breaks(rule: _Rule, edges: Array) -> Array:
    """Edges of the panels that were halved many times, and at last with success."""
    found = [edges[:0]]
    parents = (edges[:0], edges[:0])
    for number, (left, right, _, good) in enumerate(_rounds(rule, edges)):
        if number > _SMOOTH_ROUNDS:
            last = good.reshape(2, -1).all(axis=0)
            found += [parents[0][last], parents[1][last]]
        parents = (left[~good], right[~good])
    return np.concatenate(found)


def _sample(function: Callable[[Array], Array], left: Array, right: Array) -> Array:
    """(panels, _POINTS) values at the Gauss points of each panel."""
    points = (left + right)[:, None] / 2 + (right - left)[:, None] / 2 * _NODES
    return function(points.ravel()).reshape(points.shape)


def _join(panels: list[tuple[Array, Array, Array]], end: float) -> Antiderivative:
    left, right, values = (np.concatenate(part) for part in zip(*panels, strict=True))
    order = np.argsort(left)
    left, right, values = left[order], right[order], values[order]
    areas = (right - left) / 2 * (values @ _WEIGHTS)
    return Antiderivative(
        edges=np.append(left, end),
        heights=np.concatenate([[0.0], np.cumsum(areas)]),
        series=_TO_INTEGRAL @ values.T,
    )
