"""A service that is not there, or not as it should be: one sentence, exit code 4 (or 2)."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
import time
from pathlib import Path

import anyio
import pytest

from tests.cli.command_line import CONFIG
from tests.users.model_runner.troubled_s3 import TroubledS3

pytestmark = pytest.mark.slow

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_SESSION_TOKEN": "FwoGZXIvYXdzEBYaDExampleSessionToken",
    "AWS_REGION": "us-west-2",
}
JSON_ERROR = '{{"__type":"com.amazonaws.sqs#{code}","message":"{message}"}}'


def assert_no_secrets(*texts):
    for text in texts:
        for secret in (KEYS[name] for name in KEYS if name != "AWS_REGION"):
            assert secret not in text


# -- the address --------------------------------------------------------------------


def test_an_endpoint_where_nobody_listens_is_given_up_within_seconds(asyncload):
    with socket.socket() as closed:  # bound, so that nobody else takes it, but not listening
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        before = time.monotonic()
        ended = asyncload.run(f"aws.endpoint_url={url}", **KEYS)
    assert ended.sentence == (
        f"test.yaml: cannot reach {url} while looking up the queue 'ImageRequestQueue'; "
        "check aws.endpoint_url, and that the service is up"
    )
    assert (ended.returncode, ended.stdout) == (4, "")
    assert time.monotonic() - before < 30  # three attempts take up to three seconds


def test_an_endpoint_of_the_environment_is_named_as_that(asyncload):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        ended = asyncload.run(AWS_ENDPOINT_URL=url, **KEYS)
    assert ended.sentence == (
        f"test.yaml: cannot reach {url} while looking up the queue 'ImageRequestQueue'; "
        "check AWS_ENDPOINT_URL, and that the service is up"
    )
    assert ended.returncode == 4


def test_a_region_that_is_missing_or_wrong_is_named(asyncload):
    ended = asyncload.run("aws.endpoint_url=http://127.0.0.1:9", **{**KEYS, "AWS_REGION": ""})
    assert ended.sentence == (
        "test.yaml: aws.region: no region is set; set aws.region in the config or AWS_REGION"
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    ended = asyncload.run("aws.region=us west", **KEYS)
    assert (
        ended.sentence
        == "test.yaml: aws.region: 'us west' is not a region; write it like us-west-2"
    )
    assert (ended.returncode, ended.stdout) == (2, "")


@pytest.mark.parametrize("where", ["aws.profile", "AWS_PROFILE"])
def test_a_profile_that_is_not_there_is_named(asyncload, where):
    overrides = ["aws.profile=work"] if where == "aws.profile" else []
    profile = {} if overrides else {"AWS_PROFILE": "work"}
    ended = asyncload.run(*overrides, AWS_REGION="us-west-2", **profile)
    assert ended.sentence == (
        f"test.yaml: {where}: the profile 'work' is not in the AWS config files; "
        "name one that is, or leave it out"
    )
    assert (ended.returncode, ended.stdout) == (2, "")


def test_an_aws_config_file_that_is_broken_is_named(asyncload):
    path = asyncload.folder / "aws-config"
    path.write_text("[default\nregion = x\n")
    ended = asyncload.run("aws.endpoint_url=http://127.0.0.1:9", **KEYS, AWS_CONFIG_FILE=str(path))
    assert str(path) in ended.sentence
    assert ended.returncode == 2


# -- credentials --------------------------------------------------------------------


def test_without_credentials_it_is_said_where_to_put_them(asyncload):
    ended = asyncload.run("aws.endpoint_url=http://127.0.0.1:9", AWS_REGION="us-west-2")
    assert ended.sentence == (
        "test.yaml: no AWS credentials were found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, or aws.endpoint_url: local for the embedded stack"
    )
    assert (ended.returncode, ended.stdout) == (4, "")


def test_half_of_the_credentials_are_none(asyncload):
    ended = asyncload.run(
        "aws.endpoint_url=http://127.0.0.1:9", AWS_REGION="us-west-2", AWS_ACCESS_KEY_ID="AKIA"
    )
    assert "no AWS credentials were found" in ended.sentence
    assert ended.returncode == 4


REFUSED = {
    "InvalidClientTokenId": "The security token included in the request is invalid.",
    "SignatureDoesNotMatch": "The request signature we calculated does not match",
    "ExpiredToken": "The security token included in the request is expired",
    "UnrecognizedClientException": "The security token included in the request is invalid",
}


@pytest.mark.parametrize("code", REFUSED)
def test_wrong_credentials_are_told_as_that(asyncload, fake_aws, code):
    service = fake_aws(403, JSON_ERROR.format(code=code, message=REFUSED[code]))
    ended = asyncload.run(f"aws.endpoint_url={service.url}", **KEYS)
    assert ended.sentence == (
        f"test.yaml: {service.url} refused the credentials while looking up the queue "
        f"'ImageRequestQueue' ({code}); check AWS_PROFILE or the AWS_* variables, "
        "and that they have not expired"
    )
    assert (ended.returncode, ended.stdout) == (4, "")
    assert len(service.seen) == 1, "no retry makes a wrong key right"
    assert_no_secrets(ended.stdout, ended.stderr)


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
def test_a_permission_that_is_missing_is_told_as_that(asyncload, fake_aws, code):
    service = fake_aws(403, JSON_ERROR.format(code=code, message="User is not authorized"))
    ended = asyncload.run(f"aws.endpoint_url={service.url}", **KEYS)
    assert ended.sentence == (
        f"test.yaml: scenarios.0.user.request_queue: access denied by {service.url} while looking up "
        "the queue 'ImageRequestQueue'; give these credentials sqs:GetQueueUrl, or set "
        "scenarios.0.user.request_queue to the queue's URL"
    )
    assert ended.returncode == 4


# -- services that are something else ------------------------------------------------

NOT_AWS = {
    "a web page": (200, "<html><body>Welcome to nginx!</body></html>", "text/html"),
    "a web page that is not there": (404, "<html>404 Not Found</html>", "text/html"),
    "JSON of something else": (200, '{"hello": "world"}', "application/json"),
    "nothing": (200, "", "text/plain"),
    "an error of its own": (500, "oops", "text/plain"),
    "no answer at all": (0, "", "text/plain"),
}


@pytest.mark.parametrize("answer", NOT_AWS)
def test_a_service_that_is_not_aws_is_told_as_that(asyncload, fake_aws, answer):
    service = fake_aws(*NOT_AWS[answer])
    ended = asyncload.run(f"aws.endpoint_url={service.url}", **KEYS)
    assert ended.sentence.startswith("test.yaml: ")
    assert service.url in ended.sentence
    assert "looking up the queue 'ImageRequestQueue'" in ended.sentence
    assert (ended.returncode, ended.stdout) == (4, "")
    assert_no_secrets(ended.stdout, ended.stderr)


def test_user_info_in_an_endpoint_is_in_no_message(asyncload, fake_aws):
    service = fake_aws(403, JSON_ERROR.format(code="AccessDenied", message="no"))
    url = service.url.replace("://", "://me:hunter2@")
    for ended in (
        asyncload.run(f"aws.endpoint_url={url}", **KEYS),
        asyncload("check", "test.yaml", f"--set=aws.endpoint_url={url}"),
    ):
        assert "hunter2" not in ended.stdout + ended.stderr
    assert service.url in ended.stdout


# -- queues, buckets, images --------------------------------------------------------


def test_a_missing_queue_is_named_with_its_key(on_stack):
    url = on_stack.environment["AWS_ENDPOINT_URL"]
    for key in ("request_queue", "status_queue"):
        ended = on_stack.run(f"scenarios.0.user.{key}=Nowhere")
        assert ended.sentence == (
            f"test.yaml: scenarios.0.user.{key}: there is no queue 'Nowhere' at {url}; create it "
            f"or set scenarios.0.user.{key} to the name or URL of one that exists"
        )
        assert (ended.returncode, ended.stdout) == (4, "")


def test_a_missing_bucket_is_named_with_its_key(on_stack):
    url = on_stack.environment["AWS_ENDPOINT_URL"]
    for key in ("images", "results"):
        ended = on_stack.run(f"scenarios.0.user.{key}=s3://nowhere/x")
        assert ended.sentence == (
            f"test.yaml: scenarios.0.user.{key}: there is no bucket 'nowhere' at {url}; create it "
            f"or set scenarios.0.user.{key} to one that exists"
        )
        assert (ended.returncode, ended.stdout) == (4, "")


def test_a_bucket_without_images_is_named(on_stack):
    ended = on_stack.run("scenarios.0.user.images=s3://mr-bucket-sink-000000000000/none")
    assert ended.sentence.startswith(
        "test.yaml: scenarios.0.user.images: there is no image under "
        "s3://mr-bucket-sink-000000000000/none; put files ending in .ntf "
    )
    assert (ended.returncode, ended.stdout) == (4, "")


@pytest.fixture
def bucket(on_stack):
    """Puts objects into a bucket of the stack."""
    import botocore.session

    environment = on_stack.environment
    s3 = botocore.session.Session(profile=None).create_client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )

    def put(name, **files):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        for key, content in files.items():
            s3.put_object(Bucket=name, Key=key, Body=content)
        return f"s3://{name}"

    yield put
    s3.close()


def test_a_corrupt_image_is_skipped_and_named_and_the_run_goes_on(on_stack, bucket):
    from asyncload.local.imagery import make_images

    (_, good), *_ = make_images(None, 0, count=1)
    place = bucket("mixed", **{"good.tif": good, "bad.tif": b"no image", "worse.png": b""})
    ended = on_stack.run(f"scenarios.0.user.images={place}")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    output = " ".join(ended.stdout.split())
    for name in ("bad.tif", "worse.png"):
        assert f": s3://mixed/{name}" in output
    assert output.count("skipped 1 of 3 images: its header cannot be read, ") == 2
    assert "4 submitted = 4 succeeded" in output
    log = (on_stack.folder / "logs" / "run.jsonl").read_text().splitlines()
    notes = [json.loads(line) for line in log if '"type":"note"' in line]
    assert sum(": s3://mixed/" in note["text"] for note in notes) == 2


def test_without_one_good_image_the_run_does_not_start(on_stack, bucket):
    place = bucket("corrupt", **{"1.tif": b"no image", "2.png": b"none either"})
    ended = on_stack.run(f"scenarios.0.user.images={place}")
    assert ended.sentence == (
        "test.yaml: scenarios.0.user.images: none of the 2 images under s3://corrupt can be used: "
        "its header cannot be read, it is not a TIFF, NITF, PNG or JPEG image; mend that, or point "
        "scenarios.0.user.images elsewhere"
    )
    assert (ended.returncode, ended.stdout) == (4, "")


def test_a_prepare_of_ones_own_that_fails_is_told_with_its_line(on_stack):
    (on_stack.folder / "failing.py").write_text(
        "from asyncload import User, task\n"
        "class Caller(User):\n"
        "    @classmethod\n"
        "    async def prepare(cls, setup, options):\n"
        "        client = await setup.aws.client('sqs', retries=True)\n"
        "        await client.get_queue_url(QueueName='Nowhere')\n"
        "    @task()\n"
        "    async def call(self): ...\n"
    )
    ended = on_stack.run("scenarios.0.user=failing:Caller")
    assert re.fullmatch(
        r"test.yaml: scenarios.0.user: Caller.prepare fails with \S*QueueDoesNotExist: .* "
        r"at failing.py:6; mend that",
        ended.sentence,
    ) or re.search(r"NonExistentQueue", ended.sentence), ended.sentence
    assert (ended.returncode, ended.stdout) == (4, "")


# -- the ways to an endpoint --------------------------------------------------------


def test_check_says_what_a_run_would_go_against(on_stack):
    url = on_stack.environment["AWS_ENDPOINT_URL"]
    against = {
        (): f"{url} (AWS_ENDPOINT_URL)",
        ("--set=aws.endpoint_url=local",): "the embedded stack",
        ("--set=aws.endpoint_url=http://localhost:9324",): "http://localhost:9324",
    }
    for arguments, target in against.items():
        ended = on_stack("check", "test.yaml", *arguments)
        assert re.search(rf"^against +{re.escape(target)} *$", ended.stdout, re.MULTILINE), (
            ended.stdout
        )
    ended = on_stack("check", "test.yaml", AWS_ENDPOINT_URL="")
    assert re.search(r"^against +AWS *$", ended.stdout, re.MULTILINE)


def test_a_run_on_the_embedded_stack_needs_nothing_of_the_users_and_leaves_no_files_in_dev(
    asyncload,
):
    """The stack has keys and a region of its own; beside /dev/null is no place for job files."""
    ended = asyncload(
        "run", "test.yaml", "--quiet", "--set=aws.endpoint_url=local", "--log", "/dev/null",
        AWS_PROFILE="nowhere",
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "4 submitted = 4 succeeded" in ended.stdout
    assert not Path("/dev/job_status.json").exists()
    assert not Path("/dev/job_summary.json").exists()
    assert sorted(path.name for path in asyncload.folder.iterdir()) == ["test.yaml"]


@pytest.mark.parametrize("client", ["sdk", "fast"])
def test_a_proxy_is_not_asked_for_a_service_on_this_machine(on_stack, client):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
        on_stack.config.write_text(CONFIG.replace("model_runner", "callers:Caller"))
        calls = {
            "sdk": "self.aws.client('sqs').get_queue_url(QueueName='ImageRequestQueue')",
            "fast": f"self.http.get({on_stack.environment['AWS_ENDPOINT_URL']!r})",
        }
        (on_stack.folder / "callers.py").write_text(
            "from asyncload import User, task\n"
            "class Caller(User):\n"
            "    @task()\n"
            f"    async def call(self): await {calls[client]}\n"
        )
        ended = on_stack.run("thresholds=[request.failed == 0]", HTTP_PROXY=proxy, http_proxy=proxy)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout


def test_ctrl_c_while_the_headers_of_images_are_read_leaves_at_once(on_stack, bucket):
    from anyio.from_thread import start_blocking_portal

    from asyncload.local.imagery import make_images

    (_, image), *_ = make_images(None, 0, count=1)
    place = bucket("slow", **{f"{number}.tif": image for number in range(20)})
    asked = threading.Event()

    async def refuse(_name, _first):
        asked.set()
        await anyio.sleep(30)

    proxy = TroubledS3(on_stack.environment["AWS_ENDPOINT_URL"])
    proxy.refuse = refuse
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(proxy.serving()):
        process = on_stack.start(
            *("run", "test.yaml", "--quiet", f"--set=scenarios.0.user.images={place}"),
            AWS_ENDPOINT_URL=proxy.url,
        )
        assert asked.wait(30)
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        _, err = process.communicate(timeout=20)
        took = time.monotonic() - start
    assert (process.returncode, err) == (
        130, "asyncload: stopped before the load began; nothing was sent\n"
    )  # fmt: skip
    assert took < 5, "a second, on a machine that has time; the answers take 30"
