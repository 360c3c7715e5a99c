"""Inputs of asynchronous inference: objects in S3, found or put there before the clock starts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import anyio
import anyio.to_thread

from asyncload.errors import ConfigError, TargetError
from asyncload.stats import units
from asyncload.users.http.bodies import body_of
from asyncload.users.model_runner.images import no_bucket, parse_s3_url
from asyncload.users.sagemaker.asynchronous_options import AsyncInferenceOptions
from asyncload.users.templates.compiled import FirstRow, TemplateError
from asyncload.users.templates.rows import read_data
from asyncload.users.templates.tables import find_files, read_bytes
from asyncload.users.templates.template import compiler_of
from asyncload.users.user import Setup

LONGEST: Final = 1024
"""Characters of a location, which is sent in a header."""
UPLOADS: Final = 16
"""Objects uploaded at the same time."""


class Input(NamedTuple):
    """An object in S3."""

    url: str
    size: int
    """Bytes."""


class Payload(NamedTuple):
    """What is uploaded."""

    name: str
    content: bytes


async def find_inputs(setup: Setup, options: AsyncInferenceOptions) -> list[Input]:
    """Find what the requests will name, or put it into S3 first; in order.

    Raises :class:`ConfigError` for what is wrong with a payload, and
    :class:`TargetError` for what is wrong with S3.
    """
    if options.input is not None:
        found = await _look(setup, options.input, key=setup.key("input"))
    else:
        found = await _upload(setup, options)
    for one in found:
        location = one.url
        if not location.isascii() or not location.isprintable() or len(location) > LONGEST:
            raise TargetError(
                f"{location!r} cannot be an input: SageMaker takes the location in a header, "
                f"{LONGEST} ASCII characters at most; give the object another name"
            )
    return found


async def _look(setup: Setup, url: str, *, key: str) -> list[Input]:
    """One object, or all in a folder."""
    bucket, name = parse_s3_url(url, key=key)
    wrong_bucket = no_bucket(setup.aws, bucket, key=key)
    if name and not name.endswith("/"):
        setup.progress(f"looking up {url}")
        missing = f"{key}: there is no object {url}; put one there, or end a folder in a slash"
        remedies = {"404": missing, "NoSuchKey": missing, "NoSuchBucket": wrong_bucket}
        async with setup.aws.explained(f"looking up {url}", service="s3", **remedies):
            s3 = await setup.aws.client("s3", retries=True)
            about = await s3.head_object(Bucket=bucket, Key=name)
        return [Input(f"s3://{bucket}/{name}", about["ContentLength"])]
    setup.progress(f"listing {url}")
    found = []
    async with setup.aws.explained(f"listing {url}", service="s3", NoSuchBucket=wrong_bucket):
        s3 = await setup.aws.client("s3", retries=True)
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=name)
        async for page in pages:
            found += [
                Input(f"s3://{bucket}/{entry['Key']}", entry["Size"])
                for entry in page.get("Contents", ())
                if not entry["Key"].endswith("/")  # what consoles make of a folder
            ]
    if not found:
        raise TargetError(
            f"{key}: there is no object in {url}; put inputs there, or point {key} elsewhere"
        )
    return sorted(found)


async def _upload(setup: Setup, options: AsyncInferenceOptions) -> list[Input]:
    """Put every payload into S3, named by its content: the same one is the same object again."""
    assert options.upload_to is not None  # __post_init__ saw to it
    key = setup.key("upload_to")
    bucket, prefix = parse_s3_url(options.upload_to, key=key)
    folder = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
    setup.progress("reading the payloads")
    payloads = await anyio.to_thread.run_sync(lambda: list(_payloads(setup, options)))
    names = [
        f"{folder}{hashlib.sha256(payload.content).hexdigest()[:16]}-{payload.name}"
        for payload in payloads
    ]
    once = dict(zip(names, payloads, strict=True))
    doing = f"uploading to {options.upload_to}"
    missing = no_bucket(setup.aws, bucket, key=key)
    async with setup.aws.explained(doing, service="s3", NoSuchBucket=missing):
        s3 = await setup.aws.client("s3", retries=True)
        about = {"ContentType": kind} if (kind := options.type_of_payload) is not None else {}
        await _put_all(setup, s3, bucket, once, about)
    size = sum(len(payload.content) for payload in once.values())
    setup.note(
        "info",
        f"uploaded {units.counted(len(once), 'payload')}, {units.amount(size, 'B')}, to "
        f"s3://{bucket}/{folder} before the start; they stay there",
    )
    return [
        Input(f"s3://{bucket}/{name}", len(payload.content))
        for name, payload in zip(names, payloads, strict=True)
    ]


async def _put_all(
    setup: Setup, s3: Any, bucket: str, payloads: dict[str, Payload], about: dict[str, str]
) -> None:
    """Put them all; raises the first error there is, as it came."""
    limiter = anyio.CapacityLimiter(UPLOADS)
    problems: list[Exception] = []
    done = 0

    async def put(name: str, content: bytes) -> None:
        nonlocal done
        async with limiter:
            if problems:
                return
            try:
                await s3.put_object(Bucket=bucket, Key=name, Body=content, **about)
            except Exception as problem:
                problems.append(problem)
        done += 1
        setup.progress(f"uploaded {done} of {len(payloads)} payloads")

    async with anyio.create_task_group() as group:
        for name, payload in payloads.items():
            group.start_soon(put, name, payload.content)
    if problems:
        raise problems[0]


def _payloads(setup: Setup, options: AsyncInferenceOptions) -> Iterator[Payload]:
    """Read or make the payloads; blocks. Raises :class:`ConfigError`."""
    if options.file is not None:
        path = setup.find(options.file)
        yield Payload(path.name, bytes(read_bytes(path, key=setup.key("file"))))
    elif options.folder is not None:
        folder, key = setup.find(options.folder), setup.key("folder")
        if not folder.is_dir():
            raise ConfigError(f"{key}: {str(folder)!r} is not a folder; name one, or use file")
        for path in find_files(folder, key=key):
            yield Payload(path.name, bytes(read_bytes(path, key=key)))
    else:
        yield from _filled(setup, options)


def _filled(setup: Setup, options: AsyncInferenceOptions) -> Iterator[Payload]:
    """Fill ``json`` or ``body`` with each row, or once where there are none."""
    key = options.payload
    assert key is not None
    request = options.request
    name = "payload.json" if key == "json" else "payload"
    rows = options.rows
    table = None if rows is None else read_data(rows, key=setup.key("data"), find=setup.find)
    try:
        texts = (text for _, text in request.texts())
        compiler = compiler_of(texts, table, find=setup.find)
        part, _ = body_of(request, compiler, key=setup.key(key), find=setup.find)
        if isinstance(part, bytes):
            yield Payload(name, part)
            return
        # The same payloads in every run: so they are the same objects.
        scope = FirstRow(f"payloads of {setup.scenario}")
        for row in range(1 if table is None else table.count):
            scope.row = row
            yield Payload(name, bytes(part(scope)))
    except TemplateError as problem:
        raise ConfigError(f"{setup.key(key)}: {problem}") from None
