"""SQS's JSON protocol, encoded from templates: only what changes is spliced in.

Answers are the plain dictionaries the SDK gives, without ``ResponseMetadata``.
Errors of a whole call are the business of :mod:`asyncload.transport.aws.aws_errors`.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from asyncload.transport.http.http_errors import ProtocolError

_DECODER: Final = msgspec.json.Decoder(dict[str, Any])
BATCH_LIMIT: Final = 10
"""Entries in one SendMessageBatch or DeleteMessageBatch."""
BATCH_BYTES: Final = 262_144
"""Of all bodies in a SendMessageBatch. SQS takes four times as much since August 2025; other
servers do not."""
FIFO: Final = ".fifo"
"""How the name of a FIFO queue ends."""


def headers(operation: str) -> dict[str, str]:
    """Return the headers of ``operation``, as in ``SendMessage``.

    With ``x-amzn-query-mode`` errors carry the codes of SQS's older protocol
    (``AWS.SimpleQueueService.NonExistentQueue``), as the SDK asks for them.
    """
    return {
        "X-Amz-Target": f"AmazonSQS.{operation}",
        "Content-Type": "application/x-amz-json-1.0",
        "x-amzn-query-mode": "true",
    }


class BatchFailure(msgspec.Struct, frozen=True):
    """Why one entry of a batch failed, inside an answer with status 200."""

    code: str
    message: str
    sender_fault: bool


class QueueEncoder:
    """Bodies of requests to one queue."""

    def __init__(self, queue_url: str) -> None:
        url = msgspec.json.encode(queue_url)
        self._encode = msgspec.json.Encoder().encode
        self._fifo = queue_url.endswith(FIFO)
        self._queue = b'{"QueueUrl":%b' % url
        self._send = b'{"QueueUrl":%b,"MessageBody":' % url
        self._batch = b'{"QueueUrl":%b,"Entries":[' % url
        self._send_entries = [b'{"Id":"%d","MessageBody":' % n for n in range(BATCH_LIMIT)]
        self._delete_entries = [b'{"Id":"%d","ReceiptHandle":' % n for n in range(BATCH_LIMIT)]

    def send(self, body: str) -> bytes:
        """Encode SendMessage."""
        if self._fifo:
            return b"%b%b}" % (self._send, self._message(body))
        return b"%b%b}" % (self._send, self._encode(body))

    def send_batch(self, bodies: Sequence[str]) -> bytes:
        """Encode SendMessageBatch of 1 to 10; each entry's id is its place in ``bodies``."""
        return self._entries(self._send_entries, bodies, self._message)

    def delete_batch(self, receipt_handles: Sequence[str]) -> bytes:
        """Encode DeleteMessageBatch of 1 to 10; each entry's id is its place."""
        return self._entries(self._delete_entries, receipt_handles, self._encode)

    def release_batch(self, delays: Sequence[tuple[str, int]]) -> bytes:
        """Encode ChangeMessageVisibilityBatch of 1 to 10 ``(receipt_handle, seconds)``."""
        entries = [
            {"Id": str(place), "ReceiptHandle": handle, "VisibilityTimeout": delay}
            for place, (handle, delay) in enumerate(delays)
        ]
        return b'%b,"Entries":%b}' % (self._queue, self._encode(entries))

    def receive(
        self,
        *,
        wait: int,
        maximum: int = BATCH_LIMIT,
        system_attributes: Sequence[str] = (),
        attributes: Sequence[str] = (),
    ) -> bytes:
        """Encode ReceiveMessage once for many calls.

        ``wait`` in whole seconds; ``system_attributes`` as in
        ``SentTimestamp``, ``attributes`` names of message attributes.
        """
        fields: dict[str, Any] = {}
        if system_attributes:
            fields["MessageSystemAttributeNames"] = list(system_attributes)
        if attributes:
            fields["MessageAttributeNames"] = list(attributes)
        fields["MaxNumberOfMessages"] = maximum
        fields["WaitTimeSeconds"] = wait
        return b"%b,%b" % (self._queue, self._encode(fields)[1:])

    def _message(self, body: str) -> bytes:
        """Encode the body of a message, and for a FIFO queue what else it has to say.

        Each message is a group of its own: the service may work on all at once, as with others.
        """
        if not self._fifo:
            return self._encode(body)
        number = secrets.token_hex(16).encode()
        return b'%b,"MessageGroupId":"%b","MessageDeduplicationId":"%b"' % (
            self._encode(body),
            number,
            number,
        )

    def _entries(
        self, starts: list[bytes], values: Sequence[str], encode: Callable[[str], bytes]
    ) -> bytes:
        if not 1 <= len(values) <= BATCH_LIMIT:
            raise ValueError(f"a batch holds 1 to {BATCH_LIMIT} entries, not {len(values)}")
        entries = [start + encode(value) for start, value in zip(starts, values, strict=False)]
        return b"%b%b}]}" % (self._batch, b"},".join(entries))


def decode_sent(body: bytes) -> str:
    """Return the message id of an answer to SendMessage. Raises ProtocolError."""
    message_id = _decode(body, "SendMessage").get("MessageId")
    if not isinstance(message_id, str):
        raise ProtocolError("The answer to SendMessage holds no MessageId")
    return message_id


def decode_sent_batch(body: bytes, count: int) -> list[str | BatchFailure]:
    """Return for each of ``count`` entries its message id, or why it failed.

    An entry the answer does not mention has failed: nothing is known of it.
    Raises ProtocolError.
    """
    answer = _decode(body, "SendMessageBatch")
    results: list[str | BatchFailure] = [_unmentioned()] * count
    for entry in _list(answer, "Successful"):
        place = _place(entry, count)
        if place is not None and isinstance(entry.get("MessageId"), str):
            results[place] = entry["MessageId"]
    for place, failure in _failures(answer, count).items():
        results[place] = failure
    return results


def decode_deleted_batch(body: bytes, count: int) -> dict[int, BatchFailure]:
    """Return the entries that were not deleted, by their place. Raises ProtocolError."""
    answer = _decode(body, "DeleteMessageBatch")
    deleted = {_place(entry, count) for entry in _list(answer, "Successful")}
    unknown = {place: _unmentioned() for place in range(count) if place not in deleted}
    return unknown | _failures(answer, count)


def decode_received(body: bytes) -> list[dict[str, Any]]:
    """Return the messages, as the SDK gives them. Raises ProtocolError."""
    messages = _list(_decode(body, "ReceiveMessage"), "Messages")
    for message in messages:
        attributes = message.get("MessageAttributes")
        if isinstance(attributes, dict):
            for value in attributes.values():
                if isinstance(value, dict) and isinstance(value.get("BinaryValue"), str):
                    value["BinaryValue"] = _binary(value["BinaryValue"])
    return messages


def _decode(body: bytes, operation: str) -> dict[str, Any]:
    if not body:
        return {}
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # The SDK reads with Python's json, which takes half characters: one message that has
        # some would else hide all that come with it, each time.
        with contextlib.suppress(ValueError, RecursionError):
            answer = json.loads(body)
            if isinstance(answer, dict):
                return answer
        raise ProtocolError(f"The answer to {operation} is not a JSON object ({error})") from error


def _list(answer: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = answer.get(name)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _place(entry: dict[str, Any], count: int) -> int | None:
    name = entry.get("Id")
    if isinstance(name, str) and name.isdecimal() and int(name) < count:
        return int(name)
    return None


def _failures(answer: dict[str, Any], count: int) -> dict[int, BatchFailure]:
    found: dict[int, BatchFailure] = {}
    for entry in _list(answer, "Failed"):
        place = _place(entry, count)
        if place is not None:
            found[place] = BatchFailure(
                str(entry.get("Code") or "Unknown"),
                str(entry.get("Message") or ""),
                bool(entry.get("SenderFault")),
            )
    return found


def _unmentioned() -> BatchFailure:
    return BatchFailure("Unknown", "the answer does not mention this entry", sender_fault=False)


def _binary(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error as error:
        raise ProtocolError(f"A BinaryValue in the answer is not base64 ({error})") from error
