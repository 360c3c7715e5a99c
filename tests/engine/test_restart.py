"""A service that is restarted, a queue that is purged: what is lost is told, the rest goes on."""

from __future__ import annotations

import os
import signal

import anyio
import pytest

from asyncload.local.ground_truth import GroundTruthLog, read_ground_truth
from asyncload.local.model_runner.service import ModelRunner
from asyncload.local.stack.resources import open_clients
from asyncload.local.stack.stack import LocalStack
from tests.engine.trouble_bench import REGION, reach, run, steady

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def _credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


async def test_requests_that_are_purged_from_the_queue_end_as_never_started(tmp_path):
    async with (
        LocalStack(steady(4, 0.05), region=REGION) as stack,
        open_clients(stack.endpoint_url, REGION) as clients,
    ):
        moments = []

        async def purge(test):
            await reach(test, 1.3)
            await clients.sqs.purge_queue(QueueUrl=stack.resources.request_queue_url)
            moments.append(test.progress().t)

        ran = await run(tmp_path, stack, rate=150, duration=1.6, drain=5, meanwhile=purge)
        done = {truth.job_id for truth in read_ground_truth(stack.truth_log)}
    ran.assert_exact()
    ledger = ran.ledger
    assert ledger.submitted == 240
    assert ledger.succeeded == len(done)
    assert 5 < ledger.lost == ledger.never_started == 240 - len(done)
    lost = [job for job in ran.jobs if job.status == "LOST"]
    assert not done & {job.job_id for job in lost}
    assert {job.progress for job in lost} == {"SUBMITTED"}
    assert all(job.start < moments[0] for job in lost)  # those sent later were not purged
    given_up = f"{len(lost)} given up = 0 rejected by the service + 0 stuck + {len(lost)}"
    assert f"{given_up} never started" in ran.table


async def test_a_service_that_is_restarted_loses_what_it_had_in_hand_and_takes_the_rest(tmp_path):
    settings = steady(4, 0.05)
    again = tmp_path / "truth-again.jsonl"
    async with (
        LocalStack(settings, region=REGION) as stack,
        open_clients(stack.endpoint_url, REGION) as clients,
    ):
        stop, moments = anyio.Event(), []

        async def restart(test):
            await reach(test, 1)
            os.kill(stack.pids[1], signal.SIGTERM)
            await reach(test, 1.8)
            moments.append(test.progress().t)
            with GroundTruthLog(again) as truth:
                await ModelRunner(settings, clients, stack.resources, truth).run(stop)

        ran = await run(tmp_path, stack, rate=110, duration=2.5, drain=5, meanwhile=restart)
        first, second = read_ground_truth(stack.truth_log), read_ground_truth(again)
    ran.assert_exact()
    ledger = ran.ledger
    before = {truth.job_id for truth in first}
    after = {truth.job_id for truth in second}
    assert ledger.submitted == 275
    assert not before & after
    assert ledger.succeeded == len(before | after) > 100
    lost = {job.job_id: job for job in ran.jobs if job.status == "LOST"}
    assert lost.keys() == {job.job_id for job in ran.jobs} - before - after
    # What was being worked on has started; what was waiting in the service's hands has not.
    assert ledger.stuck <= settings.workers
    assert 0 < ledger.lost == ledger.stuck + ledger.never_started
    assert all(job.start < moments[0] for job in lost.values())
    waited = [job for job in ran.jobs if job.job_id in after and job.start < moments[0]]
    assert waited
    assert all(job.started >= moments[0] - 0.01 for job in waited)
    failures = {text for text in ran.result.summary.jobs.failures if text.startswith("LOST")}
    assert "LOST: no status at all before the drain ended" in failures
