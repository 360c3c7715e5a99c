"""Reads image headers with GDAL, in a process of its own that may die of it.

``python -m asyncload.users.model_runner.header_worker``: a C++ library that meets a broken file may
end its process, hang or fill the memory. Here that costs one worker. The process never touches the
network: it is given the bytes that have been fetched so far and answers with the size of the image,
with the bytes that it lacks, or with what is wrong with the file.

Each message on stdin and stdout is its length (four bytes, big endian) and MessagePack.
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, Final

import msgspec

TIME_LIMIT: Final = 10
"""Seconds of CPU, and of waiting, for one header; GDAL takes a few milliseconds."""
MEMORY_LIMIT: Final = 512 << 20
"""Bytes that reading may take beside what the worker has when it begins."""
_OUTPUT_LIMIT: Final = 1 << 20
"""Bytes that the process may write into a file: what GDAL and libc say on stderr."""
_DRIVERS: Final = (
    (b"II*\0", "GTiff"),
    (b"MM\0*", "GTiff"),
    (b"II+\0", "GTiff"),  # BigTIFF
    (b"MM\0+", "GTiff"),
    (b"NITF", "NITF"),
    (b"NSIF", "NITF"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
)
"""What ModelRunner's images begin with, and GDAL's name of the format.

GDAL knows other formats, also ones that open URLs and further files.
"""
_NAME: Final = "image"
"""GDAL's name of every image: names may hold what it takes for a format or an archive."""
LENGTH_BYTES: Final = 4
"""Of the length before each message."""


class Request(msgspec.Struct, frozen=True, array_like=True):
    """Asks for the size of an image."""

    size: int
    """Bytes of the whole file."""
    pieces: list[tuple[int, bytes]]
    """What is known of it: offset and content."""


class Ready(msgspec.Struct, frozen=True, array_like=True, tag="ready"):
    """The worker's first word; ``problem`` says why it cannot work."""

    problem: str | None = None


class Size(msgspec.Struct, frozen=True, array_like=True, tag="size"):
    """Pixels in each direction."""

    width: int
    height: int


class Missing(msgspec.Struct, frozen=True, array_like=True, tag="missing"):
    """The header cannot be read without these bytes."""

    offset: int
    length: int


class Unreadable(msgspec.Struct, frozen=True, array_like=True, tag="unreadable"):
    """What is wrong with the image."""

    reason: str


Answer = Ready | Size | Missing | Unreadable
SizeReader = Callable[["PartialImage"], tuple[int, int]]


class PartialImage:
    """An image of ``size`` bytes of which only ``pieces`` (offset, content) are here.

    From the first read that wants other bytes on it is as if the file ended: an exception would go
    through GDAL's C++ and end the process. :attr:`missing` says which bytes were wanted.
    """

    def __init__(self, size: int, pieces: list[tuple[int, bytes]]) -> None:
        self.size = size
        self.missing: Missing | None = None
        self._pieces = sorted(pieces)

    def open(self) -> PartialFile:
        """Give a file of its own position; GDAL may hold several of one image."""
        return PartialFile(self)

    def read(self, first: int, wanted: int) -> bytes:
        """Return the bytes from ``first`` on, up to the end; none when one is missing."""
        position, end = first, min(first + wanted, self.size)
        if self.missing is not None or position >= end:
            return b""
        found = []
        for offset, piece in self._pieces:
            if offset <= position < offset + len(piece):
                found.append(piece[position - offset : end - offset])
                position += len(found[-1])
        if position < end:
            self.missing = Missing(position, end - position)
            return b""
        return b"".join(found)


class PartialFile(io.RawIOBase):
    """A read-only file with the content of a :class:`PartialImage`."""

    def __init__(self, image: PartialImage) -> None:
        self._image = image
        self._position = 0

    def readable(self) -> bool:  # noqa: D102  # as of any file
        return True

    def seekable(self) -> bool:  # noqa: D102  # as of any file
        return True

    def tell(self) -> int:  # noqa: D102  # as of any file
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:  # noqa: D102  # as of any file
        size = self._image.size
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int = -1, /) -> bytes:  # noqa: D102  # as of any file
        content = self._image.read(self._position, self._image.size if size < 0 else size)
        self._position += len(content)
        return content


def main(read_size: SizeReader | None = None) -> None:
    """Answer requests until stdin ends; ``read_size`` is :func:`read_with_gdal` if left out."""
    requests, answers = sys.stdin.buffer, _take_over_stdout()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    try:
        read_size = read_size or _open_gdal()
    except Exception as problem:  # rasterio or one of its libraries cannot be loaded
        _send(answers, Ready(f"{type(problem).__name__}: {problem}"))
        return
    _limit_memory()
    _send(answers, Ready())
    decode = msgspec.msgpack.Decoder(Request).decode
    while message := receive(requests.read):
        _limit_time()
        _send(answers, _answer(decode(message), read_size))


def read_with_gdal(image: PartialImage) -> tuple[int, int]:
    """Width and height of the first image in it. Raises what rasterio raises."""
    import rasterio

    begin = image.read(0, 4)
    driver = next((driver for magic, driver in _DRIVERS if begin.startswith(magic)), None)
    if driver is None:
        raise ValueError("it is not a TIFF, NITF, PNG or JPEG image")

    def open_file(path: str, _mode: str = "rb", **_: Any) -> PartialFile:
        # GDAL also asks for files beside the image. Given the image itself in their place it
        # reads all of it as text, or, looking for overviews, opens it within itself for ever.
        if path.rpartition("/")[2] != _NAME:
            raise FileNotFoundError(path)
        return image.open()

    with rasterio.open(_NAME, driver=driver, opener=open_file, sharing=False) as dataset:
        return int(dataset.width), int(dataset.height)


def receive(read: Callable[[int], bytes]) -> bytes:
    """Read one message; empty at the end."""
    length = read(LENGTH_BYTES)
    return read(int.from_bytes(length)) if len(length) == LENGTH_BYTES else b""


def framed(message: bytes) -> bytes:
    """``message`` with its length before it."""
    return len(message).to_bytes(LENGTH_BYTES) + message


def _send(answers: BinaryIO, answer: Answer) -> None:
    answers.write(framed(msgspec.msgpack.encode(answer)))
    answers.flush()


def _take_over_stdout() -> BinaryIO:
    """Keep stdout for answers; what a library prints there goes to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _open_gdal() -> SizeReader:
    import warnings

    # rasterio imports boto3 where there is one, to read images from S3 by itself: a third of the
    # time that loading takes. None makes that import fail.
    sys.modules["boto3"] = None  # type: ignore[assignment]
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.session import DummySession

    # Photographs and masks have no place on Earth.
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    rasterio.Env(
        session=DummySession(),  # else one is made for the cloud that the environment names
        GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR",
        GDAL_PAM_ENABLED="NO",
        GDAL_NUM_THREADS="1",
    ).__enter__()
    return read_with_gdal


def _limit_memory() -> None:
    """Limit what this process may allocate from here on, as far as the system can.

    macOS has no such limit: there the limit of time is the only one.
    """
    import psutil

    used = psutil.Process().memory_info().vms
    for kind, limit in (
        (resource.RLIMIT_AS, used + MEMORY_LIMIT),
        (resource.RLIMIT_FSIZE, _OUTPUT_LIMIT),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(OSError, ValueError):
            _, most = resource.getrlimit(kind)
            resource.setrlimit(kind, (limit, most))


def _limit_time() -> None:
    """Have the system end this process when the next header takes too long.

    The parent does so too, but it may be gone.
    """
    signal.alarm(2 * TIME_LIMIT)  # its default action works in the middle of C++
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime) + 1
    with contextlib.suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (used + TIME_LIMIT, most))


def _answer(request: Request, read_size: SizeReader) -> Answer:
    image = PartialImage(request.size, request.pieces)
    try:
        width, height = read_size(image)
    except MemoryError:
        return Unreadable(out_of_memory())
    except Exception as problem:  # GDAL and broken files raise anything
        # What was said of half a header is no verdict on the whole one.
        return image.missing or Unreadable(str(problem))
    finally:
        signal.alarm(0)
    return image.missing or Size(width, height)


def out_of_memory() -> str:
    """What is said of an image that takes too much."""
    return f"reading it takes more than {MEMORY_LIMIT >> 20} MiB of memory"


def took_too_long() -> str:
    """What is said of an image whose header is read without an end."""
    return f"reading it took longer than {TIME_LIMIT} s"


if __name__ == "__main__":
    main()
