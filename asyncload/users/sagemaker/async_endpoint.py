"""Looking at an endpoint before the start: whether it is in service, and whom it notifies."""

from __future__ import annotations

from collections.abc import Collection
from types import MappingProxyType
from typing import Any, Final

from asyncload.errors import TargetError
from asyncload.transport.aws.sqs import SqsQueue
from asyncload.transport.error_text import describe, error_code, never_connected
from asyncload.users.model_runner.endpoints import NOT_THERE
from asyncload.users.user import Setup

SERVING: Final = frozenset(
    {"InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed"}
)
"""States in which an endpoint takes requests."""
_ENDS: Final = MappingProxyType({"SuccessTopic": "completed", "ErrorTopic": "failed"})
"""Which topic is told of which end."""


async def topics_of_endpoint(setup: Setup, name: str, *, key: str) -> list[str]:
    """Make sure that the endpoint is in service for asynchronous inference, and ask whom it notifies.

    Gives the ARNs of its topics. ``key`` is the setting that named it. Where one may not look, a
    note says so: the requests will tell. Raises :class:`TargetError`.
    """
    setup.progress(f"looking up the endpoint {name}")
    target = setup.aws.target_of("sagemaker")
    missing = (
        f"{key}: there is no endpoint {name!r} at {target}; deploy it or set {key} to the name of "
        "one that exists"
    )
    doing = f"looking up the endpoint {name!r}"
    async with setup.aws.explained(doing, service="sagemaker", ValidationException=missing):
        sagemaker = await setup.aws.client("sagemaker", retries=True)
        try:
            about = await sagemaker.describe_endpoint(EndpointName=name)
        except Exception as problem:
            code = error_code(problem) or ""
            denied = code.startswith("AccessDenied")
            if not (denied or code in NOT_THERE or never_connected(problem)):
                raise
            setup.note(
                "info",
                f"the endpoint {name} was not looked up before the start: {describe(problem)}",
            )
            return []
    return _topics(setup, about, name, key=key)


async def check_subscriptions(setup: Setup, topics: Collection[str], queue: SqsQueue) -> None:
    """Warn when ``queue`` does not get what is published to ``topics``. Raises nothing.

    It may get it by another way, and one need not be allowed to ask.
    """
    setup.progress("looking up the subscriptions")
    try:
        arn = await queue.arn()
        sns = await setup.aws.client("sns", retries=True)
        missing = []
        for topic in topics:
            pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
            subscribed = [one["Endpoint"] async for page in pages for one in page["Subscriptions"]]
            if arn not in subscribed:
                missing.append(topic.rpartition(":")[2])
    except Exception as problem:
        setup.note(
            "info", f"who is subscribed to the endpoint's topics is not known: {describe(problem)}"
        )
        return
    if missing:
        setup.note(
            "warning",
            f"{queue.name} is not subscribed to {' and '.join(missing)}, where the endpoint "
            "publishes: of inferences that it does not hear of another way, the jobs will be lost",
        )


def _topics(setup: Setup, about: dict[str, Any], name: str, *, key: str) -> list[str]:
    status = about.get("EndpointStatus", "InService")
    if status not in SERVING:
        raise TargetError(
            f"{key}: the endpoint {name!r} is not in service but {status}; wait for it, or name "
            "another one"
        )
    config = about.get("AsyncInferenceConfig")
    if config is None:
        raise TargetError(
            f"{key}: the endpoint {name!r} is not made for asynchronous inference; give its "
            "configuration an AsyncInferenceConfig, or use kind: sagemaker"
        )
    topics = config.get("OutputConfig", {}).get("NotificationConfig", {})
    silent = [end for topic, end in _ENDS.items() if not topics.get(topic)]
    if silent:
        setup.note(
            "warning",
            f"the endpoint {name} notifies nobody of inferences that {' or '.join(silent)}: such "
            "jobs will time out or be lost; give its NotificationConfig both topics",
        )
    return list(dict.fromkeys(topics[topic] for topic in _ENDS if topics.get(topic)))
