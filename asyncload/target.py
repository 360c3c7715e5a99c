"""What a run is carried out against: AWS, an emulator, or the embedded stack."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from asyncload.config.model import AwsConfig, Config
from asyncload.local.stack import protocol
from asyncload.transport.aws.session import Aws
from asyncload.users.model_runner.task_definition import TaskDefinition
from asyncload.users.settings_source import LocalSource

if TYPE_CHECKING:
    from asyncload.local.stack.stack import LocalStack

LOCAL_REGION: Final = "us-west-2"


@contextlib.asynccontextmanager
async def embedded_stack(config: Config) -> AsyncIterator[LocalStack]:
    """Start the embedded stack that ``config`` describes; several runs may share it.

    Raises :class:`~asyncload.errors.TargetError` when it cannot start.
    """
    from asyncload.local.stack.stack import LocalStack

    region = config.aws.region or LOCAL_REGION
    async with LocalStack(config.local, region=region) as stack:
        yield stack


def local_source() -> LocalSource:
    """The settings that the embedded stack will have."""
    queues = protocol.container_environment(protocol.REQUEST_QUEUE, protocol.STATUS_QUEUE)
    name = f"{protocol.TASK_DEFINITION}:1"
    return LocalSource(protocol.ACCOUNT_ID, TaskDefinition(name, protocol.ACCOUNT_ID, queues))


def aws_of(settings: AwsConfig, stack: LocalStack | None, *, connections: int) -> Aws:
    """Make the session for AWS, an emulator, or ``stack`` where there is one."""
    if stack is None:
        return Aws(
            endpoint_url=settings.endpoint_url,
            region=settings.region,
            profile=settings.profile,
            endpoints=settings.endpoints,
            connections=connections,
        )
    return Aws(
        endpoint_url=stack.endpoint_url,
        region=stack.region,
        credentials=(stack.access_key, stack.secret_key),
        endpoints=settings.endpoints,
        connections=connections,
    )
