"""A model server and images on this host, for HTTP users.

This is the only module of the users that starts parts of ``asyncload.local``.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncload.local.model_server.server import ModelServer


def simulated_endpoint(
    *, workers: int, service_time: float
) -> AbstractAsyncContextManager[ModelServer]:
    """Make a model server on this host; entering it starts it at its ``url``.

    ``service_time`` is in seconds.
    """
    from asyncload.local.model_server.server import ModelServer

    return ModelServer(workers=workers, service_time=service_time)


def generated_jpeg(width: int, height: int, seed: int) -> bytes:
    """Make a JPEG of ``width`` × ``height`` pixels, the same for the same seed. Blocks."""
    from asyncload.local.imagery import make_jpeg

    return make_jpeg(width, height, seed)
