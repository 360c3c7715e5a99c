"""A batched message is its sender's: it goes out while somebody waits for it, and not after."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from asyncload.records.record import INTERRUPTED
from asyncload.transport.aws.sqs_batcher import Batches
from asyncload.transport.aws.sqs_wire import QueueEncoder
from asyncload.transport.error_text import never_connected
from asyncload.transport.measure import CURRENT, Recorder


class Answer:
    def __init__(self, bodies):
        self.body = json.dumps(
            {"Successful": [{"Id": str(n), "MessageId": f"id-{b}"} for n, b in enumerate(bodies)]}
        ).encode()


class Sending:
    """The operation: what was sent, and how each call ended."""

    label = "sqs.SendMessageBatch"

    def __init__(self, seconds=0.0):
        self.seconds = seconds
        self.batches = []
        self.ended = []

    async def call(self, body, recorder, due, begun):
        bodies = [entry["MessageBody"] for entry in json.loads(body)["Entries"]]
        self.batches.append(bodies)
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        self.ended.append("answered")
        return Answer(bodies)


async def cancelled(task):
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def batches(sending, linger=0.02):
    return Batches(sending, QueueEncoder("http://q"), linger=linger)


def test_a_message_whose_sender_was_cancelled_before_is_not_sent():
    async def main():
        sending = Sending()
        queue = batches(sending)
        leaves, stays = (asyncio.create_task(queue.send(body)) for body in ("leaves", "stays"))
        await asyncio.sleep(0)
        await cancelled(leaves)
        assert await stays == "id-stays"
        assert sending.batches == [["stays"]]

    asyncio.run(main())


def test_no_call_is_made_when_all_of_them_were():
    async def main():
        sending = Sending()
        queue = batches(sending)
        leaves = asyncio.create_task(queue.send("leaves"))
        await asyncio.sleep(0)
        await cancelled(leaves)
        await asyncio.sleep(0.04)
        assert sending.batches == []
        assert await queue.send("later") == "id-later"

    asyncio.run(main())


def test_a_call_under_way_ends_with_the_last_of_its_senders():
    async def main():
        sending = Sending(seconds=60)
        queue = batches(sending, linger=0)
        senders = [asyncio.create_task(queue.send(body)) for body in "ab"]
        await asyncio.sleep(0.005)
        await cancelled(senders[0])
        await asyncio.sleep(0)
        assert sending.ended == []
        await cancelled(senders[1])
        await asyncio.sleep(0)
        assert sending.ended == ["cancelled"]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_what_was_never_sent_is_recorded_as_that():
    async def main():
        written = []
        recorder = Recorder(
            Sink(written), asyncio.get_running_loop().time, "s", 0, interrupted=lambda: True
        )
        CURRENT.set(recorder)
        queue = batches(Sending(), linger=60)
        sender = asyncio.create_task(queue.send("a"))
        await asyncio.sleep(0)
        sender.cancel()
        with pytest.raises(asyncio.CancelledError) as raised:
            await sender
        (record,) = written
        assert (record.name, record.outcome, record.start) == (Sending.label, INTERRUPTED, None)
        assert never_connected(raised.value)

    asyncio.run(main())


class Sink:
    def __init__(self, written):
        self.write = written.append
