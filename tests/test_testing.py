"""The public fakes: virtual time, queues and a ModelRunner in memory."""

import asyncio
import threading
import time

import anyio
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.engine.clock import RunClock
from asyncload.jobs.status import parse_status
from asyncload.testing import FakeModelRunner, FakeQueue, VirtualTimeLoop, status_body


def run_virtual(main):
    return anyio.run(main, backend_options={"loop_factory": VirtualTimeLoop})


def now():
    return asyncio.get_running_loop().time()


# -- virtual time ---------------------------------------------------------------


def test_a_year_of_virtual_time_passes_in_no_time():
    async def main():
        for _ in range(365):
            await anyio.sleep(86_400)
        return now()

    begun = time.monotonic()
    assert run_virtual(main) == pytest.approx(365 * 86_400, abs=1e-3)
    assert time.monotonic() - begun < 60


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0, 1e7), max_size=30), st.floats(0, 1e7))
def test_sleepers_wake_in_the_order_and_at_the_moment_they_asked_for(delays, start):
    woken = []

    async def sleeper(delay, begun):
        await anyio.sleep(delay)
        woken.append((delay, now() - begun))

    async def main():
        await anyio.sleep(start)
        async with anyio.create_task_group() as group:
            for delay in delays:
                group.start_soon(sleeper, delay, now())

    run_virtual(main)
    assert sorted(delays) == pytest.approx([delay for delay, _ in woken], abs=1e-7)
    for delay, took in woken:
        assert took == pytest.approx(delay, abs=1e-7)


def test_time_stands_still_while_there_is_something_to_do():
    async def main():
        begun = now()
        for _ in range(1000):
            await anyio.sleep(0)
        sum(range(100_000))
        return now() - begun

    assert run_virtual(main) == 0


def test_timeouts_count_virtual_time():
    async def main():
        with anyio.move_on_after(3600) as scope:
            await anyio.sleep_forever()
        return scope.cancelled_caught, now()

    assert run_virtual(main) == (True, 3600.0)


def test_a_timer_a_hair_away_is_reached():
    async def main():
        await anyio.sleep(123_456.789)
        moments = []
        loop = asyncio.get_running_loop()
        done = anyio.Event()
        for hairs in range(5):
            loop.call_at(now() + hairs * 1e-11, lambda: moments.append(now()))
        loop.call_at(now() + 1e-9, done.set)
        await done.wait()
        return len(moments)

    assert run_virtual(main) == 5


def test_the_answer_of_a_thread_is_waited_for():
    release = threading.Event()

    async def main():
        asyncio.get_running_loop().call_soon(release.set)
        await anyio.to_thread.run_sync(release.wait)
        return "done"

    assert run_virtual(main) == "done"


def test_a_run_takes_virtual_time_as_its_clock():
    async def main():
        await anyio.sleep(5)
        clock = RunClock()
        clock.start()
        await clock.sleep_until(7.5)
        return clock.virtual, clock.epoch, clock(), now()

    assert run_virtual(main) == (True, 5.0, 7.5, 12.5)


# -- queues ---------------------------------------------------------------------


def test_a_long_poll_ends_when_a_message_comes_or_after_twenty_seconds():
    async def main():
        queue = FakeQueue("q")
        assert await queue.receive() == []
        assert now() == 20.0
        asyncio.get_running_loop().call_later(3, queue.put, "body")
        [message] = await queue.receive()
        assert now() == 23.0
        assert message["Body"] == "body"
        assert message["Attributes"] == {
            "SentTimestamp": "23000",
            "ApproximateReceiveCount": "1",
        }

    run_virtual(main)


def test_ten_messages_at_most_come_at_once_in_order():
    async def main():
        queue = FakeQueue("q")
        for number in range(15):
            assert await queue.send(str(number)) == f"m-{number}"
        batches = [await queue.receive(), await queue.receive()]
        assert [[int(m["Body"]) for m in batch] for batch in batches] == [
            [*range(10)],
            [*range(10, 15)],
        ]
        assert queue.received == 15

    run_virtual(main)


def test_a_message_comes_back_after_its_visibility_timeout_unless_deleted():
    async def main():
        queue = FakeQueue("q")
        queue.put("kept")
        queue.put("deleted")
        kept, deleted = await queue.receive()
        assert await queue.delete([deleted["ReceiptHandle"]]) == []
        assert await queue.receive() == []  # 20 s
        [again] = await queue.receive()
        assert now() == 30.0
        assert again["MessageId"] == kept["MessageId"]
        assert again["Attributes"]["ApproximateReceiveCount"] == "2"
        # What was handed out before is not changed by that.
        assert kept["Attributes"]["ApproximateReceiveCount"] == "1"
        assert again["ReceiptHandle"] != kept["ReceiptHandle"]
        assert await queue.delete([kept["ReceiptHandle"], "nonsense"]) == [
            kept["ReceiptHandle"],
            "nonsense",
        ]
        assert (len(queue), queue.deleted) == (1, 1)

    run_virtual(main)


def test_a_released_message_comes_back_after_its_delay():
    async def main():
        queue = FakeQueue("q")
        for body in "abc":
            queue.put(body)
        a, b, _c = await queue.receive()
        await queue.release([(a["ReceiptHandle"], 7), (b["ReceiptHandle"], 0), ("nonsense", 0)])
        assert [m["Body"] for m in await queue.receive()] == ["b"]
        assert now() == 0.0
        assert [m["Body"] for m in await queue.receive()] == ["a"]
        assert now() == 7.0
        assert len(queue) == 3

    run_virtual(main)


def test_every_message_reaches_a_receiver_and_no_long_poll_ends_early():
    async def main():
        queue = FakeQueue("q")
        got, empty_after = [], []

        async def receiver():
            while True:
                begun = now()
                batch = await queue.receive()
                if not batch:
                    empty_after.append(now() - begun)
                got.extend((m["Body"], now()) for m in batch)
                await queue.delete([m["ReceiptHandle"] for m in batch])
                await anyio.sleep(0)

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(receiver)
            await anyio.sleep(1)
            for number in range(30):
                queue.put(f"{number}")
                queue.put(f"{number} again")
                await anyio.sleep(number % 3)
            put_until = now()
            await anyio.sleep(50)
            group.cancel_scope.cancel()
        assert len(got) == 60
        assert max(moment for _, moment in got) <= put_until
        assert set(empty_after) == {20.0}

    run_virtual(main)


def test_a_message_that_woke_a_receiver_which_was_cancelled_goes_to_the_next():
    async def main():
        queue = FakeQueue("q")
        got = []

        async def receiver():
            got.extend(await queue.receive())
            return now()

        first = asyncio.ensure_future(receiver())
        second = asyncio.ensure_future(receiver())
        await anyio.sleep(5)
        queue.put("body")
        first.cancel()
        assert await second == 5.0
        assert [m["Body"] for m in got] == ["body"]

    run_virtual(main)


def test_a_queue_may_hand_what_is_sent_to_somebody_else():
    async def main():
        sent = []
        queue = FakeQueue("q", on_send=lambda message_id, body: sent.append((message_id, body)))
        message_id = await queue.send("body")
        assert sent == [(message_id, "body")]
        assert len(queue) == 0

    run_virtual(main)


# -- the ModelRunner ----------------------------------------------------------------


def test_the_model_runner_works_on_as_many_jobs_at_once_as_it_has_workers():
    async def main():
        service = FakeModelRunner(
            workers=2,
            service_time=float,
            outcome=lambda job_id: "FAILED" if job_id == "2" else "SUCCESS",
            keep_ground_truth=True,
        )
        for job_id in ("4", "2", "1", "3"):
            await service.requests.send(msgspec.json.encode({"jobId": job_id}).decode())
        seen = {}
        while len(seen) < 8:
            for message in await service.statuses.receive():
                status = parse_status(message)
                seen[status.job_id, status.status] = now()
                assert status.sent_at == now()
                await service.statuses.delete([message["ReceiptHandle"]])
        # Two workers: 4 | 2, 1, 3.
        assert seen == {
            ("4", "STARTED"): 0.0,
            ("2", "STARTED"): 0.0,
            ("2", "FAILED"): 2.0,
            ("1", "STARTED"): 2.0,
            ("1", "SUCCESS"): 3.0,
            ("3", "STARTED"): 3.0,
            ("4", "SUCCESS"): 4.0,
            ("3", "SUCCESS"): 6.0,
        }
        assert service.finished == {"2": 2.0, "1": 3.0, "4": 4.0, "3": 6.0}
        assert service.accepted == 4

    run_virtual(main)


def test_the_truth_is_kept_only_when_asked_for():
    async def main():
        service = FakeModelRunner()
        await service.requests.send('{"jobId": "1"}')
        await anyio.sleep(1)
        assert service.finished == {}
        assert len(service.statuses) == 2

    run_virtual(main)


def test_a_status_body_is_what_the_real_service_sends():
    body = msgspec.json.decode(status_body("j", "STARTED", processing_duration="1"))
    assert body["Type"] == "Notification"
    assert body["MessageAttributes"] == {
        name: {"Type": "String", "Value": value}
        for name, value in {
            "status": "STARTED",
            "job_id": "j",
            "image_status": "STARTED",
            "image_id": "j:s3://images/one.tif",
            "processing_duration": "1",
        }.items()
    }


def test_a_simulated_day_is_the_same_every_time():
    async def main():
        service = FakeModelRunner(workers=1, service_time=lambda job_id: int(job_id) % 7 / 3)
        log = []

        async def receive():
            while True:
                for message in await service.statuses.receive():
                    log.append((now(), message["MessageId"], message["Body"]))
                    await service.statuses.delete([message["ReceiptHandle"]])

        async with anyio.create_task_group() as group:
            group.start_soon(receive)
            for number in range(2000):
                await service.requests.send(f'{{"jobId": "{number}"}}')
                await anyio.sleep(number % 11 / 5)
            await anyio.sleep(86_400)
            group.cancel_scope.cancel()
        return log

    first, second = run_virtual(main), run_virtual(main)
    assert len(first) == 4000
    assert first == second
