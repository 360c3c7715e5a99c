"""``asyncload report``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from asyncload.commands.reading import reading
from asyncload.commands.summary import ReadLog, read_log
from asyncload.errors import ConfigError
from asyncload.records.columns import read_columns
from asyncload.records.files import cannot_write, check_place, replacing
from asyncload.report.html.document import run_report
from asyncload.report.html.report_tables import Baseline
from asyncload.report.plots.data import Run, run_of
from asyncload.stats.live import LiveStats


def report_command(log: Path, output: Path | None, *, baseline: Path | None = None) -> None:
    """Write the report of ``log`` as HTML, beside it unless ``output`` says where.

    With a ``baseline``, an earlier log, its curves and numbers stand beside those of ``log``.
    """
    path = log.with_suffix(".html") if output is None else output
    write_report(log, path, baseline=baseline)
    click.echo(path)


def write_report(log: Path, path: Path, *, baseline: Path | None = None) -> None:
    """Write the report of ``log`` to ``path``. Raises :class:`LogError`, :class:`ConfigError`."""
    run, read = _read(log)
    before = None
    if baseline is not None:
        earlier, numbers = _read(baseline)
        before = Baseline(str(baseline), earlier, numbers.summary)
    text = run_report(run, read.summary, read.thresholds or [], read.verdict, baseline=before)
    try:
        check_place(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(text.encode())
    except OSError as problem:
        raise ConfigError(cannot_write(path, problem)) from None


def _read(log: Path) -> tuple[Run, ReadLog]:
    read = read_log(log, LiveStats())
    with reading(str(log), Console(stderr=True)) as progress:
        return run_of(read_columns(log, progress=progress)), read
