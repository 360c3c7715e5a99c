"""SQS queues through the SDK lane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from asyncload.transport.aws import Aws
from asyncload.transport.queue import LONG_POLL


class SqsQueue:
    """A :class:`~asyncload.transport.queue.MessageQueue` over an aiobotocore SQS client."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self.url = url
        self.name = url.rpartition("/")[2]

    @classmethod
    async def find(cls, aws: Aws, queue: str, key: str) -> SqsQueue:
        """Look the queue up by name, or take a URL as it is but check that it exists.

        ``key`` is the setting that named it. Raises :class:`TargetError`.
        """
        missing = (
            f"{key}: there is no queue {queue!r} at {aws.target}; "
            f"create it or set {key} to the name or URL of one that exists"
        )
        remedies = {
            "QueueDoesNotExist": missing,
            "NonExistentQueue": missing,
            "InvalidAddress": missing,
        }
        async with aws.explained(f"looking up the queue {queue!r}", **remedies):
            control = await aws.client("sqs", retries=True)
            url = queue
            if "://" not in queue:
                url = (await control.get_queue_url(QueueName=queue))["QueueUrl"]
            await control.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return cls(await aws.client("sqs"), url)

    async def send(self, body: str) -> str:
        """Send one message and return its id."""
        answer = await self._client.send_message(QueueUrl=self.url, MessageBody=body)
        return str(answer["MessageId"])

    async def receive(self, wait: int = LONG_POLL) -> Sequence[Mapping[str, Any]]:
        """Long-poll, ``wait`` seconds at most, for up to ten messages."""
        answer = await self._client.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=wait,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
        )
        messages: Sequence[Mapping[str, Any]] = answer.get("Messages", ())
        return messages

    async def delete(self, receipt_handles: Sequence[str]) -> list[str]:
        """Delete up to ten messages; return the handles that could not be deleted."""
        answer = await self._client.delete_message_batch(
            QueueUrl=self.url,
            Entries=[
                {"Id": str(index), "ReceiptHandle": handle}
                for index, handle in enumerate(receipt_handles)
            ],
        )
        return [receipt_handles[int(entry["Id"])] for entry in answer.get("Failed", ())]

    async def release(self, delays: Sequence[tuple[str, int]]) -> None:
        """Give messages back, each after its delay in seconds."""
        await self._client.change_message_visibility_batch(
            QueueUrl=self.url,
            Entries=[
                {"Id": str(index), "ReceiptHandle": handle, "VisibilityTimeout": delay}
                for index, (handle, delay) in enumerate(delays)
            ],
        )

    async def dead_letter_limit(self) -> int | None:
        """After how many receives a message goes to a dead-letter queue; ``None``: never."""
        answer = await self._client.get_queue_attributes(
            QueueUrl=self.url, AttributeNames=["RedrivePolicy"]
        )
        policy = answer.get("Attributes", {}).get("RedrivePolicy")
        if not policy:
            return None
        return int(msgspec.json.decode(policy)["maxReceiveCount"])
