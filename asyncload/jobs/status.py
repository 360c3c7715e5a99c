"""Reading ModelRunner's status messages.

The real service publishes to SNS; the status queue's SQS body is SNS's JSON
envelope with ``MessageAttributes`` inside. With raw delivery the attributes
are SQS message attributes instead, and older services put JSON into
``Message``. :func:`parse_status` takes all of them and never raises: a body
that is no status gives ``None``.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from asyncload.records import outcomes

TERMINAL: Final = frozenset(outcomes.TERMINAL)
PROGRESS: Final = frozenset({"STARTED", "IN_PROGRESS"})
KNOWN: Final = TERMINAL | PROGRESS
ENVELOPES: Final = 3
"""Envelopes in one another: a topic may publish to a topic."""
_FAILURES: Final = {
    outcome.status for outcome in outcomes.OUTCOMES.values() if outcome.kind == "failure"
}


class Status(msgspec.Struct, gc=False):
    """One status message, read."""

    job_id: str
    status: str
    """STARTED, IN_PROGRESS, or a terminal one: SUCCESS, PARTIAL, FAILED."""
    sent_at: float | None = None
    """When the service published it: epoch seconds on the service's clock."""
    processing_s: float | None = None
    region: bool = False
    """About one region of the job, not the job itself."""
    text: str | None = None
    begun_at: float | None = None
    """When the service took the job up, of a service that tells it only with the end: epoch
    seconds on the service's clock."""


Parse = Callable[[Mapping[str, Any]], Status | None]
"""Reads one SQS message (as ``ReceiveMessage`` returns it); ``None`` when it is no status.
Never raises."""


def parse_status(message: Mapping[str, Any]) -> Status | None:
    """Read one SQS message (as ``ReceiveMessage`` returns it); ``None`` when it is no status."""
    try:
        fields, text, timestamp = _fields(message)
        return _status(fields, text, timestamp, message)
    except (ValueError, TypeError, AttributeError):
        return None


def _fields(message: Mapping[str, Any]) -> tuple[dict[str, Any], str | None, str | None]:
    """Status fields by name, the message text, and SNS's timestamp."""
    fields = _attributes(message)
    text: str | None = message.get("Body") or ""
    timestamp: str | None = None
    body = json_object(text)
    for _ in range(ENVELOPES):
        if body is None or not ("Message" in body or "MessageAttributes" in body):
            break
        timestamp = body.get("Timestamp") or timestamp
        fields |= _attributes(body)
        text = body.get("Message")
        body = json_object(text)
    for name, value in (body or {}).items():
        fields.setdefault(name, value)
    return fields, text, timestamp


def _attributes(message: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes by name, as SQS writes their values, or SNS; some emulators mix the two."""
    return {
        name: attribute.get("StringValue", attribute.get("Value"))
        for name, attribute in (message.get("MessageAttributes") or {}).items()
        if isinstance(attribute, dict)
    }


def json_object(text: Any) -> dict[str, Any] | None:
    """Read a JSON object; ``None`` for whatever is none.

    As leniently as Python's own json, with which services read and write: NaN and half
    characters are read, and so is what stands behind a byte order mark.
    """
    if not isinstance(text, str) or not (text := text.lstrip("\ufeff \t\r\n")).startswith("{"):
        return None
    try:
        decoded = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):  # the last: nested too deep
        try:
            decoded = json.loads(text)
        except (ValueError, RecursionError):
            return None
    return decoded if isinstance(decoded, dict) else None


def _status(
    fields: dict[str, Any], text: str | None, timestamp: str | None, message: Mapping[str, Any]
) -> Status | None:
    request = fields.get("request")
    image_id = fields.get("image_id") or fields.get("imageId")
    job_id = (
        fields.get("job_id")
        or fields.get("jobId")
        or (isinstance(request, dict) and (request.get("job_id") or request.get("jobId")))
        or (isinstance(image_id, str) and image_id.partition(":")[0])
    )
    image_status = fields.get("image_status") or fields.get("imageStatus")
    status = image_status or fields.get("status")
    if not isinstance(job_id, str) or not job_id or not isinstance(status, str):
        return None
    if not job_id.isascii() and _whole(job_id) != job_id:
        return None
    status = status.upper().removeprefix("REQUESTSTATUS.")
    if status not in KNOWN:
        return None
    region = "region_id" in fields and not image_status
    return Status(
        job_id=job_id,
        status=status,
        sent_at=published_at(timestamp, message),
        processing_s=_processing(fields, region=region),
        region=region,
        text=_whole(text) if status in _FAILURES and isinstance(text, str) else None,
    )


def _whole(text: str) -> str:
    """Put a question mark in place of half characters, which no log can hold."""
    return text.encode("utf-8", "replace").decode()


def _processing(fields: dict[str, Any], *, region: bool) -> float | None:
    """Seconds of processing. The service counts whole seconds, for regions milliseconds."""
    value = fields.get("processing_duration", fields.get("processingDuration"))
    if value is None or isinstance(value, bool):
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if not 0 <= seconds < 1e9:
        return None
    return seconds / 1000 if region else seconds


def published_at(timestamp: str | None, message: Mapping[str, Any]) -> float | None:
    """Publish time, epoch seconds.

    SNS's own timestamp is nearest to the service, but some emulators cut it
    to whole seconds; then SQS's ``SentTimestamp`` (milliseconds) is better.
    """
    if isinstance(timestamp, str):
        try:
            moment = dt.datetime.fromisoformat(timestamp)
        except ValueError:
            pass
        else:
            if moment.microsecond:
                utc = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
                return utc.timestamp()
    try:
        return int((message.get("Attributes") or {})["SentTimestamp"]) / 1000
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
