"""aiobotocore in a plain loop: ``send`` jobs, or ``receive`` and delete statuses.

    python benchmarks/peers/aiobotocore_loop.py send URL TASKS SECONDS

Prints one line of JSON: messages, and seconds it took.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from typing import Any

import uvloop
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from benchmarks.bodies import job


async def send(client: Any, queue: str, end: float) -> int:
    sent = 0
    while time.monotonic() < end:
        await client.send_message(QueueUrl=queue, MessageBody=json.dumps(job(uuid.uuid4().hex)))
        sent += 1
    return sent


async def receive(client: Any, queue: str, end: float) -> int:
    received = 0
    while time.monotonic() < end:
        answer = await client.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=20
        )
        messages = answer["Messages"]
        for message in messages:
            json.loads(message["Body"])
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
            for number, message in enumerate(messages)
        ]
        await client.delete_message_batch(QueueUrl=queue, Entries=entries)
        received += len(messages)
    return received


async def main() -> None:
    doing = {"send": send, "receive": receive}[sys.argv[1]]
    url, tasks, seconds = sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    config = AioConfig(max_pool_connections=tasks, retries={"total_max_attempts": 1})
    session = AioSession()
    async with session.create_client("sqs", endpoint_url=url, config=config) as client:
        begun = time.monotonic()
        queue = f"{url}/123456789012/jobs"
        loops = [doing(client, queue, begun + seconds) for _ in range(tasks)]
        messages = sum(await asyncio.gather(*loops))
        print(json.dumps({"messages": messages, "seconds": time.monotonic() - begun}))


if __name__ == "__main__":
    uvloop.run(main())
