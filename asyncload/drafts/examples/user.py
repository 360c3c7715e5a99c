"""A user that lists a bucket and reads objects from it."""

from __future__ import annotations

from typing import Any

import msgspec

from asyncload import User, between, task
from asyncload.plan import Duration


class ArchivistOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the config's `user` section may say."""

    bucket: str
    wait_at_most: Duration = Duration(1.0)


class Archivist(User):
    """Every call through `self.aws.client` is recorded as a request."""

    Options = ArchivistOptions
    services = ("s3",)

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.wait = between(0, self.options.wait_at_most)
        self.keys: list[str] = []

    async def on_start(self) -> None:
        await self.look()

    @task(weight=1)
    async def look(self) -> None:
        answer = await self.aws.client("s3").list_objects_v2(Bucket=self.options.bucket)
        self.keys = [entry["Key"] for entry in answer.get("Contents", [])]

    @task(weight=4)
    async def fetch(self) -> None:
        key = self.rng.choice(self.keys)
        answer = await self.aws.client("s3").get_object(Bucket=self.options.bucket, Key=key)
        # A request of one's own making: here, how long it takes to read the body.
        with self.measure("read body") as call:
            body = await answer["Body"].read()
            call.bytes_in = len(body)
            if not body:
                call.fail("the object is empty")
