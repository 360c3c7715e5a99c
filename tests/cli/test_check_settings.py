"""`check` says where every setting of a ModelRunner scenario comes from."""

from __future__ import annotations

import json
import re
import socket

import pytest

from tests.cli.command_line import CONFIG

pytestmark = pytest.mark.slow

WIDE = {"COLUMNS": "250"}
PATTERN = "scenarios.0.user.task_definition=ModelRunnerDataplane"
LOCAL = "aws.endpoint_url=local"
ALL = {
    "request_queue": "MyRequests",
    "status_queue": "MyStatuses",
    "images": "s3://my-images",
    "results": "s3://my-results/here",
    "model": "aircraft",
}
SET = [f"scenarios.0.user.{name}={value}" for name, value in ALL.items()]


def table(ended):
    """The settings that were printed: value and source by name."""
    assert ended.returncode == 0, ended.stderr
    _, _, rest = ended.stdout.partition("  setting ")
    rows = rest.splitlines()[1:]
    cells = [re.split(r"\s{2,}", row.strip()) for row in rows[: rows.index("")]]
    return {name: (value, source) for name, value, source in cells}


def discover(shell, *overrides, **environment):
    sets = [f"--set={override}" for override in overrides]
    return shell("check", "test.yaml", "--discover", *sets, **WIDE, **environment)


# -- without asking -----------------------------------------------------------------


def test_the_defaults_are_shown_with_what_is_asked_for_at_the_start(asyncload):
    ended = asyncload.check(**WIDE)
    assert table(ended) == {
        "request_queue": ("ImageRequestQueue", "default"),
        "status_queue": ("ImageStatusQueue", "default"),
        "images": ("s3://osml-test-images-<account>", "default; STS is asked at the start"),
        "results": ("s3://mr-bucket-sink-<account>", "default; STS is asked at the start"),
        "model": ("centerpoint", "default"),
        "account": ("<account>", "STS is asked at the start"),
        "region": ("not known yet", "the AWS config file, which is read at the start"),
    }
    assert ended.stdout.endswith("\n--discover asks for what is not known yet\n")


def test_each_source_is_named(asyncload):
    ended = asyncload.check(
        CONFIG,
        "scenarios.0.user.request_queue=MyRequests",
        S3_LOAD_TEST_SOURCE_IMAGE_BUCKET="images",
        S3_SOURCE_IMAGE_BUCKET="other-images",
        S3_RESULT_BUCKET="s3://results/here",
        SM_LOAD_TEST_MODEL="aircraft",
        TASK_DEFINITION_PATTERN="Dataplane",
        AWS_REGION="eu-west-1",
        **WIDE,
    )
    asked = "task definition; ECS is asked at the start"
    assert table(ended) == {
        "task_definition": (
            "Dataplane",
            "TASK_DEFINITION_PATTERN; the newest with this in its name",
        ),
        "request_queue": ("MyRequests", "config"),
        "status_queue": ("not known yet", asked),
        "images": ("s3://images", "S3_LOAD_TEST_SOURCE_IMAGE_BUCKET"),
        "results": ("s3://results/here", "S3_RESULT_BUCKET"),
        "model": ("aircraft", "SM_LOAD_TEST_MODEL"),
        "account": ("<account>", "ECS is asked at the start"),
        "region": ("eu-west-1", "AWS_REGION"),
    }


def test_the_command_line_wins_over_environment_and_task_definition(asyncload):
    ended = asyncload.check(
        CONFIG,
        *SET,
        "aws.region=us-east-1",
        S3_SOURCE_IMAGE_BUCKET="images",
        S3_RESULT_BUCKET="not a bucket",
        SM_LOAD_TEST_MODEL="centerpoint",
        TASK_DEFINITION_PATTERN="Dataplane",
        AWS_DEFAULT_REGION="eu-west-1",
        **WIDE,
    )
    assert table(ended) == {
        "task_definition": (
            "Dataplane",
            "TASK_DEFINITION_PATTERN; not asked for: both queues are in the config",
        ),
        **{name: (value, "config") for name, value in ALL.items()},
        "region": ("us-east-1", "config"),
    }
    assert "--discover" not in ended.stdout


def test_of_the_embedded_stack_everything_is_known_before_it_is_started(asyncload):
    shown = table(asyncload.check(CONFIG, LOCAL, PATTERN, **WIDE))
    of_stack = "task definition ModelRunnerDataplane:1"
    assert shown["request_queue"] == ("ImageRequestQueue", of_stack)
    assert shown["status_queue"] == ("ImageStatusQueue", of_stack)
    assert shown["images"] == ("s3://osml-test-images-000000000000", "default")
    assert shown["account"] == ("000000000000", of_stack)
    assert shown["region"] == ("us-west-2", "the embedded stack")
    shown = table(asyncload.check(CONFIG, LOCAL, "aws.region=eu-west-1", **WIDE))
    assert shown["account"] == ("000000000000", "the embedded stack")
    assert shown["region"] == ("eu-west-1", "config")


def test_a_pattern_that_the_embedded_stack_does_not_match_is_told_before_it_is_started(asyncload):
    ended = asyncload.check(CONFIG, LOCAL, "scenarios.0.user.task_definition=Trains")
    assert ended.sentence == (
        "test.yaml: scenarios.0.user.task_definition: no active task definition at the embedded "
        "stack has 'Trains' in its name; correct it, check aws.region, or set request_queue and "
        "status_queue"
    )
    assert ended.returncode == 4


def test_nobody_is_asked_without_discover(asyncload, fake_aws):
    server = fake_aws(500, "")
    asyncload.check(
        CONFIG,
        PATTERN,
        AWS_ENDPOINT_URL=server.url,
        AWS_ACCESS_KEY_ID="a",
        AWS_SECRET_ACCESS_KEY="b",
        AWS_REGION="us-west-2",
    )
    assert server.seen == []


def test_a_narrow_terminal_shows_the_sources_below_the_values(asyncload):
    ended = asyncload.check(CONFIG, LOCAL, "scenarios.0.user.images=s3://" + "x" * 55)
    assert "value, and where it is from" in ended.stdout
    lines = [line.strip() for line in ended.stdout.splitlines()]
    at = lines.index("images         s3://" + "x" * 55)
    assert lines[at + 1] == "config"


def test_a_value_that_is_secret_is_not_shown(asyncload):
    override = "scenarios.0.user.request_queue=${QUEUE_TOKEN}"
    ended = asyncload.check(CONFIG, override, QUEUE_TOKEN="hush-hush-hush", **WIDE)
    assert table(ended)["request_queue"] == ("***", "config")


def test_other_kinds_of_users_have_no_table(asyncload):
    user = "scenarios.0.user={kind: http, base_url: 'http://127.0.0.1:1', requests: [{path: /}]}"
    for ended in (asyncload.check(CONFIG, user), discover(asyncload, user)):
        assert ended.returncode == 0, ended.stderr
        assert "setting" not in ended.stdout
        assert "--discover" not in ended.stdout


MISTAKES = {
    "a bucket that is none": (
        [],
        {"S3_RESULT_BUCKET": "results/here"},
        (
            "test.yaml: S3_RESULT_BUCKET: 'results/here' is not a bucket; write its name, or "
            "s3://bucket or s3://bucket/folder"
        ),
    ),
    "an empty pattern": (
        ["scenarios.0.user.task_definition=''"],
        {},
        (
            "test.yaml: scenarios.0.user.task_definition: is empty; give a part of its name, "
            "or leave it out"
        ),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_sentence(asyncload, mistake):
    overrides, environment, says = MISTAKES[mistake]
    ended = asyncload.check(CONFIG, *overrides, **environment)
    assert (ended.sentence, ended.returncode, ended.stdout) == (says, 2, "")


OWN = """
from asyncload import User, task

class Caller(User):
    @task()
    async def call(self): ...

    @classmethod
    async def describe_settings(cls, options, source, key):
        return [] + source
"""


def test_a_class_of_ones_own_that_fails_to_tell_is_named(asyncload):
    (asyncload.folder / "my_users.py").write_text(OWN)
    ended = asyncload.check(CONFIG, "scenarios.0.user=my_users:Caller")
    assert ended.sentence.startswith(
        "test.yaml: scenarios.0.user: Caller.describe_settings fails with TypeError: "
    )
    assert ended.returncode == 4


# -- with --discover ----------------------------------------------------------------


def test_discover_shows_what_was_found(on_stack, stack_environment):
    shown = table(discover(on_stack, PATTERN))
    url = f"{stack_environment['AWS_ENDPOINT_URL']}/000000000000"
    source = "task definition ModelRunnerDataplane:1"
    assert shown == {
        "task_definition": (
            "ModelRunnerDataplane:1",
            "config; the newest with 'ModelRunnerDataplane' in its name",
        ),
        "request_queue": (f"{url}/ImageRequestQueue", source),
        "status_queue": (f"{url}/ImageStatusQueue", source),
        "images": ("s3://osml-test-images-000000000000", "default"),
        "results": ("s3://mr-bucket-sink-000000000000", "default"),
        "model": ("centerpoint", "default"),
        "account": ("000000000000", source),
        "region": ("us-west-2", "AWS_REGION"),
    }


def test_discover_starts_the_embedded_stack_where_that_is_asked_for(asyncload):
    shown = table(discover(asyncload, LOCAL))
    assert shown["account"] == ("000000000000", "STS")


def test_a_run_takes_what_check_has_shown(on_stack):
    pattern = "TASK_DEFINITION_PATTERN"
    environment = {pattern: "Dataplane", "SM_LOAD_TEST_MODEL": "aircraft"}
    shown = table(discover(on_stack, **environment))
    ended = on_stack.run(**environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    lines = (on_stack.folder / "logs" / "run.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    notes = {one["text"] for one in records if one["type"] == "note"}
    noted = {
        f"{name}: {value} ({source})"
        for name, (value, source) in shown.items()
        if name in {"request_queue", "status_queue", "model", "account"}
    }
    assert noted <= notes
    jobs = [one for one in records if one["type"] == "job"]
    assert {one["name"].rpartition(":")[2] for one in jobs} == {"aircraft"}
    assert {one["status"] for one in jobs} == {"SUCCESS"}


def test_a_bucket_that_a_variable_names_wrongly_is_told_by_that_variable(on_stack):
    ended = on_stack.run(S3_SOURCE_IMAGE_BUCKET="nowhere")
    assert ended.sentence.startswith("test.yaml: S3_SOURCE_IMAGE_BUCKET: there is no bucket")
    assert ended.sentence.endswith("or set S3_SOURCE_IMAGE_BUCKET to one that exists")
    assert ended.returncode == 4


KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
    "AWS_REGION": "us-west-2",
}
ASKING = "asking ECS for task definitions"
ANSWERS = {
    "access denied": (
        (400, '{"__type": "AccessDeniedException", "Message": "User is not authorized"}'),
        (
            "test.yaml: scenarios.0.user.task_definition: access denied by {url} while "
            f"{ASKING}; give these credentials ecs:ListTaskDefinitions and "
            "ecs:DescribeTaskDefinition, or set request_queue and status_queue"
        ),
    ),
    "expired credentials": (
        (400, '{"__type": "ExpiredTokenException", "message": "expired"}'),
        (
            f"test.yaml: {{url}} refused the credentials while {ASKING} (ExpiredTokenException); "
            "check AWS_PROFILE or the AWS_* variables, and that they have not expired"
        ),
    ),
    "no ECS": (
        (200, "{}"),
        f"test.yaml: {{url}} does not answer like AWS while {ASKING}",
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_ecs_that_does_not_tell_is_one_sentence(asyncload, fake_aws, answer):
    given, says = ANSWERS[answer]
    server = fake_aws(*given)
    ended = discover(asyncload, PATTERN, AWS_ENDPOINT_URL=server.url, **KEYS)
    assert ended.sentence.startswith(says.format(url=server.url))
    assert (ended.returncode, ended.stdout) == (4, "")
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in ended.stderr


def test_an_ecs_that_is_not_there_is_one_sentence(asyncload):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        ended = discover(asyncload, PATTERN, f"aws.endpoint_url={url}", **KEYS)
    assert ended.sentence == (
        f"test.yaml: cannot reach {url} while {ASKING}; "
        "check aws.endpoint_url, and that the service is up"
    )
    assert (ended.returncode, ended.stdout) == (4, "")


def test_without_a_region_discover_says_how_to_set_one(asyncload):
    ended = discover(asyncload, *SET)
    assert ended.sentence == (
        "test.yaml: aws.region: no region is set; set aws.region in the config or AWS_REGION"
    )
    assert ended.returncode == 2


def test_an_account_that_no_setting_needs_may_stay_unknown(asyncload, fake_aws):
    denied = "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
    server = fake_aws(403, denied, "text/xml")
    shown = table(discover(asyncload, *SET, AWS_ENDPOINT_URL=server.url, **KEYS))
    assert shown["account"] == (
        "not known yet",
        (
            f"access denied by {server.url} while asking STS for the account id; "
            "give these credentials the permission, or use others"
        ),
    )


# -- what a run is against, and what it sends ---------------------------------------------

WORK = {
    "http": (
        """
        kind: http
        base_url: http://me:${PASSWORD}@127.0.0.1:9
        data: {file: rows.csv, order: sequential}
        requests:
          - {name: fine, path: "/ok?api_key=${PASSWORD}&x={{x}}", weight: 9, then: [{path: /after}]}
          - {path: /bad, method: post}
        """,
        "http://127.0.0.1:9",
        [
            "base_url http://127.0.0.1:9",
            "requests 90 % fine: GET /ok?api_key=***&x={{x}}, then GET /after",
            "10 % POST /bad",
            "data rows of rows.csv, one after the other",
        ],
    ),
    "a simulated server": (
        "{kind: http, base_url: local, requests: [{path: /v1/models/langid:predict}]}",
        "a simulated server",
        [
            "base_url local (a simulated server)",
            "requests GET /v1/models/langid:predict",
        ],
    ),
    "edge": (
        "{kind: edge, endpoint: 'http://edge:30101', detectors: [det_1, det_2]}",
        "http://edge:30101",
        ["endpoint http://edge:30101", "detectors det_1, det_2"],
    ),
    "sagemaker": (
        "{kind: sagemaker, endpoint: centerpoint, json: {inputs: 1}}",
        "AWS",
        ["requests sagemaker-runtime.InvokeEndpoint"],
    ),
    "a class of one's own": (
        "mine:Caller",
        "AWS, or where mine:Caller sends",
        [],
    ),
}


@pytest.mark.parametrize("kind", WORK)
def test_what_a_run_is_against_and_what_it_sends_is_shown(asyncload, kind):
    user, against, rows = WORK[kind]
    (asyncload.folder / "mine.py").write_text(
        "from asyncload import User, task\n\n\n"
        "class Caller(User):\n    @task()\n    async def call(self):\n        pass\n"
    )
    asyncload.config.write_text(
        "name: t\nscenarios:\n"
        "  - name: web\n    load: {shape: {kind: constant, level: 5}, duration: 1s}\n"
        f"    user: {user}\n"
    )
    ended = asyncload("check", "test.yaml", PASSWORD="hunter2", **WIDE)
    assert ended.returncode == 0, ended.stderr
    lines = [" ".join(line.split()) for line in ended.stdout.splitlines()]
    assert f"against {against}" in lines
    start = next(index for index, line in enumerate(lines) if line.startswith("model open, user"))
    assert lines[start + 1 : start + 1 + len(rows)] == rows
    assert "hunter2" not in ended.stdout + ended.stderr


def test_of_very_many_requests_some_are_shown_and_the_others_counted(asyncload):
    requests = "\n".join(f"        - {{path: /{number}}}" for number in range(40))
    asyncload.config.write_text(
        "name: t\nscenarios:\n"
        "  - name: web\n    load: {shape: {kind: constant, level: 5}, duration: 1s}\n"
        f"    user:\n      kind: http\n      base_url: http://x\n      requests:\n{requests}\n"
    )
    ended = asyncload("check", "test.yaml", **WIDE)
    assert "and 28 more" in ended.stdout
    assert ended.stdout.count("2.5 %") == 12
