"""What the newest ECS task definition of a ModelRunner says about its queues."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from asyncload.errors import TargetError
from asyncload.transport.aws.session import Aws

REQUEST_QUEUE_IN: Final = "IMAGE_QUEUE"
STATUS_QUEUE_IN: Final = ("SQS_IMAGE_STATUS_QUEUE", "IMAGE_STATUS_QUEUE")
_ASKING: Final = "asking ECS for task definitions"


class TaskDefinition(msgspec.Struct, frozen=True):
    """One revision of one family."""

    name: str
    """``family:revision``."""
    account: str
    environment: Mapping[str, str] | None
    """Of its first container; ``None`` when it has no container."""

    def request_queue(self, *, key: str) -> tuple[str, str]:
        """The queue of the requests, as a URL or name, and where that comes from.

        ``key`` is what chose the task definition. Raises :class:`TargetError`
        when there is none.
        """
        queue = self._variables(key).get(REQUEST_QUEUE_IN)
        if not queue:
            raise self._lacks(REQUEST_QUEUE_IN, "request_queue", key)
        return queue, self.source

    def status_queue(self, *, key: str) -> tuple[str, str]:
        """The queue of the statuses, named or derived, and where that comes from.

        A name becomes a URL where that of the requests is one: it is in the
        same account. Raises :class:`TargetError` when there is none.
        """
        variables = self._variables(key)
        requests = variables.get(REQUEST_QUEUE_IN, "")
        named = next(filter(None, map(variables.get, STATUS_QUEUE_IN)), None)
        if named is not None:
            return (named if "://" in named else _beside(requests, named)), self.source
        if not requests:
            raise self._lacks(
                " or ".join((*STATUS_QUEUE_IN, REQUEST_QUEUE_IN)), "status_queue", key
            )
        derived = derived_status_queue(requests.rpartition("/")[2])
        if derived is None:
            raise TargetError(
                f"{key}: the task definition {self.name} names no status queue, and the name of "
                f"its request queue {requests!r} does not tell it; set status_queue"
            )
        return _beside(requests, derived), f"derived from the request queue of {self.source}"

    @property
    def source(self) -> str:
        """What messages and tables call it."""
        return f"task definition {self.name}"

    def _variables(self, key: str) -> Mapping[str, str]:
        if self.environment is None:
            raise TargetError(
                f"{key}: the task definition {self.name} has no container that could name the "
                "queues; name another one, or set request_queue and status_queue"
            )
        return self.environment

    def _lacks(self, variable: str, option: str, key: str) -> TargetError:
        return TargetError(
            f"{key}: the first container of the task definition {self.name} has no {variable} "
            f"in its environment; name another task definition, or set {option}"
        )


def derived_status_queue(request_queue: str) -> str | None:
    """Name the status queue that goes with a request queue; ``None`` when its name does not tell.

    As OversightML's load tests do: ``Request`` becomes ``Status``, else
    ``…Queue`` becomes ``…StatusQueue``.
    """
    if "Request" in request_queue:
        return request_queue.replace("Request", "Status")
    if request_queue.endswith("Queue"):
        return f"{request_queue.removesuffix('Queue')}StatusQueue"
    return None


def newest_of_each_family(arns: Iterable[str], pattern: str) -> list[str]:
    """Keep those with ``pattern`` in ``family:revision``, of each family the highest revision.

    The rest of an ARN (region, account) does not count as name, but a whole
    ARN names itself. Revisions are numbers, in order within a family only.
    """
    newest: dict[str, tuple[int, str]] = {}
    for arn in arns:
        name = arn.rpartition("/")[2]
        if pattern in name or pattern == arn:
            family, _, revision = name.rpartition(":")
            newest[family] = max(newest.get(family, (0, "")), (int(revision), arn))
    return [arn for _, arn in newest.values()]


async def newest_task_definition(aws: Aws, pattern: str, *, key: str) -> TaskDefinition:
    """Find the active task definition with ``pattern`` in its name that was registered last.

    ``key`` is where the pattern stands. Raises :class:`TargetError` when
    there is none or ECS cannot be asked.
    """
    denied = (
        f"{key}: access denied by {aws.target_of('ecs')} while {_ASKING}; give these credentials "
        "ecs:ListTaskDefinitions and ecs:DescribeTaskDefinition, or set request_queue and "
        "status_queue"
    )
    remedies = {"AccessDeniedException": denied, "AccessDenied": denied}
    async with aws.explained(_ASKING, service="ecs", **remedies):
        ecs = await aws.client("ecs", retries=True)
        arns: list[str] = []
        async for page in ecs.get_paginator("list_task_definitions").paginate(status="ACTIVE"):
            arns += page["taskDefinitionArns"]
        found = [
            (await ecs.describe_task_definition(taskDefinition=arn))["taskDefinition"]
            for arn in newest_of_each_family(arns, pattern)
        ]
        if not found:
            raise no_such_task_definition(pattern, at=aws.target_of("ecs"), key=key)
        return _read(max(found, key=_registered))


def no_such_task_definition(pattern: str, *, at: str, key: str) -> TargetError:
    """Say that nothing ``at`` that place has ``pattern`` in its name."""
    return TargetError(
        f"{key}: no active task definition at {at} has {pattern!r} in its name; "
        "correct it, check aws.region, or set request_queue and status_queue"
    )


def _registered(found: dict[str, Any]) -> float:
    """When it was registered, epoch seconds; 0 where ECS does not say."""
    registered: dt.datetime | None = found.get("registeredAt")
    return registered.timestamp() if registered else 0.0


def _read(found: dict[str, Any]) -> TaskDefinition:
    # arn:aws:ecs:REGION:ACCOUNT:task-definition/FAMILY:REVISION
    arn: str = found["taskDefinitionArn"]
    containers = found["containerDefinitions"]
    return TaskDefinition(
        name=arn.rpartition("/")[2],
        account=arn.split(":")[4],
        environment={one["name"]: one["value"] for one in containers[0].get("environment", ())}
        if containers
        else None,
    )


def _beside(request_queue: str, name: str) -> str:
    """The queue ``name`` in the account of ``request_queue``, when that is a URL."""
    base, slash, _ = request_queue.rpartition("/")
    return f"{base}{slash}{name}"
