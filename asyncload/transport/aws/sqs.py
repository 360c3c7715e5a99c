"""SQS queues through the SDK backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from asyncload.transport.aws.session import Aws
from asyncload.transport.error_text import error_code
from asyncload.transport.queue import LONG_POLL

_NO_SUCH_QUEUE: Final = frozenset({"QueueDoesNotExist", "NonExistentQueue"})


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
            f"{key}: there is no queue {queue!r} at {aws.target_of('sqs')}; "
            f"create it or set {key} to the name or URL of one that exists"
        )
        remedies = dict.fromkeys((*_NO_SUCH_QUEUE, "InvalidAddress"), missing)
        async with aws.explained(f"looking up the queue {queue!r}", service="sqs", **remedies):
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

    async def receive(
        self, wait: int = LONG_POLL, *, hidden_for: int | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """Long-poll, ``wait`` seconds at most, for up to ten messages.

        They are hidden from others for ``hidden_for`` seconds, or as long as the queue says.
        """
        visibility = {} if hidden_for is None else {"VisibilityTimeout": hidden_for}
        answer = await self._client.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=wait,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            **visibility,
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

    async def arn(self) -> str:
        """Ask for its ARN. Raises botocore's errors."""
        answer = await self._client.get_queue_attributes(
            QueueUrl=self.url, AttributeNames=["QueueArn"]
        )
        return str(answer["Attributes"]["QueueArn"])

    async def dead_letter_limit(self) -> int | None:
        """After how many receives a message goes to a dead-letter queue; ``None``: never."""
        policy = await self._redrive_policy()
        return int(policy["maxReceiveCount"]) if policy else None

    async def dead_letters(self) -> SqsQueue | None:
        """Find its dead-letter queue: the one of its redrive policy, else ``NAME-dlq`` if there is.

        Raises botocore's errors.
        """
        policy = await self._redrive_policy()
        name = f"{self.name}-dlq"
        if policy:
            name = str(policy["deadLetterTargetArn"]).rpartition(":")[2]
        # SQS asks for it to be of the same account and region, so nothing else differs.
        url = f"{self.url.rpartition('/')[0]}/{name}"
        if not policy:
            try:
                await self._client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
            except Exception as problem:
                if (error_code(problem) or "").rpartition(".")[2] in _NO_SUCH_QUEUE:
                    return None
                raise
        return SqsQueue(self._client, url)

    async def _redrive_policy(self) -> Any:
        answer = await self._client.get_queue_attributes(
            QueueUrl=self.url, AttributeNames=["RedrivePolicy"]
        )
        policy = answer.get("Attributes", {}).get("RedrivePolicy")
        return msgspec.json.decode(policy) if policy else None
