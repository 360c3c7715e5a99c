"""A run ends when it is told to, whatever user code does; what was left is named."""

from __future__ import annotations

import asyncio
import contextlib

import anyio
import pytest

from asyncload import Scenario, User, shapes, task
from asyncload.engine.ending import CLOSE_LIMIT
from asyncload.engine.scenario import LAST_MOMENT
from asyncload.engine.user_tasks import ENDING, UserTasks
from asyncload.records.record import INTERRUPTED
from tests.engine.harness import one, run_plan

MODELS = pytest.mark.parametrize("model", ["open", "closed"])


def scenario(user: type[User], model: str = "open", level: float = 2) -> Scenario:
    return Scenario(name="s", user=user, shape=shapes.Constant(level), duration=30, model=model)


async def abort_at_three(engine) -> None:
    await anyio.sleep(3)
    engine.abort()


def warnings(collected) -> list[str]:
    return [note.text for note in collected.notes if note.level == "warning"]


@MODELS
def test_a_user_that_swallows_its_cancellation_begins_nothing_more(model):
    begun = []

    class Swallows(User):
        @task
        async def go(self) -> None:
            begun.append(self.recorder.clock())
            with contextlib.suppress(BaseException), self.measure("x"):
                await asyncio.sleep(60)

    collected, ended = run_plan(one(scenario(Swallows, model)), meanwhile=abort_at_three)
    assert ended == pytest.approx(3, abs=0.1)
    assert max(begun) <= 3
    assert {request.outcome for request in collected.requests} == {INTERRUPTED}
    assert collected.levels[-1].users == 0
    assert warnings(collected) == []


@MODELS
def test_a_user_that_crashes_on_its_cancellation_begins_nothing_more(model):
    class Crashes(User):
        @task
        async def go(self) -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                raise ValueError("not now") from None

    collected, ended = run_plan(one(scenario(Crashes, model)), meanwhile=abort_at_three)
    assert ended == pytest.approx(3, abs=0.1)
    assert len({request.user for request in collected.requests}) == len(collected.requests)


def test_a_user_whose_on_start_swallows_its_cancellation_does_not_begin():
    class Swallows(User):
        async def on_start(self) -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

        @task
        async def go(self) -> None:
            raise AssertionError("never reached")

    collected, ended = run_plan(one(scenario(Swallows)), meanwhile=abort_at_three)
    assert ended == pytest.approx(3, abs=0.1)
    assert {request.outcome for request in collected.requests} == {"dropped"}
    assert collected.levels[-1].users == 0


@MODELS
def test_users_that_never_end_are_waited_for_within_a_limit_and_named(model):
    class Stubborn(User):
        @task
        async def go(self) -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1000)
            await asyncio.sleep(1000)

    collected, ended = run_plan(one(scenario(Stubborn, model)), meanwhile=abort_at_three)
    assert ended == pytest.approx(3 + ENDING, abs=0.1)
    (text,) = warnings(collected)
    assert "users of scenario 's' had not ended 5 s after being cancelled, left behind" in text
    assert "Stubborn.go at tests/engine/test_endings.py:" in text


def test_a_slow_on_stop_is_waited_for_without_turning_the_loop():
    """Cancelled again in each turn, the wait would never let virtual time go on."""
    stopped = []

    class Slow(User):
        @task
        async def go(self) -> None:
            await asyncio.sleep(1000)

        async def on_stop(self) -> None:
            await asyncio.sleep(0.9 * LAST_MOMENT)
            stopped.append(self.id)

    collected, ended = run_plan(one(scenario(Slow, "closed"), drain=1))
    assert sorted(stopped) == [0, 1]
    assert ended == pytest.approx(31 + 0.9 * LAST_MOMENT, abs=0.1)
    assert warnings(collected) == []


def test_an_on_stop_that_takes_too_long_is_cut_off_and_told():
    class Endless(User):
        @task
        async def go(self) -> None:
            await asyncio.sleep(1)

        async def on_stop(self) -> None:
            await asyncio.sleep(1000)

    collected, ended = run_plan(one(scenario(Endless, "closed")))
    assert ended == pytest.approx(31 + LAST_MOMENT, abs=1.1)
    assert warnings(collected) == [
        "on_stop of 2 users of scenario 's' took over 2 s and was cut off"
    ]


def test_a_base_exception_of_a_users_own_is_a_crash():
    class Stop(BaseException):
        pass

    class Raises(User):
        @task
        async def go(self) -> None:
            raise Stop("here")

    collected, _ = run_plan(one(scenario(Raises)))
    assert len(collected.requests) == 60
    assert collected.requests[0].error.startswith("Stop: here at test_endings.py:")


@pytest.mark.parametrize("how", ["hangs", "swallows", "raises"])
def test_a_resource_that_does_not_close_is_given_up_and_named(how):
    closed = []

    @contextlib.asynccontextmanager
    async def resource():
        try:
            yield
        finally:
            if how == "raises":
                raise OSError("no such thing")
            with contextlib.suppress(asyncio.CancelledError if how == "swallows" else ()):
                await asyncio.sleep(1000)

    @contextlib.asynccontextmanager
    async def other():
        yield
        closed.append(True)

    class Holds(User):
        @classmethod
        async def prepare(cls, setup, options):
            await setup.enter(other())
            await setup.enter(resource())

        @task
        async def go(self) -> None:
            with self.measure("x"):
                pass

    collected, ended = run_plan(one(scenario(Holds)))
    assert closed == [True]
    assert len(collected.requests) == 60
    (text,) = warnings(collected)
    assert "resource" in text
    if how == "raises":
        assert text.endswith("failed: OSError: no such thing")
    else:
        assert "took over 5 s and was given up" in text
        assert ended == pytest.approx(30 + CLOSE_LIMIT, abs=0.1)


def test_stop_before_the_clock_starts_sends_nothing():
    class Sends(User):
        @task
        async def go(self) -> None:
            raise AssertionError("never reached")

    def stopped(engine) -> None:
        begin = engine.begin

        def begin_stopped() -> float:
            engine.stop()
            return begin()

        engine.begin = begin_stopped

    collected, ended = run_plan(one(scenario(Sends)), first=stopped)
    assert collected.requests == []
    assert ended < 1


def test_a_failing_task_of_a_group_ends_the_block_and_the_others():
    async def main() -> list[str]:
        ended = []

        async def fails() -> None:
            await asyncio.sleep(0.001)
            raise ValueError

        async def waits() -> None:
            try:
                await asyncio.sleep(1000)
            finally:
                ended.append("other")

        async def both() -> None:
            async with UserTasks(lambda _: None) as tasks:
                tasks.start(waits())
                tasks.start(fails())
                await asyncio.sleep(1000)

        with pytest.raises(BaseExceptionGroup) as raised:
            await both()
        assert raised.group_contains(ValueError)
        assert asyncio.current_task().cancelling() == 0
        return ended

    assert asyncio.run(main()) == ["other"]
