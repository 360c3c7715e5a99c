"""Locust over HTTP: its fast client, posting JSON."""

from __future__ import annotations

import itertools
import json
import os

from locust import FastHttpUser, constant_throughput, task

from benchmarks.bodies import prediction

BODY = json.dumps(prediction(1, 1), separators=(",", ":")).encode()
HEADERS = {"Content-Type": "application/json"}
NUMBERS = itertools.count()


class SameBodyUser(FastHttpUser):
    """Posts the same bytes again and again."""

    @task
    def call(self) -> None:
        self.client.post("/v1/models/m:predict", data=BODY, headers=HEADERS)


class UniqueBodyUser(FastHttpUser):
    """Posts a body of its own each time."""

    def on_start(self) -> None:
        self.number = next(NUMBERS)
        self.count = 0

    @task
    def call(self) -> None:
        self.count += 1
        self.client.post("/v1/models/m:predict", json=prediction(self.number, self.count))


class PacedUser(FastHttpUser):
    """As often in a second as ``PER_USER`` says."""

    wait_time = constant_throughput(float(os.environ.get("PER_USER", "10")))

    @task
    def call(self) -> None:
        self.client.get("/v1/models/m:predict")
