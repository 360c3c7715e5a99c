"""Locust with boto3, in two ways: a plain client, and as the replaced harness does it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from locust import User, task

from benchmarks.bodies import job

CONFIG = Config(retries={"total_max_attempts": 1})


class SqsUser(User):
    """Times a call and tells Locust, as Locust's docs show for other protocols."""

    abstract = True

    def timed(self, name: str, call: Callable[[], Any]) -> None:
        begun = time.perf_counter()
        problem = None
        try:
            call()
        except Exception as error:
            problem = error
        self.environment.events.request.fire(
            request_type="SQS",
            name=name,
            response_time=(time.perf_counter() - begun) * 1000,
            response_length=0,
            exception=problem,
        )


class ClientUser(SqsUser):
    """One boto3 client, the queue's URL known."""

    def on_start(self) -> None:
        self.client = boto3.client("sqs", endpoint_url=self.host, config=CONFIG)
        self.queue = f"{self.host}/123456789012/jobs"

    @task
    def submit(self) -> None:
        body = json.dumps(job(uuid.uuid4().hex))
        self.timed(
            "send_message",
            lambda: self.client.send_message(QueueUrl=self.queue, MessageBody=body),
        )


class HarnessUser(SqsUser):
    """The replaced harness: a boto3 resource, the queue looked up by name for every send."""

    def on_start(self) -> None:
        self.resource = boto3.resource("sqs", endpoint_url=self.host, config=CONFIG)

    @task
    def submit(self) -> None:
        body = json.dumps(job(uuid.uuid4().hex))

        def call() -> None:
            queue = self.resource.get_queue_by_name(QueueName="jobs")
            queue.send_message(MessageBody=body)

        self.timed("send_message", call)
