"""The closed model: N users, each waiting for its answer before it goes on."""

from __future__ import annotations

import itertools

import anyio
import pytest

from asyncload import ConfigError, Scenario, User, between, constant, pacing, shapes, task
from asyncload.engine.closed import SLICE, _ask_to_leave, _Slot
from asyncload.engine.run import Engine
from tests.engine.harness import one, run_plan


def scenario(user: type[User], shape, duration: float) -> Scenario:
    return Scenario(name="s", user=user, shape=shape, duration=duration, model="closed")


class Half(User):
    wait = constant(0.5)

    @task()
    async def call(self) -> None:
        with self.measure("call"):
            await anyio.sleep(0.5)


def test_a_user_waits_for_its_answer_and_then_its_wait_time():
    collected, _ = run_plan(one(scenario(Half, shapes.Constant(1), 5)))
    assert [r.start for r in collected.requests] == pytest.approx([0, 1, 2, 3, 4], abs=0.01)


def test_users_follow_the_level_up_and_down():
    stairs = shapes.CustomRamp(stages=((2, 10), (5, 10), (1, 10)))
    collected, _ = run_plan(one(scenario(Half, stairs, 30)))
    users = {round(level.t): level.users for level in collected.levels}
    assert [users[5], users[15], users[25]] == [2, 5, 1]


def test_a_retired_user_finishes_the_iteration_it_is_in():
    finished = []

    class Long(User):
        @task()
        async def call(self) -> None:
            with self.measure("call"):
                await anyio.sleep(4)

        async def on_stop(self) -> None:
            finished.append((self.id, round(self.recorder.clock(), 1)))

    stairs = shapes.CustomRamp(stages=((2, 1), (1, 9)))
    collected, _ = run_plan(one(scenario(Long, stairs, 10)))
    assert finished[0] == (1, 4.0)
    assert {r.outcome for r in collected.requests} == {"ok"}


def test_a_waiting_user_leaves_at_once():
    stopped = []

    class Waits(User):
        wait = constant(100)

        @task()
        async def call(self) -> None:
            with self.measure("call"):
                await anyio.sleep(0.1)

        async def on_stop(self) -> None:
            stopped.append(self.recorder.clock())

    stairs = shapes.CustomRamp(stages=((3, 2), (0, 2)))
    run_plan(one(scenario(Waits, stairs, 4)))
    assert stopped == pytest.approx([2, 2, 2], abs=0.11)


def test_spawn_rises_at_its_rate():
    collected, _ = run_plan(one(scenario(Half, shapes.Spawn(users=10, spawn_rate=2), 10)))
    users = {round(level.t): level.users for level in collected.levels}
    assert users[2] == pytest.approx(4, abs=1)
    assert users[6] == 10


def test_pacing_starts_iterations_at_a_fixed_period():
    class Paced(User):
        wait = pacing(0.5)

        @task()
        async def call(self) -> None:
            with self.measure("call"):
                await anyio.sleep(0.2)

    collected, _ = run_plan(one(scenario(Paced, shapes.Constant(1), 2.9)))
    starts = [r.start for r in collected.requests]
    assert starts == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5], abs=0.01)


def test_waits_between_two_times_are_seeded_and_in_range():
    class Waits(User):
        wait = between(1, 3)

        @task()
        async def call(self) -> None:
            with self.measure("call"):
                pass

    plan = one(scenario(Waits, shapes.Constant(3), 60), seed=11)
    first, _ = run_plan(plan)
    again, _ = run_plan(plan)
    assert [(r.user, r.start) for r in first.requests] == [
        (r.user, r.start) for r in again.requests
    ]
    for user in range(3):
        starts = [r.start for r in first.requests if r.user == user]
        gaps = [b - a for a, b in itertools.pairwise(starts)]
        assert all(0.999 <= gap <= 3.001 for gap in gaps)
        assert max(gaps) - min(gaps) > 0.5


def test_tasks_are_picked_by_weight():
    class Weighted(User):
        wait = constant(0.01)

        @task(weight=3)
        async def often(self) -> None:
            with self.measure("often"):
                pass

        @task()
        async def seldom(self) -> None:
            with self.measure("seldom"):
                pass

    collected, _ = run_plan(one(scenario(Weighted, shapes.Constant(5), 10)))
    often = sum(r.name == "often" for r in collected.requests)
    assert often / len(collected.requests) == pytest.approx(0.75, abs=0.03)


def test_stopping_retires_all_users_after_their_iteration():
    async def stop(engine: Engine) -> None:
        await anyio.sleep(3.2)
        engine.stop()

    collected, ended = run_plan(one(scenario(Half, shapes.Constant(4), 60)), meanwhile=stop)
    assert ended < 4
    assert {r.outcome for r in collected.requests} == {"ok"}


@pytest.mark.anyio
async def test_many_users_that_leave_at_once_leave_others_their_turns():
    slots = {_Slot(): None for _ in range(5 * SLICE)}
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await anyio.sleep(0)

    async with anyio.create_task_group() as group:
        group.start_soon(count)
        await _ask_to_leave(slots, SLICE)
        assert len(slots) == SLICE
        group.cancel_scope.cancel()
    assert turns >= 3


def test_a_load_ends_with_its_last_iteration():
    class Counted(User):
        wait = constant(0.5)

        @task
        async def go(self):
            with self.measure("go"):
                await anyio.sleep(0.25)

    limited = Scenario(
        name="web",
        user=Counted,
        shape=shapes.Constant(level=4),
        duration=1000,
        model="closed",
        iterations=10,
    )
    collected, ended = run_plan(one(limited))
    assert len(collected.requests) == 10
    assert {request.outcome for request in collected.requests} == {"ok"}
    assert ended < 3


def test_iterations_are_of_the_closed_model():
    with pytest.raises(ConfigError, match="iterations is 5, and in the open model"):
        Scenario(name="web", user=User, shape=shapes.Constant(level=4), duration=1, iterations=5)
    with pytest.raises(ConfigError, match="iterations must be a whole number of 1 or more, not 0"):
        Scenario(name="web", user=User, shape=shapes.Constant(level=4), duration=1,
                 model="closed", iterations=0)  # fmt: skip


def test_a_level_that_rounds_to_no_user_is_told():
    collected, _ = run_plan(one(scenario(Half, shapes.Constant(0.4), 2)))
    assert collected.requests == []
    (note,) = collected.notes
    assert note.level == "warning"
    assert "'s' never has a user and sends nothing" in note.text
