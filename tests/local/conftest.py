"""Fixtures of the embedded stack: one stack for the whole session, to work at."""

import pytest

from asyncload.local.settings import LocalSettings, ServiceTime
from asyncload.local.stack.resources import open_clients
from asyncload.local.stack.stack import LocalStack
from asyncload.plan.duration import Duration
from asyncload.transport.aws.session import Aws
from tests.local.local_bench import SERVICE_TIME, Bench


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session")
async def bench(anyio_backend):
    """A stack where nothing goes wrong; every job takes a little over a second."""
    settings = LocalSettings(
        workers=200,
        service_time=ServiceTime(mean=Duration(SERVICE_TIME), distribution="constant"),
    )
    async with (
        LocalStack(settings, region="eu-central-1") as stack,
        open_clients(stack.endpoint_url, stack.region) as clients,
    ):
        yield Bench(stack, clients)


@pytest.fixture
async def aws(bench):
    """A session at that stack, as a run has one."""
    stack = bench.stack
    async with Aws(
        endpoint_url=stack.endpoint_url,
        region=stack.region,
        credentials=(stack.access_key, stack.secret_key),
    ) as aws:
        yield aws
