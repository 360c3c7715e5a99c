"""Whether the status consumer keeps up."""

import anyio
import pytest

from asyncload.jobs.polls import PollCounts, full_share, longest_lag
from asyncload.testing import FakeQueue, status_body
from asyncload.transport.queue import Received
from tests.jobs.job_bench import consuming, make_ledger, now, run_virtual, submit, until


class LateQueue(FakeQueue):
    """Its answers arrive a while before whoever waits for them gets its turn."""

    async def receive(self, wait=20):
        messages = await super().receive(wait)
        arrived = now()
        await anyio.sleep(0.25)
        return Received(messages, arrived)


@pytest.mark.parametrize(("kind", "lag"), [(LateQueue, 0.25), (FakeQueue, 0.0)])
def test_the_lag_counts_from_the_arrival_of_the_answer_where_that_is_known(kind, lag):
    async def main():
        queue = kind("statuses")
        ledger, records = make_ledger(now)
        async with consuming(queue, ledger) as consumer:
            job = submit(ledger)
            queue.put(status_body(job.id, "SUCCESS"))
            await until(lambda: records)
            counts = consumer.polls.take()
            assert counts == PollCounts(1, 0, pytest.approx(lag))
            assert consumer.polls.take() == PollCounts()

    run_virtual(main)


def test_a_poll_is_full_when_more_may_be_waiting():
    async def main():
        queue = FakeQueue("statuses")
        ledger, records = make_ledger(now)
        jobs = [submit(ledger, f"m{number}") for number in range(12)]
        for job in jobs:
            queue.put(status_body(job.id, "SUCCESS"))
        async with consuming(queue, ledger) as consumer:
            await until(lambda: len(records) == 12)
            counts = consumer.polls.take()
        assert (counts.answered, counts.full) == (2, 1)
        assert full_share([counts, PollCounts(2)]) == 25.0

    run_virtual(main)


def test_without_a_message_there_is_no_lag_and_without_an_answer_no_share():
    assert longest_lag([PollCounts(3), PollCounts()]) is None
    assert longest_lag([PollCounts(3, 0, 0.5), PollCounts(1, 0, 0.75), PollCounts()]) == 0.75
    assert full_share([PollCounts()]) is None
    assert full_share([]) is None
