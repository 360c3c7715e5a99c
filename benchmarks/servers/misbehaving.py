"""A server that misbehaves on purpose, in a way that the path names.

    python -m benchmarks.servers.misbehaving PORT FILE

At SIGTERM the number of requests by path, and of those that ``/drop`` did
drop, are written to FILE as JSON.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import struct
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import cast

import uvloop

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
DROP_EACH = 1_000


class Connection(asyncio.Protocol):
    """One connection; a request is one segment."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        # A TLS handshake begins with byte 22; there is no TLS here to answer it.
        path = "tls" if data[0] == 22 else data.split(b" ", 2)[1].decode()
        self._counts[path] += 1
        if path == "/good" or (path == "/drop" and self._counts[path] % DROP_EACH):
            self.transport.write(OK)
        else:
            BEHAVIOURS[path](self)

    def send(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def send_and_close(self, data: bytes) -> None:
        self.send(data)
        self.transport.close()

    def drop(self) -> None:
        self._counts["dropped"] += 1
        self.transport.close()

    def byte_by_byte(self, place: int = 0) -> None:
        # One after another: timers set at once may fire out of order on a busy loop.
        self.send(OK[place : place + 1])
        if place + 1 < len(OK):
            asyncio.get_running_loop().call_later(0.001, self.byte_by_byte, place + 1)

    def reset(self) -> None:
        """Close with RST in place of FIN."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def half_close(self) -> None:
        """Say that nothing more will come, and leave the connection open."""
        self.transport.write_eof()


def _send(data: bytes) -> Callable[[Connection], None]:
    return lambda connection: connection.send(data)


def _send_and_close(data: bytes) -> Callable[[Connection], None]:
    return lambda connection: connection.send_and_close(data)


BEHAVIOURS: dict[str, Callable[[Connection], None]] = {
    "/drop": Connection.drop,
    "/close-before": _send_and_close(b""),
    "/close-in-head": _send_and_close(OK[:20]),
    "/close-in-body": _send_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart"),
    "/close-in-chunk": _send_and_close(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\npart"
    ),
    "/never": lambda _: None,
    "/length-too-long": _send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"),
    "/length-too-short": _send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nok"),
    "/byte-by-byte": Connection.byte_by_byte,
    "/informational": _send(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK
    ),
    "/giant-head": _send(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n"),
    "/garbage": _send(b"\x00\xffthis is not HTTP\r\n\r\n"),
    "/reset": Connection.reset,
    "/half-open": Connection.half_close,
    "/status-503": _send(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"),
    "tls": _send_and_close(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
}


async def main(counts: Counter[str]) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await loop.create_server(
        lambda: Connection(counts), "127.0.0.1", int(sys.argv[1]), backlog=4096
    )
    await ended.wait()


if __name__ == "__main__":
    seen: Counter[str] = Counter()
    uvloop.run(main(seen))
    Path(sys.argv[2]).write_text(json.dumps(seen))
