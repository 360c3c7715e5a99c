"""The status consumer on virtual time."""

import itertools
import re

import anyio
import pytest

from asyncload.jobs.consumer import LONGEST_BACKOFF, StatusConsumer
from asyncload.stats.units import clocks
from asyncload.testing import FakeModelRunner, FakeQueue, status_body
from tests.jobs.job_bench import (
    ABOUT,
    TroubledQueue,
    balance,
    consuming,
    make_ledger,
    now,
    run_virtual,
    submit,
    until,
)


def test_it_takes_more_receivers_under_load_and_lets_them_go_when_idle():
    async def main():
        queue = TroubledQueue(latency=0.05)
        ledger, records = make_ledger(now)
        jobs = [submit(ledger) for _ in range(3000)]
        async with consuming(queue, ledger, max_receivers=6) as consumer:
            await anyio.sleep(60)
            assert consumer.receivers == 1
            for job in jobs:
                queue.say(job.id, "SUCCESS")
            most = 0
            published = now()
            while ledger.live:
                most = max(most, consumer.receivers)
                await anyio.sleep(0.01)
            assert most == 6
            # One receiver would have taken 300 receives of 0.05 s one after the other.
            assert now() - published < 5
            await anyio.sleep(60)
            assert consumer.receivers == 1
            # And they come again.
            for job in [submit(ledger) for _ in range(500)]:
                queue.say(job.id, "SUCCESS")
            await until(lambda: not ledger.live)
            assert consumer.receivers > 1
        assert len(queue) == 0
        assert ledger.duplicates == 0
        assert len(records) == 3500

    run_virtual(main)


@pytest.mark.parametrize(
    "problem", [OSError("connection reset"), RuntimeError("ThrottlingException")]
)
def test_it_survives_a_queue_that_cannot_be_read_and_tells_it_once(problem):
    async def main():
        queue = TroubledQueue()
        ledger, _ = make_ledger(now)
        attempts = []

        def fail():
            if 100 <= now() < 160:
                attempts.append(now())
                raise problem

        queue.on_receive = fail
        async with consuming(queue, ledger) as consumer:
            early = submit(ledger)
            queue.say(early.id, "SUCCESS")
            await anyio.sleep(130)
            hidden = submit(ledger)
            queue.say(hidden.id, "SUCCESS")
            assert await ledger.wait(early) == "SUCCESS"
            assert await ledger.wait(hidden) == "SUCCESS"
            assert now() <= 160 + LONGEST_BACKOFF
            await anyio.sleep(60)
            first, last = consumer.notes
        # Back-off: attempts get rarer, up to one in at most five seconds.
        assert 12 <= len(attempts) <= 40
        pauses = [later - sooner for sooner, later in itertools.pairwise(attempts)]
        assert min(pauses) >= 0.1
        assert max(pauses[:2]) <= 0.4
        assert 2.5 <= max(pauses) <= LONGEST_BACKOFF
        assert first[0] == "warning"
        assert str(problem) in first[1]
        assert "ImageStatusQueue" in first[1]
        assert last == (
            "warning",
            (
                "receiving from ImageStatusQueue works again, after failing "
                f"{len(attempts)} times ({clocks(attempts[0], attempts[-1])})"
            ),
        )

    run_virtual(main)


def test_a_throttle_that_comes_and_goes_is_told_once():
    async def main():
        queue = TroubledQueue()
        ledger, _ = make_ledger(now)

        def throttle():
            if now() < 120 and queue.receives % 2:
                raise OSError("slow down")

        queue.on_receive = throttle
        async with consuming(queue, ledger) as consumer:
            for _ in range(240):
                job = submit(ledger)
                queue.say(job.id, "STARTED", "SUCCESS")
                await anyio.sleep(0.5)
            await until(lambda: not ledger.live)
            await anyio.sleep(60)
            [_, (_, text)] = consumer.notes
            assert "works again, after failing" in text
        assert (ledger.succeeded, ledger.duplicates) == (240, 0)

    run_virtual(main)


def test_a_trouble_that_lasts_until_the_end_is_told_with_its_times():
    async def main():
        queue = TroubledQueue()
        ledger, _ = make_ledger(now)

        def fail():
            if now() >= 60:
                raise OSError("gone")

        queue.on_receive = fail
        async with consuming(queue, ledger) as consumer:
            await anyio.sleep(180)
        (_, first), (level, last) = consumer.notes
        assert first == "receiving from ImageStatusQueue fails, going on: OSError: gone"
        assert level == "warning"
        assert re.fullmatch(
            r"receiving from ImageStatusQueue failed \d\d times \(1:00–2:5\d\)", last
        )

    run_virtual(main)


def test_a_delete_that_fails_for_some_of_its_entries_is_repeated_for_those():
    async def main():
        queue = TroubledQueue()
        ledger, _ = make_ledger(now)
        tries = {}

        def fail_twice(handles):
            for handle in handles:
                tries[handle] = tries.get(handle, 0) + 1
            return {h for h in handles if h.startswith(("m-3#", "m-7#")) and tries[h] <= 2}

        queue.on_delete = fail_twice
        async with consuming(queue, ledger) as consumer:
            for job in [submit(ledger) for _ in range(10)]:
                queue.say(job.id, "SUCCESS")
            await anyio.sleep(10)
            assert len(queue) == 0
            assert consumer.notes == []
        assert sorted(tries.values()) == [1] * 8 + [3] * 2
        assert (ledger.succeeded, ledger.duplicates) == (10, 0)

    run_virtual(main)


def test_a_message_that_cannot_be_deleted_is_given_up_told_and_counted_when_it_comes_again():
    async def main():
        queue = TroubledQueue()
        ledger, _ = make_ledger(now)
        queue.on_delete = lambda handles: {h for h in handles if h == "m-0#1"}
        async with consuming(queue, ledger) as consumer:
            for job in [submit(ledger) for _ in range(3)]:
                queue.say(job.id, "SUCCESS")
            await anyio.sleep(20)
            assert len(queue) == 1
            assert queue.deletes == 3
            await anyio.sleep(60)
            assert len(queue) == 0
            [_, (_, text)] = consumer.notes
            assert text.startswith(
                "deleting from ImageStatusQueue works again, after failing once (0:"
            )
        assert (ledger.succeeded, ledger.duplicates) == (3, 1)

    run_virtual(main)


def test_a_batch_delete_that_raises_is_repeated_and_nothing_is_lost():
    async def main():
        queue = TroubledQueue(latency=0.01)
        ledger, _ = make_ledger(now)
        outage = [OSError("connection reset"), OSError("connection reset")]

        def fail(_handles):
            if outage:
                raise outage.pop()
            return set()

        queue.on_delete = fail
        async with consuming(queue, ledger) as consumer:
            for job in [submit(ledger) for _ in range(40)]:
                queue.say(job.id, "STARTED", "SUCCESS")
            await anyio.sleep(5)
            assert len(queue) == 0
            [(level, text)] = consumer.notes
            assert level == "warning"
            assert "connection reset" in text
        assert (ledger.succeeded, ledger.duplicates, balance(ledger)) == (40, 0, 0)

    run_virtual(main)


def test_deleting_keeps_up_with_receiving():
    async def main():
        queue = TroubledQueue(latency=0.1)
        ledger, _ = make_ledger(now)
        async with consuming(queue, ledger):
            for job in [submit(ledger) for _ in range(2000)]:
                queue.say(job.id, "STARTED", "SUCCESS")
            await until(lambda: not len(queue))
            # 400 batches one after the other would outlast the visibility
            # timeout, and what is delivered again makes work for the next.
            assert now() < 30
        assert (ledger.succeeded, ledger.duplicates) == (2000, 0)
        assert queue.received == 4000

    run_virtual(main)


def test_what_is_being_deleted_or_given_back_when_it_is_stopped_is_so_in_the_end():
    async def main():
        queue = TroubledQueue(latency=1.0)
        ledger, _ = make_ledger(now)
        async with consuming(queue, ledger):
            queue.say(submit(ledger).id, "SUCCESS")
            queue.say("f" * 32, "SUCCESS")
            await anyio.sleep(1.5)  # received at 1.0, and on its way until 2.05
            assert queue.received == 2
        assert queue.deleted == 1
        assert len(queue._waiting) == 1  # visible again, not hidden for thirty seconds

    run_virtual(main)


def test_finishing_takes_at_most_five_seconds():
    async def main():
        queue = TroubledQueue()
        ledger, _ = make_ledger(now)
        consumer = StatusConsumer(queue, ledger, clock=now, epoch=0.0, note=lambda *_: None)
        async with anyio.create_task_group() as group:
            group.start_soon(consumer.run)
            queue.say(submit(ledger).id, "SUCCESS")
            await anyio.sleep(0.01)
            group.cancel_scope.cancel()
        queue.latency = 1000.0
        begun = now()
        await consumer.finish()
        assert now() - begun == pytest.approx(5)

    run_virtual(main)


def test_no_job_waits_for_a_polling_interval():
    async def main():
        service = FakeModelRunner(
            workers=3,
            service_time=lambda job_id: 0.1 + int(job_id[-2:], 16) / 97,
            keep_ground_truth=True,
        )
        ledger, records = make_ledger(now)
        async with consuming(service.statuses, ledger):
            for number in range(200):
                job = ledger.open(ABOUT, due=now(), start=now())
                message_id = await service.requests.send(f'{{"jobId": "{job.id}"}}')
                ledger.accept(job, message_id)
                await anyio.sleep(number % 7 * 0.3)
            await ledger.settle()
        assert len(records) == 200
        for record in records:
            assert record.observed == service.finished[record.job_id]

    run_virtual(main)


def test_a_message_that_breaks_the_reading_spoils_nothing_else():
    class BrokenQueue(FakeQueue):
        async def receive(self, wait=20):
            return [
                {name: value for name, value in m.items() if m["Body"] or name != "ReceiptHandle"}
                for m in await super().receive(wait)
            ]

    async def main():
        queue = BrokenQueue("ImageStatusQueue")
        ledger, _ = make_ledger(now)
        jobs = [submit(ledger), submit(ledger)]
        queue.put(status_body(jobs[0].id, "SUCCESS"))
        queue.put("")
        queue.put(status_body(jobs[1].id, "SUCCESS"))
        async with consuming(queue, ledger) as consumer:
            await anyio.sleep(300)
            [(level, text)] = consumer.notes
            assert level == "warning"
            assert "KeyError" in text
        assert ledger.succeeded == 2

    run_virtual(main)
