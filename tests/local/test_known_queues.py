"""The simulated model server as a queue whose answers are known, and its own log."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from asyncload.local.ground_truth import RequestTruth, read_ground_truth
from asyncload.local.model_server.server import CONSTANT, ModelServer
from asyncload.transport.http.client import FastHttpClient

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PREDICT = "/v1/models/queue:predict"


async def predict(server, number, client):
    async def one(taken):
        begun = asyncio.get_running_loop().time()
        answer = await client.request("POST", server.url + PREDICT, body=b"{}")
        assert answer.status == 200
        taken.append(asyncio.get_running_loop().time() - begun)

    taken = []
    async with anyio.create_task_group() as group:
        for _ in range(number):
            group.start_soon(one, taken)
    return sorted(taken)


def requests(path):
    found = read_ground_truth(path)
    assert all(isinstance(one, RequestTruth) for one in found)
    return sorted(found, key=lambda one: one.number)


async def test_each_request_is_logged_with_the_time_that_it_took(tmp_path):
    log = tmp_path / "truth.jsonl"
    async with (
        ModelServer(workers=1, service_time=0.03, truth_log=log) as server,
        FastHttpClient() as client,
    ):
        taken = await predict(server, 5, client)
    logged = requests(log)
    assert [one.number for one in logged] == list(range(5))
    assert {one.service_time for one in logged} == {0.03}
    # They came at once, so that each waits for those before it.
    for place, one in enumerate(logged, 1):
        assert one.scheduled == pytest.approx(0.03 * place, abs=0.02)
        assert one.sojourn == pytest.approx(one.scheduled, abs=0.02)
    for measured, one in zip(taken, sorted(one.sojourn for one in logged), strict=True):
        assert one - 0.002 <= measured <= one + 0.05


async def test_service_times_are_exponential_and_the_same_for_the_same_seed(tmp_path):
    drawn = []
    for number, seed in enumerate((1, 1, 2)):
        log = tmp_path / f"{number}.jsonl"
        async with (
            ModelServer(
                workers=50, service_time=0.002, exponential=True, seed=seed, truth_log=log
            ) as server,
            FastHttpClient() as client,
        ):
            await predict(server, 400, client)
        drawn.append([one.service_time for one in requests(log)])
    assert drawn[0] == drawn[1] != drawn[2]
    mean = sum(drawn[0]) / 400
    assert mean == pytest.approx(0.002, rel=0.2)
    # Of an exponential time a share of 1/e is longer than the mean.
    assert sum(one > 0.002 for one in drawn[0]) / 400 == pytest.approx(0.368, abs=0.08)


async def test_workers_share_one_queue(tmp_path):
    log = tmp_path / "truth.jsonl"
    async with (
        ModelServer(workers=4, service_time=0.05, truth_log=log) as server,
        FastHttpClient() as client,
    ):
        await predict(server, 8, client)
    scheduled = [one.scheduled for one in requests(log)]
    assert scheduled[:4] == pytest.approx([0.05] * 4, abs=0.01)
    assert scheduled[4:] == pytest.approx([0.1] * 4, abs=0.04)


async def test_the_constant_answer_takes_no_worker(tmp_path):
    log = tmp_path / "truth.jsonl"
    async with (
        ModelServer(workers=1, service_time=9.0, truth_log=log) as server,
        FastHttpClient() as client,
    ):
        for _ in range(3):
            answer = await client.request("GET", server.url + CONSTANT.decode())
            assert answer.json() == {"answer": "ok"}
    assert requests(log) == []
