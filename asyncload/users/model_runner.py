"""Users of OversightML ModelRunner: image jobs over SQS, statuses back on one SQS queue."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import msgspec

from asyncload.errors import ConfigError
from asyncload.jobs.ledger import LiveJob
from asyncload.plan.duration import Duration
from asyncload.transport.describe import error_code, http_status, never_connected
from asyncload.transport.fast_sqs import FastSqsQueue
from asyncload.transport.queue import MessageQueue
from asyncload.transport.sqs import SqsQueue
from asyncload.users.images import Image, check_bucket, find_images, parse_s3_url
from asyncload.users.user import Context, Setup, User, task
from asyncload.users.wait import between, check_wait, parse_wait


class ModelRunnerOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The ``user`` section of a scenario with ``kind: model_runner``.

    Queues are names or URLs; places in S3 are ``s3://bucket/folder``. Left
    out, ``images`` and ``results`` are the buckets that OversightML's
    deployment makes for the account.
    """

    request_queue: str = "ImageRequestQueue"
    status_queue: str = "ImageStatusQueue"
    images: str | None = None
    results: str | None = None
    model: str = "centerpoint"
    model_type: Literal["SM_ENDPOINT", "HTTP_ENDPOINT"] = "SM_ENDPOINT"
    model_parameters: dict[str, Any] = {}
    tile_size: int = 512
    tile_overlap: int = 128
    tile_format: Literal["GTIFF", "NITF", "JPEG", "PNG"] = "GTIFF"
    tile_compression: Literal["NONE", "JPEG", "J2K", "LZW"] = "NONE"
    region_of_interest: str | None = None
    client: Literal["fast", "sdk"] = "fast"
    """The fast lane, or aiobotocore; the same on the wire."""
    batch_linger: Duration = Duration(0)
    """How long a job may wait for others to be sent with it, ten at most; 0 sends each alone."""
    job_timeout: Duration = Duration(3600)
    foreign: Literal["leave", "delete"] = "leave"
    wait: Any = None

    def __post_init__(self) -> None:
        if self.tile_size < 1:
            raise ValueError(f"tile_size is {self.tile_size}; give a positive number of pixels")
        if not 0 <= self.tile_overlap < self.tile_size:
            raise ValueError(
                f"tile_overlap is {self.tile_overlap}; give 0 or more, and less than tile_size"
            )
        if self.client == "sdk" and self.batch_linger:
            raise ValueError("batch_linger works on the fast lane only; leave out client: sdk")
        if self.job_timeout <= 0:
            raise ValueError("job_timeout is 0; give the time after which a job is given up")
        try:
            for key, place in (("images", self.images), ("results", self.results)):
                if place is not None:
                    parse_s3_url(place, key=key)
        except ConfigError as problem:
            raise ValueError(str(problem)) from None
        check_wait(self.wait)


class Order(msgspec.Struct):
    """What is the same for every job with one image: made once, shared by its jobs.

    ``head`` and ``tail`` are the request body without the job's own id, which
    is spliced in twice instead of encoding 450 bytes anew.
    """

    scenario: str
    name: str
    image: str
    size: int
    pixels: int
    timeout: float
    body: tuple[str, str, str]

    def request(self, job_id: str) -> str:
        """Write the request body of one job."""
        head, middle, tail = self.body
        return f"{head}{job_id}{middle}{job_id}{tail}"


class Deployment(msgspec.Struct):
    """What was discovered before the clock started, shared by all users of a scenario."""

    requests: MessageQueue
    orders: list[Order]
    turns: Iterator[Order]


class ModelRunnerUser(User):
    """Submits one image job after another, round robin over the images; does not wait for them.

    Statuses come back on the status queue, where the status consumer matches
    them with the jobs.
    """

    Options: ClassVar[type[msgspec.Struct]] = ModelRunnerOptions
    wait = between(1, 3)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options: ModelRunnerOptions = context.options
        if options.wait is not None:
            self.wait = parse_wait(options.wait)
        self._deployment: Deployment = context.shared

    @classmethod
    async def prepare(cls, setup: Setup, options: ModelRunnerOptions) -> Deployment:
        """Find the queues, check the buckets, list the images and read their headers, once."""
        setup.progress("looking up queues")
        requests = await SqsQueue.find(setup.aws, options.request_queue, setup.key("request_queue"))
        statuses = await SqsQueue.find(setup.aws, options.status_queue, setup.key("status_queue"))
        images_at, results_at = options.images, options.results
        if images_at is None or results_at is None:
            account = await setup.aws.account()
            images_at = images_at or f"s3://osml-test-images-{account}"
            results_at = results_at or f"s3://mr-bucket-sink-{account}"
        bucket, prefix = await check_bucket(setup.aws, results_at, key=setup.key("results"))
        images = await find_images(setup, images_at, key=setup.key("images"))
        orders = [
            order_for(setup.scenario, options, image, result_bucket=bucket, result_prefix=prefix)
            for image in images
        ]
        await _warn_about_dead_letters(setup, options, statuses)
        if options.client == "sdk":
            setup.consume(statuses, foreign=options.foreign)
            return Deployment(requests, orders, itertools.cycle(orders))
        linger = options.batch_linger or None
        fast = await FastSqsQueue.of(setup.aws, setup.http, requests.url, batch_linger=linger)
        setup.consume(
            await FastSqsQueue.of(setup.aws, setup.http, statuses.url), foreign=options.foreign
        )
        return Deployment(fast, orders, itertools.cycle(orders))

    @task()
    async def submit(self) -> None:
        """Send one image request."""
        deployment = self._deployment
        order = next(deployment.turns)
        recorder = self.recorder
        start = recorder.clock()
        job = self.jobs.open(order, due=recorder.due_at(start), start=start)
        try:
            message_id = await deployment.requests.send(order.request(job.id))
        except BaseException as problem:
            self._not_sent(job, problem)
            raise
        self.jobs.accept(job, message_id)

    def _not_sent(self, job: LiveJob, problem: BaseException) -> None:
        """Take an answer that says no for a refusal; anything else leaves the job in doubt.

        Behind an error of the service's own (5xx) the message may have been accepted.
        """
        refused = error_code(problem) is not None and (http_status(problem) or 400) < 500
        if refused or never_connected(problem):
            self.jobs.reject(job)
        else:
            self.jobs.doubt(job)


async def _warn_about_dead_letters(
    setup: Setup, options: ModelRunnerOptions, statuses: SqsQueue
) -> None:
    if options.foreign != "leave":
        return
    async with setup.aws.explained(f"reading the attributes of {statuses.name!r}"):
        limit = await statuses.dead_letter_limit()
    if limit is not None:
        setup.note(
            "warning",
            f"{statuses.name} moves messages to a dead-letter queue after {limit} receives; "
            "messages of other people's jobs that this run gives back count as received",
        )


def order_for(
    scenario: str,
    options: ModelRunnerOptions,
    image: Image,
    *,
    result_bucket: str,
    result_prefix: str,
) -> Order:
    """What is sent for ``image``, but for the job's id."""
    # Two places of the body carry the job's id; a word that nothing else in it
    # can be by accident marks them.
    place = secrets.token_hex(16)
    body = {
        "jobName": f"asyncload-{scenario}-{place}",
        "jobId": place,
        "imageUrls": [image.url],
        "outputs": [{"type": "S3", "bucket": result_bucket, "prefix": result_prefix}],
        "imageProcessor": {"name": options.model, "type": options.model_type},
        "imageProcessorParameters": options.model_parameters,
        "imageProcessorTileSize": options.tile_size,
        "imageProcessorTileOverlap": options.tile_overlap,
        "imageProcessorTileFormat": options.tile_format,
        "imageProcessorTileCompression": options.tile_compression,
        "postProcessing": [
            {
                "step": "FEATURE_DISTILLATION",
                "algorithm": {"algorithmType": "NMS", "iouThreshold": 0.75},
            }
        ],
        "regionOfInterest": options.region_of_interest,
        "featureProperties": [],
    }
    head, middle, tail = msgspec.json.encode(body).decode().split(place)
    return Order(
        scenario=scenario,
        name=f"{image.file_name}:{options.model}",
        image=image.url,
        size=image.size,
        pixels=image.pixels,
        timeout=options.job_timeout,
        body=(head, middle, tail),
    )
