"""Looking up queues: FIFO ones, those of other regions, and those that one may only send to."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest

from asyncload.errors import ConfigError, TargetError
from asyncload.transport.aws.fast_sqs import FastSqsQueue
from asyncload.transport.aws.session import Aws
from asyncload.transport.aws.sqs import SqsQueue, region_of
from asyncload.transport.aws.sqs_wire import BATCH_BYTES
from asyncload.transport.http.client import FastHttpClient
from tests.transport.servers import answering, serve

KEYS = ("key", "secret")


class Sqs:
    """Answers calls by their names, and keeps what came."""

    def __init__(self, **answers):
        self.answers = {
            "GetQueueUrl": {"QueueUrl": "http://sqs/0/jobs"},
            "GetQueueAttributes": {"Attributes": {"QueueArn": "a"}},
            "SendMessage": {"MessageId": "1"},
            **answers,
        }
        self.seen = []

    async def __call__(self, server, reader, writer):
        while True:
            sent = json.loads(await server.read(reader))
            head = server.heads[-1].decode()
            name = head.lower().partition("amazonsqs.")[2].partition("\r\n")[0]
            name = next(one for one in [*self.answers, "SendMessageBatch"] if one.lower() == name)
            self.seen.append((name, sent, head))
            if name == "SendMessageBatch":
                ids = [{"Id": one["Id"], "MessageId": one["Id"]} for one in sent["Entries"]]
                answer = {"Successful": ids}
            else:
                answer = self.answers[name]
            body = json.dumps(answer).encode()
            status = 400 if "__type" in answer else 200
            writer.write(
                b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)
            )

    def sent(self, name):
        return [sent for one, sent, _ in self.seen if one == name]


def with_queue(run, sqs, queue, use, **options):
    """Look up ``queue`` and have ``use`` it through both backends."""

    async def main():
        async with (
            serve(sqs) as server,
            Aws(endpoint_url=server.url, region="us-west-2", credentials=KEYS) as aws,
            FastHttpClient() as http,
        ):
            found = await SqsQueue.find(aws, queue, "request_queue")
            return await use(found, await FastSqsQueue.of(aws, http, found.url, **options))

    return run(main())


async def send_both(sdk, fast):
    return await sdk.send("a"), await fast.send("b")


DENIED = {"__type": "com.amazonaws.sqs#AccessDeniedException", "message": "not authorized"}


@pytest.mark.parametrize("queue", ["jobs", "http://sqs/0/jobs"])
def test_who_may_only_send_need_not_be_allowed_to_look(run, queue):
    sqs = Sqs(GetQueueAttributes=DENIED)
    assert with_queue(run, sqs, queue, send_both) == ("1", "1")


def test_dead_letters_of_a_queue_that_one_may_not_look_at_are_where_they_usually_are(run):
    async def letters(sdk, _):
        return (await sdk.dead_letters()).url

    sqs = Sqs(GetQueueAttributes=DENIED)
    assert with_queue(run, sqs, "jobs", letters) == "http://sqs/0/jobs-dlq"


def test_each_message_to_a_fifo_queue_is_a_group_of_its_own(run):
    sqs = Sqs(GetQueueUrl={"QueueUrl": "http://sqs/0/jobs.fifo"})
    with_queue(run, sqs, "jobs.fifo", send_both)

    async def batch(_, fast):
        await asyncio.gather(*(fast.send(f"m{n}") for n in range(10)))

    with_queue(run, sqs, "jobs.fifo", batch, batch_linger=1)
    (entries,) = [sent["Entries"] for sent in sqs.sent("SendMessageBatch")]
    messages = [*sqs.sent("SendMessage"), *entries]
    groups = {message["MessageGroupId"] for message in messages}
    assert len(groups) == len({one["MessageDeduplicationId"] for one in messages}) == 12
    assert {one["MessageBody"] for one in messages} == {"a", "b", *(f"m{n}" for n in range(10))}


def test_a_batch_never_holds_more_bytes_than_every_server_takes(run):
    sqs = Sqs()
    bodies = ["ü" * 50_000, *("x" * 100_000 for _ in range(4)), "x" * (2 * BATCH_BYTES), "x", "x"]

    async def send(_, fast):
        await asyncio.gather(*(fast.send(body) for body in bodies))

    with_queue(run, sqs, "jobs", send, batch_linger=0.05)
    batches = [[one["MessageBody"] for one in s["Entries"]] for s in sqs.sent("SendMessageBatch")]
    assert sorted(map(len, batches)) == [1, 1, 2, 2, 2]
    assert sorted(itertools.chain(*batches)) == sorted(bodies)
    sizes = [sum(len(body.encode()) for body in batch) for batch in batches]
    assert sorted(sizes)[-2] <= BATCH_BYTES, "only one that is larger by itself goes alone"


def test_a_server_of_the_older_protocol_is_told_as_that(run):
    body = (
        b'<ErrorResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><Error>'
        b"<Type>Sender</Type><Code>MissingAction</Code></Error></ErrorResponse>"
    )
    refuse = answering(b"HTTP/1.1 400 X\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    with pytest.raises(
        TargetError, match=r"^http://127\.0\.0\.1:\d+/ speaks only SQS's older query"
    ):
        with_queue(run, refuse, "jobs", send_both)


@pytest.mark.parametrize(
    ("queue", "region"),
    [
        ("https://sqs.us-east-2.amazonaws.com/123456789012/jobs", "us-east-2"),
        ("https://sqs-fips.us-gov-west-1.amazonaws.com/1/jobs", "us-gov-west-1"),
        ("https://eu-west-1.queue.amazonaws.com/1/jobs", "eu-west-1"),
        ("https://queue.amazonaws.com/1/jobs", "us-east-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/1/jobs", "cn-north-1"),
        ("https://vpce-1.sqs.us-west-2.vpce.amazonaws.com/1/jobs", "us-west-2"),
        ("http://localhost:9324/0/jobs", None),
        ("jobs", None),
        ("http://[/jobs", None),
    ],
)
def test_the_url_of_a_queue_names_its_region(queue, region):
    assert region_of(queue) == region


def test_a_queue_of_another_region_is_called_there(run):
    sqs = Sqs()
    with_queue(run, sqs, "https://sqs.us-east-2.amazonaws.com/1/jobs", send_both)
    assert all("/us-east-2/sqs/" in head for _, _, head in sqs.seen)
    missing = {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no"}
    with pytest.raises(TargetError, match="in the region us-east-2 of its URL"):
        with_queue(
            run,
            Sqs(GetQueueAttributes=missing),
            "https://sqs.us-east-2.amazonaws.com/1/jobs",
            send_both,
        )


@pytest.mark.parametrize(
    ("queue", "words"),
    [
        ("http://localhost:9324/0/jobs", "set aws.endpoints.sqs to the endpoint http://localhost"),
        ("http:///jobs", "is not a URL of a queue"),
    ],
)
def test_a_queue_at_an_emulator_needs_its_endpoint(run, aws_files, queue, words):
    aws_files(keys="K")

    async def main():
        async with Aws(region="us-west-2") as aws:
            await SqsQueue.find(aws, queue, "request_queue")

    with pytest.raises(ConfigError, match=words):
        run(main())
