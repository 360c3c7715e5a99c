"""Who waits for a job is woken the moment it ends; on virtual time."""

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.jobs.status import Status
from tests.jobs.job_bench import ABOUT, balance, make_ledger, now, run_virtual, submit

pytestmark = pytest.mark.slow

ends = st.lists(st.tuples(st.floats(0.1, 100), st.sampled_from(["SUCCESS", "FAILED", "reject"])))


@settings(deadline=None, max_examples=25)
@given(ends, st.integers(1, 3), st.integers(0, 5))
def test_waiters_wake_at_the_instant_their_job_ends_and_the_rest_at_the_close(
    ends, waiters, abandoned
):
    woken = []

    async def main():
        ledger, _ = make_ledger(now)
        ended = {}

        async def wait(job):
            status = await ledger.wait(job)
            woken.append((status, now()) == ended[job.id])

        async def end(job, at, status):
            await anyio.sleep_until(at)
            ended[job.id] = ("REJECTED" if status == "reject" else status, now())
            if status == "reject":
                ledger.reject(job)
            else:
                ledger.apply(Status(job.id, status), now())

        async with anyio.create_task_group() as group:
            for at, status in ends:
                job = submit(ledger) if status != "reject" else ledger.open(ABOUT, due=0, start=0)
                for _ in range(waiters):
                    group.start_soon(wait, job)
                group.start_soon(end, job, at, status)
            for _ in range(abandoned):
                group.start_soon(wait, submit(ledger))
            await anyio.sleep_until(200.0)
            ended.update({job_id: ("LOST", now()) for job_id in ledger.live})
            ledger.close()
        assert balance(ledger) == 0

    run_virtual(main)
    assert woken == [True] * (len(ends) * waiters + abandoned)


def test_who_waits_for_a_job_that_is_over_does_not_wait():
    async def main():
        ledger, _ = make_ledger(now)
        job = submit(ledger)
        ledger.apply(Status(job.id, "PARTIAL"), now())
        with anyio.fail_after(1):
            return await ledger.wait(job), now()

    assert run_virtual(main) == ("PARTIAL", 0.0)


def test_settle_returns_to_all_who_wait_at_the_instant_the_last_job_ends():
    async def main():
        ledger, _ = make_ledger(now)
        settled = []

        async def settle():
            await ledger.settle()
            settled.append(now())

        async with anyio.create_task_group() as group:
            jobs = [submit(ledger), ledger.open(ABOUT, due=0, start=0), submit(ledger)]
            group.start_soon(settle)
            group.start_soon(settle)
            await anyio.sleep(1)
            ledger.reject(jobs[1])
            ledger.apply(Status(jobs[0].id, "SUCCESS"), now())
            await anyio.sleep(1)
            assert not settled
            ledger.apply(Status(jobs[2].id, "SUCCESS"), now())
        await ledger.settle()  # nothing is open: no wait
        return settled

    assert run_virtual(main) == [2.0, 2.0]
