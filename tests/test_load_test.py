"""A LoadTest runs once, and what its handles were told before counts."""

from __future__ import annotations

import asyncio

import pytest

from asyncload import LoadTest, Plan, Scenario, StoppedError, User, shapes, task
from asyncload.api import make_config
from asyncload.errors import ConfigError


def load_test(sent: list[float]) -> LoadTest:
    class Sends(User):
        @task
        async def send(self) -> None:
            with self.measure("x"):
                sent.append(self.recorder.clock())

    plan = Plan(Scenario(name="s", user=Sends, shape=shapes.Constant(100), duration=0.05))
    return LoadTest(make_config(plan))


@pytest.mark.parametrize("handle", ["stop", "abort"])
def test_what_was_stopped_before_it_ran_sends_nothing(handle):
    sent: list[float] = []
    test = load_test(sent)
    getattr(test, handle)()
    with pytest.raises(StoppedError, match="stopped before the load began; nothing was sent"):
        asyncio.run(test.run())
    assert sent == []
    assert StoppedError.exit_code == 130


def test_a_second_run_is_refused_and_adds_nothing_to_the_first():
    async def twice() -> None:
        sent: list[float] = []
        test = load_test(sent)
        result = await test.run()
        with pytest.raises(ConfigError, match=r"this LoadTest has been run, .* make another"):
            await test.run()
        assert result.summary.requests.count == len(sent) == 5

    asyncio.run(twice())


def test_a_run_that_was_refused_before_its_set_up_ended_is_no_result_to_add_to():
    async def twice() -> None:
        test = load_test([])
        test.stop()
        for error in (StoppedError, ConfigError):
            with pytest.raises(error):
                await test.run()

    asyncio.run(twice())
