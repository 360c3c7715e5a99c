import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.errors import ConfigError
from asyncload.plan import (
    Constant,
    CustomRamp,
    FunctionShape,
    Linear,
    PeriodicBurst,
    Plan,
    Ramp,
    Scenario,
    Spawn,
    UserSpec,
)

USER = UserSpec("http", {"base_url": "http://127.0.0.1"})


def scenario(name="jobs", shape=None, duration=20.0, **fields):
    shape = PeriodicBurst(20, 2, 20) if shape is None else shape
    return Scenario(name=name, user=USER, shape=shape, duration=duration, **fields)


def plan_of(*scenarios, **fields):
    return Plan(scenarios=scenarios or (scenario(),), **fields)


shapes = st.sampled_from(
    [
        Constant(7),
        Constant(0.01),
        Ramp(30, 4, 5),
        CustomRamp(levels=(3, 0, 12.5), every=6),
        Linear(0, 25, 20),
        Spawn(20, 1.5),
        PeriodicBurst(20, 0, 20),
    ]
)
parts_and_seed = (st.integers(1, 7), st.integers(1, 4), st.integers(0, 2**32))


@settings(deadline=None, max_examples=60)
@given(shapes, st.sampled_from(["even", "poisson"]), *parts_and_seed)
def test_all_parts_together_are_due_exactly_when_the_whole_is(shape, arrivals, parts, again, seed):
    whole = plan_of(scenario(shape=shape, arrivals=arrivals), seed=seed)
    expected = whole.scenarios[0].due_times(whole.seed)
    split = [whole.split(part, parts) for part in range(parts)]
    nested = [one.split(part, again) for one in split for part in range(again)]
    for pieces in (split, nested):
        lists = [piece.scenarios[0].due_times(piece.seed) for piece in pieces]
        assert np.array_equal(np.sort(np.concatenate(lists)), expected)
        sizes = [due.size for due in lists]
        assert max(sizes) - min(sizes) <= 1


@settings(deadline=None, max_examples=60)
@given(shapes, *parts_and_seed)
def test_users_of_all_parts_make_up_the_whole_at_every_moment(shape, parts, again, seed):
    del seed
    whole = plan_of(scenario(shape=shape, model="closed"))
    split = [whole.split(part, parts) for part in range(parts)]
    nested = [one.split(part, again) for one in split for part in range(again)]
    for t in np.linspace(-1, 21, 89).tolist():
        expected = whole.scenarios[0].users_at(t)
        for pieces in (split, nested):
            users = [piece.scenarios[0].users_at(t) for piece in pieces]
            assert sum(users) == expected
            assert max(users) - min(users) <= 1
            assert [piece.scenarios[0].level_at(t) for piece in pieces] == users


@settings(deadline=None, max_examples=40)
@given(shapes, *parts_and_seed)
def test_levels_and_expectations_of_all_parts_add_up(shape, parts, again, seed):
    del seed
    whole = scenario(shape=shape)
    pieces = [whole.split(i, parts).split(j, again) for i in range(parts) for j in range(again)]
    for t in (0.0, 3.3, 19.9):
        assert math.fsum(piece.level_at(t) for piece in pieces) == pytest.approx(whole.level_at(t))
    assert math.fsum(piece.expected_arrivals() for piece in pieces) == pytest.approx(
        whole.expected_arrivals()
    )
    limits = [piece.in_flight_limit for piece in pieces]
    assert sum(limits) == whole.max_in_flight == whole.in_flight_limit


def test_splitting_a_part_again_composes_exactly():
    whole = scenario(arrivals="poisson")
    due = whole.due_times(3)
    part = whole.split(1, 3).split(2, 4)
    assert (part.part, part.parts) == (7, 12)
    assert np.array_equal(part.due_times(3), due[1::3][2::4])


def test_users_are_the_level_rounded_half_up():
    rising = scenario(shape=Linear(0, 10, 10), model="closed")
    users = [rising.users_at(t) for t in (0.0, 0.49, 0.5, 1.49, 1.5, 2.5, 9.5, 19.9)]
    assert users == [0, 0, 1, 1, 2, 3, 10, 10]


def test_a_user_belongs_to_the_same_part_while_levels_change():
    closed = scenario(shape=Linear(0, 20, 20), model="closed")
    # Users 0, 3, 6, … are part 0 of 3; so it gets user 0 first, and another each third user.
    assert [closed.split(0, 3).users_at(t) for t in (0.0, 1.0, 2.0, 3.0, 4.0)] == [0, 1, 1, 1, 2]
    assert [closed.split(2, 3).users_at(t) for t in (0.0, 1.0, 2.0, 3.0, 4.0)] == [0, 0, 0, 1, 1]


def test_the_level_is_zero_before_and_after_the_load():
    one = scenario(shape=Constant(4), duration=10.0)
    assert [one.level_at(t) for t in (-0.1, 0.0, 9.99, 10.0, 50.0)] == [0, 4, 4, 0, 0]
    closed = scenario(shape=Constant(4), duration=10.0, model="closed")
    assert [closed.users_at(t) for t in (-0.1, 0.0, 9.99, 10.0, 50.0)] == [0, 4, 4, 0, 0]


def test_the_peak_is_the_highest_level_the_load_reaches():
    assert scenario().peak(1.0) == 20
    assert scenario(duration=5.0).peak(0.1) == pytest.approx(2, abs=0.01)
    assert scenario(shape=Linear(0, 10, 20), duration=20.0).peak(7.0) == pytest.approx(10)
    # The third stair would begin just when the load ends.
    assert scenario(shape=Ramp(30, 10, 10), duration=20.0).peak(1.0) == 20
    assert scenario().split(0, 4).peak(1.0) == 5
    assert scenario(shape=Constant(5), model="closed").split(1, 4).peak(1.0) == 1
    with pytest.raises(ValueError, match="resolution"):
        scenario().peak(0.0)


def test_a_duration_left_out_is_the_end_of_the_shape():
    ramp = scenario(shape=CustomRamp(levels=(1, 2, 3), every=30), duration=None)
    assert ramp.duration == ramp.end == 90
    assert ramp.split(0, 2).end == 90
    assert plan_of(ramp, scenario("other")).end == 90


def test_a_shape_without_an_end_needs_a_duration():
    for shape in (Constant(1), FunctionShape(np.ones_like, "ones", 0.0)):
        with pytest.raises(
            ConfigError, match=r"scenario 'jobs'.* no end of its own; give it a dur"
        ):
            scenario(shape=shape, duration=None)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"duration": 0}, "scenario 'jobs': duration must be .* over 0, not 0"),
        ({"duration": -5.0}, "duration must be"),
        ({"duration": math.inf}, "duration must be"),
        ({"duration": math.nan}, "duration must be"),
        ({"duration": "soon"}, "duration must be .* a text such as 20s, over 0, not 'soon'"),
        ({"duration": "0s"}, "duration must be .* over 0, not 0.0"),
        ({"shape": 5}, "shape must be an object with the methods level and area, not 5"),
        ({"model": "opne"}, "model must be open or closed, not 'opne'"),
        ({"arrivals": "uniform"}, "arrivals must be even or poisson, not 'uniform'"),
        ({"max_in_flight": 0}, "max_in_flight must be"),
        ({"max_in_flight": 2.5}, "max_in_flight must be"),
        ({"part": 1}, "part 1 of 1 does not exist"),
        ({"part": -1, "parts": 2}, "part -1 of 2 does not exist"),
        ({"parts": 0}, "part 0 of 0 does not exist"),
        ({"name": ""}, "empty name"),
        ({"shape": Constant(1e9)}, r"makes 2e\+10 arrivals in 20 s, and a load has at most"),
    ],
)
def test_a_wrong_scenario_is_refused_with_its_name_and_key(fields, sentence):
    with pytest.raises(ConfigError, match=sentence):
        scenario(**fields)


def test_many_users_are_no_reason_to_refuse_a_closed_load():
    assert scenario(shape=Constant(1e9), model="closed").users_at(1.0) == 1_000_000_000


def test_a_closed_scenario_has_no_due_times():
    closed = scenario(model="closed")
    for ask in (lambda: closed.due_times(0), closed.expected_arrivals):
        with pytest.raises(ValueError, match="scenario 'jobs' is closed"):
            ask()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"scenarios": ()}, "scenarios is empty"),
        ({"seed": -1}, "seed must be .* not -1"),
        ({"seed": 1.5}, "seed must be .* not 1.5"),
        ({"drain": -1.0}, "drain must be"),
        ({"drain": math.nan}, "drain must be"),
        (
            {"drain": "for ever"},
            "drain must be .* a text such as 30s, or unlimited, not 'for ever'",
        ),
        ({"name": ""}, "name of the plan is empty"),
        ({"name": 5}, "name of the plan must be a text, not 5"),
        ({"scenarios": (scenario("a"), scenario("b"), scenario("a"))}, "2 scenarios .* 'a'"),
    ],
)
def test_a_wrong_plan_is_refused_with_its_key(fields, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Plan(**{"scenarios": (scenario(),), **fields})


def test_times_may_be_texts_as_in_a_config():
    plan = Plan(scenarios=[scenario(duration="1m30s")], drain="250ms")
    assert (plan.scenarios[0].duration, plan.end, plan.drain) == (90.0, 90.0, 0.25)
    assert plan_of(drain="unlimited").drain == math.inf
    assert plan_of(scenario(duration="20s"), drain="30s") == plan_of()


def test_a_drain_may_be_without_limit():
    assert plan_of(drain=math.inf).split(0, 2).drain == math.inf


@pytest.mark.parametrize(("part", "parts"), [(2, 2), (-1, 2), (0, 0), (0.0, 2)])
def test_a_part_that_does_not_exist_is_refused(part, parts):
    with pytest.raises(ConfigError, match="does not exist"):
        plan_of().split(part, parts)
    with pytest.raises(ConfigError, match="does not exist"):
        plan_of().split(1, 3).split(part, parts)


def test_adding_a_scenario_does_not_change_when_another_is_due():
    alone = plan_of(scenario("a", arrivals="poisson"), seed=4)
    together = plan_of(scenario("b"), scenario("a", arrivals="poisson"), seed=4)
    assert np.array_equal(
        alone.scenarios[0].due_times(alone.seed), together.scenarios[1].due_times(together.seed)
    )


def test_plans_are_immutable_and_go_to_another_process():
    plan = plan_of(scenario("a", arrivals="poisson"), seed=9, drain=5.0, name="night").split(1, 2)
    with pytest.raises(AttributeError):
        plan.seed = 1
    with pytest.raises(AttributeError):
        plan.scenarios[0].parts = 1
    copy = pickle.loads(pickle.dumps(plan))
    assert copy == plan
    assert np.array_equal(copy.scenarios[0].due_times(9), plan.scenarios[0].due_times(9))


def test_a_plan_may_be_given_its_one_scenario():
    assert Plan(scenario("a")) == Plan((scenario("a"),))


def test_a_scenario_whose_name_is_no_text_is_refused():
    with pytest.raises(ConfigError, match="name must be a text, not 5"):
        scenario(5)


@pytest.mark.parametrize("level", [1e21, 1e30, 2e9])
def test_more_users_than_a_machine_can_have_are_refused(level):
    with pytest.raises(ConfigError, match="users, and a load has at most 1000000000; lower"):
        Scenario(name="s", user=USER, shape=Constant(level=level), duration=1, model="closed")
