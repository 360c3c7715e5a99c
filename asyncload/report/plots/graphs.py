"""The graphs of a run at hand: by name, in a notebook, and on their way to files."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from asyncload.records.columns import read_columns
from asyncload.report.plots import style
from asyncload.report.plots.data import Run, run_of
from asyncload.report.plots.run_plots import check_format, draw, write_graphs


class Graphs(Mapping[str, Figure]):
    """The graphs of a run, by the names that their files have. A notebook shows all of them."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._figures = dict(draw(run))

    def __getitem__(self, name: str) -> Figure:
        return self._figures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._figures)

    def __len__(self) -> int:
        return len(self._figures)

    def __repr__(self) -> str:
        return f"<graphs: {', '.join(self._figures)}>"

    def save(self, folder: str | Path, *, format: str = "png") -> list[Path]:  # noqa: A002
        """Write each to ``folder`` as ``png`` or ``svg``; give the files.

        Graphs of other runs there are replaced, as by ``asyncload plot``. Raises
        :class:`~asyncload.errors.ConfigError` where that cannot be done.
        """
        check_format(format)
        return write_graphs(self._run, self._figures.items(), Path(folder), format)

    def _repr_html_(self) -> str:
        return "\n".join(
            f'<img alt="{name}" style="max-width: 100%" src="data:image/png;base64,{_png(figure)}">'
            for name, figure in self._figures.items()
        )


def _png(figure: Figure) -> str:
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=style.DPI)
    return base64.b64encode(image.getvalue()).decode("ascii")


def graphs_of(log: Path) -> Graphs:
    """Draw the graphs of the log at ``log``. Raises :class:`~asyncload.errors.LogError`."""
    return Graphs(run_of(read_columns(log)))
