"""A picture of how many requests took how long, over time."""

from __future__ import annotations

import base64
import io
from typing import Final

import numpy as np

from asyncload.report.html.chart import Axis
from asyncload.report.plots.bins import Array, Bins

ROWS: Final = 60
_COLOUR: Final = (0x1F, 0x77, 0xD0)
_FAINTEST: Final = 0.12


def heatmap(due: Array, latency: Array, bins: Bins, span: float, axis: Axis) -> str:
    """Give a PNG as a data URI: columns are ``bins`` of time, rows equal steps of ``axis``.

    What is infinite is left out. The darker, the more; the faintest is one.
    """
    from matplotlib.image import imsave

    ended = np.isfinite(latency)
    column = bins.index(due[ended])
    row = np.minimum((axis.place(latency[ended]) * ROWS).astype(np.intp), ROWS - 1)
    counts = np.bincount(row * bins.count + column, minlength=ROWS * bins.count)
    counts = counts.reshape(ROWS, bins.count)[::-1].astype(np.float64)
    # A last bin that reaches beyond the run would be drawn too wide: the axis ends with the run.
    columns = max(1, round(span / bins.width * 8))
    stretched = np.repeat(counts, 8, axis=1)[:, :columns]
    most = stretched.max() or 1.0
    alpha = np.where(stretched > 0, _FAINTEST + (1 - _FAINTEST) * np.sqrt(stretched / most), 0.0)
    picture = np.zeros((*stretched.shape, 4), np.uint8)
    picture[..., :3] = _COLOUR
    picture[..., 3] = np.round(alpha * 255).astype(np.uint8)
    file = io.BytesIO()
    imsave(file, picture, format="png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
