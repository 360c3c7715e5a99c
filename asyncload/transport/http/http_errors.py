"""What can go wrong between a request and its answer.

::

    TransportError            (a TargetError: exit code 4 when nothing catches it)
    ├── ConnectFailed         no connection: refused, name unknown, TLS, proxy
    ├── RequestTimeout        ``phase`` says which limit passed
    ├── ConnectionClosed      the other side closed before the answer was complete
    └── ProtocolError         what came back is not HTTP/1.1 as we read it

Each message is one plain sentence with ``host:port``. Under load these end as
failed records; during set-up they end the run.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from asyncload.errors import TargetError

Phase = Literal["connect", "first byte", "idle", "total", "pool wait"]


class Timing(msgspec.Struct, gc=False):
    """When a request did what, in seconds on the client's clock.

    ``queued``: it asked for a connection. ``turn``: it got one, or could begin to
    open one, if it had to wait for that. ``sent``: its last byte was handed
    to the transport. ``first_byte``: the first bytes of the final answer (not
    of a 1xx) arrived. ``end``: its last byte arrived. ``None``: never.
    """

    queued: float
    sent: float | None = None
    first_byte: float | None = None
    end: float | None = None
    turn: float | None = None


class TransportError(TargetError):
    """A request that got no usable answer. ``timing`` holds how far it came."""

    timing: Timing | None = None


class ConnectFailed(TransportError):  # noqa: N818 - it reads as what happened, like asyncio's own
    """No connection could be made."""


class RequestTimeout(TransportError):  # noqa: N818 - it reads as what happened, like asyncio's own
    """A limit passed. ``phase`` is connect, first byte, idle, total or pool wait."""

    def __init__(self, message: str, phase: Phase) -> None:
        super().__init__(message)
        self.phase: Phase = phase


class ConnectionClosed(TransportError):  # noqa: N818 - it reads as what happened, like asyncio's own
    """The connection ended before the answer was complete."""


class ProtocolError(TransportError):
    """The answer is not HTTP/1.1, or its head is over 64 KiB."""


def overdue(where: str, *, total: bool, began: bool) -> RequestTimeout:
    """Say which limit passed: the whole time, or that up to the next byte of the answer."""
    if total:
        return RequestTimeout(f"{where} did not complete its answer in time", "total")
    if began:
        return RequestTimeout(f"{where} did not go on with its answer in time", "idle")
    return RequestTimeout(f"{where} did not begin to answer in time", "first byte")


def closed_early(where: str, bytes_in: int, cause: Exception | None) -> ConnectionClosed:
    """Say how far an answer had come when its connection ended."""
    reason = f" ({cause})" if cause is not None and str(cause) else ""
    if not bytes_in:
        return ConnectionClosed(f"{where} closed the connection before it answered{reason}")
    return ConnectionClosed(
        f"{where} closed the connection in the middle of its answer, after {bytes_in} bytes{reason}"
    )
