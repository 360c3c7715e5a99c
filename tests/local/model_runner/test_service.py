"""The simulated ModelRunner behind the queues speaks as the real service does."""

import json
import warnings
from collections import Counter, defaultdict

import anyio
import msgspec
import pytest
from rasterio.io import MemoryFile

from asyncload.local.ground_truth import (
    ExtraTruth,
    JobTruth,
    RejectedTruth,
    ReplayTruth,
    StuckTruth,
    read_ground_truth,
)
from asyncload.local.imagery import make_images
from asyncload.local.model_runner.behaviour import Extra, write_script
from asyncload.local.model_runner.messages import ImageRequest
from asyncload.local.settings import LocalSettings, ServiceTime
from asyncload.local.stack.resources import open_clients
from asyncload.local.stack.stack import LocalStack
from asyncload.plan.duration import Duration
from tests.local.local_bench import SERVICE_TIME, Bench, attributes_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

JOBS = 120
TROUBLED = LocalSettings(
    workers=20,
    service_time=ServiceTime(mean=Duration(0.02)),
    failure_rate=0.15,
    partial_rate=0.1,
    duplicate_rate=0.2,
    reorder_rate=0.2,
    unreadable_rate=0.2,
    foreign_rate=0.2,
    region_rate=0.2,
    seed=7,
)


def sent_at(message):
    return int(message["Attributes"]["SentTimestamp"]) / 1000


def by_job(messages):
    """Attributes of the statuses of each job, in the order received."""
    jobs = defaultdict(list)
    for message in messages:
        attributes = attributes_of(message)
        if "image_status" in attributes:
            jobs[attributes["job_id"]].append(attributes)
    return jobs


async def test_a_job_gets_its_three_statuses_with_exactly_the_attributes_of_the_service(bench):
    [job_id] = await bench.submit(1)
    messages, _ = await bench.statuses([job_id])
    common = {"job_id": job_id, "image_id": f"{job_id}:{bench.image}"}
    assert by_job(messages)[job_id] == [
        common | {"status": "STARTED", "image_status": "STARTED"},
        common | {"status": "IN_PROGRESS", "image_status": "IN_PROGRESS"},
        common | {"status": "SUCCESS", "image_status": "SUCCESS", "processing_duration": "1"},
    ]


async def test_a_status_comes_in_the_envelope_of_sns_and_without_sqs_attributes(bench):
    [job_id] = await bench.submit(1)
    messages, _ = await bench.statuses([job_id])
    message = next(m for m in messages if attributes_of(m).get("job_id") == job_id)
    assert "MessageAttributes" not in message
    envelope = msgspec.json.decode(message["Body"])
    assert envelope["Type"] == "Notification"
    assert envelope["TopicArn"] == bench.resources.status_topic_arn
    assert envelope["Message"] == (
        f"StatusMonitor update: RequestStatus.STARTED {job_id}: Started image request"
    )
    assert {"MessageId", "Timestamp"} <= set(envelope)
    assert all(a["Type"] == "String" for a in envelope["MessageAttributes"].values())


async def test_the_truth_log_agrees_with_the_clock_of_the_queue(bench):
    messages, truths = await bench.statuses(await bench.submit(30))
    stamps = defaultdict(dict)
    for message in messages:
        attributes = attributes_of(message)
        stamps[attributes["job_id"]][attributes["status"]] = sent_at(message)
    for job_id, truth in truths.items():
        # SentTimestamp is cut to milliseconds.
        assert truth.started - 0.001 <= stamps[job_id]["STARTED"]
        assert truth.finished - 0.001 <= stamps[job_id]["SUCCESS"] <= truth.published
        assert truth.received <= truth.started
        assert truth.service_time == SERVICE_TIME
        assert truth.finished - truth.started >= SERVICE_TIME - 0.001
        assert truth.statuses == ["STARTED", "IN_PROGRESS", "SUCCESS"]
        assert truth.image_url == bench.image


async def test_requests_are_taken_from_the_queue_before_they_are_worked_on_but_only_fifty(
    anyio_backend,
):
    settings = LocalSettings(workers=1, images=1, service_time=ServiceTime(mean=Duration("1h")))
    async with (
        LocalStack(settings, region="us-west-2") as stack,
        open_clients(stack.endpoint_url, stack.region) as clients,
    ):
        bench = Bench(stack, clients)
        await bench.submit(120)
        visible, in_flight = -1, -1
        with anyio.fail_after(20):
            # One job is worked on, fifty wait in the service's own hands.
            while (visible, in_flight) != (70, 0):
                await anyio.sleep(0.05)
                answer = await bench.sqs.get_queue_attributes(
                    QueueUrl=stack.resources.request_queue_url, AttributeNames=["All"]
                )
                visible = int(answer["Attributes"]["ApproximateNumberOfMessages"])
                in_flight = int(answer["Attributes"]["ApproximateNumberOfMessagesNotVisible"])
                assert visible >= 70
        assert read_ground_truth(stack.truth_log) == []


async def test_an_invalid_request_lands_in_the_dead_letter_queue_without_a_status(bench):
    bodies = [
        "not JSON",
        '{"jobId": "%s", "imageUrls": []}' % ("e" * 32),
        bench.request("f" * 32, f"s3://{bench.resources.image_bucket}/missing.tif"),
        bench.request("f" * 32, "s3://no-such-bucket/missing.tif"),
    ]
    message_ids = [await bench.send(body) for body in bodies]
    dead = await bench.receive(
        bench.resources.dead_letter_queue_url, lambda messages: len(messages) == len(bodies)
    )
    assert sorted(message["Body"] for message in dead) == sorted(bodies)
    [job_id] = await bench.submit(1)  # whatever they had caused would come before this job
    messages, _ = await bench.statuses([job_id])
    assert set(by_job(messages)) == {job_id}
    rejected = Counter(
        truth.message_id
        for truth in read_ground_truth(bench.stack.truth_log)
        if isinstance(truth, RejectedTruth)
    )
    assert rejected == dict.fromkeys(message_ids, 2)


async def test_a_finished_job_that_is_sent_again_plays_all_its_statuses_again(bench):
    [job_id] = await bench.submit(1)
    before, _ = await bench.statuses([job_id])
    await bench.send(bench.request(job_id))
    messages = await bench.receive(
        bench.resources.status_queue_url, lambda messages: len(by_job(messages)[job_id]) == 3
    )
    first, again = by_job(before)[job_id], by_job(messages)[job_id]
    assert [a["status"] for a in again] == ["STARTED", "IN_PROGRESS", "SUCCESS"]
    # Nothing is processed again, so the second end comes at once and tells no duration.
    assert first[-1]["processing_duration"] == "1"
    assert "processing_duration" not in again[-1]
    [truth] = truths_of(bench.stack, ReplayTruth)
    assert (truth.job_id, truth.statuses) == (job_id, ["STARTED", "IN_PROGRESS", "SUCCESS"])
    assert len([t for t in truths_of(bench.stack, JobTruth) if t.job_id == job_id]) == 1


async def test_the_imagery_bucket_holds_real_images(bench):
    answer = await bench.s3.list_objects_v2(Bucket=bench.resources.image_bucket)
    sizes = {entry["Key"]: entry["Size"] for entry in answer["Contents"]}
    assert sizes == {name: len(content) for name, content in make_images(None, seed=0)}
    image = await bench.s3.get_object(Bucket=bench.resources.image_bucket, Key="airfield-02.ntf")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with MemoryFile(await image["Body"].read(), ext=".ntf") as memory, memory.open() as ntf:
            assert (ntf.height, ntf.width) == (256, 256)
    results = await bench.s3.list_objects_v2(Bucket=bench.resources.result_bucket)
    assert results["KeyCount"] == 0


@pytest.fixture(scope="module")
async def troubled(anyio_backend, tmp_path_factory):
    """Everything that came of a run in which much goes wrong: job ids, messages, truth."""
    directory = tmp_path_factory.mktemp("troubled")
    async with (
        LocalStack(TROUBLED, region="us-west-2", directory=directory) as stack,
        open_clients(stack.endpoint_url, stack.region) as clients,
    ):
        bench = Bench(stack, clients)
        job_ids = await bench.submit(JOBS)
        messages, _ = await bench.statuses(job_ids)
        extras = [t for t in read_ground_truth(stack.truth_log) if isinstance(t, ExtraTruth)]
        missing = statuses_published(stack) + len(extras) - len(messages)
        if missing:
            messages += await bench.receive(
                stack.resources.status_queue_url, lambda more: len(more) >= missing
            )
        # Nothing else may be there.
        answer = await bench.sqs.receive_message(QueueUrl=stack.resources.status_queue_url)
        assert "Messages" not in answer
        image = bench.image
    # The directory of our own outlives the stack.
    return job_ids, image, messages, read_ground_truth(directory / "truth.jsonl")


def truths_of(stack, kind):
    return [t for t in read_ground_truth(stack.truth_log) if isinstance(t, kind)]


def statuses_published(stack):
    return sum(len(t.statuses) for t in truths_of(stack, JobTruth))


async def test_every_job_of_a_troubled_run_ends_once_and_as_its_script_says(troubled):
    job_ids, image, _, truth = troubled
    jobs = [t for t in truth if isinstance(t, JobTruth)]
    assert sorted(t.job_id for t in jobs) == sorted(job_ids)
    assert sorted(t.number for t in jobs) == list(range(JOBS))
    for t in jobs:
        bucket, _, key = image.removeprefix("s3://").partition("/")
        script = write_script(TROUBLED, t.number, ImageRequest(t.job_id, image, bucket, key))
        assert (t.status, t.service_time) == (script.outcome, script.service_time)
    outcomes = Counter(t.status for t in jobs)
    assert outcomes.keys() == {"SUCCESS", "PARTIAL", "FAILED"}


async def test_the_statuses_on_the_queue_are_those_in_the_truth_log_in_their_order(troubled):
    _, _, messages, truth = troubled
    ours = {t.job_id: t.statuses for t in truth if isinstance(t, JobTruth)}
    seen = by_job(messages)
    assert {j: [a["status"] for a in seen[j]] for j in ours} == ours


async def test_duplicates_and_late_statuses_come_about_as_often_as_asked(troubled):
    *_, truth = troubled
    jobs = [t for t in truth if isinstance(t, JobTruth)]
    # Four standard deviations around rate × number.
    assert sum(t.duplicates for t in jobs) == pytest.approx(0.2 * 3 * JOBS, abs=30)
    late = sum(
        list(dict.fromkeys(t.statuses)) != ["STARTED", "IN_PROGRESS", t.status] for t in jobs
    )
    assert late == pytest.approx((1 - 0.8 * 0.8) * JOBS, abs=22)


@pytest.mark.parametrize("kind", ["unreadable", "foreign", "region"])
async def test_extra_messages_come_as_asked_and_match_the_truth_log(troubled, kind):
    job_ids, _, messages, truth = troubled
    extras = [t for t in truth if isinstance(t, ExtraTruth) and t.kind == kind]
    assert len(extras) == pytest.approx(0.2 * JOBS, abs=18)
    if kind == "unreadable":
        readable = {m["MessageId"] for m in messages if attributes_of(m).get("job_id")}
        seen = [m["Body"] for m in messages if m["MessageId"] not in readable]
        assert sorted(seen) == sorted(t.body for t in extras)
        return
    attributes = [a for m in messages if (a := attributes_of(m)).get("job_id")]
    if kind == "region":
        seen = [a["job_id"] for a in attributes if "region_id" in a and "image_status" not in a]
        assert set(seen) <= set(job_ids)
    else:
        seen = [a["job_id"] for a in attributes if a["job_id"] not in job_ids]
    assert sorted(seen) == sorted(t.job_id for t in extras)


async def test_the_extras_of_a_job_are_those_of_its_script(troubled):
    _, image, _, truth = troubled
    sent = {(t.number, t.kind) for t in truth if isinstance(t, ExtraTruth)}
    request = ImageRequest("0", image, "b", "k")
    assert sent == {
        (number, step.kind)
        for number in range(JOBS)
        for step in write_script(TROUBLED, number, request).actions
        if isinstance(step, Extra)
    }


MISBEHAVING = LocalSettings(
    workers=20,
    service_time=ServiceTime(mean=Duration(0.02)),
    reorder_rate=0.3,
    double_failed_rate=0.2,
    replay_rate=0.2,
    stuck_rate=0.2,
    reject_rate=0.2,
    seed=3,
)


@pytest.fixture(scope="module")
async def misbehaving(anyio_backend, tmp_path_factory):
    """Attributes of the statuses of each job, dead letters, truth: of jobs in trouble."""
    directory = tmp_path_factory.mktemp("misbehaving")
    async with (
        LocalStack(MISBEHAVING, region="us-west-2", directory=directory) as stack,
        open_clients(stack.endpoint_url, stack.region) as clients,
    ):
        bench = Bench(stack, clients)
        job_ids = await bench.submit(JOBS)
        scripts = [write_script(MISBEHAVING, n, ImageRequest("", "", "", "")) for n in range(JOBS)]
        rejects = sum(script.outcome == "REJECTED" for script in scripts)
        dead = await bench.receive(
            stack.resources.dead_letter_queue_url, lambda messages: len(messages) == rejects
        )
        with anyio.fail_after(20):
            while sum(
                len(truths_of(stack, kind)) for kind in (JobTruth, StuckTruth)
            ) < JOBS - rejects or len(truths_of(stack, ReplayTruth)) < sum(
                script.replayed for script in scripts
            ):
                await anyio.sleep(0.05)
        played = JobTruth | StuckTruth | ReplayTruth
        expected = sum(len(truth.statuses) for truth in truths_of(stack, played))
        messages = await bench.receive(
            stack.resources.status_queue_url, lambda messages: len(messages) == expected
        )
    truth = read_ground_truth(directory / "truth.jsonl")
    return job_ids, scripts, messages, [json.loads(m["Body"])["jobId"] for m in dead], truth


async def test_every_job_meets_the_fate_that_its_script_says(misbehaving):
    job_ids, scripts, messages, dead, truth = misbehaving
    seen = by_job(messages)
    give_up_reasons = Counter(script.outcome for script in scripts)
    assert give_up_reasons.keys() == {"SUCCESS", "FAILED", "STUCK", "REJECTED"}
    ended = {t.number: t for t in truth if isinstance(t, JobTruth)}
    stuck = {t.number: t for t in truth if isinstance(t, StuckTruth)}
    replayed = {t.number: t for t in truth if isinstance(t, ReplayTruth)}
    rejected = Counter(t.job_id for t in truth if isinstance(t, RejectedTruth))
    assert sorted(rejected) == sorted(dead)
    assert set(rejected.values()) == {2}
    assert set(seen) | set(dead) == set(job_ids)
    assert not set(seen) & set(dead)
    assert {n for n, script in enumerate(scripts) if script.replayed} == set(replayed)
    for number, script in enumerate(scripts):
        if script.outcome == "REJECTED":
            assert number not in ended.keys() | stuck.keys()
        elif script.outcome == "STUCK":
            statuses = [a["status"] for a in seen[stuck[number].job_id]]
            assert sorted(statuses) == ["IN_PROGRESS", "STARTED"]
        else:
            statuses = Counter(a["status"] for a in seen[ended[number].job_id])
            assert sum(statuses[s] for s in ("SUCCESS", "FAILED")) == (
                (2 if script.sequence == ("STARTED", "FAILED") else 1) + script.replayed
            )
            if number in replayed:
                assert tuple(replayed[number].statuses) == script.sequence


async def test_a_double_failure_comes_within_milliseconds(misbehaving):
    *_, messages, _, _ = misbehaving
    stamps = defaultdict(list)
    for message in messages:
        attributes = attributes_of(message)
        if attributes["status"] == "FAILED":
            stamps[attributes["job_id"]].append(sent_at(message))
    pairs = [times for times in stamps.values() if len(times) == 2]
    assert len(pairs) > 5
    # They go out in the same call or in the next one, as no other status of theirs does.
    same = sum(max(times) - min(times) <= 0.005 for times in pairs)
    assert same > len(pairs) / 2


async def test_a_job_of_less_than_a_second_tells_no_processing_duration(misbehaving):
    *_, messages, _, truth = misbehaving
    short = {t.job_id for t in truth if isinstance(t, JobTruth) and t.finished - t.started < 1}
    assert len(short) > 30  # all of them, but for a machine that stands still
    for attributes in map(attributes_of, messages):
        assert "processing_duration" not in attributes or attributes["job_id"] not in short
