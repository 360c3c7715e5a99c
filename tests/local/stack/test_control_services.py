"""What tells of the embedded stack's service: its ECS task definition and SageMaker endpoints."""

from pathlib import Path

import aiohttp
import msgspec
import psutil
import pytest
from botocore.exceptions import ClientError

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
async def sagemaker(aws):
    return await aws.client("sagemaker")


# -- ECS ----------------------------------------------------------------------------


async def test_the_task_definition_names_both_queues_as_urls(bench, aws):
    ecs = await aws.client("ecs")
    listed = await ecs.list_task_definitions()
    assert listed["taskDefinitionArns"] == [
        "arn:aws:ecs:eu-central-1:000000000000:task-definition/ModelRunnerDataplane:1"
    ]
    answer = await ecs.describe_task_definition(taskDefinition="ModelRunnerDataplane")
    [container] = answer["taskDefinition"]["containerDefinitions"]
    environment = {one["name"]: one["value"] for one in container["environment"]}
    assert environment == {
        "IMAGE_QUEUE": bench.resources.request_queue_url,
        "SQS_IMAGE_STATUS_QUEUE": bench.resources.status_queue_url,
    }
    for url in environment.values():
        await bench.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])


async def test_the_emulator_knows_no_docker_that_could_run_it(bench):
    emulator = psutil.Process(bench.stack.pids[0])
    scheme, _, path = emulator.environ()["DOCKER_HOST"].partition("://")
    assert scheme == "unix"
    assert Path(path).parent.is_dir()
    assert not Path(path).exists()
    assert emulator.children(recursive=True) == []


# -- SageMaker ----------------------------------------------------------------------


def names(answer):
    [entries] = [value for key, value in answer.items() if key.startswith("Endpoint")]
    return [one.get("EndpointName") or one["EndpointConfigName"] for one in entries]


async def test_endpoints_in_service_are_told_from_those_that_are_not(sagemaker):
    assert set(names(await sagemaker.list_endpoints())) == {"centerpoint", "aircraft", "ships"}
    in_service = await sagemaker.list_endpoints(StatusEquals="InService", SortBy="Name")
    assert names(in_service) == ["centerpoint", "aircraft"]  # SageMaker's order is descending
    [creating] = (await sagemaker.list_endpoints(StatusEquals="Creating"))["Endpoints"]
    assert creating["EndpointName"] == "ships"
    assert creating["EndpointArn"] == "arn:aws:sagemaker:eu-central-1:000000000000:endpoint/ships"
    assert names(await sagemaker.list_endpoints(StatusEquals="Failed")) == []


async def test_endpoints_and_configs_are_found_by_a_part_of_their_name(sagemaker):
    assert names(await sagemaker.list_endpoints(NameContains="craft")) == ["aircraft"]
    assert names(await sagemaker.list_endpoint_configs(NameContains="center")) == [
        "centerpoint-config"
    ]
    assert names(await sagemaker.list_endpoint_configs(NameContains="nothing")) == []


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
async def test_lists_come_in_pages_and_in_order(sagemaker, order):
    found = []
    async for page in sagemaker.get_paginator("list_endpoints").paginate(
        SortBy="Name", SortOrder=order, PaginationConfig={"PageSize": 1}
    ):
        assert len(page["Endpoints"]) == 1
        found += names(page)
    assert found == sorted(found, reverse=order == "Descending")
    assert len(found) == 3
    answer = await sagemaker.list_endpoint_configs(MaxResults=2)
    rest = await sagemaker.list_endpoint_configs(MaxResults=2, NextToken=answer["NextToken"])
    assert "NextToken" not in rest
    assert len(names(answer)) == 2
    assert len({*names(answer), *names(rest)}) == 3


async def test_an_endpoint_leads_to_the_instance_type_of_its_config(sagemaker):
    endpoint = await sagemaker.describe_endpoint(EndpointName="centerpoint")
    assert endpoint["EndpointStatus"] == "InService"
    config = await sagemaker.describe_endpoint_config(
        EndpointConfigName=endpoint["EndpointConfigName"]
    )
    [variant] = config["ProductionVariants"]
    assert variant["InstanceType"] == "ml.m5.xlarge"
    assert config["CreationTime"] == endpoint["CreationTime"]
    assert [one["VariantName"] for one in endpoint["ProductionVariants"]] == [
        variant["VariantName"]
    ]


REFUSED = {
    "an endpoint that is not there": (
        "describe_endpoint",
        {"EndpointName": "trains"},
        "ValidationException",
        'endpoint "arn:aws:sagemaker:eu-central-1:000000000000:endpoint/trains"',
    ),
    "a config that is not there": (
        "describe_endpoint_config",
        {"EndpointConfigName": "trains"},
        "ValidationException",
        "Could not find endpoint configuration",
    ),
    "a status there is not": (
        "list_endpoints",
        {"StatusEquals": "Sleeping"},
        "ValidationException",
        "Sleeping",
    ),
    "more results than there may be": (
        "list_endpoints",
        {"MaxResults": 101},
        "ValidationException",
        "<= 100",
    ),
    "a token of somebody else's": (
        "list_endpoint_configs",
        {"NextToken": "bm8="},
        "ValidationException",
        "NextToken",
    ),
    "a filter that would be passed over": (
        "list_endpoints",
        {"CreationTimeAfter": 0},
        "ValidationException",
        "CreationTimeAfter",
    ),
    "another operation": (
        "list_models",
        {},
        "UnknownOperationException",
        "has no ListModels",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_sagemaker_would_refuse_is_refused_as_it_does(sagemaker, case):
    operation, parameters, code, words = REFUSED[case]
    with pytest.raises(ClientError) as refusal:
        await getattr(sagemaker, operation)(**parameters)
    assert refusal.value.response["Error"]["Code"] == code
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert words in refusal.value.response["Error"]["Message"]


async def post(bench, operation, body):
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            bench.stack.endpoint_url,
            data=body,
            headers={"X-Amz-Target": f"SageMaker.{operation}"},
        ) as response,
    ):
        assert response.headers["x-amzn-requestid"]
        assert response.content_type == "application/x-amz-json-1.1"
        return response.status, msgspec.json.decode(await response.read())


async def test_a_body_that_is_no_json_is_refused_and_an_empty_one_is_none(bench):
    status, answer = await post(bench, "ListEndpoints", b"{")
    assert (status, answer["__type"]) == (400, "SerializationException")
    status, answer = await post(bench, "ListEndpoints", b"")
    assert (status, len(answer["Endpoints"])) == (200, 3)
    status, answer = await post(bench, "DescribeEndpoint", b"{}")
    assert (status, answer["__type"]) == (400, "ValidationException")
    assert "EndpointName" in answer["message"]
