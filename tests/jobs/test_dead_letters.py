"""Jobs that are missing are looked for among the dead letters, which stay where they are."""

import itertools

import anyio
import msgspec
import pytest

from asyncload.jobs import dead_letters
from asyncload.jobs.dead_letters import LOOK_LIMIT, DeadLetters
from asyncload.testing import FakeQueue
from tests.jobs.job_bench import make_ledger, now, run_virtual, submit


class Letters(FakeQueue):
    """A dead-letter queue whose calls take time, and may fail."""

    def __init__(self, *, latency=0.01):
        super().__init__("requests-dlq")
        self.latency = latency
        self.calls = 0
        self.problem = None
        self.refused = False

    async def receive(self, wait=20, *, hidden_for=None):
        self.calls += 1
        await anyio.sleep(self.latency)
        if self.problem is not None:
            raise self.problem
        return await super().receive(wait, hidden_for=hidden_for)

    async def release(self, delays):
        await anyio.sleep(self.latency)
        if self.refused:
            raise ConnectionError("refused")
        await super().release(delays)

    def add(self, job_id):
        self.put(msgspec.json.encode({"jobId": job_id, "imageUrls": []}).decode())

    @property
    def visible(self):
        return len(self._waiting)


class Bench:
    """A ledger, its dead letters, and what was told."""

    def __init__(self, letters=None):
        self.ledger, self.records = make_ledger(now)
        self.letters = letters
        self.notes = []
        requests = FakeQueue("requests", letters=letters)
        self.dead_letters = self.looking_into(requests)

    def looking_into(self, *queues):
        return DeadLetters(
            queues,
            self.ledger,
            clock=now,
            note=lambda level, text: self.notes.append((level, text)),
        )

    async def look(self, **options):
        """Look once; how long it took."""
        start = now()
        await self.dead_letters.look(**options)
        return now() - start


def test_jobs_found_are_rejected_and_the_letters_stay_for_everybody_to_see():
    async def main():
        bench = Bench(Letters())
        jobs = [submit(bench.ledger) for _ in range(3)]
        for job in jobs[:2]:
            bench.letters.add(job.id)
        bench.letters.put("not JSON")
        bench.letters.put('{"jobId": 7}')
        bench.letters.add("f" * 32)
        await anyio.sleep(12)
        await bench.look(last=True)
        bench.ledger.close()
        assert [r.dead_letter_age for r in bench.records] == [pytest.approx(12, abs=0.1)] * 2 + [
            None
        ]
        assert (bench.ledger.rejected, bench.ledger.never_started) == (2, 1)
        assert (bench.letters.visible, bench.letters.deleted) == (5, 0)
        assert bench.notes == [
            (
                "warning",
                "the service rejected 2 jobs of this run: in requests-dlq, the oldest 12.0 s old",
            )
        ]

    run_virtual(main)


def test_a_look_ends_when_every_missing_job_is_found():
    async def main():
        bench = Bench(Letters())
        job = submit(bench.ledger)
        bench.letters.add(job.id)
        assert await bench.look() == pytest.approx(2 * bench.letters.latency)
        assert bench.letters.calls == 1

    run_virtual(main)


def test_a_look_ends_when_a_receive_comes_back_empty():
    async def main():
        bench = Bench(Letters())
        submit(bench.ledger)
        assert await bench.look() == pytest.approx(1.0, abs=0.1)
        assert bench.letters.calls == 1
        assert bench.notes == []

    run_virtual(main)


def test_nothing_is_asked_when_no_job_is_missing():
    async def main():
        bench = Bench(Letters())
        bench.ledger.reject(bench.ledger.open(submit(bench.ledger).about, due=0, start=0))
        for job in list(bench.ledger.live.values()):
            bench.ledger.mark_dead_lettered(job.id, "elsewhere", None)
        assert await bench.look() == 0
        assert bench.letters.calls == 0

    run_virtual(main)


def test_a_look_into_many_letters_of_others_is_bounded_in_time_and_says_so():
    async def main():
        bench = Bench(Letters(latency=0.11))
        submit(bench.ledger)
        for number in range(5000):
            bench.letters.add(f"{number:032x}")
        assert await bench.look(last=True) < LOOK_LIMIT + dead_letters.GIVE_BACK_LIMIT + 0.2
        # Four readers of ten messages for five seconds, 0.11 s each, after the first one.
        read = 10 + 4 * 10 * 44
        assert bench.notes == [
            (
                "warning",
                (
                    f"reading requests-dlq was given up after {read:,} messages; "
                    "further jobs of this run may be among the others"
                ),
            )
        ]
        await anyio.sleep(dead_letters.HIDDEN)
        assert bench.letters.visible == 5000

    run_virtual(main)


def test_a_look_is_bounded_in_messages(monkeypatch):
    monkeypatch.setattr(dead_letters, "MOST_MESSAGES", 100)

    async def main():
        bench = Bench(Letters())
        submit(bench.ledger)
        for number in range(500):
            bench.letters.add(f"{number:032x}")
        await bench.look(last=True)
        assert 100 <= bench.letters.received < 100 + 10 * dead_letters.READERS
        assert bench.letters.visible == 500
        assert "given up after" in bench.notes[0][1]

    run_virtual(main)


def test_before_the_last_look_it_is_no_loss_that_there_is_more_to_read():
    async def main():
        bench = Bench(Letters())
        submit(bench.ledger)

        async def rejecting():
            while True:
                bench.letters.add("f" * 32)
                await anyio.sleep(0.1)

        async with anyio.create_task_group() as group:
            group.start_soon(rejecting)
            assert await bench.look() < LOOK_LIMIT + 0.1
            assert bench.notes == []
            await bench.look(last=True)
            assert "given up after" in bench.notes[0][1]
            group.cancel_scope.cancel()

    run_virtual(main)


def test_letters_that_cannot_be_given_back_come_back_by_themselves():
    async def main():
        bench = Bench(Letters())
        submit(bench.ledger)
        bench.letters.add("f" * 32)
        bench.letters.refused = True
        await bench.look()
        assert bench.letters.visible == 0
        await anyio.sleep(dead_letters.HIDDEN)
        assert bench.letters.visible == 1

    run_virtual(main)


def test_a_look_that_fails_is_told_once_and_what_was_found_before_counts():
    async def main():
        bench = Bench(Letters())
        found = submit(bench.ledger)
        submit(bench.ledger)
        bench.letters.add(found.id)

        async def fail():
            await anyio.sleep(0.5)
            bench.letters.problem = PermissionError("no sqs:ReceiveMessage")

        async with anyio.create_task_group() as group:
            group.start_soon(fail)
            await bench.look()
            await bench.look()
            await bench.look(last=True)
        bench.ledger.close()
        assert (bench.ledger.rejected, bench.ledger.never_started) == (1, 1)
        assert bench.notes == [
            ("info", "the service rejected 1 job of this run: in requests-dlq, 0 s old"),
            (
                "warning",
                (
                    "the dead letters of requests cannot be read, so jobs that the service rejected "
                    "cannot be told from those that it never got: "
                    "PermissionError: no sqs:ReceiveMessage"
                ),
            ),
            ("warning", "the service rejected 1 job of this run: in requests-dlq, 0 s old"),
        ]
        assert bench.letters.visible == 1

    run_virtual(main)


def test_a_queue_that_does_not_answer_is_given_up():
    class Silent(FakeQueue):
        async def dead_letters(self):
            await anyio.sleep_forever()

    async def main():
        bench = Bench()
        bench.dead_letters = bench.looking_into(Silent("requests"))
        submit(bench.ledger)
        assert await bench.look() == pytest.approx(LOOK_LIMIT)
        [(level, text)] = bench.notes
        assert level == "warning"
        assert text.endswith("those that it never got: no answer within 5 s")

    run_virtual(main)


def test_a_queue_without_dead_letters_is_told_in_the_log():
    async def main():
        bench = Bench()
        submit(bench.ledger)
        await bench.look()
        await bench.look()
        assert bench.notes == [
            (
                "info",
                (
                    "requests has no dead-letter queue, so jobs that the service rejected "
                    "cannot be told from those that it never got"
                ),
            )
        ]

    run_virtual(main)


def test_each_look_tells_its_news_and_the_last_one_tells_all_of_it():
    async def main():
        bench = Bench(Letters())
        early, late = submit(bench.ledger), submit(bench.ledger)
        bench.letters.add(early.id)
        await anyio.sleep(60)
        await bench.look()
        bench.letters.add(late.id)
        submit(bench.ledger)
        await anyio.sleep(60)
        await bench.look()
        await bench.look()  # no news
        await bench.look(last=True)
        assert bench.notes == [
            ("info", "the service rejected 1 job of this run: in requests-dlq, 60.0 s old"),
            ("info", "the service rejected 1 job of this run: in requests-dlq, 60.0 s old"),
            (
                "warning",
                "the service rejected 2 jobs of this run: in requests-dlq, the oldest 123 s old",
            ),
        ]

    run_virtual(main)


def test_jobs_whose_record_was_written_before_are_named():
    async def main():
        bench = Bench(Letters())
        jobs = [submit(bench.ledger) for _ in range(7)]
        await anyio.sleep(3600)
        bench.ledger.expire()
        for job in jobs:
            bench.letters.add(job.id)
        await bench.look(last=True)
        [(_, text)] = bench.notes
        assert text.startswith("the service rejected 7 jobs of this run: in requests-dlq")
        assert text.endswith(
            f"already timed out: {', '.join(job.id for job in jobs[:5])} and 2 more"
        )
        assert (bench.ledger.rejected, bench.ledger.timed_out) == (7, 7)

    run_virtual(main)


def test_a_look_that_is_cancelled_gives_the_letters_back():
    async def main():
        bench = Bench(Letters())
        submit(bench.ledger)
        bench.letters.add("f" * 32)
        with anyio.move_on_after(0.5) as scope:
            await bench.look()
        assert scope.cancelled_caught
        assert bench.letters.visible == 1
        assert not bench.dead_letters.looking

    run_virtual(main)


def test_two_queues_are_looked_into_side_by_side():
    async def main():
        bench = Bench()
        first, second = Letters(), Letters()
        bench.dead_letters = bench.looking_into(
            FakeQueue("a", letters=first), FakeQueue("b", letters=second)
        )
        for letters in (first, second):
            letters.add(submit(bench.ledger).id)
        submit(bench.ledger)
        assert await bench.look() < 2
        bench.ledger.close()
        assert (bench.ledger.rejected, bench.ledger.lost) == (2, 3)

    run_virtual(main)


def test_a_user_that_waits_for_a_rejected_job_goes_on_at_once():
    async def main():
        bench = Bench(Letters())
        waited, left = submit(bench.ledger), submit(bench.ledger)
        outcomes = []

        async def wait():
            outcomes.append((await bench.ledger.wait(waited), now()))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.sleep(1)
            assert not bench.dead_letters.due, "a job may well take that long"
            for job in (waited, left):
                bench.letters.add(job.id)
            await anyio.sleep(4)
            assert bench.dead_letters.due
            await bench.look()
        assert outcomes == [("LOST", pytest.approx(5, abs=0.1))]
        assert [r.error for r in bench.records] == [
            "rejected by the service: the request is in requests-dlq"
        ]
        assert (bench.ledger.rejected, bench.ledger.backlog) == (1, 1)
        await anyio.sleep(dead_letters.INTERVAL)
        assert not bench.dead_letters.due, "nobody waits any more"

    run_virtual(main)


def test_looks_for_users_that_wait_become_rare_while_they_find_nothing():
    async def main():
        bench = Bench(Letters())
        job = submit(bench.ledger)
        looks = []
        async with anyio.create_task_group() as group:
            group.start_soon(bench.ledger.wait, job)
            while now() < 200:
                await anyio.sleep(1)
                if bench.dead_letters.due:
                    looks.append(now())
                    await bench.look()
            group.cancel_scope.cancel()
        pauses = [b - a for a, b in itertools.pairwise(looks)]
        assert looks[0] == pytest.approx(5, abs=1)
        assert max(pauses) >= dead_letters.INTERVAL
        assert len(looks) <= 7

    run_virtual(main)
