"""A generator's view of an embedded stack, for its tests."""

import json
import time
import uuid

import anyio
import msgspec

from asyncload.local.ground_truth import JobTruth, read_ground_truth

SERVICE_TIME = 1.05  # seconds of every job at the `bench`: enough for a processing_duration
TERMINAL = {"SUCCESS", "PARTIAL", "FAILED"}


class Bench:
    """A generator's view of a stack: sends requests, receives statuses."""

    def __init__(self, stack, clients):
        self.stack = stack
        self.sqs = clients.sqs
        self.s3 = clients.s3
        self.resources = stack.resources
        self.image = f"s3://{stack.resources.image_bucket}/harbour-01.tif"

    async def submit(self, count):
        """Send ``count`` requests; returns their job ids, in order."""
        job_ids = [uuid.uuid4().hex for _ in range(count)]
        for start in range(0, count, 10):
            await self.sqs.send_message_batch(
                QueueUrl=self.resources.request_queue_url,
                Entries=[
                    {"Id": job_id, "MessageBody": self.request(job_id)}
                    for job_id in job_ids[start : start + 10]
                ],
            )
        return job_ids

    def request(self, job_id, image=None):
        return json.dumps(
            {"jobName": "test", "jobId": job_id, "imageUrls": [image or self.image], "outputs": []}
        )

    async def send(self, body):
        answer = await self.sqs.send_message(
            QueueUrl=self.resources.request_queue_url, MessageBody=body
        )
        return answer["MessageId"]

    async def receive(self, queue_url, enough, limit=30.0):
        """Take messages off a queue, in order, until ``enough(messages)``."""
        messages = []
        deadline = time.monotonic() + limit
        while not enough(messages):
            assert time.monotonic() < deadline, f"only {len(messages)} messages came"
            answer = await self.sqs.receive_message(
                QueueUrl=queue_url,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=1,
                MessageSystemAttributeNames=["All"],
            )
            taken = answer.get("Messages", [])
            messages += taken
            if taken:
                await self.sqs.delete_message_batch(
                    QueueUrl=queue_url,
                    Entries=[
                        {"Id": str(i), "ReceiptHandle": message["ReceiptHandle"]}
                        for i, message in enumerate(taken)
                    ],
                )
        return messages

    async def statuses(self, job_ids):
        """Every message on the status queue until each of the jobs is terminal and in the
        truth log; returns (messages, truths by job id)."""
        seen = set()
        wanted = set(job_ids)

        def enough(messages):
            for message in messages:
                attributes = attributes_of(message)
                if attributes.get("image_status") in TERMINAL:
                    seen.add(attributes["job_id"])
            return wanted <= seen

        messages = await self.receive(self.resources.status_queue_url, enough)
        truths = {}
        while not wanted <= set(truths):  # the line is written just after the status is sent
            await anyio.sleep(0.01)
            truths = {
                truth.job_id: truth
                for truth in read_ground_truth(self.stack.truth_log)
                if isinstance(truth, JobTruth) and truth.job_id in wanted
            }
        expected = sum(len(truth.statuses) for truth in truths.values())
        # Copies and late ones may still be on the queue.
        have = sum(attributes_of(message).get("job_id") in wanted for message in messages)
        if have < expected:
            messages += await self.receive(
                self.resources.status_queue_url,
                lambda more: (
                    have + sum(attributes_of(message).get("job_id") in wanted for message in more)
                    >= expected
                ),
            )
        return messages, truths


def attributes_of(message):
    """Attributes in the SNS envelope of an SQS message; {} when there is none."""
    try:
        envelope = msgspec.json.decode(message["Body"])
        return {name: a["Value"] for name, a in envelope["MessageAttributes"].items()}
    except (msgspec.MsgspecError, TypeError, KeyError):
        return {}
