"""``asyncload check``."""

from __future__ import annotations

from pathlib import Path

from asyncload.api import LoadTest, make_config
from asyncload.commands.loop import Output
from asyncload.report.preview import print_plan


def check_command(path: Path, *, overrides: tuple[str, ...]) -> None:
    """Check the config at ``path`` as ``run`` would, and draw its plan. Sends nothing."""
    test = LoadTest(make_config(path, overrides=overrides))
    print_plan(test.config, Output())
