"""ministack's application on the listening socket given as a file descriptor."""

from __future__ import annotations

import asyncio
import sys

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app


async def requests_only(scope, receive, send):
    """Leave out ministack's start-up, which opens ports and stops containers."""
    if scope["type"] != "lifespan":
        await app(scope, receive, send)
        return
    for answer in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{answer}.complete"})


if __name__ == "__main__":
    config = Config()
    config.bind = [f"fd://{sys.argv[1]}"]
    config.loglevel = "ERROR"
    asyncio.run(serve(requests_only, config, shutdown_trigger=asyncio.Event().wait))
