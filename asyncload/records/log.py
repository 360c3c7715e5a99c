"""The log on disk: JSON Lines, one record a line, append-only.

:class:`LogWriter` is the sink that writes it: ``write`` only appends to a queue; a thread of its
own encodes and writes in batches, several times a second, so that `kill -9` costs less than a
second of records and the event loop never touches the disk.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import glob
import os
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from asyncload.errors import ConfigError, LogError
from asyncload.records.files import check_place, read_errors
from asyncload.records.lines import checked, is_record, lines_of
from asyncload.records.record import AnyRecord, Record, RunHeader

PATIENCE = 60.0  # seconds after a run in which a slow disk may take what is queued
_LAST_WRITE = 2.0  # seconds for the write that is under way then
FLUSH_INTERVAL = 0.25  # seconds between two rounds of writing; the most that a killed run loses
BATCH = 200
"""Records encoded at a time: 0.2 ms during which nobody else holds the GIL."""
BREATH = 1e-4
"""Seconds between two batches: without it this thread would retake the GIL before the loop wakes."""
OWNER_ALONE = 0o600  # mode of a log that only its owner can read


class LogWriter:
    """A sink that writes records to ``path`` from a thread of its own.

    An existing log is moved aside first, never overwritten. ``mode`` is who may read it. Raises
    :class:`ConfigError` when the file cannot be opened, or when another run is writing to it.

    When the disk fills up later, ``on_error`` is called once, from the writer thread, with a
    sentence; :attr:`error` keeps it and :attr:`unwritten` counts the records that did not reach
    the file. Nothing is written after that: a log has no hole in it. A record that is no JSON
    (a user's code put something odd into it) is told in the same way, left out, and counted.
    """

    def __init__(
        self, path: Path, *, on_error: Callable[[str], None] | None = None, mode: int = OWNER_ALONE
    ) -> None:
        self.path = path
        self.error: str | None = None
        self.unwritten = 0
        self._on_error = on_error
        self._full = False
        self._queue: deque[Record] = deque()
        self._encoder = msgspec.json.Encoder()
        self.patience = PATIENCE
        self._closing = threading.Event()
        self._fd = _open_fresh(path, mode)
        self._thread = threading.Thread(target=self._run, name="asyncload-log", daemon=True)
        self._thread.start()

    def write(self, record: Record) -> None:
        """Queue ``record``. Never blocks, never raises."""
        self._queue.append(record)

    @property
    def backlog(self) -> int:
        """Records queued and not yet written."""
        return len(self._queue)

    def close(self) -> None:
        """Write what is queued, for :attr:`patience` seconds at most, then close the file.

        Safe to call twice. What is not written by then is counted in :attr:`unwritten`.
        """
        if self._fd < 0:
            return
        self._closing.set()
        if os.fstat(self._fd).st_nlink == 0:
            self._report(f"the log {self.path} was removed while it was written; run again")
        self._thread.join(self.patience)
        if self._thread.is_alive():
            self._report(
                f"the disk of the log {self.path} is too slow: {self.patience:g} s after the run there "
                "were still records to write; choose another place with --log"
            )
            self._full = True
            self._thread.join(_LAST_WRITE)
        if not self._thread.is_alive():
            self._try_flush()  # what is left if the thread has ended before its time
            os.close(self._fd)
        # Else it is within a write that does not return, and keeps its file.
        self.unwritten += len(self._queue)
        self._fd = -1

    def _run(self) -> None:
        closing = False
        while not closing:
            closing = self._waited()
            self._try_flush()

    def _waited(self) -> bool:
        """Wait until it is time to write; whether the log is being closed."""
        try:
            return self._closing.wait(FLUSH_INTERVAL)
        except Exception:  # a clock that was set by hours has made it fail
            with contextlib.suppress(Exception):
                time.sleep(FLUSH_INTERVAL)
            return self._closing.is_set()

    def _try_flush(self) -> None:
        """Write what is queued. Whatever fails in it, the thread goes on."""
        try:
            self._flush()
        except Exception as problem:
            self._report(f"cannot write the log {self.path}: {problem!r}; run again")

    def _flush(self) -> None:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH))]
            if self._full:
                self.unwritten += len(batch)
                continue
            lines, done = memoryview(b""), 0
            try:
                lines = memoryview(self._encode(batch))
                while done < len(lines):
                    done += os.write(self._fd, lines[done:])
            except OSError as problem:
                self._full = True
                self.unwritten += bytes(lines[done:]).count(b"\n")
                self._report(
                    f"cannot write the log {self.path}: {problem.strerror}; "
                    "free some space or choose another place with --log"
                )
            except Exception:
                self._full = True  # a log has no hole in it
                self.unwritten += bytes(lines[done:]).count(b"\n") or len(batch)
                raise
            if not self._closing.is_set():
                with contextlib.suppress(Exception):
                    time.sleep(BREATH)

    def _encode(self, batch: list[Record]) -> bytes:
        try:
            return self._encoder.encode_lines(batch)
        except Exception:  # one of them has a value that is no JSON: find it
            return b"".join(self._encode_one(record) for record in batch)

    def _encode_one(self, record: Record) -> bytes:
        try:
            try:
                return self._encoder.encode(record) + b"\n"
            except UnicodeEncodeError:  # an error message with half a character in it
                return self._encoder.encode(_whole_characters(record)) + b"\n"
        except Exception as problem:
            self.unwritten += 1
            kind = type(record).__struct_config__.tag
            self._report(
                f"cannot write a {kind} record to the log {self.path}: {problem}; "
                "give it plain texts and numbers"
            )
            return b""

    def _report(self, sentence: str) -> None:
        if self.error is None:
            self.error = sentence
            if self._on_error is not None:
                self._on_error(sentence)


def _whole_characters(record: Record) -> Record:
    """Copy ``record`` with lone surrogates as escape sequences."""
    texts = {
        name: value.encode("utf-8", "backslashreplace").decode()
        for name in record.__struct_fields__
        if isinstance(value := getattr(record, name), str)
    }
    return msgspec.structs.replace(record, **texts)


def check_log(path: Path) -> None:
    """Make sure that a log can be written to ``path``, without touching what is there.

    Raises :class:`ConfigError`.
    """
    try:
        if path.is_dir():
            raise ConfigError(f"log: {path} is a folder; give the name of a file")
        check_place(path)
        if _is_regular(path):
            os.close(_locked(path, os.open(path, os.O_RDONLY), fcntl.LOCK_SH))
    except (OSError, ValueError) as problem:  # ValueError: a name with a null character
        raise _cannot_write(path, problem) from None


def _cannot_write(path: Path, problem: OSError | ValueError) -> ConfigError:
    reason = getattr(problem, "strerror", None) or problem
    return ConfigError(f"log: cannot write {path}: {reason}; choose another place with --log")


def _open_fresh(path: Path, mode: int) -> int:
    """Open ``path`` for appending, an older log moved aside; locked against other runs."""
    check_log(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if _is_regular(path):
            # Locked while it is moved: it may have become another run's since the check.
            older = _locked(path, os.open(path, os.O_RDONLY), fcntl.LOCK_EX)
            try:
                archive(path)
            finally:
                os.close(older)
        flags = os.O_WRONLY | os.O_APPEND
        if is_new := not path.exists():
            flags |= os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            if path.is_symlink():  # to nothing: nothing is made where it leads
                path.unlink()
        fd = os.open(path, flags, mode)
        if is_new:
            os.fchmod(fd, mode)  # whatever the umask
        return _locked(path, fd, fcntl.LOCK_EX) if _is_regular(path) else fd
    except FileExistsError:
        raise _taken(path) from None
    except OSError as problem:
        raise _cannot_write(path, problem) from None


def _locked(path: Path, fd: int, kind: int) -> int:
    """Lock ``fd``, which is ``path``, or raise :class:`ConfigError` if another run has it."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(fd), path.stat()):
            raise FileNotFoundError  # moved aside by another run before it was locked
    except (BlockingIOError, FileNotFoundError):
        os.close(fd)
        raise _taken(path) from None
    except OSError:
        pass  # a file system without locks still takes a log
    return fd


def _taken(path: Path) -> ConfigError:
    return ConfigError(
        f"log: {path} is being written by another run; choose another place with --log"
    )


def archive(path: Path, stamp: str | None = None) -> Path | None:
    """Move an existing file aside to ``<stem>-<start time><suffix>``; return its new place.

    ``stamp`` defaults to the start time in the log's header, or else the time of its last change.
    """
    if not _is_regular(path):
        return None
    stamp = stamp or log_stamp(path)
    aside = path.with_name(f"{path.stem}-{stamp}{path.suffix}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.stem}-{stamp}-{number}{path.suffix}")
    path.rename(aside)
    return aside


def log_stamp(path: Path) -> str:
    """Start time of the log at ``path`` as ``YYYY-MM-DDTHH-MM-SSZ`` (fit for a file name)."""
    started = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
    header = _header_of(path)
    if header is not None:
        with contextlib.suppress(ValueError, OverflowError):
            started = dt.datetime.fromisoformat(header.started_at).astimezone(dt.UTC)
    return started.strftime("%Y-%m-%dT%H-%M-%SZ")


def find_log(path: Path, run_id: str) -> Path:
    """Find the log of a run that wrote it to ``path``; later runs may have moved it aside.

    Raises :class:`LogError` when it is not there any more.
    """
    aside = f"{glob.escape(path.stem)}-*{glob.escape(path.suffix)}"
    for one in (path, *sorted(path.parent.glob(aside))):
        header = _header_of(one)
        if header is not None and header.run_id == run_id:
            return one
    raise LogError(
        f"the log of this run is not at {path} any more, nor beside it; "
        "give each run a log of its own to read it later"
    )


def _header_of(path: Path) -> RunHeader | None:
    """Read the first line of the log at ``path``; ``None`` where there is none."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.readline(1 << 22), type=RunHeader)
    except (OSError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        return None


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


class LogReader:
    """Iterates over the records of a log, in order.

    Skips and counts what it cannot read. Raises :class:`LogError` when the file cannot be opened,
    or has the header of a newer version. ``progress`` is called now and then with bytes read and
    in all. For millions of lines see :mod:`asyncload.records.columns`.
    """

    def __init__(self, path: Path, *, progress: Callable[[int, int], None] | None = None) -> None:
        self.path = path
        self.skipped = 0
        self.unknown = 0  # those of them that are records of other versions
        self._progress = progress

    def __iter__(self) -> Iterator[AnyRecord]:
        decoder: msgspec.json.Decoder[AnyRecord] = msgspec.json.Decoder(AnyRecord)
        with log_errors(self.path), self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            for number, line in enumerate(lines_of(file)):
                if self._progress is not None and number % 20_000 == 0:
                    self._progress(file.tell(), size)
                try:
                    yield checked(self.path, decoder.decode(line))
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    self.skipped += 1
                    self.unknown += is_record(line)


def log_errors(path: Path) -> contextlib.AbstractContextManager[None]:
    """Raise :class:`LogError` for what goes wrong while the log at ``path`` is read."""
    return read_errors(
        path,
        LogError,
        f"cannot read the log {path}",
        remedy="check the file and its permissions",
        missing=f"there is no log {path}; check the path, or make one with a run",
        folder=f"{path} is a directory, not a log; name the .jsonl file in it",
    )
