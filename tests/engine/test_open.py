"""The open model: arrivals come when they are due, whatever the service does."""

from __future__ import annotations

import asyncio
import itertools
import time

import anyio
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

import asyncload
from asyncload import AwsConfig, Scenario, User, shapes, task
from asyncload.api import make_config
from asyncload.engine.run import Engine
from asyncload.records.log import LogReader
from asyncload.records.record import Request
from asyncload.transport.http.http_errors import RequestTimeout
from asyncload.transport.http.pool import Timeouts
from tests.engine.harness import one, run_plan
from tests.transport.servers import serve

pytestmark = pytest.mark.slow


class Quick(User):
    @task()
    async def call(self) -> None:
        with self.measure("call"):
            await anyio.sleep(0.01)


class Slow(User):
    @task()
    async def call(self) -> None:
        with self.measure("call"):
            await anyio.sleep(5)


def scenario(user: type[User], *, level: float = 10, duration: float = 10, **kwargs) -> Scenario:
    return Scenario(name="s", user=user, shape=shapes.Constant(level), duration=duration, **kwargs)


def test_every_arrival_starts_exactly_when_it_is_due():
    collected, _ = run_plan(one(scenario(Quick)))
    assert [r.due for r in collected.requests] == pytest.approx([0.05 + i / 10 for i in range(100)])
    assert all(r.start == pytest.approx(r.due, abs=2e-6) for r in collected.requests)


def test_a_slow_service_does_not_hold_back_arrivals():
    collected, _ = run_plan(one(scenario(Slow)))
    assert len(collected.requests) == 100
    assert max(r.start - r.due for r in collected.requests) < 1e-5
    assert all(r.end - r.start == pytest.approx(5) for r in collected.requests)


def test_arrivals_beyond_max_in_flight_are_dropped_and_recorded_with_their_due_time():
    collected, _ = run_plan(one(scenario(Slow, max_in_flight=20)))
    dropped = [r for r in collected.requests if r.outcome == "dropped"]
    done = [r for r in collected.requests if r.outcome == "ok"]
    # 20 places, each free again after 5 s: 20 in each half of the 10 s.
    assert len(done) == 40
    assert len(dropped) == 60
    assert all(r.start is None and r.end == pytest.approx(r.due, abs=1e-5) for r in dropped)
    assert max(level.in_flight for level in collected.levels) <= 20


def test_users_are_pooled_and_reused():
    collected, _ = run_plan(one(scenario(Quick)))
    assert {r.user for r in collected.requests} == {0}
    collected, _ = run_plan(one(scenario(Slow)))
    assert len({r.user for r in collected.requests}) == pytest.approx(50, abs=1)


def test_a_second_request_of_an_iteration_is_due_when_the_user_gets_to_it():
    class Two(User):
        @task()
        async def both(self) -> None:
            with self.measure("first"):
                await anyio.sleep(1)
            with self.measure("second"):
                await anyio.sleep(1)

    collected, _ = run_plan(one(scenario(Two, level=1, duration=2)))
    second = [r for r in collected.requests if r.name == "second"]
    assert all(r.due == r.start for r in second)


@pytest.mark.parametrize("arrivals", ["even", "poisson"])
def test_the_same_seed_gives_the_same_run(arrivals):
    plan = one(scenario(Quick, arrivals=arrivals), seed=5)
    first, _ = run_plan(plan)
    second, _ = run_plan(plan)
    assert [r.due for r in first.requests] == [r.due for r in second.requests]
    assert len(first.requests) > 50


def test_a_stalled_loop_catches_up_without_losing_or_inventing_arrivals():
    class Stalls(User):
        @task()
        async def call(self) -> None:
            with self.measure("call"):
                if 3.0 < self.recorder.clock() < 3.1:
                    # As a blocking call in user code would: the clock jumps.
                    asyncio.get_running_loop()._virtual.now += 2.0

    collected, _ = run_plan(one(scenario(Stalls)))
    assert [r.due for r in collected.requests] == pytest.approx([0.05 + i / 10 for i in range(100)])
    late = [r for r in collected.requests if r.start - r.due > 0.1]
    # Two seconds at 10/s were due while nothing ran; the lateness says so.
    assert len(late) == pytest.approx(20, abs=2)
    assert max(r.start - r.due for r in late) == pytest.approx(1.9, abs=0.1)


def test_stopping_ends_arrivals_and_lets_the_ones_in_flight_finish():
    async def stop_at_three(engine: Engine) -> None:
        await anyio.sleep(3)
        engine.stop()

    collected, ended = run_plan(one(scenario(Slow)), meanwhile=stop_at_three)
    assert len(collected.requests) == 30
    assert {r.outcome for r in collected.requests} == {"ok"}
    assert ended == pytest.approx(8, abs=0.1)


def test_what_is_unanswered_at_the_end_of_the_drain_is_recorded_as_timed_out():
    class Stuck(User):
        @task()
        async def call(self) -> None:
            with self.measure("call"):
                await anyio.sleep(10_000)

    collected, ended = run_plan(one(scenario(Stuck, duration=2), drain=3))
    assert len(collected.requests) == 20
    assert {r.outcome for r in collected.requests} == {"timeout"}
    assert ended == pytest.approx(5, abs=0.1)


def test_aborting_ends_at_once():
    async def abort(engine: Engine) -> None:
        await anyio.sleep(1.5)
        engine.abort()

    collected, ended = run_plan(one(scenario(Slow)), meanwhile=abort)
    assert ended == pytest.approx(1.5, abs=0.1)
    assert len(collected.requests) == 15


@settings(deadline=None, max_examples=25)
@given(
    level=st.floats(0.5, 40),
    service=st.floats(0, 3),
    limit=st.integers(1, 30),
    seed=st.integers(0, 1000),
)
def test_every_arrival_is_answered_or_dropped(level, service, limit, seed):
    class Some(User):
        @task()
        async def call(self) -> None:
            with self.measure("call"):
                await anyio.sleep(service)

    plan = one(
        scenario(Some, level=level, duration=6, max_in_flight=limit, arrivals="poisson"), seed=seed
    )
    collected, _ = run_plan(plan)
    expected = plan.scenarios[0].due_times(seed).tolist()
    assert sorted(r.due for r in collected.requests) == pytest.approx(expected)
    assert max((level.in_flight for level in collected.levels), default=0) <= limit


def test_no_arrival_starts_before_it_is_due_on_a_real_loop(tmp_path):
    """A loop's timers may ring a millisecond early; an arrival may not."""
    plan = one(scenario(Quick, level=97, duration=1.5, arrivals="poisson"))
    uvloop.run(asyncload.run(plan, aws=AwsConfig(region="us-west-2"), log=tmp_path / "run.jsonl"))
    records = [one for one in LogReader(tmp_path / "run.jsonl") if isinstance(one, Request)]
    assert len(records) > 100
    assert min(record.start - record.due for record in records) >= -1e-6


class Hog(User):
    """Its code keeps the loop busy for four times as long as there is between two arrivals."""

    def on_call(self) -> None:
        """For a test that wants to know."""

    @task()
    async def call(self) -> None:
        with self.measure("call"):
            time.sleep(0.002)
        self.on_call()


def requests_of_a_hog(path, *, drain, stop_after=None):
    """Run 2,000 arrivals a second for half a second on a real loop."""
    calls = itertools.count(1)

    tests: list[asyncload.LoadTest] = []

    class Stopper(Hog):
        def on_call(self) -> None:
            if next(calls) == stop_after:
                tests[0].stop()

    hog = Hog if stop_after is None else Stopper

    async def main():
        test = asyncload.LoadTest(
            make_config(
                one(scenario(hog, level=2000, duration=0.5), drain=drain),
                aws=AwsConfig(region="us-west-2"),
                log=path,
            )
        )
        tests.append(test)
        await test.run()

    uvloop.run(main())
    return [one for one in LogReader(path) if isinstance(one, Request)]


def test_a_generator_that_is_behind_at_the_end_of_the_load_still_starts_what_was_due(tmp_path):
    requests = requests_of_a_hog(tmp_path / "run.jsonl", drain=30)
    assert len(requests) == 1000
    assert {request.outcome for request in requests} == {"ok"}
    assert max(request.start for request in requests) > 1.9


@pytest.mark.parametrize(("drain", "stop_after"), [(0, None), (30, 200)])
def test_what_a_generator_that_is_behind_cannot_start_any_more_is_counted_as_dropped(
    tmp_path, drain, stop_after
):
    requests = requests_of_a_hog(tmp_path / "run.jsonl", drain=drain, stop_after=stop_after)
    dropped = [request for request in requests if request.outcome == "dropped"]
    assert {request.error for request in dropped} == {
        "the load was stopped while the generator was behind"
    }
    # Stopped at its end: every arrival is told of. Stopped before: all that were due by then, and
    # 200 calls take 0.4 s.
    assert len(requests) == 1000 if stop_after is None else 800 <= len(requests) <= 1000
    assert sorted(request.due for request in requests) == pytest.approx(
        [0.00025 + 0.0005 * number for number in range(len(requests))]
    )


@pytest.mark.anyio
async def test_users_that_block_the_loop_leave_others_a_turn_in_between(tmp_path):
    """Behind its load the generator started 200 users in a turn, so nothing else ran for seconds."""

    calls = most = 0

    class Blocking(User):
        @task()
        async def call(self) -> None:
            nonlocal calls
            calls += 1
            time.sleep(0.005)

    async def watch():
        nonlocal calls, most
        while True:
            await anyio.sleep(0)
            calls, most = 0, max(most, calls)

    plan = one(Scenario(name="s", user=Blocking, shape=shapes.Constant(600), duration=0.4))
    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        await asyncload.run(plan, log=tmp_path / "run.jsonl")
        group.cancel_scope.cancel()
    # Counted and not timed: a busy machine is slower, and starts no more for it.
    assert 0 < most < 150


@pytest.mark.anyio
async def test_a_limit_of_time_holds_in_the_set_up_too():
    """The clock of the run stands still there."""

    class Asking(User):
        url = ""

        @classmethod
        async def prepare(cls, setup, options):
            await setup.http.request("GET", cls.url, timeouts=Timeouts(total=0.1))

        @task()
        async def call(self) -> None:
            pass

    async with serve(lambda *_: anyio.sleep(30)) as server:
        Asking.url = server.url
        plan = one(Scenario(name="s", user=Asking, shape=shapes.Constant(1), duration=1))
        with anyio.fail_after(5), pytest.raises(RequestTimeout, match=r"within 0\.1 s"):
            await asyncload.run(plan)
