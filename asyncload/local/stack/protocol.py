"""What the stack and its two child processes tell each other.

The stack writes one order, a line of JSON, to a child's stdin and then only
keeps the pipe open. The ModelRunner answers with :class:`Resources` on its stdout
when the first request can come; the emulator answers nobody but its clients.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from asyncload.local.settings import LocalSettings
from asyncload.plan.duration import dec_hook

ACCESS_KEY: Final = "test"
SECRET_KEY: Final = "test"  # noqa: S105 - the emulator takes any key; this one opens nothing else
ACCOUNT_ID: Final = "000000000000"
REQUEST_QUEUE: Final = "ImageRequestQueue"
STATUS_QUEUE: Final = "ImageStatusQueue"
INFERENCE_QUEUE: Final = "AsyncInferenceQueue"
INFERENCE_BACKLOG: Final = "sagemaker-async-inference-backlog"
INFERENCE_BUCKET: Final = f"sagemaker-async-inference-{ACCOUNT_ID}"
INFERENCE_SUCCESS_TOPIC: Final = "AsyncInferenceSuccess"
INFERENCE_ERROR_TOPIC: Final = "AsyncInferenceError"
MODEL_SERVER: Final = "model_server"
"""Role of the child that is a simulated model server."""
TASK_DEFINITION: Final = "ModelRunnerDataplane"
"""Family of the ECS task definition that names the queues; it has one revision."""

Message = TypeVar("Message")


class Resources(msgspec.Struct, frozen=True):
    """Where things are in the embedded stack."""

    request_queue_url: str
    dead_letter_queue_url: str
    status_queue_url: str
    status_topic_arn: str
    image_bucket: str
    result_bucket: str
    inference_queue_url: str
    """Brings the notifications of both topics below."""
    inference_success_topic_arn: str
    inference_error_topic_arn: str
    inference_backlog_url: str
    """Of requests that the endpoints have not taken up yet: SageMaker's own."""
    inference_bucket: str
    """For inputs, and for what becomes of them."""


class ChildOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a child is to do."""

    remove_at_exit: str | None = None
    """Temporary directory, removed when the parent is gone."""


class EmulatorOrder(ChildOrder, frozen=True, kw_only=True):
    """Serve SQS, SNS, S3, STS, ECS and SageMaker."""

    socket: int
    """File descriptor of the listening socket, inherited."""
    region: str
    settings: LocalSettings


class ModelRunnerOrder(ChildOrder, frozen=True, kw_only=True):
    """Create the resources and be their ModelRunner."""

    endpoint_url: str
    region: str
    settings: LocalSettings
    truth_log: str


class ModelServerOrder(ChildOrder, frozen=True, kw_only=True):
    """Be a model server."""

    workers: int
    """Requests worked on at once."""
    service_time: float
    """Seconds of work on each; the mean of them if ``exponential``."""
    exponential: bool = False
    """Whether service times are drawn from the exponential distribution: a queue M/M/c."""
    seed: int = 0
    """Of the draws."""
    truth_log: str | None = None
    """Ground-truth log of each request, if there is to be one."""


class Listening(msgspec.Struct, frozen=True):
    """The model server takes requests at this port."""

    port: int


def container_environment(request_queue: str, status_queue: str) -> dict[str, str]:
    """What a deployment's task definition tells ModelRunner's container about its queues."""
    return {"IMAGE_QUEUE": request_queue, "SQS_IMAGE_STATUS_QUEUE": status_queue}


def encode(message: msgspec.Struct) -> bytes:
    """One line of JSON."""
    return msgspec.json.encode(message, enc_hook=_plain) + b"\n"


def decode(line: bytes, type_: type[Message]) -> Message:
    """Read a line that :func:`encode` wrote."""
    return msgspec.json.decode(line, type=type_, dec_hook=dec_hook)


def _plain(value: Any) -> float:
    """JSON of a :class:`~asyncload.plan.duration.Duration`: a number of seconds."""
    if isinstance(value, float):
        return float(value)
    raise NotImplementedError(f"no JSON for {type(value)}")
