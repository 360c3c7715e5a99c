"""SQS queues through the SDK backend."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from asyncload.errors import ConfigError
from asyncload.transport.aws.session import Aws
from asyncload.transport.aws.sqs_wire import FIFO
from asyncload.transport.error_text import error_code
from asyncload.transport.queue import LONG_POLL

_NO_SUCH_QUEUE: Final = frozenset({"QueueDoesNotExist", "NonExistentQueue"})
_OF_AWS: Final = re.compile(
    r"(?:[\w-]+\.)*?(?:sqs(?:-fips)?\.(?P<region>[a-z]{2,4}(?:-[a-z]+)+-\d+)"
    r"|(?P<old>[a-z]{2,4}(?:-[a-z]+)+-\d+)\.queue|queue)"
    r"(?:\.vpce)?\.(?:amazonaws\.com(?:\.cn)?|api\.aws)"
)
"""Hosts of AWS in the URLs of queues."""


def region_of(queue: str) -> str | None:
    """The region that the URL of a queue names; ``None`` for a name, or a host not of AWS."""
    found = _OF_AWS.fullmatch(_parts(queue).hostname or "")
    return (found["region"] or found["old"] or "us-east-1") if found else None


def _parts(queue: str) -> SplitResult:
    try:
        return urlsplit(queue)
    except ValueError:  # brackets that are no IPv6 address
        return urlsplit("")


def other_region(aws: Aws, queue: str) -> str | None:
    """The region that the URL of a queue names, where it is not the one of ``aws``."""
    region = region_of(queue)
    return None if region is None or region == aws.region else region


def is_denied(problem: Exception) -> bool:
    """Whether ``problem`` is a permission that is missing."""
    return (error_code(problem) or "").rpartition(".")[2].startswith("AccessDenied")


def _check_host(aws: Aws, queue: str, key: str) -> None:
    """Refuse the URL of a queue at an emulator when calls go to AWS."""
    parts = _parts(queue)
    host = parts.hostname
    if not host:
        raise ConfigError(f"{key}: {queue!r} is not a URL of a queue; give one, or a queue's name")
    if aws.endpoints.shown("sqs") is None and not _OF_AWS.fullmatch(host):
        raise ConfigError(
            f"{key}: {queue!r} is a queue at {parts.netloc}, and calls go to "
            f"{aws.target_of('sqs')}; set aws.endpoints.sqs to the endpoint "
            f"{parts.scheme}://{parts.netloc}"
        )


class SqsQueue:
    """A :class:`~asyncload.transport.queue.MessageQueue` over an aiobotocore SQS client."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self.url = url
        self.name = url.rpartition("/")[2]

    @classmethod
    async def find(cls, aws: Aws, queue: str, key: str) -> SqsQueue:
        """Look the queue up by name, or take a URL as it is but check that it exists.

        A URL names its region, which is used. Who may send need not be allowed to look at a
        queue: then it is taken as it is. ``key`` is the setting that named it. Raises
        :class:`TargetError`.
        """
        region = other_region(aws, queue)
        where = aws.target_of("sqs")
        if region is not None:
            where += f", in the region {region} of its URL"
        missing = (
            f"{key}: there is no queue {queue!r} at {where}; "
            f"create it or set {key} to the name or URL of one that exists"
        )
        if "://" in queue:
            _check_host(aws, queue, key)
        denied = (
            f"{key}: access denied by {where} while looking up the queue {queue!r}; give these "
            f"credentials sqs:GetQueueUrl, or set {key} to the queue's URL"
        )
        remedies = dict.fromkeys((*_NO_SUCH_QUEUE, "InvalidAddress"), missing)
        remedies |= dict.fromkeys(("AccessDenied", "AccessDeniedException"), denied)
        async with aws.explained(f"looking up the queue {queue!r}", service="sqs", **remedies):
            control = await aws.client("sqs", region=region, retries=True)
            url = queue
            if "://" not in queue:
                url = (await control.get_queue_url(QueueName=queue))["QueueUrl"]
            try:
                await control.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
            except Exception as problem:
                if not is_denied(problem):
                    raise
        return cls(await aws.client("sqs", region=region), url)

    async def send(self, body: str) -> str:
        """Send one message and return its id."""
        group = {}
        if self.name.endswith(FIFO):
            # A group of its own for each: the service may work on all at once, as with others.
            number = secrets.token_hex(16)
            group = {"MessageGroupId": number, "MessageDeduplicationId": number}
        answer = await self._client.send_message(QueueUrl=self.url, MessageBody=body, **group)
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

        Where one may not look, there may be one with this name. Raises botocore's errors.
        """
        policy, known = None, True
        try:
            policy = await self._redrive_policy()
        except Exception as problem:
            if not is_denied(problem):
                raise
            known = False
        fifo = FIFO if self.name.endswith(FIFO) else ""
        name = f"{self.name.removesuffix(FIFO)}-dlq{fifo}"
        if policy:
            name = str(policy["deadLetterTargetArn"]).rpartition(":")[2]
        # SQS asks for it to be of the same account and region, so nothing else differs.
        url = f"{self.url.rpartition('/')[0]}/{name}"
        if not policy and known:
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
