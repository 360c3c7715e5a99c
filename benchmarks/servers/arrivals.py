"""Notes when each request arrives, and answers at once.

    python -m benchmarks.servers.arrivals PORT FILE

At SIGTERM the arrival times (monotonic clock, seconds, float64) are written
to FILE. A request must be one segment without a body.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from array import array
from pathlib import Path
from time import monotonic
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Connection(asyncio.Protocol):
    """Every piece that arrives is a request."""

    def __init__(self, times: array[float]) -> None:
        self._note = times.append

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast("asyncio.Transport", transport).write

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - what it is does not matter
        self._note(monotonic())
        self._write(ANSWER)


async def main(times: array[float]) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await loop.create_server(lambda: Connection(times), "127.0.0.1", int(sys.argv[1]), backlog=4096)
    await ended.wait()


if __name__ == "__main__":
    seen = array("d")
    uvloop.run(main(seen))
    Path(sys.argv[2]).write_bytes(seen.tobytes())
