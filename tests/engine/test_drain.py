"""What happens after the load: a window of time, and a drain of any length, or of none."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace

import anyio
import pytest

from asyncload import Scenario, User, shapes, task
from asyncload.engine.run import LAST_POLLS, Engine
from asyncload.testing import FakeModelRunner
from asyncload.users.wait import between
from tests.engine.harness import one, run_plan

NEVER = 1e9


def sender(service: list[FakeModelRunner], *, timeout: float = 1e6, silent: bool = False):
    """A user class that submits jobs and does not wait for them; ``silent``: no send is answered.

    ``service`` is filled in on the loop that runs the test.
    """

    class Sender(User):
        wait = between(1, 3)

        @classmethod
        async def prepare(cls, setup, options):
            setup.consume(service[0].statuses, foreign="leave")
            return SimpleNamespace(
                scenario=setup.scenario, name="a.tif:m", image="s3://i/a.tif", size=1, pixels=1,
                timeout=timeout, attempt=1, first_job_id=None,
            )  # fmt: skip

        @task()
        async def submit(self) -> None:
            start = self.recorder.clock()
            job = self.jobs.open(self.shared, due=self.recorder.due_at(start), start=start)
            with self.measure("send"):
                if silent:
                    self.jobs.mark_unconfirmed(job)
                    return
                message_id = await service[0].requests.send(f'{{"jobId": "{job.id}"}}')
            self.jobs.accept(job, message_id)

    return Sender


def drained(drain, *, meanwhile=None, users=4.0, spawn_rate=1.0, duration=60.0, **how):
    """Run a window of users who submit; return what was recorded, when it ended, the service."""
    service: list[FakeModelRunner] = []
    sending = {key: how.pop(key) for key in ("timeout", "silent") if key in how}
    scenario = Scenario(
        name="s",
        user=sender(service, **sending),
        shape=shapes.Spawn(users=users, spawn_rate=spawn_rate),
        model="closed",
        duration=duration,
    )
    collected, ended = run_plan(
        one(scenario, drain=drain),
        meanwhile=meanwhile,
        before=lambda: service.append(FakeModelRunner(**how)),
    )
    return collected, ended, service[0]


def test_users_come_at_the_spawn_rate_and_go_at_the_end_of_the_window():
    collected, _, _ = drained(5, users=6, spawn_rate=0.5, service_time=lambda _: 0.1)
    users = {round(level.t): level.users for level in collected.levels}
    # The level is rounded to whole users: the n-th comes when it reaches n - 1/2.
    for n in range(1, 7):
        assert users[2 * n - 2] == n - 1
        assert users[2 * n] == n
    assert {users[t] for t in range(12, 60)} == {6}
    assert collected.levels[-1].users == 0
    assert max(request.start for request in collected.requests) < 60
    waits = [r.start for r in collected.requests if r.user == 0]
    assert all(1 <= b - a <= 3 for a, b in itertools.pairwise(waits))


def test_a_drain_without_limit_waits_for_every_job_and_no_longer():
    # One worker, a job of 30 s: the 100 or so jobs of a minute take the better part of an hour.
    collected, ended, service = drained(
        math.inf, workers=1, service_time=lambda _: 30.0, keep_ground_truth=True
    )
    ledger = collected.ledger
    assert ledger.submitted > 80
    assert ledger.succeeded == ledger.submitted == service.accepted
    last = max(service.finished.values())
    assert last > 2400
    assert ended - last < LAST_POLLS + 0.1
    assert len(service.statuses) == 0


def test_the_timeout_of_a_job_holds_in_a_drain_without_limit():
    collected, ended, _ = drained(math.inf, service_time=lambda _: NEVER, timeout=600.0)
    ledger = collected.ledger
    assert ledger.timed_out == ledger.submitted > 80
    assert ledger.lost == 0
    assert 600 < ended < 660 + LAST_POLLS + 2
    assert all(job.t - job.start == pytest.approx(600, abs=1.1) for job in collected.jobs)


def test_a_drain_of_0_does_not_wait_and_what_is_open_is_lost():
    collected, ended, _ = drained(0, service_time=lambda _: 100.0)
    ledger = collected.ledger
    assert ledger.lost == ledger.submitted > 80
    assert ended < 60 + LAST_POLLS + 0.1


def test_statuses_that_come_in_the_last_polls_still_count():
    collected, _, _ = drained(0, users=1, duration=1.0, service_time=lambda _: 0.8)
    # Sent at 0.5 s, ended at 1.3 s: the load was over at 1 s.
    assert (collected.ledger.submitted, collected.ledger.succeeded) == (1, 1)


def test_a_limited_drain_ends_at_its_limit():
    collected, ended, _ = drained(20, service_time=lambda _: NEVER)
    assert collected.ledger.lost == collected.ledger.submitted
    assert 80 <= ended < 80 + LAST_POLLS + 0.1


@pytest.mark.parametrize("drain", [math.inf, 500.0])
def test_giving_up_ends_the_drain_within_the_last_polls(drain):
    async def ctrl_c(engine: Engine) -> None:
        await anyio.sleep(10)
        engine.give_up()  # nothing happens: the load goes on
        assert not engine.given_up
        await anyio.sleep(90)
        assert engine.phase == "drain"
        engine.give_up()
        assert engine.given_up

    collected, ended, _ = drained(drain, workers=1, service_time=lambda _: 10.0, meanwhile=ctrl_c)
    ledger = collected.ledger
    assert 100 <= ended < 100 + LAST_POLLS + 0.1
    assert ledger.succeeded >= 8
    assert ledger.lost == ledger.submitted - ledger.succeeded > 60


def test_stopping_early_ends_the_load_and_then_drains_without_limit():
    async def ctrl_c(engine: Engine) -> None:
        await anyio.sleep(10)
        engine.stop()
        await anyio.sleep(1)
        assert (engine.phase, engine.load_end, engine.drain_end) == ("drain", 10.0, None)

    collected, ended, _ = drained(
        math.inf, workers=1, service_time=lambda _: 50.0, meanwhile=ctrl_c
    )
    assert collected.ledger.succeeded == collected.ledger.submitted
    assert max(request.start for request in collected.requests) < 10
    assert ended > 50 * collected.ledger.submitted
    assert min(level.t for level in collected.levels if level.ended) == 10


def test_the_end_of_each_load_is_recorded_when_it_comes():
    levels = drained(5.0)[0].levels
    assert [level.ended for level in levels] == sorted(level.ended for level in levels)
    assert min(level.t for level in levels if level.ended) == 60
    assert all(level.target == 0 for level in levels if level.ended)


def test_an_abort_is_the_end_of_the_load():
    async def abort(engine: Engine) -> None:
        await anyio.sleep(3.5)
        engine.abort()

    levels = drained(5.0, meanwhile=abort)[0].levels
    assert min(level.t for level in levels if level.ended) == 3.5


def test_sends_without_an_answer_are_told_while_they_are_waited_for():
    seen = []

    async def look(engine: Engine) -> None:
        await anyio.sleep(30)
        seen.append(engine.unconfirmed)
        await anyio.sleep(60)
        seen.append((engine.phase, engine.ledger.backlog, engine.unconfirmed))

    collected, ended, _ = drained(math.inf, timeout=100.0, silent=True, meanwhile=look)
    sent = len(collected.requests)
    assert seen == [0, ("drain", 0, sent)]
    assert collected.ledger.unconfirmed == sent
    assert 159 < ended < 160 + LAST_POLLS + 2
