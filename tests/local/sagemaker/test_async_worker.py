"""Asynchronous inference of the embedded stack speaks as SageMaker does, and works as it says."""

from __future__ import annotations

import itertools
import json
import random
import uuid

import aiohttp
import anyio
import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.jobs.inference_status import parse_inference
from asyncload.local.ground_truth import InferenceTruth, read_ground_truth
from asyncload.local.model_runner.messages import unreadable_body
from asyncload.local.sagemaker.async_worker import write_inference_script
from asyncload.local.settings import AsyncInferenceSettings, ServiceTime
from asyncload.plan.duration import Duration

pytestmark = pytest.mark.slow

BUCKET = "sagemaker-async-inference-000000000000"


@pytest.fixture
async def runtime(aws):
    return await aws.client("sagemaker-runtime")


async def ended(bench, ids):
    """The notifications of these inferences, as they were published, by inference id."""
    found = {}

    def enough(messages):
        for message in messages:
            envelope = json.loads(message["Body"])
            told = json.loads(envelope["Message"])
            found[told["inferenceId"]] = (envelope["TopicArn"].rpartition(":")[2], told, message)
        return set(ids) <= set(found)

    await bench.receive(bench.resources.inference_queue_url, enough)
    return found


async def truths(bench, ids):
    """What was written down of these inferences: just after they are published."""
    while True:
        found = {
            one.job_id: one
            for one in read_ground_truth(bench.stack.truth_log)
            if isinstance(one, InferenceTruth) and one.job_id in ids
        }
        if len(found) == len(ids):
            return found
        await anyio.sleep(0.01)


@pytest.mark.anyio
async def test_an_inference_is_accepted_at_once_and_its_end_is_published(bench, runtime):
    job_id = uuid.uuid4().hex
    answer = await runtime.invoke_endpoint_async(
        EndpointName="centerpoint",
        InputLocation=bench.image,
        InferenceId=job_id,
        ContentType="image/tiff",
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["InferenceId"] == job_id
    assert answer["OutputLocation"] == f"s3://{BUCKET}/output/{job_id}.out"
    assert answer["FailureLocation"] == f"s3://{BUCKET}/failure/{job_id}-error.out"
    topic, told, message = (await ended(bench, [job_id]))[job_id]
    truth = (await truths(bench, [job_id]))[job_id]
    assert topic == "AsyncInferenceSuccess"
    times = told.pop("receivedTime"), told.pop("eventTime")
    assert all(len(one) == 24 and one.endswith("Z") for one in times)
    assert told == {
        "awsRegion": "eu-central-1",
        "invocationStatus": "Completed",
        "requestParameters": {
            "contentType": "image/tiff",
            "endpointName": "centerpoint",
            "inputLocation": bench.image,
        },
        "responseParameters": {
            "contentType": "application/json",
            "outputLocation": answer["OutputLocation"],
        },
        "inferenceId": job_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    status = parse_inference(message)
    assert status.status == truth.status == "SUCCESS"
    assert status.begun_at == pytest.approx(truth.received, abs=0.0011)
    assert status.sent_at == pytest.approx(truth.finished, abs=0.0011)
    output = await bench.s3.get_object(Bucket=BUCKET, Key=f"output/{job_id}.out")
    async with output["Body"] as body:
        assert json.loads(await body.read())["endpoint"] == "centerpoint"


@pytest.mark.anyio
async def test_an_input_that_is_not_there_is_a_failure_with_its_reason(bench, runtime):
    job_id = uuid.uuid4().hex
    location = "s3://osml-test-images-000000000000/nothing.tif"
    await runtime.invoke_endpoint_async(
        EndpointName="aircraft", InputLocation=location, InferenceId=job_id
    )
    topic, told, message = (await ended(bench, [job_id]))[job_id]
    assert (topic, told["invocationStatus"]) == ("AsyncInferenceError", "Failed")
    assert "responseParameters" not in told
    assert told["failureReason"].startswith(
        f"ClientError: Failed to download {location}: NoSuchKey"
    )
    assert parse_inference(message).text == told["failureReason"]
    assert (await truths(bench, [job_id]))[job_id].reason == told["failureReason"]


@pytest.mark.anyio
async def test_each_endpoint_works_on_as_many_at_once_as_it_has_workers(bench, runtime):
    ids = [uuid.uuid4().hex for _ in range(12)]
    for job_id in ids:
        await runtime.invoke_endpoint_async(
            EndpointName="centerpoint", InputLocation=bench.image, InferenceId=job_id
        )
    await ended(bench, ids)
    found = list((await truths(bench, ids)).values())
    for one in found:
        assert one.received <= one.begun <= one.finished - one.service_time + 0.001
    steps = sorted(itertools.chain(*([(one.begun, 1), (one.finished, -1)] for one in found)))
    assert max(itertools.accumulate(change for _, change in steps)) == 4
    assert [one.job_id for one in sorted(found, key=lambda one: one.number)] == ids


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"EndpointName": "nope"}, "Endpoint nope of account 000000000000 not found."),
        ({"InputLocation": "s3:nowhere"}, "is not a valid S3 URI"),
        ({"RequestTTLSeconds": 30_000}, "'requestttlseconds' is 30000; "),
    ],
)
async def test_what_the_service_would_not_take_is_refused_in_its_words(
    bench, runtime, parameters, says
):
    with pytest.raises(ClientError) as caught:
        await runtime.invoke_endpoint_async(
            **{"EndpointName": "centerpoint", "InputLocation": bench.image, **parameters}
        )
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert error["Error"]["Code"] == "ValidationError"
    assert says in error["Error"]["Message"]


@pytest.mark.anyio
async def test_what_somebody_else_puts_into_the_backlog_is_no_end_of_the_service(bench, runtime):
    for body in ("junk", "{}"):
        await bench.sqs.send_message(
            QueueUrl=bench.resources.inference_backlog_url, MessageBody=body
        )
    job_id = uuid.uuid4().hex
    await runtime.invoke_endpoint_async(
        EndpointName="centerpoint", InputLocation=bench.image, InferenceId=job_id
    )
    assert job_id in await ended(bench, [job_id])


@pytest.mark.anyio
async def test_a_request_that_is_not_signed_gets_nowhere(bench):
    url = f"{bench.stack.endpoint_url}/endpoints/centerpoint/async-invocations"
    headers = {"X-Amzn-SageMaker-InputLocation": bench.image}
    async with aiohttp.ClientSession() as session, session.post(url, headers=headers) as answer:
        assert answer.status == 403


@pytest.mark.anyio
async def test_the_control_api_tells_the_topics_to_which_the_queue_is_subscribed(bench, aws):
    sagemaker = await aws.client("sagemaker")
    about = await sagemaker.describe_endpoint(EndpointName="centerpoint")
    topics = about["AsyncInferenceConfig"]["OutputConfig"]["NotificationConfig"]
    assert topics == {
        "SuccessTopic": bench.resources.inference_success_topic_arn,
        "ErrorTopic": bench.resources.inference_error_topic_arn,
    }
    sns = await aws.client("sns")
    for arn in topics.values():
        [one] = (await sns.list_subscriptions_by_topic(TopicArn=arn))["Subscriptions"]
        assert one["Endpoint"].endswith(":AsyncInferenceQueue")


# -- what is drawn --------------------------------------------------------------------

RATES = st.sampled_from([0.0, 0.3, 1.0])
KNOBS = ["failure_rate", "duplicate_rate", "lost_rate", "unreadable_rate", "foreign_rate"]


@settings(deadline=None, max_examples=50)
@given(st.fixed_dictionaries(dict.fromkeys(KNOBS, RATES)), st.integers(0, 99), st.integers(0, 999))
def test_one_rate_leaves_what_the_others_draw_as_it_was(rates, seed, number):
    quiet = write_inference_script(AsyncInferenceSettings(), seed, number, 0.0)
    script = write_inference_script(AsyncInferenceSettings(**rates), seed, number, 0.0)
    assert script.service_time == quiet.service_time
    for knob, rate in rates.items():
        alone = write_inference_script(AsyncInferenceSettings(**{knob: rate}), seed, number, 0.0)
        match knob:
            case "failure_rate":
                assert script.fails == alone.fails
            case "lost_rate":
                assert script.lost == alone.lost
            case "unreadable_rate":
                assert script.unreadable == alone.unreadable
            case "foreign_rate":
                assert script.foreign == alone.foreign
            case _:
                assert script.lost or script.copies == alone.copies
    assert not script.lost or script.copies == 0


def test_the_service_time_is_of_the_distribution_that_was_asked_for():
    fixed = AsyncInferenceSettings(
        service_time=ServiceTime(mean=Duration(0.7), distribution="constant")
    )
    drawn = {write_inference_script(fixed, 1, number, 0.0).service_time for number in range(20)}
    assert drawn == {0.7}


@pytest.mark.parametrize("seed", range(40))
def test_what_is_called_unreadable_is_no_notification_either(seed):
    assert parse_inference({"Body": unreadable_body(random.Random(seed))}) is None
