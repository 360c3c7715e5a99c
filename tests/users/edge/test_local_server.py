"""The simulated edge endpoint: its capacity is known, and a ramp of clients finds it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

import asyncload
from asyncload import Plan, Scenario, shapes
from asyncload.commands.summary import summary_command
from asyncload.local.model_server.server import ModelServer, Workers
from asyncload.stats.load_stages import largest_steady
from asyncload.transport.http.client import HttpClient
from tests.users.edge.edge_app import PATH, edge
from tests.users.http.http_app import NOWHERE

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PARENT = """
import asyncio
from asyncload.local.model_server.server import ModelServer

async def main():
    async with ModelServer(workers=1, service_time=0.01) as server:
        print(server.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@given(
    arrivals=st.lists(st.floats(0, 10), min_size=1, max_size=50).map(sorted),
    number=st.integers(1, 5),
)
def test_each_request_is_begun_as_soon_as_a_worker_is_free(arrivals, number):
    workers = Workers(number, 0.5)
    done = [workers.take(now) for now in arrivals]
    for index, (now, end) in enumerate(zip(arrivals, done, strict=True)):
        # All before it that are not done yet take a worker each; the others wait in order.
        busy = sorted(earlier for earlier in done[:index] if earlier > now)
        free_at = now if len(busy) < number else busy[-number]
        assert end == pytest.approx(free_at + 0.5)


async def test_it_answers_what_is_no_query_as_a_service_does():
    async with ModelServer(workers=2, service_time=0.0) as server, HttpClient() as client:
        jpeg = b"\xff\xd8\xff"
        good = await client.request("POST", f"{server.url}{PATH}?detector_id=det_a", body=jpeg)
        no_detector = await client.request("POST", f"{server.url}{PATH}", body=jpeg)
        no_image = await client.request("POST", f"{server.url}{PATH}?detector_id=d", body=b"GIF")
        nowhere = await client.request("GET", f"{server.url}/other")
    assert [one.status for one in (good, no_detector, no_image, nowhere)] == [200, 422, 400, 404]
    assert good.json()["result"]["count"] == 1
    assert good.json()["detector_id"] == "det_a"


async def test_it_is_gone_after_the_run():
    async with ModelServer(workers=1, service_time=0.01) as server:
        assert psutil.pid_exists(server.pid)
    assert not psutil.pid_exists(server.pid)


async def test_it_ends_with_a_parent_that_is_killed():
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    await parent.wait()
    await parent.stdout.read()
    with contextlib.suppress(psutil.NoSuchProcess):
        await asyncio.to_thread(psutil.Process(child).wait, 10)
    assert not psutil.pid_exists(child)


async def test_a_ramp_finds_the_largest_steady_rate(tmp_path, capsys):
    # 4 workers of 50 ms take 80 a second. Clients of 4 a second: 15, 19 and 30 of them ask
    # for 60, 76 and 120. A machine under load may fail the middle one, but never pass the last.
    plan = Plan(
        name="edge",
        scenarios=(
            Scenario(
                name="edge",
                model="closed",
                user=edge("local", detectors=["det_a", "det_b"], rate=4, expect_count=1),
                shape=shapes.CustomRamp(levels=(15, 19, 30), every=3.0),
            ),
        ),
    )
    log = tmp_path / "run.jsonl"
    result = await asyncload.run(plan, aws=NOWHERE, log=log)
    assert result.problems == ()
    assert result.summary.requests.failed == 0
    steps = result.summary.steps
    assert [(step.clients, step.expected) for step in steps] == [(15, 60), (19, 76), (30, 120)]
    assert steps[0].achieved == pytest.approx(60, rel=0.05)
    assert steps[2].steady is False
    assert steps[2].achieved <= 80 * 1.02  # what it takes at most, whoever asks
    best = largest_steady(steps)
    assert best is not None
    assert best.clients in {15, 19}
    if best.clients == 19:
        assert best.achieved == pytest.approx(76, rel=0.05)

    summary_command(log, as_json=False)
    shown = " ".join(capsys.readouterr().out.split())
    assert f"largest steady rate {best.achieved:.1f}/s with {best.clients} clients" in shown
