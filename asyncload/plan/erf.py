"""The error function over arrays, in double precision; NumPy has none.

Rational Chebyshev approximations of W. J. Cody, "Rational Chebyshev
approximations for the error function", Mathematics of Computation 23 (1969),
631-637, with the coefficients of his CALERF (SPECFUN).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from asyncload.plan.arrays import Array

# Highest power first. erf(x) = x R(x²), 0 <= x <= 0.46875.
_CENTRE_TOP: Final = (
    1.85777706184603153e-1,
    3.16112374387056560e0,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
)
_CENTRE_BOTTOM: Final = (
    1.0,
    2.36012909523441209e1,
    2.44024637934444173e2,
    1.28261652607737228e3,
    2.84423683343917062e3,
)
# erfc(x) = exp(-x²) R(x), 0.46875 < x <= 4.
_MIDDLE_TOP: Final = (
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594e0,
    6.61191906371416295e1,
    2.98635138197400131e2,
    8.81952221241769090e2,
    1.71204761263407058e3,
    2.05107837782607147e3,
    1.23033935479799725e3,
)
_MIDDLE_BOTTOM: Final = (
    1.0,
    1.57449261107098347e1,
    1.17693950891312499e2,
    5.37181101862009858e2,
    1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3,
    3.43936767414372164e3,
    1.23033935480374942e3,
)
# erfc(x) = exp(-x²)/x (1/√π - R(1/x²)/x²), 4 < x.
_TAIL_TOP: Final = (
    1.63153871373020978e-2,
    3.05326634961232344e-1,
    3.60344899949804439e-1,
    1.25781726111229246e-1,
    1.60837851487422766e-2,
    6.58749161529837803e-4,
)
_TAIL_BOTTOM: Final = (
    1.0,
    2.56852019228982242e0,
    1.87295284992346725e0,
    5.27905102951428412e-1,
    6.05183413124413191e-2,
    2.33520497626869185e-3,
)
_ONE_OVER_ROOT_PI: Final = 5.6418958354775628695e-1


def erf_and_erfc(x: Array) -> tuple[Array, Array]:
    """``erf(x)`` and ``erfc(x) = 1 - erf(x)`` for ``x >= 0``, each to a few ulp of itself."""
    error = np.empty_like(x)
    complement = np.empty_like(x)
    centre = x <= 0.46875
    tail = x > 4.0
    middle = ~(centre | tail)

    near = x[centre]
    square = near * near
    error[centre] = near * _ratio(square, _CENTRE_TOP, _CENTRE_BOTTOM)
    complement[centre] = 1.0 - error[centre]

    between = x[middle]
    complement[middle] = _exp_minus_square(between) * _ratio(between, _MIDDLE_TOP, _MIDDLE_BOTTOM)

    far = np.minimum(x[tail], 30.0)  # erfc(27) is the last that is not 0
    inverse = 1.0 / (far * far)
    correction = inverse * _ratio(inverse, _TAIL_TOP, _TAIL_BOTTOM)
    complement[tail] = _exp_minus_square(far) * (_ONE_OVER_ROOT_PI - correction) / far

    outer = ~centre
    error[outer] = 1.0 - complement[outer]
    return error, complement


def _ratio(x: Array, top: Sequence[float], bottom: Sequence[float]) -> Array:
    return _polynomial(x, top) / _polynomial(x, bottom)


def _polynomial(x: Array, coefficients: Sequence[float]) -> Array:
    """Horner's rule, in place."""
    value = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value *= x
        value += coefficient
    return value


def _exp_minus_square(x: Array) -> Array:
    """``exp(-x²)``; x is split in sixteenths, so that rounding x² is not magnified by exp."""
    coarse = np.trunc(x * 16.0) / 16.0
    return np.exp(-coarse * coarse) * np.exp((coarse - x) * (coarse + x))
