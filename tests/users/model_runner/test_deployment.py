"""Each setting of a ModelRunner scenario comes from the first place that has it."""

from __future__ import annotations

import pytest

from asyncload.errors import ConfigError, TargetError
from asyncload.users.model_runner.deployment import Deployment
from asyncload.users.model_runner.submit import ModelRunnerOptions
from asyncload.users.model_runner.task_definition import TaskDefinition
from asyncload.users.settings_source import LocalSource, OfflineSource, Setting

pytestmark = pytest.mark.anyio

QUEUES = "https://sqs.us-west-2.amazonaws.com/123456789012"
VARIABLES = {
    name: f"from-{name.lower().replace('_', '-')}"
    for name in (
        "S3_LOAD_TEST_SOURCE_IMAGE_BUCKET",
        "S3_SOURCE_IMAGE_BUCKET",
        "S3_LOAD_TEST_RESULT_BUCKET",
        "S3_RESULT_BUCKET",
        "SM_LOAD_TEST_MODEL",
    )
}


class KnowingSource:
    """A source that knows every setting, and keeps count of the questions."""

    def __init__(self, **environment):
        self.asked = []
        self.definition = TaskDefinition("Dataplane:7", "123456789012", environment)

    async def account(self):
        self.asked.append("STS")
        return Setting("account", "999999999999", "STS")

    async def task_definition(self, pattern, *, key):
        self.asked.append(f"ECS for {pattern} ({key})")
        return self.definition


def key(option):
    return f"scenarios.0.user.{option}"


def deployed(source, environment=None, note=None, **options):
    return Deployment(
        ModelRunnerOptions(**options),
        source,
        key=key,
        note=note,
        environment=environment or {},
    )


def told(settings):
    return {one.name: (one.value, one.source) for one in settings}


async def test_without_config_environment_and_pattern_the_defaults_hold():
    teller = KnowingSource(IMAGE_QUEUE=f"{QUEUES}/Other")
    deployment = deployed(teller)
    assert told(await deployment.everything(deployment.model(None))) == {
        "request_queue": ("ImageRequestQueue", "default"),
        "status_queue": ("ImageStatusQueue", "default"),
        "images": ("s3://osml-test-images-999999999999", "default"),
        "results": ("s3://mr-bucket-sink-999999999999", "default"),
        "model": ("centerpoint", "default"),
        "account": ("999999999999", "STS"),
    }
    assert teller.asked == ["STS"]


async def test_the_config_wins_over_environment_and_task_definition():
    teller = KnowingSource(IMAGE_QUEUE=f"{QUEUES}/ImageRequestQueue")
    options = {
        "request_queue": "Mine",
        "status_queue": "MineToo",
        "images": "s3://my-images",
        "results": "s3://my-results/here",
        "model": "aircraft",
        "task_definition": "Dataplane",
    }
    deployment = deployed(teller, {**VARIABLES, "TASK_DEFINITION_PATTERN": "Other"}, **options)
    found = [
        await deployment.request_queue(),
        await deployment.status_queue(),
        await deployment.images(),
        await deployment.results(),
        deployment.model("aircraft"),
    ]
    options.pop("task_definition")
    assert told(found) == {name: (value, "config") for name, value in options.items()}
    assert [one.key for one in found] == [key(one.name) for one in found]
    assert teller.asked == []


async def test_the_environment_wins_over_the_defaults_and_the_first_variable_over_the_second():
    deployment = deployed(KnowingSource(), VARIABLES)
    found = [await deployment.images(), await deployment.results(), deployment.model(None)]
    assert told(found) == {
        "images": (
            "s3://from-s3-load-test-source-image-bucket",
            "S3_LOAD_TEST_SOURCE_IMAGE_BUCKET",
        ),
        "results": ("s3://from-s3-load-test-result-bucket", "S3_LOAD_TEST_RESULT_BUCKET"),
        "model": ("from-sm-load-test-model", "SM_LOAD_TEST_MODEL"),
    }
    # Messages about a value name what set it.
    assert [one.key for one in found] == [one.source for one in found]


async def test_an_empty_variable_is_one_that_is_not_set():
    environment = {
        "S3_LOAD_TEST_SOURCE_IMAGE_BUCKET": "",
        "S3_SOURCE_IMAGE_BUCKET": " second ",
        "S3_RESULT_BUCKET": "  ",
        "SM_LOAD_TEST_MODEL": "",
        "TASK_DEFINITION_PATTERN": "",
    }
    teller = KnowingSource()
    deployment = deployed(teller, environment)
    assert (await deployment.images()).value == "s3://second"
    assert (await deployment.results()).source == "default"
    assert deployment.model(None).source == "default"
    assert (await deployment.request_queue()).source == "default"


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("images", "s3://images"),
        ("s3://images", "s3://images"),
        ("s3://images/of/ships", "s3://images/of/ships"),
    ],
)
async def test_a_bucket_variable_holds_a_name_or_a_url(value, place):
    deployment = deployed(KnowingSource(), {"S3_SOURCE_IMAGE_BUCKET": value})
    assert (await deployment.images()).value == place


@pytest.mark.parametrize("value", ["images/of/ships", "https://images", "my images", "s3://"])
async def test_a_bucket_variable_with_anything_else_is_refused_by_its_name(value):
    deployment = deployed(KnowingSource(), {"S3_RESULT_BUCKET": value})
    with pytest.raises(ConfigError) as refusal:
        await deployment.results()
    assert str(refusal.value) == (
        f"S3_RESULT_BUCKET: {value!r} is not a bucket; "
        "write its name, or s3://bucket or s3://bucket/folder"
    )


async def test_a_wrong_variable_does_not_matter_where_the_config_tells():
    deployment = deployed(
        KnowingSource(), {"S3_RESULT_BUCKET": "my results"}, results="s3://results"
    )
    assert (await deployment.results()).value == "s3://results"


async def test_the_task_definition_gives_queues_and_account_and_sts_is_not_asked():
    teller = KnowingSource(
        IMAGE_QUEUE=f"{QUEUES}/TheRequestQueue", IMAGE_STATUS_QUEUE="TheStatuses"
    )
    deployment = deployed(teller, {"TASK_DEFINITION_PATTERN": "Data"})
    source = "task definition Dataplane:7"
    assert told(await deployment.everything()) == {
        "task_definition": (
            "Dataplane:7",
            "TASK_DEFINITION_PATTERN; the newest with 'Data' in its name",
        ),
        "request_queue": (f"{QUEUES}/TheRequestQueue", source),
        "status_queue": (f"{QUEUES}/TheStatuses", source),
        "images": ("s3://osml-test-images-123456789012", "default"),
        "results": ("s3://mr-bucket-sink-123456789012", "default"),
        "account": ("123456789012", source),
    }
    assert teller.asked == ["ECS for Data (TASK_DEFINITION_PATTERN)"]


async def test_one_queue_in_the_config_leaves_the_other_to_the_task_definition():
    teller = KnowingSource(IMAGE_QUEUE=f"{QUEUES}/TheRequestQueue")
    deployment = deployed(teller, request_queue="Mine", task_definition="Data")
    assert (await deployment.request_queue()).value == "Mine"
    assert teller.asked == []
    status = await deployment.status_queue()
    assert told([status]) == {
        "status_queue": (
            f"{QUEUES}/TheStatusQueue",
            "derived from the request queue of task definition Dataplane:7",
        )
    }
    assert teller.asked == [f"ECS for Data ({key('task_definition')})"]


async def test_with_both_queues_in_the_config_ecs_is_not_asked_for_the_account_either():
    teller = KnowingSource(IMAGE_QUEUE=f"{QUEUES}/TheRequestQueue")
    deployment = deployed(teller, request_queue="Q", status_queue="S", task_definition="Data")
    shown = told(await deployment.everything())
    assert shown["account"] == ("999999999999", "STS")
    assert shown["task_definition"] == (
        "Data",
        "config; not asked for: both queues are in the config",
    )
    assert teller.asked == ["STS"]


async def test_what_is_found_elsewhere_is_noted_once():
    notes = []
    environment = {"S3_RESULT_BUCKET": "results", "TASK_DEFINITION_PATTERN": "Data"}
    teller = KnowingSource(IMAGE_QUEUE="TheQueue")
    deployment = deployed(teller, environment, notes.append, images="s3://images")
    for _ in range(2):
        await deployment.request_queue()
        await deployment.status_queue()
        await deployment.images()
        await deployment.results()
        deployment.model(None)
    assert told(notes) == {
        "request_queue": ("TheQueue", "task definition Dataplane:7"),
        "status_queue": (
            "TheStatusQueue",
            "derived from the request queue of task definition Dataplane:7",
        ),
        "results": ("s3://results", "S3_RESULT_BUCKET"),
    }
    assert len(notes) == 3


async def test_where_nobody_may_be_asked_it_says_who_will_be():
    shown = told(await deployed(OfflineSource()).everything())
    assert shown["images"] == (
        "s3://osml-test-images-<account>",
        "default; STS is asked at the start",
    )
    deployment = deployed(
        OfflineSource(), images="s3://a", results="s3://b", task_definition="Data"
    )
    shown = await deployment.everything()
    assert told(shown) == {
        "task_definition": ("Data", "config; the newest with this in its name"),
        "request_queue": ("", "task definition; ECS is asked at the start"),
        "status_queue": ("", "task definition; ECS is asked at the start"),
        "images": ("s3://a", "config"),
        "results": ("s3://b", "config"),
        "account": ("<account>", "ECS is asked at the start"),
    }
    assert [one.name for one in shown if not one.known] == [
        "request_queue",
        "status_queue",
        "account",
    ]


async def test_an_account_that_no_setting_needs_may_stay_unknown():
    class NoSts(KnowingSource):
        async def account(self):
            raise TargetError("STS is on holiday")

    needed = deployed(NoSts())
    with pytest.raises(TargetError, match="holiday"):
        await needed.everything()
    places = {"images": "s3://a", "results": "s3://b"}
    shown = told(await deployed(NoSts(), **places).everything())
    assert shown["account"] == ("", "STS is on holiday")
    assert "account" not in told(await deployed(OfflineSource(), **places).everything())


async def test_the_embedded_stacks_definition_is_known_beforehand():
    source = LocalSource("000000000000", TaskDefinition("Plane:1", "000000000000", {}))
    assert (await source.task_definition("lane", key="k")).name == "Plane:1"
    with pytest.raises(TargetError, match=r"^k: no active task definition .* 'train' in its name"):
        await source.task_definition("train", key="k")
