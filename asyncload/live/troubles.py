"""What a frame shows of thresholds, failures and warnings."""

from __future__ import annotations

import textwrap
from typing import Final

from asyncload.live.lines import LABEL, Line, cut
from asyncload.progress import Progress
from asyncload.stats import units
from asyncload.stats.snapshot import Snapshot

_SHOWN: Final = 3  # failures and warnings shown
_THRESHOLDS: Final = 5  # shown
_MARKS: Final = {"pass": ("✓", "green"), "fail": ("✗", "bold red"), "inconclusive": ("?", "yellow")}


def thresholds(progress: Progress, width: int) -> list[Line]:
    """Show how each threshold stands."""
    lines: list[Line] = []
    for index, threshold in enumerate(progress.thresholds[:_THRESHOLDS]):
        mark, style = _MARKS[threshold.result]
        measured = f"  {threshold.measured}"
        room = max(width - LABEL - len(measured) - 2, 10)
        lines.append(
            [
                (f"{'' if index else 'thresholds':<{LABEL}}", "dim"),
                (f"{mark} ", style),
                (cut(units.one_line(threshold.text), room), ""),
                (measured, style),
            ]
        )
    return lines


def troubles(snapshot: Snapshot, width: int) -> list[Line]:
    """Show the most frequent failures and the latest warnings."""
    lines: list[Line] = []
    for index, (text, number) in enumerate(list(snapshot.failures.items())[:_SHOWN]):
        times = f"{units.count(number)} × "
        room = max(width - LABEL - len(times), 10)
        lines.append(
            [
                ("" if index else "failures", "dim"),
                (times, "red"),
                (textwrap.shorten(units.one_line(text), room, placeholder="…"), ""),
            ]
        )
    more = len(snapshot.failures) - _SHOWN
    if more > 0:
        lines.append([("", ""), (f"and {units.counted(more, 'other kind')}", "dim")])
    for index, note in enumerate(snapshot.notes[-_SHOWN:]):
        clock = f"{units.clock(note.t)} "
        text = units.one_line(note.text) + (f" ({note.times} times)" if note.times > 1 else "")
        style = "red" if note.level == "error" else "yellow"
        room = max(width - LABEL - len(clock), 10)
        for part, piece in enumerate(textwrap.wrap(text, room, max_lines=2, placeholder=" …")):
            first = part == 0
            lines.append(
                [
                    ("warnings" if first and index == 0 else "", "dim"),
                    (clock if first else " " * len(clock), "dim"),
                    (piece, style),
                ]
            )
    for line in lines:
        line[0] = (f"{line[0][0]:<{LABEL}}", line[0][1])
    return lines
