"""Discovering images: list a place in S3 once, read sizes and pixels from the headers."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

import anyio
import anyio.from_thread
import anyio.to_thread
import msgspec
from anyio.abc import TaskGroup

from asyncload.errors import ConfigError, TargetError
from asyncload.transport.aws.session import Aws
from asyncload.transport.error_text import hide_secrets, never_connected
from asyncload.users.user import Setup

TIFF_AND_NITF: Final = (".ntf", ".nitf", ".tif", ".tiff")
SUFFIXES: Final = (*TIFF_AND_NITF, ".png", ".jpg", ".jpeg")
READERS: Final = 16
"""Headers read at the same time."""
BLOCK: Final = 64 * 1024
"""Bytes fetched at a time; nearly every header fits into the first block."""
LARGEST_READ: Final = 1 << 20
"""A longer read wants pixels, not a header (GDAL takes in a whole NITF), and gets nothing."""


_GDAL_PATH: Final = re.compile(r"/vsiriopener_\w+/")
_BUCKET: Final = re.compile(r"[\w.-]+(:[\w.:-]+)*")  # or the ARN of an access point


class Image(msgspec.Struct, frozen=True):
    """One image in S3."""

    url: str
    size: int
    """Bytes."""
    pixels: int

    @property
    def file_name(self) -> str:
        """Last part of the URL."""
        return self.url.rpartition("/")[2]


def parse_s3_url(url: str, *, key: str) -> tuple[str, str]:
    """Split ``s3://bucket/prefix``. Raises :class:`ConfigError` naming ``key``."""
    scheme, _, place = url.partition("://")
    bucket, _, prefix = place.partition("/")
    if scheme != "s3" or not _BUCKET.fullmatch(bucket):
        raise ConfigError(
            f"{key}: {url!r} is not a place in S3; write s3://bucket or s3://bucket/folder"
        )
    return bucket, prefix.lstrip("/")


async def find_images(
    setup: Setup, url: str, *, key: str, suffixes: tuple[str, ...] = SUFFIXES
) -> list[Image]:
    """Find all readable images in the folder ``url``, in order of their names.

    ``url`` may be a single image, too. A corrupt image is skipped and named in a note. Raises
    :class:`TargetError` when the bucket is missing or has no usable image.
    """
    bucket, prefix = parse_s3_url(url, key=key)
    setup.progress(f"listing {url}")
    found = await _list(setup.aws, bucket, prefix, key, suffixes)
    if not found:
        raise TargetError(
            f"{key}: there is no image under {url}; put files ending in "
            f"{' '.join(suffixes)} there, or point {key} elsewhere"
        )
    images: list[Image | None] = [None] * len(found)
    done = 0
    limiter = anyio.CapacityLimiter(READERS)

    async def read(index: int, name: str, size: int) -> None:
        nonlocal done
        image_url = f"s3://{bucket}/{name}"
        try:
            pixels = await _pixels(setup.aws, bucket, name, size, limiter)
        except Exception as problem:  # GDAL, botocore and broken files raise anything
            setup.note(
                "warning", f"skipped {image_url}: its header cannot be read ({_reason(problem)})"
            )
        else:
            images[index] = Image(image_url, size, pixels)
        done += 1
        setup.progress(f"read the headers of {done} of {len(found)} images")

    with _no_place_needed():
        async with anyio.create_task_group() as group:
            for index, (name, size) in enumerate(found):
                group.start_soon(read, index, name, size)
    usable = [image for image in images if image is not None]
    if not usable:
        raise TargetError(
            f"{key}: none of the {len(found)} images under {url} can be read; "
            f"mend them, or point {key} elsewhere"
        )
    return usable


async def look_at_images(setup: Setup, urls: Collection[str]) -> dict[str, Image]:
    """Read the headers of single images, as far as they can be read.

    A note names those that cannot: their sizes stay unknown. Raises nothing.
    """
    known: dict[str, Image] = {}
    unknown: dict[str, str] = {}
    aws = setup.aws
    looks = anyio.CapacityLimiter(READERS)
    limiter = anyio.CapacityLimiter(READERS)

    async def look(url: str, group: TaskGroup) -> None:
        try:
            bucket, name = parse_s3_url(url, key="imageUrls")
            async with looks:
                s3 = await aws.client("s3", retries=True)
                size = (await s3.head_object(Bucket=bucket, Key=name))["ContentLength"]
            known[url] = Image(url, size, await _pixels(aws, bucket, name, size, limiter))
        except ConfigError:
            unknown[url] = "it is not in S3"
        except Exception as problem:
            unknown[url] = _reason(problem)
            if never_connected(problem):
                group.cancel_scope.cancel()  # nor will the others be found
        setup.progress(f"read the headers of {len(known)} of {len(urls)} images")

    with _no_place_needed():
        async with anyio.create_task_group() as group:
            for url in urls:
                group.start_soon(look, url, group)
    if missing := len(urls) - len(known):
        url, reason = next(iter(unknown.items()))
        setup.note(
            "warning",
            f"size and pixels of {missing} of {len(urls)} images are not known, "
            f"such as those of {url}: {reason}",
        )
    return known


@contextlib.contextmanager
def _no_place_needed() -> Iterator[None]:
    """Silence rasterio about photographs and masks, which have no place on Earth.

    Around all reads, not in their threads: filters for warnings are the process's.
    """
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def _reason(problem: Exception) -> str:
    """What was wrong with an image, in a few words, without the path that GDAL knows it by."""
    return hide_secrets(_GDAL_PATH.sub("", " ".join(str(problem).split()))[:160])


async def _list(
    aws: Aws, bucket: str, prefix: str, key: str, suffixes: tuple[str, ...]
) -> list[tuple[str, int]]:
    missing = (
        f"{key}: there is no bucket {bucket!r} at {aws.target_of('s3')}; "
        f"create it or set {key} to one that exists"
    )
    found = []
    doing = f"listing s3://{bucket}/{prefix}"
    async with aws.explained(doing, service="s3", NoSuchBucket=missing):
        s3 = await aws.client("s3", retries=True)
        async for page in s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix
        ):
            found += [
                (entry["Key"], entry["Size"])
                for entry in page.get("Contents", ())
                if entry["Key"].lower().endswith(suffixes) and _is_in(entry["Key"], prefix)
            ]
    return sorted(found)


def _is_in(name: str, folder: str) -> bool:
    """Tell whether ``name`` is in ``folder``, not in one whose name only begins like it."""
    return not folder or name == folder or name.startswith(f"{folder.rstrip('/')}/")


async def check_bucket(aws: Aws, url: str, *, key: str) -> tuple[str, str]:
    """Make sure of the bucket in ``url``; give it and the prefix. Raises :class:`TargetError`."""
    bucket, prefix = parse_s3_url(url, key=key)
    missing = (
        f"{key}: there is no bucket {bucket!r} at {aws.target_of('s3')}; "
        f"create it or set {key} to one that exists"
    )
    remedies = {"404": missing, "NoSuchBucket": missing}
    async with aws.explained(f"checking the bucket {bucket!r}", service="s3", **remedies):
        s3 = await aws.client("s3", retries=True)
        await s3.head_bucket(Bucket=bucket)
    return bucket, prefix


async def _pixels(
    aws: Aws, bucket: str, name: str, size: int, limiter: anyio.CapacityLimiter
) -> int:
    s3 = await aws.client("s3", retries=True)

    async def fetch(first: int, last: int) -> bytes:
        answer = await s3.get_object(Bucket=bucket, Key=name, Range=f"bytes={first}-{last}")
        async with answer["Body"] as body:
            content: bytes = await body.read()
        return content

    def fetch_from_thread(first: int, last: int) -> bytes:
        return anyio.from_thread.run(fetch, first, last)

    return await anyio.to_thread.run_sync(
        _count_pixels, name, size, fetch_from_thread, limiter=limiter
    )


def _count_pixels(name: str, size: int, fetch: Callable[[int, int], bytes]) -> int:
    import rasterio

    def open_remote(_path: str, _mode: str = "rb", **_: Any) -> _RemoteFile:
        return _RemoteFile(size, fetch)

    with (
        rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_PAM_ENABLED="NO"),
        rasterio.open(name, opener=open_remote, sharing=False) as dataset,
    ):
        return int(dataset.width) * int(dataset.height)


class _RemoteFile(io.RawIOBase):
    """A read-only file that fetches blocks when they are read."""

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self._size = size
        self._fetch = fetch
        self._position = 0
        self._blocks: dict[int, bytes] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int = -1, /) -> bytes | None:
        return b"" if size > LARGEST_READ else super().read(size)

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._position)
        filled = 0
        while filled < wanted:
            number, skip = divmod(self._position, BLOCK)
            piece = self._block(number)[skip : skip + wanted - filled]
            if not piece:
                break
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._position += len(piece)
        return filled

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            first = number * BLOCK
            self._blocks[number] = self._fetch(first, min(first + BLOCK, self._size) - 1)
        return self._blocks[number]
