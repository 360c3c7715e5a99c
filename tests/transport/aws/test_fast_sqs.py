"""SQS with the fast backend: batches, errors per entry, and the same results as the SDK backend."""

from __future__ import annotations

import asyncio
import json

import pytest

from asyncload.testing import status_body
from asyncload.transport.aws.fast_sqs import FastSqsQueue
from asyncload.transport.aws.session import Aws
from asyncload.transport.aws.sqs import SqsQueue
from asyncload.transport.http.client import FastHttpClient
from asyncload.transport.measure import CURRENT, Recorder, is_recorded
from tests.transport.servers import serve

pytestmark = pytest.mark.slow

URL = "http://sqs.us-west-2.amazonaws.com/123456789012/jobs"


class Sqs:
    """A server that answers SendMessageBatch as told and keeps what came."""

    def __init__(self, *, status=200, failing=(), forget=()):
        self.status = status
        self.failing = failing
        self.forget = forget
        self.batches = []

    async def __call__(self, server, reader, writer):
        while True:
            sent = json.loads(await server.read(reader))
            entries = sent["Entries"]
            self.batches.append([entry["MessageBody"] for entry in entries])
            answer = {
                "Successful": [
                    {"Id": entry["Id"], "MessageId": f"id-{entry['MessageBody']}"}
                    for entry in entries
                    if entry["MessageBody"] not in (*self.failing, *self.forget)
                ],
                "Failed": [
                    {"Id": e["Id"], "Code": "InternalError", "Message": "m", "SenderFault": False}
                    for e in entries
                    if e["MessageBody"] in self.failing
                ],
            }
            if self.status != 200:
                answer = {"__type": "com.amazonaws.sqs#RequestThrottled", "message": "slow down"}
            body = json.dumps(answer).encode()
            writer.write(
                b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (self.status, len(body), body)
            )
            await writer.drain()


async def queue_at(url, http, **options):
    aws = Aws(endpoint_url=url, region="us-west-2", credentials=("key", "secret"))
    async with aws:
        return await FastSqsQueue.of(aws, http, URL, **options)


def test_messages_are_sent_ten_at_a_time_in_their_order(run):
    async def main():
        sqs = Sqs()
        async with serve(sqs) as server, FastHttpClient() as http:
            queue = await queue_at(server.url, http, batch_linger=0.01)
            ids = await asyncio.gather(*(queue.send(f"m{n}") for n in range(25)))
        assert ids == [f"id-m{n}" for n in range(25)]
        assert sorted(map(len, sqs.batches)) == [5, 10, 10]
        assert sorted(sqs.batches, key=lambda batch: int(batch[0][1:])) == [
            [f"m{n}" for n in range(first, min(first + 10, 25))] for first in (0, 10, 20)
        ]

    run(main())


def test_a_lone_message_waits_no_longer_than_the_linger(run):
    async def main():
        sqs = Sqs()
        async with serve(sqs) as server, FastHttpClient() as http:
            queue = await queue_at(server.url, http, batch_linger=0.01)
            assert await asyncio.wait_for(queue.send("m"), 5) == "id-m"
        assert sqs.batches == [["m"]]

    run(main())


def test_the_failure_of_an_entry_reaches_its_own_sender_only(run):
    async def main():
        sqs = Sqs(failing=("m3",), forget=("m5",))
        async with serve(sqs) as server, FastHttpClient() as http:
            queue = await queue_at(server.url, http, batch_linger=0.01)
            results = await asyncio.gather(
                *(queue.send(f"m{n}") for n in range(10)), return_exceptions=True
            )
        assert results[3].response["Error"]["Code"] == "InternalError"
        assert isinstance(results[5], Exception)
        assert [r for r in results if isinstance(r, str)] == [
            f"id-m{n}" for n in range(10) if n not in (3, 5)
        ]

    run(main())


def test_a_refused_batch_fails_each_of_its_messages_with_the_sdk_error(run):
    async def main():
        async with serve(Sqs(status=403)) as server, FastHttpClient() as http:
            queue = await queue_at(server.url, http, batch_linger=0.001)
            results = await asyncio.gather(
                *(queue.send(f"m{n}") for n in range(10)), return_exceptions=True
            )
        assert {one.response["Error"]["Code"] for one in results} == {"RequestThrottled"}
        assert len({id(one) for one in results}) == 10

    run(main())


def test_a_call_is_one_request_due_with_its_first_message_and_a_failed_entry_its_own(run):
    class Kept(list):
        write = list.append

    async def main():
        kept = Kept()
        loop = asyncio.get_running_loop()
        async with serve(Sqs(failing=("m1",))) as server, FastHttpClient(clock=loop.time) as http:
            queue = await queue_at(server.url, http, batch_linger=0.01)

            async def user(number):
                recorder = Recorder(kept, loop.time, "s", number)
                CURRENT.set(recorder)
                recorder.begin(loop.time() - 3 + number, loop.time())
                await queue.send(f"m{number}")

            results = await asyncio.gather(*(user(n) for n in range(3)), return_exceptions=True)
        assert {one.name for one in kept} == {"sqs.SendMessageBatch"}
        call, entry = kept
        assert (call.user, call.outcome, call.status) == (0, "ok", 200)
        assert call.start - call.due == pytest.approx(3, abs=0.5)
        assert call.begun - call.due == pytest.approx(3, abs=0.5)
        assert call.start - call.begun >= 0.008, "the wait for others is preparation"
        assert call.first_byte <= call.end
        assert (entry.user, entry.outcome, entry.error) == (1, "failed", "InternalError: m")
        assert entry.start - entry.due == pytest.approx(2, abs=0.5)
        assert results[0] is results[2] is None
        assert is_recorded(results[1])

    run(main())


def test_a_refused_batch_is_one_failed_request(run):
    class Kept(list):
        write = list.append

    async def main():
        kept = Kept()
        loop = asyncio.get_running_loop()
        async with serve(Sqs(status=403)) as server, FastHttpClient(clock=loop.time) as http:
            queue = await queue_at(server.url, http, batch_linger=0.001)
            CURRENT.set(Recorder(kept, loop.time, "s", 0))
            results = await asyncio.gather(
                *(queue.send(f"m{n}") for n in range(10)), return_exceptions=True
            )
        assert [(one.outcome, one.status) for one in kept] == [("failed", 403)]
        assert kept[0].error.startswith("RequestThrottled")
        assert all(is_recorded(one) for one in results)

    run(main())


def test_a_sender_that_gives_up_does_not_take_others_with_it(run):
    async def main():
        async with serve(Sqs()) as server, FastHttpClient() as http:
            queue = await queue_at(server.url, http, batch_linger=0.05)
            impatient = asyncio.create_task(queue.send("gone"))
            patient = asyncio.create_task(queue.send("stays"))
            await asyncio.sleep(0.001)
            impatient.cancel()
            assert await patient == "id-stays"

    run(main())


@pytest.mark.anyio
async def test_both_backends_do_the_same_to_a_real_queue(emulator):
    async with (
        Aws(endpoint_url=emulator, region="us-west-2", credentials=("test", "test")) as aws,
        FastHttpClient() as http,
    ):
        control = await aws.client("sqs", retries=True)
        url = (await control.create_queue(QueueName="backends"))["QueueUrl"]
        sdk = await SqsQueue.find(aws, "backends", "request_queue")
        fast = await FastSqsQueue.of(aws, http, url)
        batching = await FastSqsQueue.of(aws, http, url, batch_linger=0.001)
        bodies = [status_body("a" * 32, "STARTED"), 'ü\u2028 \\ " \n', "x" * 100_000]
        for sender in (sdk, fast, batching):
            ids = [await sender.send(body) for body in bodies]
            assert len(set(ids)) == len(bodies)
            for receiver in (sdk, fast):
                received = []
                while len(received) < len(bodies):
                    received += await receiver.receive()
                assert sorted(one["Body"] for one in received) == sorted(bodies)
                assert {one["MessageId"] for one in received} == set(ids)
                assert all("SentTimestamp" in one["Attributes"] for one in received)
                handles = [one["ReceiptHandle"] for one in received]
                if receiver is sdk:
                    await fast.release([(handle, 0) for handle in handles])
                else:
                    assert await fast.delete(handles) == []
        missing = await FastSqsQueue.of(aws, http, url.replace("backends", "gone"))
        missing_sdk = SqsQueue(await aws.client("sqs"), url.replace("backends", "gone"))
        problems = []
        for queue in (missing, missing_sdk):
            with pytest.raises(Exception, match="exist") as caught:
                await queue.send("x")
            problems.append(caught.value)
        assert type(problems[0]) is type(problems[1])
        assert problems[0].response["Error"] == problems[1].response["Error"]
