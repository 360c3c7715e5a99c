"""What HTTP users take from the embedded parts: a model server, and images.

The only module of the users' floor that starts something of ``asyncload.local``.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncload.local.model_server.server import ModelServer


def simulated_endpoint(
    *, workers: int, service_time: float
) -> AbstractAsyncContextManager[ModelServer]:
    """Give a model server on this host that is up once entered, at its ``url``."""
    from asyncload.local.model_server.server import ModelServer

    return ModelServer(workers=workers, service_time=service_time)


def generated_jpeg(width: int, height: int, seed: int) -> bytes:
    """Make an image of so many pixels; the same bytes for the same seed. Blocks."""
    from asyncload.local.imagery import make_jpeg

    return make_jpeg(width, height, seed)
