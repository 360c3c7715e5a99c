"""Who gets which row."""

from __future__ import annotations

import random
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.users.templates.rows import RowPartition, own_rows, random_rows, rows_in_turn


class Somebody:
    """A user, as far as rows are concerned."""

    def __init__(self, seed=0):
        self.rng = random.Random(seed)
        self.own_rows = iter(())


def picked(take, user, number):
    return [take(user) for _ in range(number)]


def test_random_rows_come_from_the_users_own_seed_and_are_spread_evenly():
    take = random_rows(4)
    assert picked(take, Somebody("a"), 50) == picked(take, Somebody("a"), 50)
    assert picked(take, Somebody("a"), 50) != picked(take, Somebody("b"), 50)
    seen = Counter(picked(take, Somebody(), 4000))
    assert sorted(seen) == [0, 1, 2, 3]
    assert min(seen.values()) > 850


def test_rows_in_turn_are_shared_by_all_users_and_begin_again():
    take = rows_in_turn(3, part=0, parts=1)
    first, second = Somebody(), Somebody()
    assert [take(first), take(second), take(second), take(first)] == [0, 1, 2, 0]


def test_parts_of_a_split_plan_take_rows_in_turn_between_them():
    parts = [picked(rows_in_turn(10, part=part, parts=3), Somebody(), 4) for part in range(3)]
    assert parts == [[0, 3, 6, 9], [1, 4, 7, 0], [2, 5, 8, 1]]


@given(st.integers(1, 40), st.integers(1, 20))
def test_shares_of_all_users_are_all_rows_each_once(rows, users):
    partition = RowPartition(rows, users, part=0, parts=1)
    taken = []
    for _ in range(users):
        user = Somebody()
        _, user.own_rows = partition.take()
        first = picked(own_rows, user, 1)[0]
        taken.append({first, *picked(own_rows, user, rows)})
    assert set().union(*taken) == set(range(rows))
    if users <= rows:
        assert sum(map(len, taken)) == rows
    else:
        assert all(len(share) == 1 for share in taken)


def test_a_share_begins_again_when_it_is_used_up():
    partition = RowPartition(5, 2, part=0, parts=1)
    assert [list(islice(partition.take()[1], 5)) for _ in range(2)] == [
        [0, 2, 4, 0, 2],
        [1, 3, 1, 3, 1],
    ]


def test_who_comes_later_gets_a_share_that_was_given_back():
    partition = RowPartition(10, 3, part=0, parts=1)
    assert [partition.take()[0] for _ in range(3)] == [0, 1, 2]
    partition.give_back(2)
    partition.give_back(0)
    assert [partition.take()[0] for _ in range(2)] == [0, 2]


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_users_of_all_parts_of_a_plan_have_different_rows(parts):
    rows = []
    for part in range(parts):
        partition = RowPartition(12, 6, part=part, parts=parts)
        for _ in range(6 // parts):
            rows += islice(partition.take()[1], 2)
    assert sorted(rows) == list(range(12))
