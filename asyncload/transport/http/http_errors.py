"""Errors between a request and its answer.

::

    TransportError            (a TargetError: exit code 4 when nothing catches it)
    ├── ConnectFailed         no connection: refused, name unknown, TLS, proxy
    ├── RequestTimeout        a time limit passed; ``phase`` names it
    ├── ConnectionClosed      the other side closed before the answer was complete
    └── ProtocolError         the answer is not HTTP/1.1, or its head is over 64 KiB

Each message is one sentence with ``host:port``. During the load these are recorded as failed
requests; during set-up they end the run.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from asyncload.errors import TargetError

Phase = Literal["connect", "first byte", "idle", "total", "pool wait"]


class Timing(msgspec.Struct, gc=False):
    """Times of a request, seconds on the client's clock; ``None`` for steps it did not reach.

    ``queued``: it asked for a connection. ``sent``: its last byte went to the transport.
    ``first_byte`` and ``end``: the first and the last byte of the final answer (not of a 1xx)
    arrived.
    """

    queued: float
    sent: float | None = None
    first_byte: float | None = None
    end: float | None = None


class TransportError(TargetError):
    """A request without a usable answer. ``timing`` has the times of the steps it reached."""

    timing: Timing | None = None


class ConnectFailed(TransportError):  # noqa: N818 - it reads as what happened, like asyncio's own
    """No connection could be made."""


class RequestTimeout(TransportError):  # noqa: N818 - it reads as what happened, like asyncio's own
    """A time limit passed: ``phase`` is connect, first byte, idle, total or pool wait."""

    def __init__(self, message: str, phase: Phase) -> None:
        super().__init__(message)
        self.phase: Phase = phase


class ConnectionClosed(TransportError):  # noqa: N818 - it reads as what happened, like asyncio's own
    """The connection ended before the answer was complete."""


class ProtocolError(TransportError):
    """The answer is not HTTP/1.1, or its head is over 64 KiB."""


def overdue(where: str, *, total: bool, began: bool) -> RequestTimeout:
    """Make the error of the limit that passed: ``total``, or up to the next byte of the answer."""
    if total:
        return RequestTimeout(f"{where} did not complete its answer in time", "total")
    if began:
        return RequestTimeout(f"{where} did not go on with its answer in time", "idle")
    return RequestTimeout(f"{where} did not begin to answer in time", "first byte")


def closed_early(where: str, bytes_in: int, cause: Exception | None) -> ConnectionClosed:
    """Make the error of an answer that was cut off after ``bytes_in`` bytes."""
    reason = f" ({cause})" if cause is not None and str(cause) else ""
    if not bytes_in:
        return ConnectionClosed(f"{where} closed the connection before it answered{reason}")
    return ConnectionClosed(
        f"{where} closed the connection in the middle of its answer, after {bytes_in} bytes{reason}"
    )
