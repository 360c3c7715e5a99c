"""The array type of this package: float64, any number of dimensions."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]

Times: TypeAlias = npt.ArrayLike
"""Seconds, as one number or an array of any shape."""


def seconds(t: Times) -> Array:
    """Make ``t`` a float64 array, without a copy if it is one."""
    return np.asarray(t, dtype=np.float64)
