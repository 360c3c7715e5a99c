"""Answers each request after some milliseconds, and once does nothing at all for a while.

    python -m benchmarks.servers.freezing PORT FILE SERVICE AT FREEZE

Each answer comes SERVICE seconds after its request was read. AT seconds after the first request
the process sleeps for FREEZE seconds: what comes meanwhile waits in the sockets. At SIGTERM,
FILE gets the times of the first request, of the start and of the end of the freeze (monotonic
clock, seconds), and how many requests were answered, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any, cast

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Freezing:
    """The server's state: when it began, when it froze."""

    def __init__(self, service: float, at: float, freeze: float) -> None:
        self.service = service
        self._at = at
        self._freeze = freeze
        self.seen: dict[str, Any] = {"requests": 0}

    def first(self) -> None:
        """Begin to count the time until the freeze."""
        self.seen["first"] = time.monotonic()
        asyncio.get_running_loop().call_later(self._at, self._stand_still)

    def _stand_still(self) -> None:
        self.seen["frozen"] = time.monotonic()
        time.sleep(self._freeze)
        self.seen["thawed"] = time.monotonic()


class Connection(asyncio.Protocol):
    """Every piece that arrives is a request."""

    def __init__(self, state: Freezing) -> None:
        self._state = state

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - what it is does not matter
        state = self._state
        if not state.seen["requests"]:
            state.first()
        state.seen["requests"] += 1
        asyncio.get_running_loop().call_later(state.service, self._transport.write, ANSWER)


async def main(state: Freezing) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await loop.create_server(lambda: Connection(state), "127.0.0.1", int(sys.argv[1]), backlog=4096)
    await ended.wait()


if __name__ == "__main__":
    server = Freezing(*map(float, sys.argv[3:6]))
    uvloop.run(main(server))
    Path(sys.argv[2]).write_text(json.dumps(server.seen))
