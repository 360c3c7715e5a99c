"""The sizes of remote images, read by workers that may die of a broken one."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, Self

import anyio
import msgspec

from asyncload.transport.error_text import in_brief
from asyncload.users.model_runner.header_worker import (
    LENGTH_BYTES,
    TIME_LIMIT,
    Answer,
    Missing,
    Ready,
    Request,
    Size,
    Unreadable,
    framed,
    out_of_memory,
    took_too_long,
)

Fetch = Callable[[int, int], Awaitable[bytes]]
"""Fetches the bytes from the first to the last of an image, both included."""

FIRST_PIECE: Final = 16 * 1024
"""Bytes fetched at first; nearly every header fits in."""
MOST_PIECES: Final = 8
"""Requests for one image. Pieces that follow one another grow fourfold, to ``LARGEST_PIECE``."""
LARGEST_PIECE: Final = 8 << 20
IMAGES_A_WORKER: Final = 100
"""Below that one worker is up sooner than two."""
START_LIMIT: Final = 60.0
"""Seconds for a worker to load GDAL."""
EXIT_LIMIT: Final = 1.0
"""Seconds for a worker whose pipes are closed to be gone."""
STDERR_TAIL: Final = 2000
"""Bytes of what a worker said at its end that are looked at."""

_NEEDED_PIPES: Final = 5
"""As many descriptors as the start of a worker takes, and one more."""
_WORKER: Final = ("-P", "-m", "asyncload.users.model_runner.header_worker")
_NOT_INHERITED: Final = re.compile(
    r"AWS_|GDAL_SKIP$|GDAL_DRIVER_PATH$|CPL_|.*_proxy$", re.IGNORECASE
)
"""The worker speaks to nobody, needs no keys, and has GDAL's drivers as they come."""
_GDAL_PATH: Final = re.compile(r"/vsiriopener_[\w-]+/")
_BAD_ALLOC: Final = re.compile(r"bad_alloc|MemoryError|Cannot allocate memory", re.IGNORECASE)


class UnreadableImageError(Exception):
    """The bytes of the image came, but its header cannot be read; the message says why."""


class ReaderUnavailableError(Exception):
    """The worker cannot work at all; the message says why."""


class HeaderReader:
    """Reads headers with up to ``workers`` processes, which end when the context is left."""

    def __init__(self, workers: int) -> None:
        self._workers = anyio.CapacityLimiter(workers)
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()

    @classmethod
    def for_images(cls, count: int) -> Self:
        """As many workers as ``count`` images are worth, at most one a core."""
        return cls(max(1, min(os.cpu_count() or 1, count // IMAGES_A_WORKER)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for worker in list(self._all):
            await self._end(worker)

    async def read(self, size: int, fetch: Fetch) -> tuple[int, int]:
        """Width and height in pixels of an image of ``size`` bytes.

        Raises :class:`UnreadableImageError`, :class:`ReaderUnavailableError`, and what ``fetch`` raises.
        """
        if size == 0:
            raise UnreadableImageError("it is empty")
        pieces: list[tuple[int, bytes]] = []
        wanted = Missing(0, 1)
        for _ in range(MOST_PIECES):
            first, last = _piece(wanted, pieces, size)
            pieces.append((first, await fetch(first, last)))
            match await self._ask(Request(size, pieces)):
                case Size(width, height):
                    return width, height
                case Missing() as wanted if wanted.length <= LARGEST_PIECE:
                    continue
                case Unreadable(reason):
                    raise UnreadableImageError(in_brief(_GDAL_PATH.sub("", reason)))
                case _:
                    break
        fetched = sum(len(piece) for _, piece in pieces)
        raise UnreadableImageError(f"its size is not in the {fetched:,} bytes of it that were read")

    async def _ask(self, request: Request) -> Answer:
        async with self._workers:
            worker = self._idle.pop() if self._idle else await self._start()
            answer: Answer | None = None
            try:
                with anyio.move_on_after(TIME_LIMIT) as limit:
                    answer = await worker.ask(request)
                if answer is not None:
                    self._idle.append(worker)
                    return answer
            finally:
                if answer is None:  # it died, hangs, or nobody waits for its answer any more
                    await self._end(worker)
        return Unreadable(took_too_long() if limit.cancelled_caught else worker.exit_error())

    async def _start(self) -> _Worker:
        worker = await _Worker.start()
        self._all.add(worker)
        greeting: Answer | None = None
        try:
            with anyio.move_on_after(START_LIMIT):
                greeting = await worker.answer()
        finally:
            if greeting != Ready():
                await self._end(worker)
        match greeting:
            case Ready(None):
                return worker
            case Ready(str(problem)):
                raise ReaderUnavailableError(in_brief(problem))
            case _:
                raise ReaderUnavailableError(worker.exit_error())

    async def _end(self, worker: _Worker) -> None:
        self._all.discard(worker)
        with anyio.CancelScope(shield=True):  # a killed process is gone at once
            await worker.end()


def _check_descriptors() -> None:
    """Raise ``OSError`` if there are too few descriptors left to start a process.

    uvloop would find out half-way: it raises "Unknown error -1", and writes to stderr at the end.
    """
    opened: list[int] = []
    try:
        for _ in range(_NEEDED_PIPES):
            opened += os.pipe()
    finally:
        for fd in opened:
            os.close(fd)


class _Worker:
    """One process of :mod:`header_worker`, which answers one request at a time."""

    def __init__(self, process: asyncio.subprocess.Process, stderr: IO[bytes]) -> None:
        self._process = process
        self._stderr = stderr
        self._has_ended = False
        self._stderr_before = 0
        self._stderr_tail = ""

    @classmethod
    async def start(cls) -> Self:
        """Start a process that imports what this one would import."""
        _check_descriptors()
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        kept = {name: value for name, value in os.environ.items() if not _NOT_INHERITED.match(name)}
        stderr = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `end`
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *_WORKER),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                # Threads of a numerical library would only take memory here.
                env=kept | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,  # out of reach of the terminal's Ctrl-C
            )
        except BaseException:
            stderr.close()
            raise
        return cls(process, stderr)

    async def ask(self, request: Request) -> Answer | None:
        """Send ``request`` and wait for the answer; ``None`` when the process has ended."""
        assert self._process.stdin is not None
        self._stderr_before = self._stderr_size()
        self._process.stdin.write(framed(msgspec.msgpack.encode(request)))
        try:
            await self._process.stdin.drain()
        except ConnectionError:
            self._has_ended = True
            return None
        return await self.answer()

    async def answer(self) -> Answer | None:
        """Wait for a message; ``None`` when the process has ended."""
        assert self._process.stdout is not None
        try:
            length = await self._process.stdout.readexactly(LENGTH_BYTES)
            message = await self._process.stdout.readexactly(int.from_bytes(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            self._has_ended = True
            return None
        answer: Answer = msgspec.msgpack.decode(message, type=Answer)
        return answer

    async def end(self) -> None:
        """Kill the process, which has nothing to lose, and close what leads to it."""
        if self._has_ended:  # asyncio's `kill` may reap it, and then its exit code is lost
            with anyio.move_on_after(EXIT_LIMIT):
                await self._process.wait()
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        first = max(self._stderr_before, self._stderr_size() - STDERR_TAIL)
        self._stderr.seek(first)
        self._stderr_tail = self._stderr.read().decode(errors="replace").strip()
        self._stderr.close()

    def _stderr_size(self) -> int:
        return os.fstat(self._stderr.fileno()).st_size

    def exit_error(self) -> str:
        code = self._process.returncode or 0
        if _BAD_ALLOC.search(self._stderr_tail):
            return out_of_memory()
        last = self._stderr_tail.splitlines()[-1] if self._stderr_tail else ""
        if -code in (signal.SIGALRM, signal.SIGXCPU):
            return took_too_long()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"the process that read it ended with {how}" + (f": {last}" if last else "")


def _piece(wanted: Missing, known: list[tuple[int, bytes]], size: int) -> tuple[int, int]:
    """First and last byte of what is fetched next, so that it holds ``wanted``."""
    first, length = wanted.offset, FIRST_PIECE
    for offset, piece in known:
        if offset + len(piece) == first:  # reads on: ever larger steps
            length = min(4 * len(piece), LARGEST_PIECE)
            break
    else:
        first -= first % FIRST_PIECE
    end = max(first + length, wanted.offset + wanted.length)
    return first, min(end, size) - 1
