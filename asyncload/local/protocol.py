"""What the stack and its two child processes tell each other.

The stack writes one order, a line of JSON, to a child's stdin and then only
keeps the pipe open. The ModelRunner answers with one :class:`Ready` on its
stdout; the emulator answers nobody but its clients.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from asyncload.local.settings import LocalSettings
from asyncload.plan.duration import dec_hook

ACCESS_KEY: Final = "test"
SECRET_KEY: Final = "test"  # noqa: S105 - the emulator takes any key; this one opens nothing else
ACCOUNT_ID: Final = "000000000000"

Message = TypeVar("Message")


class Resources(msgspec.Struct, frozen=True):
    """Where things are in the embedded stack."""

    request_queue_url: str
    dead_letter_queue_url: str
    status_queue_url: str
    status_topic_arn: str
    image_bucket: str
    result_bucket: str


class EmulatorOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Serve SQS, SNS, S3 and STS."""

    socket: int
    """File descriptor of the listening socket, inherited."""
    remove_at_exit: str | None
    """The stack's temporary directory, removed when the parent is gone."""


class ModelRunnerOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Create the resources and be their ModelRunner."""

    endpoint_url: str
    region: str
    settings: LocalSettings
    truth_log: str


class Ready(msgspec.Struct, frozen=True):
    """The first request can come."""

    resources: Resources


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
