"""One embedded stack for all tests of jobs that need real queues."""

import pytest

from asyncload.local.settings import LocalSettings, ServiceTime
from asyncload.local.stack.stack import LocalStack
from asyncload.plan.duration import Duration
from asyncload.transport.aws.session import Aws

TROUBLED = LocalSettings(
    workers=16,
    service_time=ServiceTime(mean=Duration(0.05)),
    failure_rate=0.1,
    partial_rate=0.1,
    duplicate_rate=0.05,
    reorder_rate=0.2,
    unreadable_rate=0.01,
    foreign_rate=0.05,
    region_rate=0.05,
    seed=11,
)


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session")
async def stack(anyio_backend):
    """A stack whose ModelRunner delivers its statuses in disorder."""
    async with LocalStack(TROUBLED, region="eu-central-1") as stack:
        yield stack


@pytest.fixture
async def aws(stack):
    async with Aws(
        endpoint_url=stack.endpoint_url,
        region=stack.region,
        credentials=(stack.access_key, stack.secret_key),
    ) as aws:
        yield aws
