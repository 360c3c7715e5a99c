"""What commands share: the event loop, with uvloop where it is installed, and the console."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from rich.console import Console

from asyncload.errors import own_error
from asyncload.process import LEFT_ALONE, busy_threads, say

T = TypeVar("T")

_DEFAULT: Final = "asyncload-default"
"""How the names of the loop's own threads begin."""


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

    An error of asyncload's own comes out as it is, also from within task groups. Tasks and
    threads of users that do not end with it are left behind, and named: asyncio would wait for
    them without limit.
    """
    runner = asyncio.Runner(loop_factory=_new_loop())
    threads = ThreadPoolExecutor(thread_name_prefix=_DEFAULT)
    runner.get_loop().set_default_executor(threads)

    async def whole() -> T:
        return await main()

    try:
        return runner.run(whole())
    except BaseExceptionGroup as group:
        problem = own_error(group)
        if problem is None:
            raise
        raise problem from None
    finally:
        if _all_ended(runner.get_loop(), threads):
            runner.close()


def _all_ended(loop: asyncio.AbstractEventLoop, threads: ThreadPoolExecutor) -> bool:
    """End what is left of tasks and threads, and name those that do not."""
    if loop.is_running():
        return False  # it broke off as it was started
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        _, tasks = loop.run_until_complete(asyncio.wait(tasks, timeout=LEFT_ALONE))
    if tasks:
        names = ", ".join(sorted({task.get_coro().__qualname__ for task in tasks}))  # type: ignore[union-attr]
        say(f"left behind tasks that did not end when they were cancelled: {names}")
    threads.shutdown(wait=False, cancel_futures=True)
    return not tasks and not busy_threads(_DEFAULT)


def _new_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Give uvloop's, where it is installed, and made for this Python and system."""
    try:
        import uvloop
    except ImportError:
        return None
    new_loop: Any = uvloop.new_event_loop
    return new_loop  # type: ignore[no-any-return]  # uvloop has no types
