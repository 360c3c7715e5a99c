"""``asyncload compare``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from rich.console import Console

from asyncload.commands.loop import Output
from asyncload.commands.reading import reading
from asyncload.compare.files import check_files, write_json, write_markdown
from asyncload.compare.limits import Limits
from asyncload.compare.pairing import Progress, compare_paths
from asyncload.compare.table import print_comparison


def compare_command(
    baseline: Sequence[Path],
    candidate: Sequence[Path],
    *,
    limits: Limits,
    markdown: Path | None = None,
    json: Path | None = None,
) -> int:
    """Compare the runs of two sides, print what changed, and return the exit code."""
    check_files(markdown, json)
    errors = Console(stderr=True)

    def watch(path: Path) -> AbstractContextManager[Progress]:
        return reading(str(path), errors)

    comparison = compare_paths(baseline, candidate, limits, watch=watch)
    print_comparison(comparison, Output())
    if markdown is not None:
        write_markdown(comparison, markdown)
    if json is not None:
        write_json(comparison, json)
    return comparison.exit_code
