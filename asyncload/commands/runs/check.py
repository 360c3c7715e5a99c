"""``asyncload check``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from asyncload.api import make_config
from asyncload.commands.loop import Output, run_loop
from asyncload.commands.runs.advise import print_advice
from asyncload.cost.preview import print_estimate
from asyncload.load_test import LoadTest
from asyncload.report.tables.preview import print_plan


def check_command(
    source: Path | Mapping[str, Any], *, overrides: tuple[str, ...], discover: bool
) -> None:
    """Check a config as ``run`` would, draw its plan and estimate its cost.

    Sends nothing, but to ``discover`` settings, for which it only looks.
    """
    check_test(LoadTest(make_config(source, overrides=overrides)), Output(), discover=discover)


def check_test(test: LoadTest, console: Console, *, discover: bool) -> None:
    """Draw the plan of a test whose config has been checked, as :func:`check_command` does."""
    settings = run_loop(partial(test.describe_settings, discover=discover))
    print_plan(test.config, console, settings, test.describe_work())
    print_estimate(test.estimate(), test.config, console)
    print_advice(test, console)
    if not discover and any(not one.known for several in settings for one in several):
        console.print("\n--discover asks for what is not known yet")
