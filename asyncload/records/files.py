"""Files that others read while they are being written."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` when it is complete.

    A reader finds the old file or the new one, never half of one or none.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
        os.replace(temporary, path)  # noqa: PTH105 - the atomic one, said by its name
    finally:
        temporary.unlink(missing_ok=True)


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
        """Write all of the entries, or raise ``OSError``."""
        with self.path.open("ab") as file:
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
