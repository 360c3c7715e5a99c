"""The keys that the kinds of ModelRunner's users have in common."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from asyncload.errors import ConfigError
from asyncload.plan.duration import Duration
from asyncload.users.model_runner.images import parse_s3_url
from asyncload.users.wait import check_wait

Attempts = Annotated[int, msgspec.Meta(ge=1)]
"""How often a job that ends in PARTIAL is sent, the first time included."""


class JobOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where jobs go and where their statuses come from.

    Queues are names or URLs; places in S3 are ``s3://bucket/folder``. What is
    left out comes from where :class:`~asyncload.users.model_runner.deployment.Deployment`
    finds it.
    """

    request_queue: str | None = None
    status_queue: str | None = None
    images: str | None = None
    results: str | None = None
    task_definition: str | None = None
    """A part of the name of the ECS task definition that knows the queues."""
    client: Literal["fast", "sdk"] = "fast"
    """The fast backend, or aiobotocore; the same on the wire."""
    batch_linger: Duration = Duration(0)
    """How long a job may wait for others to be sent with it, ten at most; 0 sends each alone."""
    job_timeout: Duration = Duration(3600)
    foreign: Literal["leave", "delete"] = "leave"
    wait: Any = None

    def __post_init__(self) -> None:
        if self.client == "sdk" and self.batch_linger:
            raise ValueError("batch_linger works with the fast backend only; leave out client: sdk")
        if self.job_timeout <= 0:
            raise ValueError("job_timeout is 0; give the time after which a job is given up")
        if self.task_definition == "":
            raise ValueError("task_definition is empty; give a part of its name, or leave it out")
        try:
            for key, place in (("images", self.images), ("results", self.results)):
                if place is not None:
                    parse_s3_url(place, key=key)
        except ConfigError as problem:
            raise ValueError(str(problem)) from None
        check_wait(self.wait)


class RequestForm(JobOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every request of a scenario says, for kinds that write their requests themselves."""

    model_parameters: dict[str, Any] = {}
    tile_size: int = 512
    tile_overlap: int = 128
    tile_format: Literal["GTIFF", "NITF", "JPEG", "PNG"] = "GTIFF"
    tile_compression: Literal["NONE", "JPEG", "J2K", "LZW"] = "NONE"
    region_of_interest: str | None = None
    kinesis: bool | str = False
    """A stream that gets the results, too; ``True`` is the one of OversightML's deployment."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tile_size < 1:
            raise ValueError(f"tile_size is {self.tile_size}; give a positive number of pixels")
        if not 0 <= self.tile_overlap < self.tile_size:
            raise ValueError(
                f"tile_overlap is {self.tile_overlap}; give 0 or more, and less than tile_size"
            )
        if self.kinesis == "":
            raise ValueError("kinesis is empty; give true or the name of a stream")
