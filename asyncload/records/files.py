"""Reading files of users, and writing files that others read meanwhile."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import BinaryIO, Final, ParamSpec, TypeVar

from asyncload.errors import AsyncloadError

DISK_LIMIT: Final = 30.0
"""Seconds that a disk may take for one file."""

P = ParamSpec("P")
Value = TypeVar("Value")


@contextlib.contextmanager
def read_errors(
    path: Path,
    error: type[AsyncloadError],
    cannot: str,
    *,
    remedy: str,
    missing: str | None = None,
    folder: str | None = None,
) -> Iterator[None]:
    """Raise an ``error`` of one sentence for what goes wrong while ``path`` is opened and read.

    The sentence is ``cannot``, such as "cannot read the log run.jsonl", with the reason and the
    ``remedy``; or ``missing`` where there is no such file, and ``folder`` where it is a folder.
    """
    if "\0" in str(path):  # Python raises ValueError for it, which much else might raise too
        raise error(f"{cannot}: its name has a null character; {remedy}")
    try:
        yield
    except FileNotFoundError as problem:
        raise error(missing or _sentence(cannot, problem, remedy)) from None
    except IsADirectoryError as problem:
        raise error(folder or _sentence(cannot, problem, remedy)) from None
    except UnicodeDecodeError as problem:
        found = f"byte 0x{problem.object[problem.start]:02x}"
        raise error(f"{cannot}: it is not text in UTF-8 ({found}); save it as that") from None
    except OSError as problem:
        raise error(_sentence(cannot, problem, remedy)) from None


def _sentence(cannot: str, problem: OSError, remedy: str) -> str:
    return f"{cannot}: {problem.strerror or problem}; {remedy}"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` when it is complete.

    A reader finds the old file or the new one, never half of one or none. What another put in
    the place of the temporary file, such as a link, is not written through.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)  # of a run that was killed
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, 0o666), "wb") as file:
            yield file
        os.replace(temporary, path)  # noqa: PTH105 - the atomic one, said by its name
    finally:
        temporary.unlink(missing_ok=True)


def in_time(work: Callable[P, Value], *args: P.args, **kwargs: P.kwargs) -> Value:
    """Do ``work`` in a thread of its own, and give its result.

    Raises what it raises, and ``OSError`` after :data:`DISK_LIMIT`: a network disk that is gone
    keeps a thread for ever, and that one is left behind.
    """
    done: Future[Value] = Future()

    def do() -> None:
        try:
            done.set_result(work(*args, **kwargs))
        except BaseException as problem:
            done.set_exception(problem)

    threading.Thread(target=do, name="asyncload-disk", daemon=True).start()
    try:
        return done.result(DISK_LIMIT)
    except TimeoutError:
        if done.done():
            raise
        raise OSError(errno.ETIMEDOUT, f"the disk took over {DISK_LIMIT:g} s") from None


class Appended:
    """A file at ``path`` that grows by whole entries.

    With the first of them it begins anew. An entry that a full disk has cut
    short is taken back before the next one: what :meth:`add` could not write
    may be given to it again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        """Bytes of the entries that are complete."""

    def add(self, entries: Iterable[bytes]) -> None:
        """Write all of the entries, or raise ``OSError``. Links are replaced, not followed."""
        if not self.size and self.path.is_symlink():
            self.path.unlink()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self.path, flags, 0o666), "ab") as file:
            if file.tell() > self.size:
                file.truncate(self.size)
            file.writelines(entries)
        self.size = self.path.stat().st_size

    def remove(self) -> None:
        """Remove the file; no matter if that cannot be done."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def check_place(path: Path) -> None:
    """Make sure that a file can be written to ``path``, without touching what is there.

    Folders that are missing can be made. Raises ``OSError`` or ``ValueError``.
    """
    folder = next(one for one in path.absolute().parents if one.exists())
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{folder} is not a folder")
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, f"{path} is a folder")
    there = os.access(path, os.F_OK)  # raises where the name has a null character, unlike exists()
    if not os.access(path if there else folder, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def cannot_write(path: Path, problem: OSError) -> str:
    """Say in one sentence why ``path`` could not be written, and what to do about it."""
    remedy = "make sure that its folder exists and can be written to"
    if problem.errno in {errno.ENOSPC, errno.EDQUOT}:
        remedy = "free some space"
    return f"cannot write {path}: {problem.strerror or problem}; {remedy}"
