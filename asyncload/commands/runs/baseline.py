"""A run held against an earlier one: ``asyncload run --baseline``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import click
import msgspec
from rich.console import Console

from asyncload.commands.reading import reading
from asyncload.compare.comparison import Comparison
from asyncload.compare.folders import file_of
from asyncload.compare.limits import Limits
from asyncload.compare.measured import Side
from asyncload.compare.pairing import Progress, compare_sides, read_side
from asyncload.config.model import Config
from asyncload.errors import AsyncloadError, ConfigError
from asyncload.result import Result


def read_baseline(paths: Sequence[Path], names: Sequence[str]) -> Side:
    """Read the baseline: files, or folders with a file of one of ``names``; several are pooled.

    Before the run: it moves an older log out of its own log's place. Raises
    :class:`ConfigError` when there is none that can be read.
    """
    errors = Console(stderr=True)

    def watch(file: Path) -> AbstractContextManager[Progress]:
        return reading(str(file), errors)

    files = [file_of(path, *names) if path.is_dir() else path for path in paths]
    return read_side(files, watch=watch)


def check_comparable(config: Config) -> None:
    """Make sure that the run will leave a log. Raises :class:`ConfigError` when it will not."""
    log = Path(config.log) if config.log else None
    if log is None or (log.exists() and not log.is_file()):
        where = f"{config.source}: " if config.source else ""
        raise ConfigError(
            f"{where}log is {config.log!r}, and a run is compared with a baseline by its log; "
            "name a file with --log"
        )


def compare_result(
    baseline: Side, result: Result, limits: Limits, *, file: str = ""
) -> Comparison | None:
    """Compare a run that is over; say so on stderr, and give ``None``, when that cannot be done.

    ``file`` is the name of the test, where there are several.
    """
    label = f"{file}: " if file else ""
    if result.interrupted:
        click.echo(f"asyncload: {label}interrupted, and not compared with the baseline", err=True)
        return None
    assert result.log is not None  # check_comparable
    try:
        candidate = read_side(result.log)
    except AsyncloadError as problem:
        click.echo(f"asyncload: {label}not compared with the baseline: {problem}", err=True)
        return None
    comparison = compare_sides(baseline, candidate, limits, file=file)
    # The run has moved aside the log that it found in its place.
    moved = result.log.absolute()
    before = ", ".join(
        f"{path}, as it was before this run" if path.absolute() == moved else str(path)
        for path in baseline.paths
    )
    return msgspec.structs.replace(comparison, baseline=before)


def exit_code(run: int, comparison: Comparison | None) -> int:
    """Give the exit code of a run that was to be compared.

    What kept the run itself from going as planned comes first (2, 3, 4, 130),
    then 1 for a threshold that failed or a change for the worse. 3 when all
    was well but nothing could be told: a gate must not open for that.
    """
    if run > 1:
        return run
    compared = 3 if comparison is None else comparison.exit_code
    return 1 if 1 in (run, compared) else compared
