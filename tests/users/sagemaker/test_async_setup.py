"""What users of asynchronous inference find before the start, and what they put into S3."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading

import anyio
import pytest

from asyncload import LocalSettings
from asyncload.config.convert import convert
from asyncload.errors import ConfigError, TargetError
from asyncload.jobs.inference_status import parse_inference
from asyncload.local.stack.stack import LocalStack
from asyncload.transport.aws.session import Aws
from asyncload.transport.http.client import HttpClient
from asyncload.users.call_estimate import Between, ExpectedLoad
from asyncload.users.sagemaker.async_endpoint import topics_of_endpoint
from asyncload.users.sagemaker.asynchronous import AsyncInferenceUser
from asyncload.users.sagemaker.asynchronous_options import AsyncInferenceOptions
from tests.users.desk import Desk

pytestmark = pytest.mark.slow

REGION = "eu-central-1"
IMAGES = "s3://osml-test-images-000000000000"
BUCKET = "s3://sagemaker-async-inference-000000000000"
GIVEN = {"endpoint": "centerpoint", "notifications": "AsyncInferenceQueue"}


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
async def stack(anyio_backend):
    async with LocalStack(LocalSettings(images=3), region=REGION) as stack:
        yield stack


@contextlib.asynccontextmanager
async def working(stack):
    keys = (stack.access_key, stack.secret_key)
    async with (
        Aws(endpoint_url=stack.endpoint_url, region=REGION, credentials=keys) as aws,
        HttpClient() as http,
    ):
        yield aws, http


def options_of(**options):
    return convert({**GIVEN, **options}, AsyncInferenceOptions, where="scenarios.0.user")


async def prepared(stack, **options):
    """What ``prepare`` finds, and the set-up that it told its notes."""
    async with working(stack) as (aws, http):
        desk = Desk(aws, http)
        return await AsyncInferenceUser.prepare(desk, options_of(**options)), desk


async def content(stack, url):
    async with working(stack) as (aws, _):
        s3 = await aws.client("s3")
        bucket, _, key = url.removeprefix("s3://").partition("/")
        answer = await s3.get_object(Bucket=bucket, Key=key)
        async with answer["Body"] as body:
            return await body.read(), answer["ContentType"]


# -- inputs ---------------------------------------------------------------------------


@pytest.mark.anyio
async def test_an_object_is_looked_up_and_a_folder_is_listed(stack):
    found, desk = await prepared(stack, input=f"{IMAGES}/harbour-01.tif")
    [spec] = found.specs
    assert (spec.image, spec.name) == (f"{IMAGES}/harbour-01.tif", "centerpoint")
    assert spec.size > 1000
    listed, _ = await prepared(stack, input=IMAGES)
    assert [one.image.rpartition("/")[2] for one in listed.specs] == sorted(
        one.image.rpartition("/")[2] for one in listed.specs
    )
    assert len(listed.specs) == 3
    assert spec.size in {one.size for one in listed.specs}
    assert desk.notes == [], "the queue is subscribed, and there is nothing to tell"
    [consumption] = desk.consumptions
    assert consumption.parse is parse_inference


@pytest.mark.anyio
async def test_payloads_are_named_by_their_content_so_that_a_second_run_adds_nothing(
    stack, tmp_path
):
    for name, text in {"a.json": "{}", "b.json": "{}", "c.json": "[]", ".hidden": "no"}.items():
        (tmp_path / name).write_text(text)
    found, desk = await prepared(stack, folder=str(tmp_path), upload_to=f"{BUCKET}/mine/")
    again, _ = await prepared(stack, folder=str(tmp_path), upload_to=f"{BUCKET}/mine")
    assert [one.image for one in found.specs] == [one.image for one in again.specs]
    assert len({one.image for one in found.specs}) == len(found.specs) == 3
    assert found.specs[2].image.startswith(f"{BUCKET}/mine/")
    assert found.specs[2].image.endswith("-c.json")
    assert (await content(stack, found.specs[2].image))[0] == b"[]"
    listed, _ = await prepared(stack, input=f"{BUCKET}/mine/")
    assert sorted(one.image for one in listed.specs) == sorted(one.image for one in found.specs)
    assert desk.notes == [
        ("info", f"uploaded 3 payloads, 6 B, to {BUCKET}/mine/ before the start; they stay there")
    ]


@pytest.mark.anyio
async def test_a_template_is_filled_with_each_row(stack, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"rev": 1, "lang": "en"}\n{"rev": 2, "lang": "de"}\n')
    found, _ = await prepared(
        stack,
        json={"rev": "{{ rev }}", "page": "{{ lang }}wiki"},
        data=str(rows),
        upload_to=BUCKET,
    )
    bodies = [await content(stack, one.image) for one in found.specs]
    assert [json.loads(body) for body, _ in bodies] == [
        {"rev": 1, "page": "enwiki"},
        {"rev": 2, "page": "dewiki"},
    ]
    assert {kind for _, kind in bodies} == {"application/json"}
    [plain] = (await prepared(stack, body="a,b", content_type="text/csv", upload_to=BUCKET))[
        0
    ].specs
    assert await content(stack, plain.image) == (b"a,b", "text/csv")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"file": "no-such-file"}, "user.file: cannot read 'no-such-file'"),
        ({"folder": "no-such-folder"}, "user.folder: 'no-such-folder' is not a folder"),
        ({"body": "{{ nope }}"}, r"user.body: '{{ nope }}': 'nope' is not known"),
        ({"body": "{{ x }}", "data": "none.csv"}, "user.data.file: cannot read 'none.csv'"),
    ],
)
async def test_a_payload_that_cannot_be_is_a_mistake_in_the_config(stack, source, says):
    with pytest.raises(ConfigError) as caught:
        await prepared(stack, **source, upload_to=BUCKET)
    assert says in str(caught.value)


@pytest.mark.anyio
async def test_an_object_whose_name_fits_into_no_header_is_named(stack):
    async with working(stack) as (aws, _):
        s3 = await aws.client("s3")
        await s3.create_bucket(Bucket="umlauts")
        await s3.put_object(Bucket="umlauts", Key="grün.tif", Body=b"x")
    with pytest.raises(TargetError, match=r"'s3://umlauts/grün\.tif' cannot be an input: "):
        await prepared(stack, input="s3://umlauts/")


@pytest.mark.anyio
async def test_a_queue_that_does_not_hear_of_the_endpoint_is_warned_about(stack):
    _, desk = await prepared(stack, input=IMAGES, notifications="ImageStatusQueue")
    [text] = [text for level, text in desk.notes if level == "warning"]
    assert text.startswith(
        "ImageStatusQueue is not subscribed to AsyncInferenceSuccess and AsyncInferenceError"
    )


def test_what_is_expected_to_be_sent_is_one_request_and_one_notification_a_job():
    load = ExpectedLoad(iterations=Between(100, 100), seconds=100, drain=10)
    expected = AsyncInferenceUser.expected_calls(options_of(input=f"{IMAGES}/"), load)
    assert expected.requests == {"sagemaker-runtime.InvokeEndpointAsync": Between(100, 100)}
    assert expected.beside["sqs.DeleteMessageBatch"] == Between(10, 100)
    assert expected.beside["sqs.ReceiveMessage"].low == 10
    assert expected.per_image == {"s3.ListObjectsV2": 0.001}
    single = AsyncInferenceUser.expected_calls(options_of(input=f"{IMAGES}/a"), load)
    assert single.beside["s3.HeadObject"] == Between(1, 1)
    uploaded = AsyncInferenceUser.expected_calls(options_of(file="a", upload_to=BUCKET), load)
    assert (uploaded.per_image, uploaded.beside["s3.PutObject"]) == ({}, Between(1, 1))
    several = AsyncInferenceUser.expected_calls(options_of(folder="a", upload_to=BUCKET), load)
    assert several.per_image == {"s3.PutObject": 1}


# -- endpoints ------------------------------------------------------------------------


@contextlib.contextmanager
def control_api(status, answer):
    """A SageMaker that has only this answer."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:  # a thread that lives on would hold up the end of the suite
            server.shutdown()
            thread.join()


def looked_up(status, answer):
    async def main():
        with control_api(status, answer) as url:
            async with Aws(endpoint_url=url, region=REGION, credentials=("k", "s")) as aws:
                desk = Desk(aws)
                return await topics_of_endpoint(desk, "mine", key="endpoint"), desk.notes

    return anyio.run(main)


def described(**notification_config):
    return {
        "EndpointName": "mine",
        "EndpointArn": "arn:aws:sagemaker:eu-central-1:000000000000:endpoint/mine",
        "EndpointStatus": "Updating",
        "AsyncInferenceConfig": {
            "OutputConfig": {"NotificationConfig": notification_config}
            if notification_config
            else {}
        },
    }


def test_the_topics_of_an_endpoint_are_told_once_each():
    both = {"SuccessTopic": "arn:t", "ErrorTopic": "arn:t"}
    assert looked_up(200, described(**both)) == (["arn:t"], [])


def test_an_endpoint_that_notifies_of_one_end_only_is_warned_about():
    topics, notes = looked_up(200, described(SuccessTopic="arn:t"))
    assert topics == ["arn:t"]
    [(level, text)] = notes
    assert level == "warning"
    assert text.startswith("the endpoint mine notifies nobody of inferences that failed: such jobs")
    _, [(_, silent)] = looked_up(200, described())
    assert "notifies nobody of inferences that completed or failed" in silent


def test_a_real_time_endpoint_is_refused():
    about = described()
    del about["AsyncInferenceConfig"]
    with pytest.raises(TargetError, match="'mine' is not made for asynchronous inference; "):
        looked_up(200, about)


def test_one_who_may_not_look_up_the_endpoint_may_still_run():
    denied = {"__type": "AccessDeniedException", "message": "not you"}
    topics, [(level, text)] = looked_up(400, denied)
    assert (topics, level) == ([], "info")
    assert text == (
        "the endpoint mine was not looked up before the start: AccessDeniedException: not you"
    )
