"""A shape made of a user's own function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from asyncload.errors import ConfigError
from asyncload.plan.arrays import Array, Times, seconds
from asyncload.plan.quadrature import Antiderivative, TooIrregularError, integrate


@dataclass(frozen=True, slots=True, eq=False)
class FunctionShape:
    """The shape whose level is ``function(t)``.

    ``function`` takes a 1-d float64 array of seconds and returns the levels,
    an array of the same length; it must be pure. ``name`` is what errors call
    it. Its area is found by quadrature (:mod:`asyncload.plan.quadrature`),
    at once up to ``horizon`` seconds; beyond that, anew at each call.

    Raises :class:`ConfigError`, here and later, when the function fails or
    returns what is no level: negative, not finite, or another length.
    """

    function: Callable[[Array], Array]
    name: str
    horizon: float
    _known: Antiderivative | None = field(init=False, repr=False, default=None)

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

    def _integrate(self, start: float, end: float) -> Antiderivative:
        try:
            return integrate(self._checked, start, end)
        except TooIrregularError as error:
            raise ConfigError(
                f"shape function {self.name} is too irregular to integrate near "
                f"t = {error.t:g} s; it must be smooth but for some steps, and without noise"
            ) from None

    def _checked(self, t: Array) -> Array:
        """Levels at a 1-d ``t``, refused where they are none."""
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
