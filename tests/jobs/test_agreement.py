"""The stretch that the most intervals agree on."""

from hypothesis import given
from hypothesis import strategies as st

from asyncload.jobs.agreement import EVERYTHING, most_agreed

whole = st.integers(-20, 20)
intervals = st.lists(st.tuples(whole, whole).map(sorted).map(tuple), min_size=1, max_size=30)


def covering(value, intervals):
    return sum(lowest <= value <= highest for lowest, highest in intervals)


@given(intervals)
def test_no_other_value_lies_in_more_of_the_intervals(intervals):
    lowest, highest = most_agreed(intervals)
    assert lowest <= highest
    most = max(covering(value / 2, intervals) for value in range(-42, 43))
    assert covering(lowest, intervals) == covering(highest, intervals) == most


@given(intervals)
def test_of_several_stretches_it_is_the_one_nearest_nothing(intervals):
    lowest, highest = most_agreed(intervals)
    most = covering(lowest, intervals)
    nearest = min(abs(v) for v in range(-20, 21) if covering(v, intervals) == most)
    assert max(lowest, -highest, 0) == nearest


def test_intervals_that_all_overlap_give_their_intersection():
    assert most_agreed([(0, 5), (2, 9), (-3, 4)]) == (2, 4)


def test_one_that_contradicts_the_others_is_left_out():
    assert most_agreed([(0, 5), (3600, 3605), (2, 9)]) == (2, 5)


def test_nothing_that_is_known_allows_everything():
    assert most_agreed([]) == EVERYTHING
