"""Failures are counted by kind: what differs in ids, times and counters alone is one kind."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.stats.failures import (
    MAX_ERRORS,
    MAX_MESSAGES,
    OTHER_ERRORS,
    OTHER_MESSAGES,
    Failing,
    failure_kind,
)
from asyncload.stats.groups import RequestGroup
from tests.stats.feeds import request


def folded(*texts):
    group = RequestGroup()
    for t, text in enumerate(texts):
        group.add(request(t=float(t), outcome="failed", error=text))
    return group


ids = st.one_of(
    st.uuids().map(str),
    st.integers(0, 10**18).map(str),
    st.floats(0, 1e6).map(lambda number: f"{number:.3f}"),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.binary(min_size=16, max_size=16).map(lambda data: "r0" + data.hex()),
    st.from_regex(r"\Areq_[0-9][0-9A-Za-z]{20}\Z"),
)


@settings(deadline=None)
@given(
    st.lists(ids, min_size=2, max_size=60),
    st.sampled_from(
        [
            "HTTP 503 Service Unavailable: no capacity left (request {})",
            'HTTP 500 Internal Server Error: {{"trace":"{}","ready":false}}',
            "{} failed",
            "127.0.0.1:8080 closed the connection, after {} bytes",
        ]
    ),
)
def test_ids_times_and_counters_do_not_multiply_kinds(values, form):
    texts = [form.format(value) for value in values]
    group = folded(*texts)
    assert group.failures == {texts[0]: len(texts)}
    assert group.failure_times == {texts[0]: (0.0, len(texts) - 1.0)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HTTP 503 Service Unavailable", "HTTP 500 Internal Server Error"),
        ("HTTP 400 Bad Request: too long", "HTTP 400 Bad Request: no such model"),
        ("HTTP 200 OK, not 201", "HTTP 200 OK, not 202 or 204"),
        (
            "No connection to 10.0.0.1:80: it was refused",
            "No connection to 10.0.0.2:80: it was refused",
        ),
        ("h1:80 did not begin to answer", "h2:80 did not begin to answer"),
        ("::1:80 did not begin to answer", "::2:80 did not begin to answer"),
        ("$.scores[0] is missing", "$.scores[1] is missing"),
    ],
)
def test_what_tells_failures_apart_stays(one, other):
    assert failure_kind(one) != failure_kind(other)


def test_a_status_with_many_messages_leaves_room_for_others():
    words = ["".join(chr(97 + int(digit)) for digit in str(number)) for number in range(500)]
    texts = [f"HTTP 400 Bad Request: {word} is unknown" for word in words]
    group = folded(*texts, "HTTP 503 Service Unavailable: busy", "boom")
    others = f"HTTP 400 Bad Request: {OTHER_MESSAGES}"
    assert len(group.failures) == MAX_MESSAGES + 3
    assert group.failures[others] == 500 - MAX_MESSAGES
    assert group.failures["boom"] == group.failures["HTTP 503 Service Unavailable: busy"] == 1
    twice = RequestGroup()
    twice.merge(group)
    twice.merge(group)
    assert twice.failures == {text: 2 * number for text, number in group.failures.items()}


def test_kinds_beyond_the_limit_are_counted_together():
    group = folded(*("x" * (i + 1) for i in range(MAX_ERRORS + 30)))
    assert len(group.failures) == MAX_ERRORS + 1
    assert group.failures[OTHER_ERRORS] == 30


numbered = st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 99), st.integers(0, 9))


@given(st.lists(st.lists(numbered, max_size=8), max_size=4), st.randoms())
def test_groups_merge_in_any_order_to_the_first_text_of_each_kind(parts, rng):
    def merged(order):
        whole = Failing()
        for part in order:
            group = RequestGroup()
            for word, number, t in part:
                group.add(request(t=float(t), outcome="failed", error=f"{word} {number}"))
            whole.merge_failures(group)
        return whole.failures, whole.failure_times

    shuffled = parts.copy()
    rng.shuffle(shuffled)
    assert merged(shuffled) == merged(parts)
    everything = [(t, f"{word} {number}") for part in parts for word, number, t in part]
    for word in "ab":
        texts = [one for one in everything if one[1].startswith(word)]
        if texts:
            assert merged(parts)[0][min(texts)[1]] == len(texts)
