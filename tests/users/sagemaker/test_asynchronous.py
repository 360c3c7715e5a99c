"""Users of asynchronous inference on virtual time: what they submit, and what they wait for."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import json

import anyio
import pytest
from botocore.exceptions import ClientError

from asyncload import Scenario, UserSpec, shapes
from asyncload.errors import ConfigError
from asyncload.jobs.inference_status import parse_inference
from asyncload.jobs.job import Submission
from asyncload.testing import FakeModelRunner, FakeQueue
from asyncload.users.sagemaker.asynchronous import (
    AsyncInferenceUser,
    Inferences,
)
from asyncload.users.templates.rows import rows_in_turn
from tests.engine.harness import one, run_plan

GIVEN = {"endpoint": "centerpoint", "notifications": "AsyncInferenceQueue"}


class Service:
    """Accepts inferences, and publishes the end of each after ``seconds``."""

    def __init__(self, seconds=4.0, *, problems=None, taken=True):
        self.notifications = FakeQueue("notifications")
        self.invoked = []
        self._seconds = seconds
        self._problems = problems or {}
        self._taken = taken

    async def invoke(self, job_id, location):
        self.invoked.append(location)
        problem = self._problems.get(len(self.invoked))
        if problem is None or self._taken:
            loop = asyncio.get_running_loop()
            received = loop.time()
            if self._seconds is not None:
                loop.call_later(self._seconds, self._publish, job_id, received)
        await anyio.sleep(0.1)
        if problem is not None:
            raise problem

    def _publish(self, job_id, received):
        told = {
            "inferenceId": job_id,
            "invocationStatus": "Completed",
            "receivedTime": dt.datetime.fromtimestamp(received, dt.UTC).isoformat(
                "T", "milliseconds"
            ),
            "eventTime": dt.datetime.fromtimestamp(
                asyncio.get_running_loop().time(), dt.UTC
            ).isoformat("T", "milliseconds"),
        }
        self.notifications.put(json.dumps(told))


def run(service, *, duration=10.0, drain=10.0, timeout=3600.0, model="closed", **options):
    class Virtual(AsyncInferenceUser):
        """Without the discovery."""

        @classmethod
        async def prepare(cls, setup, options):
            setup.consume(service.notifications, foreign="leave", parse=parse_inference)
            specs = [
                Submission(setup.scenario, "mine", f"s3://in/{name}", 10, None, timeout)
                for name in "abc"
            ]
            return Inferences(service.invoke, specs, rows_in_turn(3, part=0, parts=1))

    scenario = Scenario(
        name="s",
        user=UserSpec(Virtual, {**GIVEN, "input": "s3://in/", **options}),
        shape=shapes.Constant(1),
        duration=duration,
        model=model,
    )
    return run_plan(one(scenario, drain=drain))[0]


def error(status):
    return ClientError(
        {"Error": {"Code": "X"}, "ResponseMetadata": {"HTTPStatusCode": status}},
        "InvokeEndpointAsync",
    )


def test_a_user_submits_and_does_not_wait_for_the_end():
    service = Service(seconds=4.0)
    collected = run(service, duration=3, wait={"pacing": 1})
    assert [job.start for job in collected.jobs] == pytest.approx([0, 1, 2], abs=1e-3)
    assert service.invoked == ["s3://in/a", "s3://in/b", "s3://in/c"]
    assert [job.observed - job.start for job in collected.jobs] == pytest.approx([4] * 3, abs=0.01)
    assert {job.name for job in collected.jobs} == {"mine"}


def test_a_user_that_waits_submits_the_next_at_the_moment_of_the_notification():
    collected = run(Service(seconds=4.0), duration=10, wait_for_result=True)
    assert [job.start for job in collected.jobs] == pytest.approx([0, 4, 8], abs=0.01)
    assert collected.ledger.succeeded == 3
    parts = [(job.started - job.accepted, job.finished - job.started) for job in collected.jobs]
    assert list(itertools.chain(*parts)) == pytest.approx([0, 3.9] * 3, abs=0.01)


def test_an_inference_that_nobody_hears_of_holds_its_user_no_longer_than_its_timeout():
    collected = run(Service(seconds=None), duration=10, timeout=4.5, wait_for_result=True)
    assert {job.status for job in collected.jobs} == {"TIMED_OUT"}
    assert collected.ledger.never_started == collected.ledger.timed_out == len(collected.jobs) == 2


@pytest.mark.parametrize(
    ("problem", "taken", "counters"),
    [
        (error(400), False, (2, 0)),  # refused: never submitted
        (error(500), True, (3, 0)),  # unconfirmed, until its notification proves it
        (error(500), False, (2, 1)),
        (TimeoutError("no answer"), True, (3, 0)),
        (TimeoutError("no answer"), False, (2, 1)),
    ],
)
def test_a_submit_that_fails_is_a_job_only_when_the_service_has_taken_it(problem, taken, counters):
    service = Service(seconds=2.0, problems={2: problem}, taken=taken)
    collected = run(service, duration=3, wait={"pacing": 1})
    ledger = collected.ledger
    assert (ledger.submitted, ledger.unconfirmed) == counters
    assert ledger.succeeded == ledger.submitted
    assert [request.outcome for request in collected.requests] == ["failed"]


def test_a_notification_that_overtakes_the_answer_ends_the_job_all_the_same():
    collected = run(Service(seconds=0.02), duration=2, wait={"pacing": 1})
    assert [job.status for job in collected.jobs] == ["SUCCESS"] * 2
    for job in collected.jobs:
        assert job.finished < job.accepted
        assert job.started <= job.finished


def test_two_kinds_of_service_do_not_share_a_queue():
    runner = FakeModelRunner()
    service = Service()
    service.notifications = runner.statuses

    class Both(AsyncInferenceUser):
        @classmethod
        async def prepare(cls, setup, options):
            setup.consume(runner.statuses, foreign="leave")
            setup.consume(runner.statuses, foreign="leave", parse=parse_inference)

    scenario = Scenario(
        name="s",
        user=UserSpec(Both, {**GIVEN, "input": "s3://in/"}),
        shape=shapes.Constant(1),
        duration=1,
    )
    with pytest.raises(ConfigError, match=r"give each kind a queue of its own"):
        run_plan(one(scenario))
