"""Discovering images: list a place in S3 once, read sizes and pixels from the headers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Final

import anyio
import msgspec
from anyio.abc import TaskGroup

from asyncload.errors import ConfigError, TargetError
from asyncload.transport.aws.session import Aws
from asyncload.transport.error_text import describe, error_code, never_connected
from asyncload.users.model_runner.headers import (
    HeaderReader,
    ReaderUnavailableError,
    UnreadableImageError,
)
from asyncload.users.user import Setup

TIFF_AND_NITF: Final = (".ntf", ".nitf", ".tif", ".tiff")
SUFFIXES: Final = (*TIFF_AND_NITF, ".png", ".jpg", ".jpeg")
READERS: Final = 16
"""Images looked at at the same time."""
NAMED: Final = 3
"""Images named of those that share a fault."""
REASONS: Final = 5
"""Reasons that are told apart; services and GDAL put details into them."""

_PATH: Final = re.compile(r"(\bhttps?://[^/\s\"]+)[^\s\"]*")
_PERMISSION: Final = re.compile(r"\b[a-z][\w-]+:[A-Z]\w+")  # such as kms:Decrypt
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


def no_bucket(aws: Aws, bucket: str, *, key: str) -> str:
    """Say that there is no such bucket, which ``key`` names."""
    return (
        f"{key}: there is no bucket {bucket!r} at {aws.target_of('s3')}; "
        f"create it or set {key} to one that exists"
    )


async def find_images(
    setup: Setup, url: str, *, key: str, suffixes: tuple[str, ...] = SUFFIXES
) -> list[Image]:
    """Find all readable images in the folder ``url``, in order of their names.

    ``url`` may be a single image, too. Images that cannot be fetched or read are skipped, and told
    in a note for each reason. Raises :class:`TargetError` when the bucket is missing or has no
    usable image.
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
    faults = _Faults(len(found))
    done = 0
    limiter = anyio.CapacityLimiter(READERS)

    async def look(index: int, name: str, size: int, reader: HeaderReader) -> None:
        nonlocal done
        image_url = f"s3://{bucket}/{name}"
        async with limiter:
            try:
                pixels = await _pixels(setup.aws, reader, bucket, name, size)
            except ReaderUnavailableError as problem:
                raise ConfigError(
                    f"{key}: {_reason(problem)}, so images cannot be read; install it anew"
                ) from None
            except Exception as problem:  # botocore and broken files raise anything
                faults.add(image_url, problem)
            else:
                images[index] = Image(image_url, size, pixels)
        done += 1
        setup.progress(f"read the headers of {done} of {len(found)} images")

    async with HeaderReader.for_images(len(found)) as reader, anyio.create_task_group() as group:
        for index, (name, size) in enumerate(found):
            group.start_soon(look, index, name, size, reader)
    usable = [image for image in images if image is not None]
    if not usable:
        raise TargetError(
            f"{key}: none of the {len(found)} images under {url} can be used: "
            f"{faults.summary()}; mend that, or point {key} elsewhere"
        )
    for sentence in faults.sentences():
        setup.note("warning", f"skipped {sentence}")
    return usable


async def look_at_images(setup: Setup, urls: Collection[str]) -> dict[str, Image]:
    """Read the headers of single images, as far as they can be read.

    Notes tell of those that cannot: their sizes stay unknown. Raises nothing.
    """
    known: dict[str, Image] = {}
    faults = _Faults(len(urls))
    aws = setup.aws
    limiter = anyio.CapacityLimiter(READERS)

    async def look(url: str, reader: HeaderReader, group: TaskGroup) -> None:
        try:
            bucket, name = parse_s3_url(url, key="imageUrls")
            if not name:
                raise ConfigError(f"imageUrls: {url!r} is a bucket; name an image in it")
            async with limiter:
                s3 = await aws.client("s3", retries=True)
                size = (await s3.head_object(Bucket=bucket, Key=name))["ContentLength"]
                known[url] = Image(url, size, await _pixels(aws, reader, bucket, name, size))
        except Exception as problem:
            faults.add(url, problem)
            if never_connected(problem) or isinstance(problem, ReaderUnavailableError):
                group.cancel_scope.cancel()  # nor will the others be found
        setup.progress(f"read the headers of {len(known)} of {len(urls)} images")

    async with HeaderReader.for_images(len(urls)) as reader, anyio.create_task_group() as group:
        for url in urls:
            group.start_soon(look, url, reader, group)
    faults.add_others(len(urls) - len(known) - faults.count)
    for sentence in faults.sentences():
        setup.note("warning", f"size and pixels are not known of {sentence}")
    return known


class _Faults:
    """Why images cannot be used: the first images of each reason, and how many there are."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._first: dict[str, list[str]] = {}
        self._count = Counter[str]()

    def add(self, url: str, problem: Exception) -> None:
        reason = _reason(problem)
        self._count[reason] += 1
        first = self._first.setdefault(reason, [])
        if len(first) < NAMED:
            first.append(url)

    def add_others(self, count: int) -> None:
        """Note that ``count`` more images have the fault that was found first."""
        if count:
            self._count[next(iter(self._count))] += count

    @property
    def count(self) -> int:
        return self._count.total()

    def sentences(self) -> Iterator[str]:
        """How many images have which fault; one sentence a reason, then one for the rest."""
        ranked = self._count.most_common()
        for reason, count in ranked[:REASONS]:
            yield f"{self._of_all(count)}: {reason}{self._named(reason)}"
        if rest := ranked[REASONS:]:
            count = sum(count for _, count in rest)
            reason = rest[0][0]
            yield f"{self._of_all(count)}, for other reasons: {reason}{self._named(reason)}, …"

    def summary(self) -> str:
        (reason, count), *others = self._count.most_common()
        if not others:
            return reason
        more = ", …" if len(others) > 1 else ""
        return f"{reason} ({count:,}), {others[0][0]} ({others[0][1]:,}){more}"

    def _of_all(self, count: int) -> str:
        return f"{count:,} of {self._total:,} image{'s' if self._total > 1 else ''}"

    def _named(self, reason: str) -> str:
        first = self._first[reason]
        more = self._count[reason] > len(first)
        return (", such as " if more else ": ") + ", ".join(first)


def _reason(problem: Exception) -> str:
    """What is wrong with an image, in a few words; of fetching it, or else of its header."""
    match problem:
        case UnreadableImageError():
            return f"its header cannot be read, {problem}"
        case ReaderUnavailableError():
            return f"rasterio cannot be used here, {problem}"
        case ConfigError():
            return "it is no image in S3"
    # What differs from image to image would make each a reason of its own.
    code, message = error_code(problem) or "", _PATH.sub(r"\1", describe(problem))
    if code.startswith("AccessDenied") or code in {"403", "Forbidden"}:
        permission = _PERMISSION.search(message)
        return f"access denied ({permission[0] if permission else code})"
    if code in {"404", "NoSuchKey"}:
        return f"it is not there ({code})"
    return f"it cannot be fetched, {message}"


async def _list(
    aws: Aws, bucket: str, prefix: str, key: str, suffixes: tuple[str, ...]
) -> list[tuple[str, int]]:
    found = []
    doing = f"listing s3://{bucket}/{prefix}"
    async with aws.explained(doing, service="s3", NoSuchBucket=no_bucket(aws, bucket, key=key)):
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
    """Make sure of the bucket in ``url``; give it and the prefix. Raises :class:`TargetError`.

    The service writes there, so whoever only sends jobs need not be allowed to look at it.
    """
    bucket, prefix = parse_s3_url(url, key=key)
    remedies = dict.fromkeys(("404", "NoSuchBucket"), no_bucket(aws, bucket, key=key))
    async with aws.explained(f"checking the bucket {bucket!r}", service="s3", **remedies):
        s3 = await aws.client("s3", retries=True)
        try:
            await s3.head_bucket(Bucket=bucket)
        except Exception as problem:
            if error_code(problem) not in {"403", "AccessDenied", "Forbidden"}:
                raise
            aws.note(
                "warning",
                f"{key}: these credentials may not look at the bucket {bucket!r} (s3:ListBucket), so "
                "it is not known whether the service can write there",
            )
    return bucket, prefix


async def _pixels(aws: Aws, reader: HeaderReader, bucket: str, name: str, size: int) -> int:
    """Pixels of one image. Raises what botocore raises, and what the reader does."""
    s3 = await aws.client("s3", retries=True)

    async def fetch(first: int, last: int) -> bytes:
        answer = await s3.get_object(Bucket=bucket, Key=name, Range=f"bytes={first}-{last}")
        async with answer["Body"] as body:
            if first and "ContentRange" not in answer:
                raise UnreadableImageError("the service gives no parts of objects")
            content = bytearray()
            while piece := await body.read(last - first + 1 - len(content)):
                content += piece
        return bytes(content)

    width, height = await reader.read(size, fetch)
    return width * height
