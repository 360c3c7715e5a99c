"""What the simulated services work with: clients, queues, topics, buckets and imagery.

And what tells of it: an ECS task definition as the real deployment has one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, NamedTuple

import anyio
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from asyncload.local.model_runner.publisher import BATCH, Send
from asyncload.local.stack.protocol import (
    ACCESS_KEY,
    INFERENCE_BACKLOG,
    INFERENCE_BUCKET,
    INFERENCE_ERROR_TOPIC,
    INFERENCE_QUEUE,
    INFERENCE_SUCCESS_TOPIC,
    REQUEST_QUEUE,
    SECRET_KEY,
    STATUS_QUEUE,
    TASK_DEFINITION,
    Resources,
    container_environment,
)

_LONG_POLL: Final = 20
_logger: Final = logging.getLogger(__name__)

STATUS_TOPIC: Final = "ImageStatusTopic"
MAX_RECEIVE_COUNT: Final = 2
"""A request that cannot be accepted is looked at twice, then goes to the dead letters:
once would lose a good request whose receive was cut off."""


class Clients(NamedTuple):
    """aiobotocore clients of the stack's services; retries are ours, not theirs."""

    sqs: Any
    sns: Any
    s3: Any
    ecs: Any

    async def receive(self, queue_url: str, what: str) -> list[dict[str, Any]]:
        """Long-poll once for a batch of messages, again and again after a failure."""
        pause = 0.05
        while True:
            try:
                answer = await self.sqs.receive_message(
                    QueueUrl=queue_url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=_LONG_POLL
                )
                messages: list[dict[str, Any]] = answer.get("Messages", [])
                return messages
            except Exception as problem:
                _logger.warning("receive %s: %s", what, problem)
                await anyio.sleep(pause)
                pause = min(2 * pause, 2.0)

    def publishing(self, topic_arn: str) -> Send:
        """Give what publishes batches to a topic."""

        async def publish(entries: list[dict[str, Any]]) -> list[str]:
            answer = await self.sns.publish_batch(
                TopicArn=topic_arn, PublishBatchRequestEntries=entries
            )
            return [entry["Id"] for entry in answer.get("Failed", ())]

        return publish

    def sending(self, queue_url: str) -> Send:
        """Give what sends batches to a queue."""

        async def send(entries: list[dict[str, Any]]) -> list[str]:
            answer = await self.sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)
            return [entry["Id"] for entry in answer.get("Failed", ())]

        return send

    def deleting(self, queue_url: str) -> Send:
        """Give what deletes batches from a queue.

        An entry that fails has been deleted before, or has come back to the queue in the
        meantime and will be received again: it is not repeated.
        """

        async def delete(entries: list[dict[str, Any]]) -> list[str]:
            await self.sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)
            return []

        return delete


@asynccontextmanager
async def open_clients(endpoint_url: str, region: str) -> AsyncIterator[Clients]:
    """Open clients with the stack's own static keys.

    They still read the profile that the environment names; the child's names none.
    """
    session = get_session()
    config = AioConfig(
        retries={"total_max_attempts": 1},
        connect_timeout=5,
        read_timeout=30,  # longer than a long poll
        parameter_validation=False,  # our own calls; saves a tenth of the CPU
    )
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                session.create_client(
                    service,
                    region_name=region,
                    endpoint_url=endpoint_url,
                    aws_access_key_id=ACCESS_KEY,
                    aws_secret_access_key=SECRET_KEY,
                    config=config,
                )
            )
            for service in ("sqs", "sns", "s3", "ecs")
        ]
        yield Clients(*clients)


async def create_resources(
    clients: Clients, images: Sequence[tuple[str, bytes]], account_id: str
) -> Resources:
    """Create everything in an empty stack. Raises botocore's errors."""
    sqs, s3 = clients.sqs, clients.s3
    dead_letters = await sqs.create_queue(QueueName=f"{REQUEST_QUEUE}-dlq")
    redrive = {
        "deadLetterTargetArn": await _arn(sqs, dead_letters["QueueUrl"]),
        "maxReceiveCount": MAX_RECEIVE_COUNT,
    }
    requests = await sqs.create_queue(
        QueueName=REQUEST_QUEUE, Attributes={"RedrivePolicy": json.dumps(redrive)}
    )
    statuses = await sqs.create_queue(QueueName=STATUS_QUEUE)
    inferences = await sqs.create_queue(QueueName=INFERENCE_QUEUE)
    backlog = await sqs.create_queue(QueueName=INFERENCE_BACKLOG)
    resources = Resources(
        request_queue_url=requests["QueueUrl"],
        dead_letter_queue_url=dead_letters["QueueUrl"],
        status_queue_url=statuses["QueueUrl"],
        status_topic_arn=await _topic(clients, STATUS_TOPIC, statuses),
        image_bucket=f"osml-test-images-{account_id}",
        result_bucket=f"mr-bucket-sink-{account_id}",
        inference_queue_url=inferences["QueueUrl"],
        inference_success_topic_arn=await _topic(clients, INFERENCE_SUCCESS_TOPIC, inferences),
        inference_error_topic_arn=await _topic(clients, INFERENCE_ERROR_TOPIC, inferences),
        inference_backlog_url=backlog["QueueUrl"],
        inference_bucket=INFERENCE_BUCKET,
    )
    for bucket in (resources.image_bucket, resources.result_bucket, resources.inference_bucket):
        await s3.create_bucket(Bucket=bucket)
    async with anyio.create_task_group() as last:
        last.start_soon(_register, clients.ecs, resources)
        for name, content in images:
            last.start_soon(_upload, s3, resources.image_bucket, name, content)
    return resources


async def _topic(clients: Clients, name: str, queue: dict[str, Any]) -> str:
    """Create a topic to which ``queue`` is subscribed; its ARN."""
    topic = await clients.sns.create_topic(Name=name)
    arn: str = topic["TopicArn"]
    endpoint = await _arn(clients.sqs, queue["QueueUrl"])
    await clients.sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=endpoint)
    return arn


async def _register(ecs: Any, resources: Resources) -> None:
    """Register what ModelRunner would be started from. Nothing here starts it."""
    environment = container_environment(resources.request_queue_url, resources.status_queue_url)
    await ecs.register_task_definition(
        family=TASK_DEFINITION,
        containerDefinitions=[
            {
                "name": "ModelRunnerContainer",
                "image": "awsosml/osml-model-runner:latest",
                "environment": [
                    {"name": name, "value": value} for name, value in environment.items()
                ],
            }
        ],
    )


async def _upload(s3: Any, bucket: str, name: str, content: bytes) -> None:
    await s3.put_object(Bucket=bucket, Key=name, Body=content)


async def _arn(sqs: Any, queue_url: str) -> str:
    answer = await sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    arn: str = answer["Attributes"]["QueueArn"]
    return arn
