"""What a run has to say beside its numbers: findings of the set-up, and warnings."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from asyncload.report.tables.layout import indented, plain_table
from asyncload.stats import units
from asyncload.stats.snapshot import NoteSeen


def print_found(found: Sequence[str], console: Console) -> None:
    """Print what set-up found out."""
    if not found:
        return
    table = plain_table([("", "left"), ("", "left")], header=False)
    for index, text in enumerate(found):
        table.add_row(Text("" if index else "Set-up", "bold"), Text(units.one_line(text)))
    console.print()
    console.print(table)


def print_notes(notes: Sequence[NoteSeen], more: int, console: Console) -> None:
    """Print the kinds of warnings with examples, and how many ``more`` the log has."""
    if not notes:
        return
    table = plain_table([("", "left"), ("", "right"), ("", "left")], header=False)
    for index, note in enumerate(notes):
        text = units.one_line(note.text) + (f" ({note.times} times)" if note.times > 1 else "")
        style = "red" if note.level == "error" else "yellow"
        title = Text("" if index else "Warnings", "bold")
        table.add_row(title, Text(units.clock(note.t), "dim"), Text(text, style))
        for example in note.examples:
            also = Text(f"also: {units.one_line(example)}", "dim")
            table.add_row(Text(""), Text(""), also)
    console.print()
    console.print(table)
    if more:
        indented(Text(f"and {units.counted(more, 'more warning')}, in the log", "dim"), console)
