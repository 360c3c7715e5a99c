"""Which rate comes next, against services that exist only as a number."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.capacity.result import TrialResult
from asyncload.capacity.strategy import SearchRange, Trial, bounds, next_trial

ranges = st.builds(
    SearchRange,
    start=st.floats(0.01, 100),
    most=st.floats(100, 100_000),
    factor=st.floats(1.05, 10),
    precision=st.floats(0.001, 1),
)
capacities = st.floats(0.001, 200_000)


def made(coming, outcome, **more):
    return TrialResult(
        rate=coming.rate, attempt=coming.attempt, duration=1.0, outcome=outcome, **more
    )


def search(looked, service):
    """All trials of a search, and how it ended. ``service`` says how a trial comes out."""
    trials = []
    while isinstance(coming := next_trial(looked, trials), Trial):
        trials.append(made(coming, service(coming)))
        assert len(trials) <= looked.most_trials, "it goes on for ever"
    return trials, coming


def sustains(capacity, near=0.0):
    """A service that passes up to its capacity, and fails closely in the share above it."""

    def answer(coming):
        if coming.rate <= capacity:
            return "passed"
        return "close" if coming.rate <= capacity * (1 + near) else "failed"

    return answer


@given(ranges, capacities, st.floats(0, 1))
def test_the_answer_is_within_the_precision_of_the_capacity(looked, capacity, near):
    trials, ending = search(looked, sustains(capacity, near))
    known = bounds(trials)
    if capacity < looked.start:
        assert ending == "none"
        assert known.passed is None
    elif capacity >= looked.most:
        assert ending == "at least"
        assert known.passed == looked.most
    else:
        assert ending == "found"
        assert known.passed <= capacity < known.failed
        assert known.failed / known.passed <= (1 + looked.precision) * (1 + 1e-12)


@given(ranges, st.lists(st.sampled_from(["passed", "close", "failed", "generator"]), min_size=1))
def test_it_ends_within_its_most_steps_whatever_the_service_does(looked, outcomes):
    answers = iter(outcomes * looked.most_trials)
    trials, _ = search(looked, lambda _: next(answers))
    known = bounds(trials)
    assert (known.passed or 0) < (known.failed or math.inf)
    assert all(looked.start <= trial.rate <= looked.most for trial in trials)


@given(ranges, capacities, capacities)
def test_a_better_service_never_gets_a_lower_answer(looked, one, other):
    worse, better = sorted((one, other))
    low = bounds(search(looked, sustains(worse))[0]).passed or 0
    high = bounds(search(looked, sustains(better))[0]).passed or 0
    assert low <= high * (1 + looked.precision) * (1 + 1e-12)


@given(ranges, capacities, st.floats(0, 0.5), st.data())
def test_a_search_that_was_interrupted_anywhere_makes_the_same_trials(looked, capacity, near, data):
    service = sustains(capacity, near)
    whole, ending = search(looked, service)
    kept = whole[: data.draw(st.integers(0, len(whole)))]
    while isinstance(coming := next_trial(looked, kept), Trial):
        kept = [*kept, made(coming, service(coming))]
    assert (kept, coming) == (whole, ending)


LOOKED = SearchRange(start=10, most=1000, factor=2, precision=0.05)


def test_what_was_close_is_run_once_more_as_long_as_it_asks_for():
    trials = [made(Trial(10), "passed"), made(Trial(20), "close", wants=90.0)]
    assert next_trial(LOOKED, trials) == Trial(20, 2, 90.0)
    trials.append(made(Trial(20, 2), "passed"))
    assert next_trial(LOOKED, trials) == Trial(40)


def test_what_was_close_twice_has_failed():
    trials = [made(Trial(10), "passed"), made(Trial(20), "close"), made(Trial(20, 2), "close")]
    assert bounds(trials).failed == 20
    assert next_trial(LOOKED, trials).rate == pytest.approx(math.sqrt(200), rel=1e-3)


def test_a_generator_that_is_late_twice_ends_the_search():
    trials = [made(Trial(10), "passed"), made(Trial(20), "generator")]
    assert next_trial(LOOKED, trials) == Trial(20, 2)
    assert next_trial(LOOKED, [*trials, made(Trial(20, 2), "generator")]) == "generator"


def test_jobs_left_behind_end_the_search_unless_it_is_over():
    trials = [made(Trial(10), "passed"), made(Trial(20), "failed", left_behind=7)]
    assert next_trial(LOOKED, trials) == "not drained"
    trials = [made(Trial(10), "passed"), made(Trial(10.4), "failed", left_behind=7)]
    assert next_trial(LOOKED, trials) == "found"


def test_a_step_that_broke_ends_the_search():
    assert next_trial(LOOKED, [made(Trial(10), "broken")]) == "broken"
