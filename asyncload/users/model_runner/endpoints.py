"""SageMaker endpoints: which are in service, and what a model runs on."""

from __future__ import annotations

from typing import Any, Final

import anyio

from asyncload.errors import TargetError
from asyncload.transport.aws.session import Aws
from asyncload.transport.error_text import describe, error_code, is_timeout, never_connected
from asyncload.users.user import Setup

PATIENCE: Final = 2.0
"""Seconds for the instance type: nice to know, and nothing depends on it."""
NOT_THERE: Final = frozenset({"404", "405", "501", "InvalidAction", "UnknownOperationException"})
"""What emulators without SageMaker, or without all of it, answer."""


async def endpoints_in_service(setup: Setup, *, key: str) -> list[str]:
    """Names of all endpoints with the status InService, in order.

    ``key`` is the option that names models instead. Raises :class:`TargetError`
    when there is none, or SageMaker cannot be asked.
    """
    setup.progress("listing the SageMaker endpoints")
    names: list[str] = []
    target = setup.aws.target_of("sagemaker")
    nowhere = f"there is no SageMaker at {target}; set aws.endpoints.sagemaker to one"
    remedies = dict.fromkeys(NOT_THERE, nowhere)
    try:
        async with setup.aws.explained(
            "listing the SageMaker endpoints", service="sagemaker", **remedies
        ):
            sagemaker = await setup.aws.client("sagemaker", retries=True)
            pages = sagemaker.get_paginator("list_endpoints").paginate(StatusEquals="InService")
            async for page in pages:
                names += [endpoint["EndpointName"] for endpoint in page["Endpoints"]]
    except TargetError as problem:
        raise TargetError(f"{problem}, or name the models in {key}") from None
    if not names:
        raise TargetError(
            f"{key}: no SageMaker endpoint is in service at {target}; "
            f"deploy one, or name the models in {key}"
        )
    return sorted(names)


async def note_instance_type(setup: Setup, model: str) -> None:
    """Note what ``model`` runs on, or why that is not known. Never raises, never takes long.

    As OversightML's load tests do it: the newest endpoint configuration whose
    name contains the model's tells.
    """
    setup.progress("looking up the instance type")
    try:
        # One attempt: a service that is not there is not asked again. Making the
        # client is our own work; only the service is on the clock.
        sagemaker = await setup.aws.client("sagemaker")
        with anyio.fail_after(PATIENCE):
            found = await _instance_type(sagemaker, model)
    except Exception as problem:  # an emulator may answer anything
        reason = _reason(setup.aws, problem)
        setup.note("info", f"the instance type of the model {model!r} is not known: {reason}")
    else:
        setup.note("info", found)


async def _instance_type(sagemaker: Any, model: str) -> str:
    pages = sagemaker.get_paginator("list_endpoint_configs").paginate(
        NameContains=model, SortBy="CreationTime", SortOrder="Descending"
    )
    async for page in pages:
        for config in page["EndpointConfigs"]:
            name = config["EndpointConfigName"]
            about = await sagemaker.describe_endpoint_config(EndpointConfigName=name)
            instance = about["ProductionVariants"][0].get("InstanceType", "serverless capacity")
            return f"the model {model!r} runs on {instance} (SageMaker endpoint config {name})"
    return (
        f"the instance type of the model {model!r} is not known: "
        "no SageMaker endpoint config has this in its name"
    )


def _reason(aws: Aws, problem: Exception) -> str:
    code = error_code(problem) or ""
    target = aws.target_of("sagemaker")
    if code.startswith("AccessDenied"):
        return "access to SageMaker is denied"
    if is_timeout(problem) or never_connected(problem):
        return f"SageMaker cannot be reached at {target}"
    if code in NOT_THERE or not code:  # without a code: an answer in another form
        return f"there is no SageMaker at {target}"
    return f"SageMaker answered {describe(problem)!r}"
