"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncload.transport.error_text import forget_secrets
from tests.forkserver import ForkServer

pytest_plugins = ["tests.memory_limit"]


@pytest.fixture
def anyio_backend() -> str:
    """Tests marked ``anyio`` run on asyncio: the only loop there is here."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests() -> Iterator[None]:
    """What a config of one test keeps secret may stand in the texts of another."""
    yield
    forget_secrets()


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """What commands are started from."""
    server = ForkServer(Path(__file__).parent.parent)
    yield server
    server.close()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Have tests that share what takes long to make run in one process, where it is made once.

    That is a fixture of their module, or one that lasts a session and is of a folder's conftest:
    an embedded stack. Here and not once all are collected: by then xdist has looked for the marks.
    """
    if isinstance(item, pytest.Function) and item.get_closest_marker("xdist_group") is None:
        fixtures = [known[-1] for known in item._fixtureinfo.name2fixturedefs.values()]
        shared = [item.module.__name__ for fixture in fixtures if fixture.scope == "module"]
        shared += [
            fixture.baseid
            for fixture in fixtures
            if fixture.scope == "session" and fixture.baseid.startswith("tests/")
            if fixture.argname != "anyio_backend"
        ]
        if shared:
            item.add_marker(pytest.mark.xdist_group(shared[0]))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the group into the name of a test, where the scheduler looks for it.

    xdist 3.8 writes the name with the group into `_nodeid`, which pytest 9.2 does not read any
    more: without this the groups are lost in silence, and each process makes all fixtures.
    """
    for item in items:
        name = getattr(item, "_nodeid", item.nodeid)
        if name != item.nodeid:
            item._id = type(item.id).parse(name)
            assert item.nodeid == name
