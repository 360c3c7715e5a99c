"""What commands share: the event loop, with uvloop where it is installed, and the console."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from rich.console import Console

from asyncload.errors import own_error

T = TypeVar("T")


class Output(Console):
    """A console on stdout that leaves texts as they are.

    A reader who goes away (``asyncload run … | head``) does not end the run.
    """

    def __init__(self) -> None:
        # A terminal that cannot show a character shows another one.
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        super().__init__(highlight=False, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """Write to nowhere from now on."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run_loop(main: Callable[[], Awaitable[T]]) -> T:
    """Run ``main`` to its end on a fresh event loop.

    An error of asyncload's own comes out as it is, also from within task groups.
    """
    options = {"use_uvloop": _can_import_uvloop()}
    try:
        return anyio.run(main, backend="asyncio", backend_options=options)
    except BaseExceptionGroup as group:
        problem = own_error(group)
        if problem is None:
            raise
        raise problem from None


def _can_import_uvloop() -> bool:
    """Tell whether uvloop is installed, and made for this Python and system."""
    try:
        import uvloop  # noqa: F401
    except ImportError:
        return False
    return True
