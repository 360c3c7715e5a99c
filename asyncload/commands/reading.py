"""A bar that shows how far a long log has been read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn


@contextlib.contextmanager
def reading(what: str, console: Console) -> Iterator[Callable[[int, int], None]]:
    """Give a callback ``(bytes read, bytes in all)``; the bar is gone at the end.

    Nothing is drawn where nobody watches.
    """
    if not console.is_terminal:
        yield lambda _done, _total: None
        return
    with Progress(
        TextColumn("reading {task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task(what, total=None)

        def moved(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield moved
