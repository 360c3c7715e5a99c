"""What this machine's certificate says before a run: for ``run``, ``check`` and ``capacity``."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from asyncload.calibration.advice import Advice, advice_for
from asyncload.engine.descriptors import shortage
from asyncload.load_test import LoadTest
from asyncload.process import say


def advise(test: LoadTest) -> list[Advice]:
    """Give a test the notes that its plan deserves on this machine, for its log and report."""
    found = advice_for(test.config.plan)
    test.notes += found
    return found


def advise_before(test: LoadTest) -> None:
    """Do so, and say on stderr what is a warning: later would be too late."""
    for advice in advise(test):
        if advice.level == "warning":
            say(advice.text)
    few = shortage(test.config.plan, test.config.connections)
    if few is not None:
        say(few)


def print_advice(test: LoadTest, console: Console) -> None:
    """Print what a run of the test would be told."""
    for advice in advice_for(test.config.plan):
        style = "bold yellow" if advice.level == "warning" else ""
        console.print()
        console.print(Text(advice.text, style), soft_wrap=True)
