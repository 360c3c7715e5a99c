"""User code on a stack: which of the frames of a thread are not of a library."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

from asyncload.users.user import User

_OURS: Final = f"{Path(__file__).parent.parent}/"
_LIBRARIES: Final = (
    _OURS,
    f"{Path(os.__file__).parent}/",
    *(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")),
)
_INSTALLED: Final = ("/site-packages/", "/dist-packages/")


def user_frames(frame: FrameType | None, outer: frozenset[FrameType]) -> list[FrameType]:
    """Give the frames of user code from ``frame`` outwards, the innermost first.

    ``outer``: the frames around the event loop. They are of whoever started it, and end the walk.
    A method of a user class is user code wherever it lies, unless it is asyncload's own.
    """
    found = []
    while frame is not None and frame not in outer:
        if not _is_library(frame.f_code.co_filename) or _is_foreign_user(frame):
            found.append(frame)
        frame = frame.f_back
    return found


def describe_code(frames: list[FrameType]) -> str:
    """Say where user code is: ``Slow.go at slow.py:6``.

    ``frames``: those of :func:`user_frames`, one at least. Of a function that a user class calls:
    ``crunch at tools.py:12, called by Slow.go``.
    """
    where = f"at {_place(frames[0].f_code.co_filename)}:{frames[0].f_lineno}"
    # Before Python 3.12 a comprehension is a function of its own, which says nothing.
    named = [frame for frame in frames if not frame.f_code.co_name.startswith("<")] or frames
    for frame, user in _users(named[0]):
        method = f"{user.__name__}.{frame.f_code.co_name}"
        if frame is named[0]:
            return f"{method} {where}"
        return f"{_function(named[0])} {where}, called by {method}"
    return f"{_function(named[0])} {where}"


def suspended_code(task: asyncio.Task[Any]) -> str | None:
    """Say where the user code is that a suspended task waits in; ``None`` where it has none."""
    frames: list[FrameType] = []
    waiting: Any = task.get_coro()
    while (frame := getattr(waiting, "cr_frame", None)) is not None:
        frames = [*user_frames(frame, frozenset()), *frames]
        waiting = waiting.cr_await
    return describe_code(frames) if frames else None


def _users(frame: FrameType | None) -> Iterator[tuple[FrameType, type[User]]]:
    """Give the methods of user classes from ``frame`` outwards, with the class."""
    while frame is not None:
        kind = _user_class(frame)
        if kind is not None:
            yield frame, kind
        frame = frame.f_back


def _user_class(frame: FrameType) -> type[User] | None:
    """Give the class whose method a frame is, if that is a user class."""
    code = frame.f_code
    if not code.co_argcount:
        return None
    # Not isinstance: that may run code of the object, and this is another thread.
    kind = type(frame.f_locals.get(code.co_varnames[0]))
    return kind if issubclass(kind, User) else None


def _is_foreign_user(frame: FrameType) -> bool:
    """Whether a frame in a library is of a user class that somebody has packaged."""
    return not frame.f_code.co_filename.startswith(_OURS) and _user_class(frame) is not None


@functools.cache
def _is_library(filename: str) -> bool:
    if filename.startswith(
        "<"
    ):  # frozen or generated code; notebooks and templates have names, too
        return not filename.startswith(("<ipython", "<template"))
    return filename.startswith(_LIBRARIES) or any(mark in filename for mark in _INSTALLED)


@functools.cache
def _place(filename: str) -> str:
    """Name a file as from the folder one works in, or by its last part: no one's home in a log."""
    path = Path(filename)
    with contextlib.suppress(OSError):  # that folder may have been removed
        if path.is_relative_to(Path.cwd()):
            return str(path.relative_to(Path.cwd()))
    return path.name


def _function(frame: FrameType) -> str:
    return frame.f_code.co_qualname.rpartition("<locals>.")[2]
