"""Foreign messages on the status queue, on virtual time."""

import anyio
import pytest

from asyncload.engine.ending import foreign_note
from asyncload.jobs.consumer import NAMED_FOREIGN
from asyncload.testing import status_body
from tests.jobs.job_bench import (
    TroubledQueue,
    balance,
    consuming,
    make_ledger,
    now,
    run_virtual,
    submit,
    until,
)

pytestmark = pytest.mark.slow

FOREIGN = ("not JSON", "", "{}", "[]", '{"a":' * 5000, status_body("f" * 32, "SUCCESS"))


def test_foreign_messages_are_left_and_counted_once_however_often_they_come():
    async def main():
        queue = TroubledQueue()
        ledger, _ = make_ledger(now)
        async with consuming(queue, ledger):
            for body in FOREIGN:
                queue.put(body)
            await anyio.sleep(3600)
            assert queue.received > 5 * len(FOREIGN)
        assert (ledger.unreadable, ledger.orphans) == (len(FOREIGN) - 1, 1)
        assert queue.deleted == 0
        assert len(queue) == len(FOREIGN)

    run_virtual(main)


def test_foreign_messages_are_deleted_when_that_was_chosen():
    async def main():
        queue = TroubledQueue()
        ledger, _ = make_ledger(now)
        async with consuming(queue, ledger, foreign="delete"):
            for body in FOREIGN:
                queue.put(body)
            job = submit(ledger)
            queue.say(job.id, "SUCCESS")
            await anyio.sleep(1)
            assert len(queue) == 0
        assert (ledger.unreadable, ledger.orphans, ledger.succeeded) == (len(FOREIGN) - 1, 1, 1)
        assert queue.received == len(FOREIGN) + 1

    run_virtual(main)


def test_a_fresh_foreign_message_is_given_back_at_once():
    async def main():
        queue = TroubledQueue()
        ledger, _ = make_ledger(now)
        returned = []
        queue.on_release = lambda delays: returned.extend((now(), delay) for _, delay in delays)
        async with consuming(queue, ledger):
            await anyio.sleep(1)
            queue.say("f" * 32, "SUCCESS")
            await anyio.sleep(3600)
        assert returned[0] == (1.0, 0)
        # It keeps coming back: for a minute its owner may be about to read it ...
        for moment, delay in returned[1:]:
            age = moment - 1
            if age < 60:
                assert 0 <= delay <= 1 + age / 10
            else:  # ... and then nobody is waiting for it.
                assert min(age * 0.37, 300) - 0.5 <= delay <= min(age * 0.63, 300) + 0.5
        assert 20 <= len(returned) <= 150
        assert returned[-1][1] == 300

    run_virtual(main)


@pytest.mark.parametrize("with_attributes", [True, False])
def test_stale_messages_of_others_are_shown_less_and_less_often_and_hold_up_nothing(
    with_attributes,
):
    class OldEmulatorsQueue(TroubledQueue):
        """Leaves out the system attributes, as ElasticMQ did before 1.6.2."""

        async def receive(self, wait=20):
            return [
                {name: value for name, value in message.items() if name != "Attributes"}
                for message in await super().receive(wait)
            ]

    async def main():
        queue = TroubledQueue() if with_attributes else OldEmulatorsQueue()
        ledger, records = make_ledger(now)
        for number in range(500):
            queue.say(f"{number:032x}", "SUCCESS")
        await anyio.sleep(86_400)
        published = {}
        async with consuming(queue, ledger):
            for _ in range(3600):
                job = submit(ledger)
                published[job.id] = now()
                queue.say(job.id, "SUCCESS")
                await anyio.sleep(1)
        assert ledger.orphans == 500
        assert len(queue) == 500
        assert {record.observed - published[record.job_id] for record in records} == {0}
        # 3600 of ours, and about 12 of each old one; without attributes they are taken for new,
        # and seen some 60 times more while they are.
        assert queue.received < 3600 + 500 * (15 if with_attributes else 90)
        assert queue.receives < 3600 * (2 if with_attributes else 3)

    run_virtual(main)


@pytest.mark.parametrize("latency", [0.0, 0.02])
def test_two_runs_on_one_queue_both_get_exact_totals_and_leave_each_others_messages(latency):
    class Share:
        """One consumer's access to the queue; notes what it deletes."""

        def __init__(self, queue):
            self._queue = queue
            self.name = queue.name
            self.bodies = {}
            self.deleted = []

        async def send(self, body):
            raise NotImplementedError

        async def receive(self, wait=20):
            batch = await self._queue.receive(wait)
            self.bodies.update({m["ReceiptHandle"]: m["Body"] for m in batch})
            return batch

        async def delete(self, handles):
            failed = await self._queue.delete(handles)
            self.deleted += [self.bodies[h] for h in handles if h not in failed]
            return failed

        async def release(self, delays):
            await self._queue.release(delays)

    async def main():
        queue = TroubledQueue(latency=latency)
        runs = [make_ledger(now, run_id) for run_id in ("a" * 12, "b" * 12)]
        shares = [Share(queue), Share(queue)]
        async with (
            consuming(shares[0], runs[0][0], max_receivers=4),
            consuming(shares[1], runs[1][0], max_receivers=4),
        ):
            for _ in range(300):
                for ledger, _ in runs:
                    queue.say(submit(ledger).id, "STARTED", "IN_PROGRESS", "SUCCESS")
                await anyio.sleep(0.05)
            await until(lambda: not len(queue), limit=3600)
        for (ledger, records), share in zip(runs, shares, strict=True):
            assert (ledger.succeeded, ledger.submitted, balance(ledger)) == (300, 300, 0)
            assert (ledger.duplicates, ledger.late, ledger.unreadable) == (0, 0, 0)
            assert len(records) == 300
            assert len(share.deleted) == 900
            assert all(ledger.prefix in body for body in share.deleted)

    run_virtual(main)


def test_a_release_that_fails_leaves_the_message_to_its_visibility_timeout():
    async def main():
        queue = TroubledQueue()
        ledger, _ = make_ledger(now)

        def fail(_delays):
            if now() < 10:
                raise OSError("connection reset")

        queue.on_release = fail
        async with consuming(queue, ledger) as consumer:
            queue.say("f" * 32, "SUCCESS")
            await anyio.sleep(20)
            assert queue.received == 1
            await anyio.sleep(60)
            assert queue.received > 1
            [_, (_, text)] = consumer.notes
            assert "works again, after failing once" in text
        assert (ledger.orphans, len(queue)) == (1, 1)

    run_virtual(main)


def test_foreign_jobs_are_named_with_their_ages_in_one_warning():
    async def main():
        queue = TroubledQueue()
        ledger, _ = make_ledger(now)
        async with consuming(queue, ledger) as consumer:
            await anyio.sleep(100)
            for letter in "abcde":
                queue.put(status_body(letter * 32, "SUCCESS"))
            queue.put("not JSON")
            await anyio.sleep(300)
        (text,) = foreign_note(ledger, [consumer])
        assert text.startswith("5 foreign statuses, of jobs this run never sent: " + "a" * 32)
        assert text.count(" old)") == text.count("(") == NAMED_FOREIGN
        assert " and 2 more; somebody else" in text
        assert list(foreign_note(ledger, [])) == []

    run_virtual(main)
