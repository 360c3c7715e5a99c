"""A model server and images on this host, for HTTP users.

This is the only module of the users that starts parts of ``asyncload.local``.
"""

from __future__ import annotations

from asyncload.users.edge.edge_options import SimulatedOptions
from asyncload.users.user import Setup


async def start_simulated(setup: Setup, options: SimulatedOptions | None, *, what: str) -> str:
    """Start a model server on this host, for as long as the run takes; returns its URL."""
    from asyncload.local.model_server.server import ModelServer

    setup.progress(f"starting the simulated {what}")
    wanted = options or SimulatedOptions()
    server = ModelServer(workers=wanted.workers, service_time=float(wanted.service_time))
    return (await setup.enter(server)).url


def generated_jpeg(width: int, height: int, seed: int) -> bytes:
    """Make a JPEG of ``width`` × ``height`` pixels, the same for the same seed. Blocks."""
    from asyncload.local.imagery import make_jpeg

    return make_jpeg(width, height, seed)
