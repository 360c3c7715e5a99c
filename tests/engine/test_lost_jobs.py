"""Jobs that never end are given up, and the dead letters say which of them the service rejected."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

import anyio
import pytest

from asyncload import Scenario, User, shapes, task
from asyncload.jobs.dead_letters import INTERVAL, LOOK_LIMIT
from asyncload.records.record import Ledger
from asyncload.testing import FakeQueue, status_body
from tests.engine.harness import one, run_plan


class Service:
    """Takes requests: the first of four is rejected, the next is stuck, the others end."""

    def __init__(self, reject_after: float = 0.0) -> None:
        self.letters = FakeQueue("requests-dlq")
        self.requests = FakeQueue("requests", on_send=self.take, letters=self.letters)
        self.statuses = FakeQueue("statuses")
        self.reject_after = reject_after
        self.taken = 0

    def take(self, _message_id: str, body: str) -> None:
        turn = self.taken % 4
        self.taken += 1
        job_id = body.split('"')[3]
        if turn == 0:
            asyncio.get_running_loop().call_later(self.reject_after, self.letters.put, body)
            return
        self.statuses.put(status_body(job_id, "STARTED"))
        if turn > 1:
            self.statuses.put(status_body(job_id, "SUCCESS"))


class About:
    """What the ledger is told about every job."""

    scenario, name, image, size, pixels = "s", "a.tif:m", "s3://i/a.tif", 1, 1
    attempt, first_job_id = 1, None

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout


def run_jobs(service: list[Service], *, timeout: float, duration: float = 20.0, **how):
    """Send a job a second; return what was recorded and when it ended."""

    class Sender(User):
        @classmethod
        async def prepare(cls, setup, options):
            setup.consume(service[0].statuses, foreign="leave")
            setup.dead_letters(service[0].requests)

        @task()
        async def submit(self) -> None:
            start = self.recorder.clock()
            job = self.jobs.open(about, due=start, start=start)
            with self.measure("send"):
                body = f'{{"jobId": "{job.id}"}}'
                message_id = await service[0].requests.send(body)
            self.jobs.accept(job, message_id)

    about = About(timeout)
    scenario = Scenario(name="s", user=Sender, shape=shapes.Constant(1.0), duration=duration)
    return run_plan(one(scenario, drain=30.0), **how)


@pytest.fixture
def service():
    return []


def starting(service, **options):
    return lambda: service.append(Service(**options))


def test_jobs_that_are_open_at_the_end_are_told_apart(service):
    recorded, _ = run_jobs(service, timeout=3600, before=starting(service))
    ledger = recorded.ledger
    assert (ledger.submitted, ledger.succeeded, ledger.lost) == (20, 10, 10)
    assert (ledger.rejected, ledger.stuck, ledger.never_started) == (5, 5, 0)
    assert Counter((j.status, j.progress, j.dead_letter_age is None) for j in recorded.jobs) == {
        ("SUCCESS", None, True): 10,
        ("LOST", "STARTED", True): 5,
        ("LOST", "SUBMITTED", False): 5,
    }
    [warning] = [note for note in recorded.notes if note.level == "warning"]
    assert warning.text.startswith("the service rejected 5 jobs of this run: in requests-dlq")
    assert len(service[0].letters) == 5


def test_jobs_are_looked_for_before_they_time_out_so_that_their_records_say_why(service):
    recorded, _ = run_jobs(service, timeout=5, before=starting(service))
    ledger = recorded.ledger
    assert (ledger.timed_out, ledger.lost) == (10, 0)
    assert (ledger.rejected, ledger.stuck, ledger.never_started) == (5, 5, 0)
    first = min((job for job in recorded.jobs if job.status == "TIMED_OUT"), key=lambda job: job.t)
    assert first.error == "rejected by the service: the request is in requests-dlq"
    # The look holds it up a little; it never takes longer than its limit.
    assert first.start + 5 <= first.t <= first.start + 5 + LOOK_LIMIT + 1
    equations = [
        (t.rejected + t.stuck + t.never_started, t.timed_out + t.lost) for t in recorded.of(Ledger)
    ]
    assert all(one == other for one, other in equations)


def test_a_look_is_taken_once_a_minute_at_most_while_jobs_time_out(service):
    receives = []

    async def watch(engine):
        letters = service[0].letters
        receive = letters.receive

        async def watched(*args, **options):
            receives.append(engine.clock())
            return await receive(*args, **options)

        letters.receive = watched
        await anyio.sleep_forever()

    run_jobs(service, timeout=5, duration=200.0, before=starting(service), meanwhile=watch)
    looks = [receives[0]]
    looks += [t for before, t in itertools.pairwise(receives) if t - before > 10]
    gaps = [later - sooner for sooner, later in itertools.pairwise(looks[:-1])]
    assert len(looks) == 5  # after 5, 65, 125 and 185 seconds or so, and at the end
    assert min(gaps) >= INTERVAL


def test_users_that_wait_for_jobs_that_are_rejected_go_on_within_seconds():
    letters = []

    class Waiter(User):
        @classmethod
        async def prepare(cls, setup, options):
            letters.append(FakeQueue("requests-dlq"))
            setup.consume(FakeQueue("statuses"), foreign="leave")
            setup.dead_letters(FakeQueue("requests", letters=letters[0]))

        @task()
        async def submit(self) -> None:
            start = self.recorder.clock()
            job = self.jobs.open(About(3600), due=start, start=start)
            self.jobs.accept(job, None)
            letters[0].put(f'{{"jobId": "{job.id}"}}')
            await self.jobs.wait(job)

    scenario = Scenario(
        name="s", user=Waiter, model="closed", shape=shapes.Constant(2), duration=60.0
    )
    recorded, _ = run_plan(one(scenario, drain=0.0))
    ledger = recorded.ledger
    assert ledger.submitted >= 16
    assert ledger.rejected == ledger.lost == ledger.submitted
    ended = [job.t - job.start for job in recorded.jobs]
    assert max(ended) < 8


def test_a_job_that_is_rejected_after_it_timed_out_is_counted_right_and_named(service):
    recorded, _ = run_jobs(service, timeout=5, before=starting(service, reject_after=20.0))
    ledger = recorded.ledger
    assert (ledger.timed_out, ledger.lost) == (10, 0)
    assert ledger.rejected >= 1
    assert ledger.rejected + ledger.never_started == 5
    [warning] = [note for note in recorded.notes if note.level == "warning"]
    assert "already timed out: 0123456789ab0000" in warning.text
    # Records are final: these were written before it was known.
    assert not any(job.dead_letter_age for job in recorded.jobs)


def test_a_run_that_is_aborted_does_not_look(service):
    async def abort(engine):
        await anyio.sleep(10)
        engine.abort()

    recorded, ended = run_jobs(service, timeout=3600, before=starting(service), meanwhile=abort)
    assert ended < 11
    assert recorded.ledger.rejected == 0
    assert recorded.ledger.stuck + recorded.ledger.never_started == recorded.ledger.lost > 0
    assert service[0].letters.received == 0
