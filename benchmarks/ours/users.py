"""User classes that the figures are measured with."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import msgspec

from asyncload import User, task
from asyncload.transport.aws.fast_sqs import FastSqsQueue
from asyncload.users.model_runner.images import Image
from asyncload.users.model_runner.job_spec import job_spec_for
from asyncload.users.model_runner.job_user import RoundRobin
from asyncload.users.model_runner.submit import ModelRunnerOptions, ModelRunnerUser
from asyncload.users.user import Setup
from asyncload.users.wait import parse_wait
from benchmarks.bodies import prediction


class Submit(ModelRunnerUser):
    """ModelRunner's user, hot path and all, without the discovery that needs S3 and STS."""

    @classmethod
    async def prepare(cls, setup: Setup, options: ModelRunnerOptions) -> RoundRobin:
        """Take the request queue as it is; statuses are another figure."""
        queue = await FastSqsQueue.of(
            setup.aws, setup.http, options.request_queue, batch_linger=options.batch_linger or None
        )
        images = [
            Image(f"s3://osml-test-images-123456789012/scene-{n}.ntf", 1 << 20, 1 << 24)
            for n in range(4)
        ]
        specs = [
            job_spec_for(
                setup.scenario,
                options,
                image,
                model=options.model or "centerpoint",
                model_type=options.model_type,
                outputs=[{"type": "S3", "bucket": "results", "prefix": "load"}],
            )
            for image in images
        ]
        return RoundRobin(queue, itertools.cycle(specs))


class CallerOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to post to."""

    url: str
    wait: Any = 0


class Caller(User):
    """A user class as anybody would write it: one POST of JSON, different each time."""

    Options: ClassVar[type[msgspec.Struct]] = CallerOptions

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.count = 0

    @task()
    async def call(self) -> None:
        """Post one prediction."""
        self.count += 1
        await self.http.post(self.options.url, json=prediction(self.id, self.count))


class IdleOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a user sleeps."""

    wait: Any = "1h"


class Idle(User):
    """A user that sleeps."""

    Options: ClassVar[type[msgspec.Struct]] = IdleOptions

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.wait = parse_wait(context.options.wait)

    @task()
    async def nothing(self) -> None:
        """Do nothing."""
