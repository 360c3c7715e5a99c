"""Jobs past their timeout are found, whatever the others have, without a look at them."""

from __future__ import annotations

import time

import anyio
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.jobs.job_bench import ABOUT, balance, make_ledger

SECONDS = [5.0, 20.0, 3600.0]
ABOUTS = [msgspec.structs.replace(ABOUT, timeout=timeout) for timeout in SECONDS]


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 10), st.integers(0, 30))))
def test_those_that_are_overdue_are_those_whose_time_has_passed(moves):
    now = 0.0
    ledger, _ = make_ledger(lambda: now)
    for kind, wait, number in moves:
        job = ledger.open(ABOUTS[kind], due=now, start=now)
        if number % 3:
            ledger.accept(job, None)
        elif number % 2:
            ledger.reject(job)
        now += wait
        overdue = [
            job
            for job in ledger.live.values()
            if job.start + job.about.timeout <= now and not job.sending
        ]
        assert ledger.overdue == bool(overdue)
        assert ledger.expire(1) == min(len(overdue), 1)
        assert ledger.expire() == len(overdue[1:])
        assert not ledger.overdue
    assert balance(ledger) == 0


def test_many_jobs_of_a_long_timeout_cost_nothing_while_there_are_some_of_a_short_one():
    now = 0.0
    ledger, _ = make_ledger(lambda: now)
    for number in range(50_000):
        ledger.accept(ledger.open(ABOUTS[2 if number else 1], due=0.0, start=0.0), None)
    now = 10.0
    began = time.perf_counter()
    for _ in range(100):
        assert not ledger.overdue
    assert time.perf_counter() - began < 0.1  # it was half a second


@pytest.mark.anyio
async def test_many_jobs_that_time_out_at_once_leave_others_their_turns():
    now = 0.0
    ledger, records = make_ledger(lambda: now)
    for _ in range(3000):
        ledger.accept(ledger.open(ABOUTS[0], due=0.0, start=0.0), None)
    now = 10.0
    turns = 0
    async with anyio.create_task_group() as group:
        group.start_soon(ledger.expire_in_turns)
        while ledger.live:
            turns += 1
            await anyio.sleep(0)
    assert turns >= 5
    assert len(records) == 3000
