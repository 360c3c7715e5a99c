"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forkserver import ForkServer


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
