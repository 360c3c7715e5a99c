"""What all tests share."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Tests marked ``anyio`` run on asyncio: the only loop there is here."""
    return "asyncio"
