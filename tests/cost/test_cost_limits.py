"""max_requests and max_cost end the load, to the request."""

from __future__ import annotations

import itertools
import random

import anyio
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from asyncload import Plan, Scenario, User, pacing, shapes, task
from asyncload.config.model import Config
from asyncload.config.prices import Prices
from asyncload.cost.meter import Meter
from asyncload.load_test import LoadTest
from asyncload.records.record import Note, Request
from asyncload.result import Result
from asyncload.testing import FakeModelRunner, VirtualTimeLoop
from asyncload.users.model_runner.images import Image
from asyncload.users.model_runner.job_spec import job_spec_for
from asyncload.users.model_runner.job_user import RoundRobin
from asyncload.users.model_runner.submit import ModelRunnerUser

pytestmark = pytest.mark.slow


class Quick(User):
    @task()
    async def call(self) -> None:
        with self.measure("call"):
            await anyio.sleep(0.01)


class Thrice(User):
    """Three requests in an iteration."""

    @task()
    async def call(self) -> None:
        for name in ("first", "second", "third"):
            with self.measure(name):
                await anyio.sleep(0.2)


class Later(User):
    """The first request of an iteration comes half a second after its start."""

    @task()
    async def call(self) -> None:
        await anyio.sleep(0.5)
        with self.measure("call"):
            await anyio.sleep(0.01)


class Sender(User):
    @task()
    async def call(self) -> None:
        with self.measure("sqs.SendMessage"):
            await anyio.sleep(0.01)


def opened(user=Quick, level: float = 10, duration: float = 10, **kwargs) -> Scenario:
    shape = shapes.Constant(level)
    return Scenario(name="s", user=user, shape=shape, duration=duration, **kwargs)


def closed(user=Quick, users=5, duration=10, wait=0.0) -> Scenario:
    kind = type("Paced", (user,), {"wait": wait})
    shape = shapes.Constant(users)
    return Scenario(name="s", user=kind, model="closed", shape=shape, duration=duration)


def carried_out(*scenarios: Scenario, **limits) -> tuple[Result, list[Request | Note]]:
    """Run on virtual time; give the result and the requests and notes that were recorded."""
    records: list[Request | Note] = []

    class Keep:
        def write(self, record):
            if isinstance(record, Request | Note):
                records.append(record)

    async def main() -> Result:
        plan = Plan(scenarios=scenarios, drain=10, name="test")
        test = LoadTest(Config(plan=plan, log="", **limits))
        write = test.stats.write
        test.stats.write = lambda record: (write(record), Keep().write(record))  # type: ignore[method-assign]
        return await test.run()

    result = anyio.run(main, backend_options={"loop_factory": VirtualTimeLoop})
    return result, records


# -- max_requests -------------------------------------------------------------------


def test_the_load_ends_with_the_request_that_reaches_the_limit():
    result, records = carried_out(opened(), max_requests=25)
    requests = [record for record in records if isinstance(record, Request)]
    assert [one.outcome for one in requests] == ["ok"] * 25
    assert result.summary.t == pytest.approx(2.46)  # the 25th is due at 2.45 s
    (problem,) = result.problems
    assert problem == (
        "max_requests: 25 requests had been sent after 2.45 s, and there the load ended, not at "
        "10.0 s as planned; raise max_requests, or plan less load"
    )
    assert result.exit_code == 3
    assert not result.interrupted
    assert [record.text for record in records if isinstance(record, Note)] == [problem]


def test_a_plan_that_needs_all_that_is_allowed_is_carried_out_in_full():
    for limit in (100, 101, 10**9):
        result, _ = carried_out(opened(), max_requests=limit)
        assert result.summary.requests.count == 100
        assert (result.problems, result.exit_code) == ((), 0)


@hypothesis_settings(deadline=None, max_examples=8)
@given(
    st.sampled_from([0.5, 7, 1000, 50_000]),
    st.sampled_from(["even", "poisson"]),
    st.integers(1, 300),
    st.sampled_from([Quick, Sender]),
)
def test_never_one_request_too_many_or_too_few(level, arrivals, limit, user):
    """Also when thousands are due at once."""
    scenario = opened(user, level=level, duration=200 / level, arrivals=arrivals)
    result, _ = carried_out(scenario, max_requests=limit)
    planned, _ = carried_out(scenario)
    sent, all_of_them = result.summary.requests.count, planned.summary.requests.count
    assert sent == min(limit, all_of_them)
    assert result.exit_code == (3 if limit < all_of_them else 0)


@pytest.mark.parametrize("wait", [0, 0.3, pacing(1)])
def test_users_that_wait_for_their_answers_send_no_more_either(wait):
    result, _ = carried_out(closed(wait=wait), max_requests=37)
    assert result.summary.requests.count == 37
    assert result.exit_code == 3


def test_scenarios_share_the_limit():
    several = [
        Scenario(name=name, user=Quick, shape=shapes.Constant(10), duration=10) for name in "abc"
    ]
    result, _ = carried_out(*several, max_requests=50)
    assert result.summary.requests.count == 50
    assert {row.count for row in result.summary.requests_by_name} <= {16, 17}


def test_what_is_under_way_is_finished_and_nothing_else_begun():
    result, _ = carried_out(opened(Thrice), max_requests=50)
    counts = {row.name: row.count for row in result.summary.requests_by_name}
    assert counts["first"] == counts["second"] == counts["third"]
    # An arrival every 0.1 s, 0.6 s long: 6 are under way, with at most 2 requests to come.
    assert 50 <= result.summary.requests.count <= 50 + 2 * 6


def test_iterations_that_have_not_sent_yet_are_under_way():
    result, _ = carried_out(opened(Later), max_requests=50)
    assert 50 <= result.summary.requests.count <= 50 + 5


def test_the_limit_can_be_reached_by_the_very_first_request():
    result, _ = carried_out(opened(), max_requests=1)
    assert result.summary.requests.count == 1


def test_dropped_arrivals_are_no_requests():
    class Slow(User):
        @task()
        async def call(self) -> None:
            with self.measure("call"):
                await anyio.sleep(2)

    result, _ = carried_out(opened(Slow, max_in_flight=3), max_requests=9)
    assert (result.summary.requests.count, result.summary.requests.dropped > 0) == (9, True)


# -- max_cost -----------------------------------------------------------------------


def test_the_load_ends_when_its_requests_have_cost_so_much():
    result, _ = carried_out(opened(Sender), max_cost=0.00002)  # 50 at 0.40 USD a million
    assert result.summary.requests.count == 50
    (problem,) = result.problems
    assert problem.startswith(
        "max_cost: requests for 0.0000200 USD by the price list had been sent after 4.95 s, and "
    )
    assert result.exit_code == 3
    dear, _ = carried_out(opened(Sender), max_cost=0.00002, prices=Prices(sqs=1.0))
    assert dear.summary.requests.count == 20
    free, _ = carried_out(opened(Quick), max_cost=0.00002)
    assert (free.summary.requests.count, free.exit_code) == (100, 0)


def test_the_limit_that_is_reached_first_counts():
    result, _ = carried_out(opened(Sender), max_cost=0.00002, max_requests=30)
    assert result.problems[0].startswith("max_requests: 30 requests")
    result, _ = carried_out(opened(Sender), max_cost=0.00002, max_requests=60)
    assert result.problems[0].startswith("max_cost: ")


def test_a_million_cheap_requests_cost_exactly_what_they_should():
    limit = 0.04
    meter = Meter(None, limit, Prices())
    for _ in range(99_999):
        meter.begun("sqs.SendMessage")
    assert not meter.full
    meter.begun("sqs.SendMessage")
    assert meter.full
    assert meter.cost == 0.04


names = st.sampled_from(["sqs.SendMessage", "s3.GetObject", "s3.PutObject", "GET /"])


@given(st.lists(st.tuples(names, st.booleans())), st.integers(1, 40))
def test_requests_of_users_count_and_all_cost(calls, limit):
    meter = Meter(limit, None, Prices())
    for name, of_a_user in calls:
        (meter.begun if of_a_user else meter.beside)(name)
    mine = sum(of_a_user for _, of_a_user in calls)
    assert meter.requests == mine
    assert meter.full is (mine >= limit)
    expected = sum(Prices().of(name) for name, _ in calls)
    assert meter.cost == pytest.approx(float(expected), abs=1e-15)


def test_the_load_is_ended_once_and_only_where_more_would_come():
    for more, ended in ((True, 1), (False, 0)):
        ends = []
        meter = Meter(1, None, Prices())
        meter.guard(has_more=lambda more=more: more, end_load=lambda ends=ends: ends.append(1))
        for _ in range(3):
            meter.begun("call")
        assert len(ends) == ended
        for _ in range(3):  # an iteration that is refused would have come
            meter.refuse()
        assert len(ends) == 1


# -- polls of a status queue cost, too ------------------------------------------------


def test_polls_and_deletions_are_counted_and_cost():
    rng = random.Random(1)

    class OnFakes(ModelRunnerUser):
        @classmethod
        async def prepare(cls, setup, options):
            service = FakeModelRunner(service_time=lambda _: rng.uniform(0.1, 2))
            setup.consume(service.statuses, foreign="leave")
            image = Image("s3://images/one.tif", 1000, 100)
            spec = job_spec_for(
                setup.scenario, options, image, model="m", model_type="SM_ENDPOINT", outputs=[]
            )
            return RoundRobin(service.requests, itertools.cycle([spec]))

        @task()
        async def submit(self):
            with self.measure("sqs.SendMessage"):
                await super().submit()

    result, _ = carried_out(opened(OnFakes, level=2, duration=60))
    assert set(result.calls) == {"sqs.ReceiveMessage", "sqs.DeleteMessageBatch"}
    estimate = LoadTest(
        Config(plan=Plan(scenarios=(opened(OnFakes, level=2, duration=60),), drain=10), log="")
    ).estimate()
    assert result.summary.requests.count == 120 == estimate.requests.low
    for line in estimate.scenarios[0].lines[1:]:
        assert line.calls.low <= result.calls[line.name] <= line.calls.high

    sends = 120 * 4e-7
    limited, _ = carried_out(opened(OnFakes, level=2, duration=60), max_cost=sends)
    spent = (limited.summary.requests.count + limited.calls["sqs.ReceiveMessage"]) * 4e-7
    assert limited.summary.requests.count < 120
    assert limited.exit_code == 3
    assert spent <= sends
