"""Messages exchanged with ModelRunner's clients: requests read, status messages written."""

from __future__ import annotations

import random
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

STARTED: Final = "STARTED"
IN_PROGRESS: Final = "IN_PROGRESS"
SUCCESS: Final = "SUCCESS"
PARTIAL: Final = "PARTIAL"
FAILED: Final = "FAILED"

_TEXTS: Final = {
    STARTED: "Started image request",
    IN_PROGRESS: "Processing regions",
    SUCCESS: "Completed image processing",
    PARTIAL: "Completed image processing",
    FAILED: "Failed to process image region!",
}
_LONGEST_ID: Final = 256


class ImageRequest(msgspec.Struct, frozen=True):
    """The parts of a request that the simulated service acts on."""

    job_id: str
    image_url: str
    bucket: str
    key: str


class InvalidRequestError(Exception):
    """A request that ModelRunner would not accept; the message says why."""


class StatusMessage(msgspec.Struct, frozen=True):
    """What goes to the SNS topic: a text and string attributes."""

    text: str
    attributes: dict[str, str]


class _Wire(msgspec.Struct, rename="camel"):
    job_id: str
    image_urls: list[str]


_decoder: Final = msgspec.json.Decoder(_Wire)


def parse_request(body: str) -> ImageRequest:
    """Read the body of a request message. Raises :class:`InvalidRequestError`."""
    try:
        wire = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError) as problem:
        raise InvalidRequestError(str(problem)) from None
    if not wire.job_id or len(wire.job_id) > _LONGEST_ID:
        raise InvalidRequestError(f"jobId has {len(wire.job_id)} characters")
    if not wire.image_urls:
        raise InvalidRequestError("imageUrls is empty")
    image_url = wire.image_urls[0]
    try:
        url = urlsplit(image_url)
    except ValueError:
        raise InvalidRequestError(f"{image_url!r} is no URL") from None
    if url.scheme != "s3" or not url.netloc or not url.path.strip("/"):
        raise InvalidRequestError(f"{image_url!r} is no S3 URL of an object")
    # A key may hold "?" and "#", which urlsplit takes apart.
    key = image_url.partition(url.netloc + "/")[2]
    return ImageRequest(wire.job_id, image_url, url.netloc, key)


def job_status(job_id: str, image_url: str, status: str, seconds: float = 0.0) -> StatusMessage:
    """Build the status of one job, ``seconds`` after its STARTED."""
    attributes = {
        "status": status,
        "job_id": job_id,
        "image_status": status,
        "image_id": f"{job_id}:{image_url}",
    }
    if status != STARTED and int(seconds) > 0:
        attributes["processing_duration"] = str(int(seconds))  # whole seconds, truncated
    return StatusMessage(_text(status, job_id), attributes)


def region_status(job_id: str, image_url: str, rng: random.Random) -> StatusMessage:
    """Build the status of one region of a job's image: no ``image_status``, and milliseconds."""
    row, column = rng.randrange(0, 8192, 512), rng.randrange(0, 8192, 512)
    attributes = {
        "status": SUCCESS,
        "job_id": job_id,
        "image_id": f"{job_id}:{image_url}",
        "processing_duration": str(rng.randrange(50, 5_000)),
        "region_id": f"({row}, {column})(512, 512)-{job_id}",
    }
    return StatusMessage(
        f"StatusMonitor update: RequestStatus.{SUCCESS} {job_id}: Completed region processing",
        attributes,
    )


def foreign_status(rng: random.Random) -> StatusMessage:
    """Build a well-formed status of a job that somebody else sent."""
    job_id = f"{rng.getrandbits(128):032x}"
    status = rng.choice(list(_TEXTS))
    return job_status(job_id, "s3://somebody-elses-images/scene.tif", status, rng.uniform(0, 9))


def unreadable_body(rng: random.Random) -> str:
    """Build a message body that is no status at all, in one of several ways."""
    job_id = f"{rng.getrandbits(128):032x}"
    envelope = msgspec.json.encode(_envelope(job_status(job_id, "s3://images/a.tif", SUCCESS)))
    bodies = (
        "this is not JSON",
        rng.choice(["[1, 2, 3]", '"a string"', "null", "42", "true"]),
        envelope[: rng.randrange(1, len(envelope) - 1)].decode(),
        # SQS takes no control characters, but nearly everything else.
        "".join(chr(rng.randrange(0xA0, 0xD7FF)) for _ in range(rng.randrange(20, 200))),
        msgspec.json.encode(
            _envelope(StatusMessage("StatusMonitor update: of nothing", {"status": SUCCESS}))
        ).decode(),
        "{}",
    )
    return rng.choice(bodies)


def _text(status: str, job_id: str) -> str:
    return f"StatusMonitor update: RequestStatus.{status} {job_id}: {_TEXTS[status]}"


def _envelope(message: StatusMessage) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": "00000000-0000-0000-0000-000000000000",
        "TopicArn": "arn:aws:sns:us-west-2:000000000000:ImageStatusTopic",
        "Message": message.text,
        "MessageAttributes": {
            name: {"Type": "String", "Value": value} for name, value in message.attributes.items()
        },
    }
