"""A crash in user code is a failed record, not the end of the run."""

from __future__ import annotations

import asyncio
import sys

import anyio
import pytest

from asyncload import Scenario, User, constant, shapes, task
from tests.engine.harness import one, run_plan


def scenario(user: type[User], model: str) -> Scenario:
    return Scenario(name="s", user=user, shape=shapes.Constant(2), duration=5, model=model)


class Crashes(User):
    wait = constant(1)

    @task()
    async def explode(self) -> None:
        raise TypeError("no such luck")


@pytest.mark.parametrize("model", ["open", "closed"])
def test_a_crash_is_recorded_with_its_place_and_the_run_goes_on(model):
    collected, _ = run_plan(one(scenario(Crashes, model)))
    assert len(collected.requests) == 10
    for record in collected.requests:
        assert record.outcome == "failed"
        assert record.name == "explode"
        assert record.error.startswith("TypeError: no such luck at test_crashes.py:")


def test_an_exception_out_of_a_measured_call_is_recorded_once():
    class Fails(User):
        @task()
        async def call(self) -> None:
            with self.measure("call"):
                raise ConnectionResetError("gone")

    collected, _ = run_plan(one(scenario(Fails, "open")))
    assert [r.name for r in collected.requests] == ["call"] * 10
    assert {r.error for r in collected.requests} == {"ConnectionResetError: gone"}


def test_a_timeout_is_told_from_a_failure():
    class TimesOut(User):
        @task()
        async def call(self) -> None:
            with self.measure("call"), anyio.fail_after(0.5):
                await anyio.sleep(9)

    collected, _ = run_plan(one(scenario(TimesOut, "open")))
    assert {r.outcome for r in collected.requests} == {"timeout"}


def test_an_answer_can_be_called_a_failure():
    class Checks(User):
        @task()
        async def call(self) -> None:
            with self.measure("call") as call:
                call.status = 200
                call.fail("label is missing")

    collected, _ = run_plan(one(scenario(Checks, "open")))
    assert {(r.outcome, r.status, r.error) for r in collected.requests} == {
        ("failed", 200, "label is missing")
    }


def test_a_user_without_wait_that_crashes_does_not_spin():
    class Spins(User):
        @task()
        async def explode(self) -> None:
            raise ValueError

    collected, _ = run_plan(one(scenario(Spins, "closed")))
    assert len(collected.requests) <= 2 * 5 / 0.1 + 2


@pytest.mark.parametrize("model", ["open", "closed"])
def test_a_crash_in_on_start_is_recorded_and_the_run_ends_in_order(model):
    class NeverStarts(User):
        async def on_start(self) -> None:
            raise OSError("no model")

        @task()
        async def call(self) -> None:
            raise AssertionError("never reached")

    collected, ended = run_plan(one(scenario(NeverStarts, model)))
    assert ended == pytest.approx(5, abs=1.2)
    assert {r.name for r in collected.requests} == {"on_start"}
    assert collected.levels[-1].users == 0


def test_a_crash_in_on_stop_is_recorded():
    class BadEnd(User):
        wait = constant(1)

        @task()
        async def call(self) -> None:
            with self.measure("call"):
                pass

        async def on_stop(self) -> None:
            raise RuntimeError("cannot log out")

    collected, _ = run_plan(one(scenario(BadEnd, "closed")))
    assert sum(r.name == "on_stop" for r in collected.requests) == 2


@pytest.mark.parametrize("model", ["open", "closed"])
def test_a_cancellation_that_nobody_asked_for_is_a_crash_and_not_the_end(model):
    class Stray(User):
        wait = constant(1)

        @task()
        async def call(self) -> None:
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

    collected, _ = run_plan(one(scenario(Stray, model)))
    assert len(collected.requests) == 10
    assert {r.outcome for r in collected.requests} == {"failed"}


def test_sys_exit_in_a_task_is_a_crash():
    class Exits(User):
        @task()
        async def call(self) -> None:
            sys.exit("no")

    collected, _ = run_plan(one(scenario(Exits, "open")))
    assert len(collected.requests) == 10
    assert all(r.error.startswith("SystemExit: no") for r in collected.requests)


@pytest.mark.parametrize("how", ["anyio", "asyncio", "group"])
def test_a_limit_of_the_users_own_around_a_call_gives_one_record(how):
    class Limited(User):
        @task()
        async def call(self) -> None:
            if how == "anyio":
                with anyio.fail_after(0.2):
                    await self.slow()
            elif how == "asyncio":
                async with asyncio.timeout(0.2):
                    await self.slow()
            else:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self.fails())

        async def slow(self) -> None:
            with self.measure("slow"):
                await anyio.sleep(9)

        async def fails(self) -> None:
            with self.measure("slow"):
                raise ConnectionResetError

    collected, _ = run_plan(one(scenario(Limited, "open")))
    assert [r.name for r in collected.requests] == ["slow"] * 10
    assert {r.outcome for r in collected.requests} == {"failed" if how == "group" else "timeout"}


def test_a_new_mistake_while_handling_a_failed_call_is_recorded_too():
    class Clumsy(User):
        @task()
        async def call(self) -> None:
            try:
                with self.measure("call"):
                    raise ConnectionResetError
            except ConnectionResetError:
                raise KeyError("typo") from None

    collected, _ = run_plan(one(scenario(Clumsy, "open")))
    assert sorted({r.name for r in collected.requests}) == ["call"]
    assert len(collected.requests) == 20


def test_a_crash_does_not_hold_its_slot_in_the_open_model():
    class Crash(User):
        @task()
        async def call(self) -> None:
            raise ValueError

    busy = Scenario(name="s", user=Crash, shape=shapes.Constant(200), duration=2, max_in_flight=2)
    collected, _ = run_plan(one(busy))
    assert {r.outcome for r in collected.requests} == {"failed"}


def test_a_user_without_its_base_is_told_so():
    class Rootless(User):
        def __init__(self, context) -> None:
            pass

        @task()
        async def call(self) -> None:
            raise AssertionError("never reached")

    collected, _ = run_plan(one(scenario(Rootless, "open")))
    assert "must call super().__init__" in collected.requests[0].error


def test_a_wait_may_be_a_plain_number():
    class Plain(User):
        wait = 1

        @task()
        async def call(self) -> None:
            with self.measure("call"):
                pass

    collected, _ = run_plan(one(scenario(Plain, "closed")))
    assert len(collected.requests) == 10
    assert {r.outcome for r in collected.requests} == {"ok"}


def test_on_stop_runs_also_when_the_drain_cuts_a_user_off():
    stopped = []

    class Hangs(User):
        @task()
        async def call(self) -> None:
            with self.measure("call"):
                await anyio.sleep(10_000)

        async def on_stop(self) -> None:
            stopped.append(self.id)

    for model in ("open", "closed"):
        collected, _ = run_plan(one(scenario(Hangs, model), drain=1))
        assert len(stopped) == len({r.user for r in collected.requests}) > 0
        assert collected.levels[-1].users == 0
        stopped.clear()


def test_a_wait_that_user_code_sets_meanwhile_may_be_a_number_and_what_is_none_fails_once():
    class Sets(User):
        wait = constant(1)

        async def on_start(self) -> None:
            self.wait = 0.5 if self.id == 0 else "soon"

        @task()
        async def call(self) -> None:
            with self.measure("call"):
                pass

    collected, ended = run_plan(one(scenario(Sets, "closed")))
    assert ended == pytest.approx(5, abs=0.2)
    assert sum(r.user == 0 for r in collected.requests) == 10
    (failed,) = (r for r in collected.requests if r.outcome == "failed")
    assert (failed.user, failed.name) == (1, "wait")
    assert "'soon'" in failed.error
    assert sum(r.user == 1 for r in collected.requests) > 40


@pytest.mark.parametrize("model", ["open", "closed"])
def test_tasks_that_cannot_be_picked_are_crashes(model):
    class Odd(User):
        @task()
        async def call(self) -> None:
            self.tasks = (("no such task", 1),)

    collected, ended = run_plan(one(scenario(Odd, model)))
    assert ended == pytest.approx(5, abs=0.2)
    assert {r.outcome for r in collected.requests} == {"failed"}
    assert collected.levels[-1].in_flight == 0
