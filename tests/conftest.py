"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forkserver import ForkServer

pytest_plugins = ["tests.memory_limit"]


@pytest.fixture
def anyio_backend() -> str:
    """Tests marked ``anyio`` run on asyncio: the only loop there is here."""
    return "asyncio"


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """What commands are started from."""
    server = ForkServer(Path(__file__).parent.parent)
    yield server
    server.close()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Have tests that share a fixture of their module run in one process, where it is made once.

    Here and not once all are collected: by then xdist has looked for the marks.
    """
    if isinstance(item, pytest.Function) and item.get_closest_marker("xdist_group") is None:
        fixtures = item._fixtureinfo.name2fixturedefs.values()
        if any(known[-1].scope == "module" for known in fixtures):
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))
