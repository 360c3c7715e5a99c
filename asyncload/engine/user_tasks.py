"""The tasks of a scenario's users: they end with the block they were started in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Final, Self

import anyio

ENDING: Final = 5.0
"""Seconds that cancelled users have to end, ``on_stop`` included."""


class UserTasks:
    """A group of tasks; leaving its ``async with`` block waits for all of them.

    ``asyncio.TaskGroup`` but for the end. When the block is cancelled, each task is cancelled
    once, and waited for behind a shield for :data:`ENDING` seconds. A TaskGroup waits without
    limit for a task that swallows its cancellation, and an anyio scope around it cancels that
    wait again in every turn of the loop, which takes a whole core. Tasks that have not ended by
    then are handed to ``left``.

    Raises a group of what the tasks raised; the first of them ends the block.
    """

    def __init__(self, left: Callable[[Sequence[asyncio.Task[None]]], None]) -> None:
        self.cancelled = False
        """Whether all tasks have been cancelled. A task that swallowed it looks here."""
        self._left = left
        self._tasks: set[asyncio.Task[None]] = set()
        self._problems: list[BaseException] = []
        self._parent: asyncio.Task[Any] | None = None
        self._woken: asyncio.Future[None] | None = None
        self._ends_parent = False
        """Whether a task has failed, and the block was cancelled for it."""

    def start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def __aenter__(self) -> Self:
        self._parent = asyncio.current_task()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        parent = self._parent
        assert parent is not None
        if problem is None:
            try:
                await self._all_ended()
            except asyncio.CancelledError as cancellation:
                problem = cancellation
        if problem is not None:
            await self._end()
        self._parent = None
        if self._ends_parent:
            parent.uncancel()
        if problem is not None and not isinstance(problem, asyncio.CancelledError):
            self._problems.append(problem)
        if self._problems:
            raise BaseExceptionGroup("users of a scenario", self._problems)
        if problem is not None:
            raise problem

    async def _end(self) -> None:
        self.cancelled = True
        for task in tuple(self._tasks):
            task.cancel()
        with anyio.move_on_after(ENDING, shield=True):
            await self._all_ended()
        if self._tasks:
            self._left(tuple(self._tasks))

    async def _all_ended(self) -> None:
        while self._tasks:
            self._woken = asyncio.get_running_loop().create_future()
            await self._woken

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            self._problems.append(problem)
            if self._parent is not None and not (self._ends_parent or self.cancelled):
                self._ends_parent = True
                self._parent.cancel()
        if not self._tasks and self._woken is not None and not self._woken.done():
            self._woken.set_result(None)
