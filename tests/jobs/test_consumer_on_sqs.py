"""Ledger and consumer against real queues: SQS's emulator, and the simulated ModelRunner."""

import json
import random
import time
from collections import Counter
from contextlib import asynccontextmanager

import anyio
import pytest

from asyncload.errors import TargetError
from asyncload.jobs.consumer import StatusConsumer
from asyncload.jobs.dead_letters import DeadLetters
from asyncload.local.ground_truth import ExtraTruth, JobTruth, read_ground_truth
from asyncload.testing import status_body
from asyncload.transport.aws.sqs import SqsQueue
from tests.jobs.job_bench import About, balance, make_ledger, until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

LIMIT = 30.0  # seconds; nothing here takes a tenth of it on an idle machine


@asynccontextmanager
async def consuming(queue, run_id, **options):
    """A ledger on this machine's clock, its records, and a consumer of ``queue`` at work."""
    epoch, zero = time.time(), time.monotonic()

    def clock():
        return round(time.monotonic() - zero, 6)

    ledger, records = make_ledger(clock, run_id, epoch)
    notes = []
    consumer = StatusConsumer(
        queue,
        ledger,
        clock=clock,
        epoch=epoch,
        note=lambda level, text: notes.append((level, text)),
        **options,
    )
    async with anyio.create_task_group() as group:
        group.start_soon(consumer.run)
        yield ledger, records, clock
        group.cancel_scope.cancel()
    await consumer.finish()
    assert notes == []


async def in_parallel(function, arguments):
    limiter = anyio.CapacityLimiter(20)

    async def call(argument):
        async with limiter:
            await function(argument)

    async with anyio.create_task_group() as group:
        for argument in arguments:
            group.start_soon(call, argument)


async def messages_left(aws, queue):
    """(visible, hidden) messages on the queue."""
    client = await aws.client("sqs", retries=True)
    answer = await client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["All"])
    return tuple(
        int(answer["Attributes"][f"ApproximateNumberOfMessages{kind}"])
        for kind in ("", "NotVisible")
    )


async def make_queue(aws, name, **attributes):
    client = await aws.client("sqs", retries=True)
    await client.create_queue(QueueName=name, Attributes=attributes)
    return await SqsQueue.find(aws, name, "scenarios.0.user.status_queue")


async def test_a_queue_is_found_by_its_name_and_by_its_url(aws, stack):
    by_name = await SqsQueue.find(aws, "ImageStatusQueue", "k")
    by_url = await SqsQueue.find(aws, stack.resources.status_queue_url, "k")
    assert by_name.url == by_url.url == stack.resources.status_queue_url
    assert by_name.name == by_url.name == "ImageStatusQueue"


@pytest.mark.parametrize("by_url", [False, True])
async def test_a_queue_that_is_not_there_is_named_with_the_key_and_the_remedy(aws, stack, by_url):
    queue = stack.resources.status_queue_url + "-missing" if by_url else "missing"
    with pytest.raises(TargetError) as caught:
        await SqsQueue.find(aws, queue, "scenarios.0.user.status_queue")
    assert str(caught.value) == (
        f"scenarios.0.user.status_queue: there is no queue {queue!r} at {aws.target_of('sqs')}; create it "
        "or set scenarios.0.user.status_queue to the name or URL of one that exists"
    )


async def test_the_dead_letter_limit_is_that_of_the_redrive_policy(aws, stack):
    requests = await SqsQueue.find(aws, "ImageRequestQueue", "k")
    assert await requests.dead_letter_limit() == 2
    statuses = await SqsQueue.find(aws, "ImageStatusQueue", "k")
    assert await statuses.dead_letter_limit() is None


async def test_dead_letters_are_found_by_the_redrive_policy_else_by_their_name(aws):
    plain = await make_queue(aws, "plain")
    assert await plain.dead_letters() is None
    await make_queue(aws, "plain-dlq")
    assert (await plain.dead_letters()).name == "plain-dlq"
    elsewhere = await make_queue(aws, "elsewhere")
    client = await aws.client("sqs")
    answer = await client.get_queue_attributes(QueueUrl=elsewhere.url, AttributeNames=["QueueArn"])
    policy = {"deadLetterTargetArn": answer["Attributes"]["QueueArn"], "maxReceiveCount": 3}
    await client.set_queue_attributes(
        QueueUrl=plain.url, Attributes={"RedrivePolicy": json.dumps(policy)}
    )
    letters = await plain.dead_letters()
    assert (letters.url, letters.name) == (elsewhere.url, "elsewhere")


async def test_a_look_finds_the_jobs_among_the_dead_letters_and_leaves_all_of_them_there(aws):
    requests = await make_queue(aws, "requests")
    letters = await make_queue(aws, "requests-dlq")
    notes = []
    start = time.time()
    ledger, records = make_ledger(lambda: time.time() - start, "d" * 12, start)
    jobs = [ledger.open(About(), due=0.0, start=0.0) for _ in range(40)]
    for job in jobs:
        ledger.accept(job, "m")
    foreign = [f"{number:032x}" for number in range(30)]
    found = [job.id for job in jobs[:25]]
    await in_parallel(letters.send, [f'{{"jobId": "{one}"}}' for one in found + foreign])
    look = DeadLetters(
        [requests],
        ledger,
        clock=lambda: time.time() - start,
        note=lambda level, text: notes.append(text),
    )
    await look.look(last=True)
    ledger.close()
    assert sorted(r.job_id for r in records if r.dead_letter_age is not None) == sorted(found)
    assert {r.error for r in records if r.job_id in found} == {
        "rejected by the service: the request is in requests-dlq"
    }
    assert all(0 <= r.dead_letter_age < LIMIT for r in records if r.job_id in found)
    assert (ledger.rejected, ledger.never_started) == (25, 15)
    [text] = notes
    assert text.startswith("the service rejected 25 jobs of this run: in requests-dlq, the oldest")
    assert await messages_left(aws, letters) == (55, 0)


async def test_messages_go_through_a_queue_with_their_ids_times_and_counts(aws):
    queue = await make_queue(aws, "there-and-back")
    before = time.time()
    sent = {await queue.send(f"body {number}"): f"body {number}" for number in range(3)}
    batch = []
    while len(batch) < 3:
        batch += await queue.receive()
    assert {m["MessageId"]: m["Body"] for m in batch} == sent
    for message in batch:
        assert before - 0.001 <= int(message["Attributes"]["SentTimestamp"]) / 1000 <= time.time()
        assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    handles = [message["ReceiptHandle"] for message in batch]
    await queue.release([(handles[0], 0)])
    [again] = await queue.receive()
    assert again["MessageId"] == batch[0]["MessageId"]
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    assert await queue.delete([again["ReceiptHandle"], *handles[1:]]) == []
    assert await messages_left(aws, queue) == (0, 0)


async def test_a_handle_that_cannot_be_deleted_is_named(aws):
    queue = await make_queue(aws, "bad-handles")
    await queue.send("body")
    [message] = await queue.receive()
    assert await queue.delete(["nonsense", message["ReceiptHandle"]]) in (["nonsense"], [])
    assert await messages_left(aws, queue) == (0, 0)


async def test_attributes_of_raw_delivery_come_with_the_message(aws):
    queue = await make_queue(aws, "raw-delivery")
    client = await aws.client("sqs")
    async with consuming(queue, "a" * 12) as (ledger, _, clock):
        job = ledger.open(About(), due=clock(), start=clock())
        ledger.accept(job, "m")
        values = {"status": "SUCCESS", "job_id": job.id, "image_status": "SUCCESS"}
        await client.send_message(
            QueueUrl=queue.url,
            MessageBody="StatusMonitor update",
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in values.items()
            },
        )
        with anyio.fail_after(LIMIT):
            assert await ledger.wait(job) == "SUCCESS"


async def test_every_kind_of_disorder_gives_exact_counts_and_spares_the_others_messages(aws):
    queue = await make_queue(aws, "disorder")
    rng = random.Random(5)
    async with consuming(queue, "b" * 12) as (ledger, records, clock):
        jobs = [ledger.open(About(), due=clock(), start=clock()) for _ in range(60)]
        for job in jobs[:55]:
            ledger.accept(job, "m")
        for job in jobs[55:]:
            ledger.mark_unconfirmed(job)
        bodies = []
        expected = Counter()
        for number, job in enumerate(jobs):
            outcome = ("SUCCESS", "FAILED", "PARTIAL")[number % 3]
            copies = 2 if number % 5 == 0 else 1
            bodies += [status_body(job.id, "STARTED"), status_body(job.id, "IN_PROGRESS")]
            bodies += [status_body(job.id, outcome)] * copies
            expected[outcome] += 1
            expected["duplicates"] += copies - 1
        region = json.dumps({"status": "SUCCESS", "job_id": jobs[0].id, "region_id": "(0, 0)"})
        foreign = [status_body(f"{n:032x}", "SUCCESS") for n in range(30)]
        unreadable = ["not JSON", "{}", '{"Message": 1}', "[]"] * 3
        bodies += [region] * 5 + foreign + unreadable
        rng.shuffle(bodies)
        await in_parallel(queue.send, bodies)
        await until(
            lambda: (
                not ledger.live
                and ledger.duplicates == expected["duplicates"]
                and ledger.orphans == len(foreign)
                and ledger.unreadable == len(unreadable)
                and ledger.regions == 5
            ),
            LIMIT,
        )
        # Those of the others come round more than once.
        await anyio.sleep(1.2)
    totals = ledger.totals()
    assert (totals.succeeded, totals.failed, totals.partial) == (
        expected["SUCCESS"],
        expected["FAILED"],
        expected["PARTIAL"],
    )
    assert (totals.submitted, totals.unconfirmed, totals.late, balance(ledger)) == (60, 0, 0, 0)
    assert totals.duplicates == expected["duplicates"]
    assert (totals.orphans, totals.unreadable) == (len(foreign), len(unreadable))
    assert len(records) == 60
    assert sum(await messages_left(aws, queue)) == len(foreign) + len(unreadable)


async def test_a_run_against_the_troubled_service_agrees_with_its_ground_truth_log(aws, stack):
    requests = await SqsQueue.find(aws, "ImageRequestQueue", "k")
    statuses = await SqsQueue.find(aws, "ImageStatusQueue", "k")
    image = f"s3://{stack.resources.image_bucket}/harbour-01.tif"
    count = 150
    async with consuming(statuses, "c" * 12) as (ledger, records, clock):
        about = About(image=image)

        async def send(_):
            job = ledger.open(about, due=clock(), start=clock())
            request = {"jobName": "t", "jobId": job.id, "imageUrls": [image], "outputs": []}
            ledger.accept(job, await requests.send(json.dumps(request)))

        await in_parallel(send, range(count))
        with anyio.fail_after(LIMIT):
            await ledger.settle()

        def truth():
            jobs = [t for t in read_ground_truth(stack.truth_log) if isinstance(t, JobTruth)]
            return {t.job_id: t for t in jobs}

        await until(lambda: len(truth()) == count, LIMIT)
        jobs = truth()
        extras = Counter(
            t.kind for t in read_ground_truth(stack.truth_log) if isinstance(t, ExtraTruth)
        )
        await until(
            lambda: (
                ledger.duplicates == sum(t.duplicates for t in jobs.values())
                and ledger.orphans == extras["foreign"]
                and ledger.unreadable == extras["unreadable"]
                and ledger.regions == extras["region"]
            ),
            LIMIT,
        )
        await anyio.sleep(0.5)  # nothing more may come
    totals = ledger.totals()
    outcomes = Counter(t.status for t in jobs.values())
    assert len(outcomes) == 3
    assert (totals.succeeded, totals.partial, totals.failed) == (
        outcomes["SUCCESS"],
        outcomes["PARTIAL"],
        outcomes["FAILED"],
    )
    assert (totals.submitted, totals.late, totals.lost, totals.timed_out) == (count, 0, 0, 0)
    assert totals.duplicates == sum(t.duplicates for t in jobs.values())
    assert (totals.regions, totals.orphans, totals.unreadable) == (
        extras["region"],
        extras["foreign"],
        extras["unreadable"],
    )
    assert {r.job_id: r.status for r in records} == {j: t.status for j, t in jobs.items()}
    for record in records:
        assert record.start <= record.finished <= record.observed
        # A STARTED that came after the end of its job is no part of its record.
        assert record.started is None or record.start <= record.started <= record.observed
        # The tolerance is for a wall clock that is being adjusted.
        finished = ledger._service_clock.epoch + record.finished
        told = jobs[record.job_id]
        assert told.finished - 0.1 <= finished <= told.published + 0.1
    assert sum(record.started is not None for record in records) > count / 2
    assert sum(await messages_left(aws, statuses)) == extras["foreign"] + extras["unreadable"]
