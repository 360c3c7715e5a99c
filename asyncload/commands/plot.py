"""``asyncload plot``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

from asyncload.commands.loop import Output
from asyncload.commands.reading import reading
from asyncload.report.plots.run_plots import plot_log


def plot_command(log: Path, output: Path, form: str) -> None:
    """Draw the graphs of ``log`` into ``output`` and name the files."""
    console = Output()
    with reading(str(log), console) as progress:
        paths = plot_log(log, output, format=cast("Literal['png', 'svg']", form), progress=progress)
    for path in paths:
        console.print(str(path), soft_wrap=True)
