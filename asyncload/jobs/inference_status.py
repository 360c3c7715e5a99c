"""Reading the notifications of SageMaker's asynchronous inference.

The service publishes one message for each inference, to an SNS topic for those that
completed or to one for those that failed; the queue that is subscribed to both gets it in
SNS's envelope, or as it is with raw delivery::

    {"invocationStatus": "Completed", "inferenceId": "…", "eventTime": "2022-01-25T22:46:00.608Z",
     "receivedTime": "2022-01-25T22:46:00.455Z", "requestParameters": {…}, …}

Our job ids are the inference ids, so the ledger needs nothing else.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from asyncload.jobs.status import Status, json_object, published_at
from asyncload.transport.error_text import in_brief

STATUSES: Final = {"completed": "SUCCESS", "failed": "FAILED"}
"""What the ledger calls an ``invocationStatus``."""
NO_REASON: Final = "the service gave no reason"


def parse_inference(message: Mapping[str, Any]) -> Status | None:
    """Read one SQS message (as ``ReceiveMessage`` returns it); ``None`` when it is none of these.

    Never raises. The reason of a failure is one line without secrets.
    """
    try:
        return _status(message)
    except (ValueError, TypeError, AttributeError, OverflowError):
        return None


def _status(message: Mapping[str, Any]) -> Status | None:
    body = json_object(message.get("Body"))
    timestamp = None
    if body is not None and "Message" in body:  # SNS's envelope
        timestamp = body.get("Timestamp")
        body = json_object(body["Message"])
    if body is None:
        return None
    inference_id, outcome = body.get("inferenceId"), body.get("invocationStatus")
    if not isinstance(inference_id, str) or not inference_id or not isinstance(outcome, str):
        return None
    status = STATUSES.get(outcome.lower())
    if status is None:
        return None
    ended, begun = _moment(body.get("eventTime")), _moment(body.get("receivedTime"))
    if ended is None or (begun is not None and begun > ended):
        begun = None
    return Status(
        job_id=inference_id,
        status=status,
        sent_at=published_at(timestamp, message) if ended is None else ended,
        processing_s=None if ended is None or begun is None else round(ended - begun, 3),
        text=_reason(body) if status == "FAILED" else None,
        begun_at=begun,
    )


def _reason(body: Mapping[str, Any]) -> str:
    reason = body.get("failureReason")
    return in_brief(reason) if isinstance(reason, str) and reason.strip() else NO_REASON


def _moment(text: Any) -> float | None:
    """Epoch seconds of a time with milliseconds; one that is cut to seconds is of no use here."""
    if not isinstance(text, str) or "." not in text:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()
