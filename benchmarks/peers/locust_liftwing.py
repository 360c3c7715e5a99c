"""Locust as Lift Wing's tests use it: revisions for one model, prompts for another.

``WAIT`` is how long a user waits between requests: seconds, or from-to.
"""

from __future__ import annotations

import os
import random

from locust import FastHttpUser, between, constant, task

LOW, _, HIGH = os.environ["WAIT"].partition("-")
WAIT = between(float(LOW), float(HIGH)) if HIGH else constant(float(LOW))


class RevertRisk(FastHttpUser):
    """Asks about revisions; half of the users."""

    wait_time = WAIT

    @task
    def predict(self) -> None:
        self.client.post(
            "/v1/models/revertrisk-language-agnostic:predict",
            json={"rev_id": random.randint(1, 10**9), "lang": "en"},
            headers={"Host": "revertrisk-language-agnostic.revertrisk.wikimedia.org"},
        )


class HuggingFace(FastHttpUser):
    """Has prompts completed; the other half."""

    wait_time = WAIT

    @task
    def complete(self) -> None:
        self.client.post(
            "/openai/v1/completions",
            json={
                "model": "llm",
                "prompt": " ".join(["What is Wikipedia"] * random.randint(5, 200)),
                "max_tokens": random.randint(10, 1000),
            },
            headers={"Host": "llm.experimental.wikimedia.org"},
        )
