"""ECS is asked for the newest task definition, and that is asked for its queues."""

from __future__ import annotations

import time
import uuid

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from asyncload.errors import TargetError
from asyncload.local.settings import LocalSettings
from asyncload.local.stack.stack import LocalStack
from asyncload.transport.aws.session import Aws
from asyncload.users.model_runner.deployment import Deployment
from asyncload.users.model_runner.submit import ModelRunnerOptions
from asyncload.users.model_runner.task_definition import (
    TaskDefinition,
    derived_status_queue,
    newest_of_each_family,
    newest_task_definition,
)
from tests.users.desk import Desk

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

QUEUES = "https://sqs.us-west-2.amazonaws.com/123456789012"


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


# -- what a task definition says ----------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "status"),
    [
        ({"SQS_IMAGE_STATUS_QUEUE": "https://q/1/S", "IMAGE_STATUS_QUEUE": "no"}, "https://q/1/S"),
        ({"IMAGE_STATUS_QUEUE": "Statuses"}, f"{QUEUES}/Statuses"),
        ({"SQS_IMAGE_STATUS_QUEUE": "", "IMAGE_STATUS_QUEUE": "Named"}, f"{QUEUES}/Named"),
        ({}, f"{QUEUES}/ImageStatusQueue"),
        ({"IMAGE_QUEUE": f"{QUEUES}/JobsQueue"}, f"{QUEUES}/JobsStatusQueue"),
        ({"IMAGE_QUEUE": "RequestsOfMine"}, "StatussOfMine"),
        ({"IMAGE_QUEUE": "", "SQS_IMAGE_STATUS_QUEUE": "Statuses"}, "Statuses"),
    ],
)
def test_the_status_queue_is_named_or_derived(variables, status):
    environment = {"IMAGE_QUEUE": f"{QUEUES}/ImageRequestQueue", **variables}
    definition = TaskDefinition("Dataplane:7", "123456789012", environment)
    assert definition.status_queue(key="k")[0] == status


@given(st.from_regex(r"[A-Za-z0-9_-]{0,20}(Request|Queue)[A-Za-z0-9_-]{0,20}", fullmatch=True))
def test_a_derived_status_queue_is_never_the_request_queue_itself(name):
    derived = derived_status_queue(name)
    assert derived != name
    assert derived is None or "Status" in derived


def test_a_name_that_tells_nothing_derives_nothing():
    assert derived_status_queue("jobs") is None
    definition = TaskDefinition("Dataplane:7", "1", {"IMAGE_QUEUE": f"{QUEUES}/jobs"})
    with pytest.raises(TargetError) as refusal:
        definition.status_queue(key="k")
    assert str(refusal.value) == (
        f"k: the task definition Dataplane:7 names no status queue, and the name of its request "
        f"queue '{QUEUES}/jobs' does not tell it; set status_queue"
    )


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        (
            None,
            (
                "k: the task definition Dataplane:7 has no container that could name the queues; "
                "name another one, or set request_queue and status_queue"
            ),
        ),
        (
            {"OTHER": "x", "IMAGE_QUEUE": ""},
            (
                "k: the first container of the task definition Dataplane:7 has no IMAGE_QUEUE in its "
                "environment; name another task definition, or set request_queue"
            ),
        ),
    ],
)
def test_a_task_definition_without_queues_is_refused(environment, says):
    with pytest.raises(TargetError) as refusal:
        TaskDefinition("Dataplane:7", "1", environment).request_queue(key="k")
    assert str(refusal.value) == says


def test_without_any_queue_the_status_queue_names_all_variables_it_may_come_from():
    with pytest.raises(TargetError) as refusal:
        TaskDefinition("Dataplane:7", "1", {}).status_queue(key="k")
    assert "has no SQS_IMAGE_STATUS_QUEUE or IMAGE_STATUS_QUEUE or IMAGE_QUEUE" in str(
        refusal.value
    )


def arn(name, region="us-west-2"):
    return f"arn:aws:ecs:{region}:123456789012:task-definition/{name}"


def test_revisions_are_numbers_and_the_highest_of_each_family_counts():
    arns = [arn(f"Plane:{revision}") for revision in (1, 10, 9)] + [arn("OtherPlane:2")]
    assert newest_of_each_family(arns, "Plane") == [arn("Plane:10"), arn("OtherPlane:2")]
    assert newest_of_each_family(arns, "Plane:9") == [arn("Plane:9")]


def test_only_the_name_counts_but_a_whole_arn_names_itself():
    assert newest_of_each_family([arn("Plane:1")], "us-west-2") == []
    assert newest_of_each_family([arn("Plane:1")], "plane") == []
    assert newest_of_each_family([arn("Plane:1"), arn("Plane:2")], arn("Plane:1")) == [
        arn("Plane:1")
    ]


# -- asking ECS ---------------------------------------------------------------------


@pytest.fixture(scope="module")
async def services(anyio_backend):
    """AWS with an ECS: that of the embedded stack, and moto's."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        async with (
            LocalStack(LocalSettings(images=0), region="us-west-2") as stack,
            aws_at(stack.endpoint_url) as embedded,
            aws_at(f"http://{host}:{port}") as moto,
        ):
            yield {"embedded": embedded, "moto": moto}
    finally:
        server.stop()


def aws_at(url):
    return Aws(endpoint_url=url, region="us-west-2", credentials=("test", "test"))


@pytest.fixture(params=["embedded", "moto"])
def aws(request, services):
    return services[request.param]


def only(server):
    """Run a test on one of the two only."""
    return pytest.mark.parametrize("aws", [server], indirect=True)


@pytest.fixture
def word():
    """In the names of one test's families alone: ECS forgets no definition."""
    return f"x{uuid.uuid4().hex[:12]}x"


async def register(aws, family, *containers):
    """Register a revision whose containers have these environments; return its name."""
    ecs = await aws.client("ecs", retries=True)
    answer = await ecs.register_task_definition(
        family=family,
        containerDefinitions=[
            {
                "name": f"container-{index}",
                "image": "image",
                "memory": 512,
                "environment": [{"name": name, "value": value} for name, value in one.items()],
            }
            for index, one in enumerate(containers or [{"IMAGE_QUEUE": f"{QUEUES}/{family}Queue"}])
        ],
    )
    definition = answer["taskDefinition"]
    return f"{definition['family']}:{definition['revision']}"


async def until_the_next_second():
    """ministack dates registrations to the second."""
    await anyio.sleep(1.05 - time.time() % 1)


async def test_the_highest_active_revision_of_the_only_family_is_found(aws, word):
    for revision in range(1, 12):
        queue = {"IMAGE_QUEUE": f"{QUEUES}/Queue{revision}"}
        await register(aws, f"Model{word}Runner", queue, {"IMAGE_QUEUE": "of the second container"})
    ecs = await aws.client("ecs", retries=True)
    await ecs.deregister_task_definition(taskDefinition=f"Model{word}Runner:11")
    found = await newest_task_definition(aws, word, key="k")
    assert found.name == f"Model{word}Runner:10"
    assert found.environment == {"IMAGE_QUEUE": f"{QUEUES}/Queue10"}
    assert found.account == await aws.account()


@only("embedded")  # moto does not say when a definition was registered
async def test_of_several_families_the_last_one_registered_is_found(aws, word):
    for _ in range(3):
        await register(aws, f"Z{word}")
    await until_the_next_second()
    last = await register(aws, f"A{word}")
    assert last == f"A{word}:1"
    assert (await newest_task_definition(aws, word, key="k")).name == last
    await until_the_next_second()
    last = await register(aws, f"M{word}")
    assert (await newest_task_definition(aws, word, key="k")).name == last
    ecs = await aws.client("ecs", retries=True)
    await ecs.deregister_task_definition(taskDefinition=last)
    assert (await newest_task_definition(aws, word, key="k")).name == f"A{word}:1"


@only("moto")
async def test_where_ecs_does_not_say_when_a_definition_was_registered_one_is_found(aws, word):
    names = {await register(aws, f"A{word}"), await register(aws, f"B{word}")}
    assert (await newest_task_definition(aws, word, key="k")).name in names


@only("embedded")  # moto has no pages
async def test_a_family_beyond_the_first_hundred_definitions_is_found(aws, word):
    for number in range(101):
        await register(aws, f"Many{number % 3}")
    last = await register(aws, f"Last{word}")
    ecs = await aws.client("ecs", retries=True)
    first_page = await ecs.list_task_definitions(status="ACTIVE")
    assert not any(word in one for one in first_page["taskDefinitionArns"])
    assert (await newest_task_definition(aws, word, key="k")).name == last


@only("moto")  # ministack takes no definition without a container
async def test_a_definition_without_a_container_is_refused(aws, word):
    ecs = await aws.client("ecs", retries=True)
    await ecs.register_task_definition(family=f"Empty{word}", containerDefinitions=[])
    deployment = Deployment.of(Desk(aws), ModelRunnerOptions(task_definition=word))
    with pytest.raises(TargetError, match=rf"task definition Empty{word}:1 has no container that"):
        await deployment.status_queue()


async def test_a_pattern_that_nothing_matches_is_told_with_the_place(aws):
    with pytest.raises(TargetError) as refusal:
        await newest_task_definition(aws, "NoSuchThing", key="scenarios.0.user.task_definition")
    assert str(refusal.value) == (
        "scenarios.0.user.task_definition: no active task definition at "
        f"{aws.endpoint_url} has 'NoSuchThing' in its name; "
        "correct it, check aws.region, or set request_queue and status_queue"
    )


async def test_a_container_without_an_environment_has_no_queue(aws, word):
    name = await register(aws, f"Bare{word}", {})
    deployment = Deployment.of(Desk(aws), ModelRunnerOptions(task_definition=word))
    with pytest.raises(TargetError, match=rf"container of the task definition {name} has no IMAGE"):
        await deployment.request_queue()


async def test_what_was_discovered_is_noted_and_what_is_asked_is_told(aws, word, monkeypatch):
    monkeypatch.setenv("SM_LOAD_TEST_MODEL", "aircraft")
    name = await register(aws, f"Model{word}")
    desk = Desk(aws)
    deployment = Deployment.of(desk, ModelRunnerOptions(task_definition=word))
    assert (await deployment.request_queue()).value == f"{QUEUES}/Model{word}Queue"
    assert deployment.model(None).value == "aircraft"
    assert desk.notes == [
        ("info", f"request_queue: {QUEUES}/Model{word}Queue (task definition {name})"),
        ("info", "model: aircraft (SM_LOAD_TEST_MODEL)"),
    ]
    assert desk.told == ["asking ECS for the task definition"]


async def test_the_account_is_asked_of_sts(aws):
    desk = Desk(aws)
    account = await Deployment.of(desk, ModelRunnerOptions()).account()
    assert (account.value, account.source) == (await aws.account(), "STS")
    assert desk.told == ["asking STS for the account"]
