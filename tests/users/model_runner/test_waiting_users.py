"""Users that wait for their jobs, on virtual time: woken by the status; PARTIAL is sent again."""

from __future__ import annotations

import itertools

import anyio
import msgspec
import pytest
from botocore.exceptions import ClientError

from asyncload import Scenario, UserSpec, shapes
from asyncload.testing import FakeModelRunner, FakeQueue
from asyncload.users.model_runner.job_spec import JobSpec, encoded
from asyncload.users.model_runner.job_user import RoundRobin
from asyncload.users.model_runner.predefined import PredefinedUser
from asyncload.users.model_runner.random_jobs import Pairs, RandomUser
from tests.engine.harness import one, run_plan

NEVER = 1e9


def waiting(service, *, requests=None, timeout=3600.0):
    """The users of a file with three requests, without the discovery."""

    class Waiting(PredefinedUser):
        @classmethod
        async def prepare(cls, setup, options):
            setup.consume(service.statuses, foreign="leave")
            specs = [
                JobSpec(
                    setup.scenario, f"{name}.tif:m", f"s3://images/{name}.tif", 1000, 10, timeout,
                    body=encoded(name, {"imageUrls": [f"s3://images/{name}.tif"]}),
                )
                for name in "abc"
            ]  # fmt: skip
            queue = service.requests if requests is None else requests
            return RoundRobin(queue, itertools.cycle(specs))

    return Waiting


def run(kind, *, model="closed", level=1, duration=100.0, drain=10.0, meanwhile=None, **options):
    scenario = Scenario(
        name="s",
        user=UserSpec(kind, {"requests": "requests.json", **options}),
        shape=shapes.Constant(level),
        duration=duration,
        model=model,
    )
    collected, _ = run_plan(one(scenario, drain=drain), meanwhile=meanwhile)
    return collected


def in_turn(*outcomes):
    """Outcomes of the jobs in the order in which they end."""
    left = itertools.chain(outcomes, itertools.repeat("SUCCESS"))
    return lambda job_id: next(left)


def attempts(jobs):
    return [(job.attempt, job.status) for job in jobs]


# -- waking ---------------------------------------------------------------------------


def test_a_user_sends_its_next_job_at_the_very_moment_of_the_status():
    service = FakeModelRunner(service_time=lambda _: 7.3, keep_ground_truth=True)
    jobs = run(waiting(service), duration=30).jobs
    assert [job.start for job in jobs] == pytest.approx([0, 7.3, 14.6, 21.9, 29.2], abs=1e-6)
    assert [job.observed for job in jobs] == pytest.approx(list(service.finished.values()))
    assert all(job.due == job.start for job in jobs)
    assert [job.name for job in jobs] == ["a.tif:m", "b.tif:m", "c.tif:m", "a.tif:m", "b.tif:m"]


def test_the_wait_time_comes_after_the_job():
    service = FakeModelRunner(service_time=lambda _: 4.0)
    jobs = run(waiting(service), duration=20, wait=2).jobs
    assert [job.start for job in jobs] == pytest.approx([0, 6, 12, 18], abs=1e-5)


def test_all_users_of_a_scenario_take_the_requests_in_turns_and_have_one_job_each():
    service = FakeModelRunner(workers=10, service_time=lambda _: 3.0)
    collected = run(waiting(service), level=4, duration=10)
    sent = sorted(collected.jobs, key=lambda job: job.job_id)
    assert [job.name[0] for job in sent] == list("abcabcabcabcabca")
    assert max(level.backlog for level in collected.levels) == 4


def test_in_the_open_model_jobs_are_due_when_their_arrivals_are():
    service = FakeModelRunner(workers=100, service_time=lambda _: 5.0)
    collected = run(waiting(service), model="open", level=2, duration=10)
    assert [job.due for job in collected.jobs] == pytest.approx([0.25 + n / 2 for n in range(20)])
    assert max(level.in_flight for level in collected.levels) == 10


# -- attempts -------------------------------------------------------------------------


def test_a_partial_job_is_sent_again_as_a_job_of_its_own_that_names_the_first():
    service = FakeModelRunner(
        service_time=lambda _: 2.5, outcome=in_turn("PARTIAL", "PARTIAL", "SUCCESS")
    )
    collected = run(waiting(service), duration=8)
    first, second, third, *_ = collected.jobs
    assert attempts([first, second, third]) == [(1, "PARTIAL"), (2, "PARTIAL"), (3, "SUCCESS")]
    assert first.first_job_id is None
    assert second.first_job_id == third.first_job_id == first.job_id
    assert len({first.job_id, second.job_id, third.job_id}) == 3
    assert {job.image for job in (first, second, third)} == {"s3://images/a.tif"}
    # No latency spans two attempts: each is due when it is sent, at the end of the one before.
    assert [job.due for job in collected.jobs[:3]] == pytest.approx([0, 2.5, 5.0], abs=1e-6)
    assert second.due == second.start == first.observed
    assert third.due == third.start == second.observed
    assert [job.observed - job.due for job in collected.jobs] == pytest.approx([2.5] * 4)
    assert (collected.ledger.submitted, collected.ledger.partial) == (4, 2)


def test_the_line_of_a_first_attempt_does_not_mention_attempts():
    service = FakeModelRunner(service_time=lambda _: 2.5, outcome=in_turn("PARTIAL"))
    first, second = run(waiting(service), duration=4).jobs
    assert {"attempt", "first_job_id"} & msgspec.to_builtins(first).keys() == set()
    line = msgspec.to_builtins(second)
    assert (line["attempt"], line["first_job_id"]) == (2, first.job_id)


def test_a_job_that_stays_partial_is_given_up_after_the_last_attempt():
    service = FakeModelRunner(service_time=lambda _: 2.0, outcome=lambda _: "PARTIAL")
    jobs = run(waiting(service), duration=9, attempts=3).jobs
    assert attempts(jobs[:4]) == [(1, "PARTIAL"), (2, "PARTIAL"), (3, "PARTIAL"), (1, "PARTIAL")]
    assert [job.name[0] for job in jobs[:4]] == list("aaab")


@pytest.mark.parametrize("status", ["SUCCESS", "FAILED"])
def test_only_partial_jobs_are_sent_again(status):
    service = FakeModelRunner(service_time=lambda _: 2.0, outcome=lambda _: status)
    assert set(attempts(run(waiting(service), duration=9).jobs)) == {(1, status)}


def test_with_one_attempt_nothing_is_sent_again():
    service = FakeModelRunner(service_time=lambda _: 2.0, outcome=lambda _: "PARTIAL")
    assert set(attempts(run(waiting(service), duration=9, attempts=1).jobs)) == {(1, "PARTIAL")}


@pytest.mark.parametrize(
    ("drain", "ends"),
    [(30, [(1, "PARTIAL"), (2, "PARTIAL"), (3, "PARTIAL")]), (3, [(1, "PARTIAL"), (2, "LOST")])],
)
def test_a_job_that_ends_in_the_drain_is_sent_again_too(drain, ends):
    service = FakeModelRunner(service_time=lambda _: 4.0, outcome=lambda _: "PARTIAL")
    assert attempts(run(waiting(service), duration=2, drain=drain).jobs) == ends


# -- random pairs ---------------------------------------------------------------------


class RandomPairs(RandomUser):
    """Five images and two models, without the discovery."""

    @classmethod
    async def prepare(cls, setup, options):
        service = FakeModelRunner(workers=100)
        setup.consume(service.statuses, foreign="leave")

        def spec(image, model):
            body = encoded("r", {"imageUrls": [image]})
            return JobSpec(setup.scenario, f"{image}:{model}", image, 1, 1, 3600.0, body=body)

        return Pairs(service.requests, list("abcde"), ["m", "n"], spec)


def random_names(seed, level=3):
    scenario = Scenario(
        name="s", user=RandomPairs, shape=shapes.Constant(level), duration=20, model="closed"
    )
    collected, _ = run_plan(one(scenario, seed=seed))
    return [job.name for job in sorted(collected.jobs, key=lambda job: job.job_id)]


def test_random_pairs_come_from_the_seed_and_are_of_all_images_and_models():
    names = random_names(seed=1)
    assert names == random_names(seed=1) != random_names(seed=2)
    assert len(names) > 200
    assert len(set(names)) == 10
    assert max(names.count(name) for name in set(names)) < len(names) / 5


# -- jobs that do not end -------------------------------------------------------------


def test_a_job_without_an_end_holds_its_user_no_longer_than_its_timeout():
    service = FakeModelRunner(workers=100, service_time=lambda _: NEVER)
    collected = run(waiting(service, timeout=5.5), duration=13, drain=20)
    # The ledger looks once a second.
    assert [job.start for job in collected.jobs] == pytest.approx([0, 6, 12], abs=1e-3)
    assert {job.status for job in collected.jobs} == {"TIMED_OUT"}
    assert collected.requests == []


def test_the_end_of_the_drain_ends_the_wait_and_is_no_failed_request():
    service = FakeModelRunner(service_time=lambda _: NEVER)
    collected = run(waiting(service), duration=3, drain=4)
    assert [job.status for job in collected.jobs] == ["LOST"]
    assert collected.requests == []


def test_a_stopped_run_lets_its_jobs_end():
    service = FakeModelRunner(service_time=lambda _: 6.0)

    async def stop(engine):
        await anyio.sleep(2)
        engine.stop()

    collected = run(waiting(service), duration=60, meanwhile=stop)
    assert [job.status for job in collected.jobs] == ["SUCCESS"]


# -- sends that fail ------------------------------------------------------------------


class Refusing(FakeQueue):
    """Hands on to the service, but some sends raise, after the message was taken or before."""

    def __init__(self, service, problem, *, taken, which):
        super().__init__("ImageRequestQueue")
        self.service = service
        self.problem = problem
        self.taken = taken
        self.which = which
        self.sends = 0

    async def send(self, body):
        self.sends += 1
        wrong = self.sends == self.which
        message_id = await self.service.requests.send(body) if self.taken or not wrong else ""
        if wrong:
            raise self.problem
        return message_id


def denied():
    return ClientError(
        {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}},
        "SendMessage",
    )


def test_a_refused_send_is_a_failed_request_and_nobody_waits_for_its_job():
    service = FakeModelRunner(service_time=lambda _: 2.0)
    queue = Refusing(service, denied(), taken=False, which=2)
    collected = run(waiting(service, requests=queue), duration=5, wait=0.5)
    assert [request.outcome for request in collected.requests] == ["failed"]
    assert [job.start for job in collected.jobs] == pytest.approx([0, 3.0], abs=0.11)
    assert (collected.ledger.submitted, collected.ledger.unconfirmed) == (2, 0)


@pytest.mark.parametrize("taken", [True, False])
def test_nobody_waits_for_an_unconfirmed_job_but_the_ledger_accounts_for_it(taken):
    service = FakeModelRunner(service_time=lambda _: 2.0)
    queue = Refusing(service, TimeoutError("no answer"), taken=taken, which=1)
    collected = run(waiting(service, requests=queue, timeout=4), duration=6, wait=1)
    assert [request.outcome for request in collected.requests] == ["failed"]
    counters = collected.ledger
    assert (counters.submitted, counters.unconfirmed) == ((3, 0) if taken else (2, 1))
    assert counters.succeeded == counters.submitted
    assert sorted(job.start for job in collected.jobs)[-2:] == pytest.approx([1, 4], abs=0.11)


def test_a_repetition_whose_send_fails_ends_the_attempts():
    service = FakeModelRunner(service_time=lambda _: 2.0, outcome=in_turn("PARTIAL"))
    queue = Refusing(service, denied(), taken=False, which=2)
    collected = run(waiting(service, requests=queue), duration=3.9)
    assert attempts(collected.jobs) == [(1, "PARTIAL"), (1, "SUCCESS")]
    assert [job.name[0] for job in collected.jobs] == list("ab")
    assert len(collected.requests) == 1
