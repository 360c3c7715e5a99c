"""What AWS charges for requests: the ``prices`` section of a config."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final

import msgspec

_PER: Final = {"sqs": 1_000_000, "s3_get": 1_000, "s3_list": 1_000}
_S3_WRITES: Final = (
    "s3.CompleteMultipartUpload",
    "s3.Copy",
    "s3.CreateMultipartUpload",
    "s3.List",
    "s3.Post",
    "s3.Put",
    "s3.UploadPart",
)


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """AWS's public list prices without free tier, by the request's name in the log."""

    as_of: str = "2026-11-20"
    """Date on which these were the list prices of ``region``."""
    region: str = "us-west-2"
    currency: str = "USD"
    sqs: float = 0.40
    """Per million requests to standard queues, each up to 64 KiB."""
    s3_get: float = 0.0004
    """Per thousand GET, HEAD and other requests not in ``s3_list``."""
    s3_list: float = 0.005
    """Per thousand LIST, PUT, COPY and POST requests."""

    def __post_init__(self) -> None:
        for name, number in _PER.items():
            price = getattr(self, name)
            if not 0 <= price < math.inf:
                raise ValueError(
                    f"{name} is {price}; give the price of {number:,} requests, 0 or more"
                )

    def of(self, name: str) -> Decimal:
        """Price of one request called ``name``; 0 except for SQS and S3."""
        kind = _kind(name)
        return Decimal(repr(getattr(self, kind))) / _PER[kind] if kind else Decimal(0)


def _kind(name: str) -> str | None:
    if name.startswith("sqs."):
        return "sqs"
    if name.startswith(_S3_WRITES):
        return "s3_list"
    if name.startswith("s3.") and not name.startswith(("s3.Delete", "s3.Abort")):
        return "s3_get"
    return None  # other services, and what S3 does not charge for
