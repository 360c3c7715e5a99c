"""The array type of this package: float64, any number of dimensions."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]

Times: TypeAlias = npt.ArrayLike
"""What a built-in shape takes as ``t``: an array of seconds, or one number."""


def seconds(t: Times) -> Array:
    """``t`` as a float64 array, without a copy where it is one already."""
    return np.asarray(t, dtype=np.float64)
