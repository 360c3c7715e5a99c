"""Errors between a request and its answer.

::

    TransportError            (a TargetError: exit code 4 when nothing catches it)
    ├── ConnectFailed         no connection: refused, name unknown, TLS, proxy
    ├── RequestTimeout        a time limit passed; ``phase`` names it
    ├── ConnectionClosed      the other side closed before the answer was complete
    └── ProtocolError         the answer is not HTTP/1.1, its head is over 64 KiB, or all is too long

Each message is one sentence with ``host:port``. During the load these are recorded as failed
requests; during set-up they end the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from asyncload.errors import TargetError

BODY_LIMIT: Final = 128 * 2**20
"""Bytes of an answer we keep; one that goes on, perhaps for ever, fails its request."""
Phase = Literal["connect", "first byte", "idle", "total", "pool wait"]


class Timing(msgspec.Struct, gc=False):
    """Times of a request, seconds on the client's clock; ``None`` for steps it did not reach.

    ``queued``: it asked for a connection. ``turn``: it got one, or could begin to
    open one, if it had to wait because the limit was reached. ``sent``: its last byte was handed
    to the transport. ``first_byte``: the first bytes of the final answer (not
    of a 1xx) arrived. ``end``: its last byte arrived. ``None``: never.
    ``resent``: it was sent a second time, and these are the times of that.
    """

    queued: float
    sent: float | None = None
    first_byte: float | None = None
    end: float | None = None
    turn: float | None = None
    resent: bool = False


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

    was_kept = False
    """It had carried requests before, and ended without a byte of an answer to this one: nearly
    always the service was closing it when the request went out."""


class ProtocolError(TransportError):
    """The answer is not HTTP/1.1, or its head is over 64 KiB."""


LIMIT_KEYS: Final[Mapping[Phase, str]] = MappingProxyType(
    {
        "connect": "connect_timeout",
        "first byte": "first_byte_timeout",
        "idle": "idle_timeout",
        "total": "timeout",
        "pool wait": "timeout",
    }
)
"""The key of a config that sets the limit of a phase."""


def limit_of(phase: Phase, limit: float) -> str:
    """Write a limit with the key that sets it: ``within 5 s (first_byte_timeout)``."""
    return f"within {limit:.3g} s ({LIMIT_KEYS[phase]})"


def overdue(
    where: str, timing: Timing, deadline: float, total_by: float, latest: float
) -> RequestTimeout:
    """Say which limit passed at ``deadline``: that of the whole time, or up to the next byte.

    ``latest`` is when bytes of the answer came last, if they did.
    """
    began = timing.first_byte is not None
    phase: Phase = "idle" if began else "first byte"
    since = latest if began else timing.sent or timing.queued
    what = "go on with its answer" if began else "begin to answer"
    if deadline >= total_by:
        phase, since = "total", timing.queued
        what = "complete its answer" if began else what
    return RequestTimeout(f"{where} did not {what} {limit_of(phase, deadline - since)}", phase)


def closed_early(
    where: str, bytes_in: int, cause: Exception | None, requests: int, idle: float
) -> ConnectionClosed:
    """Say how a connection ended, how far its answer was, and whether it was a kept one.

    ``requests`` went over it, this one included; it had been ``idle`` seconds before this one.
    A service that ends kept connections early fails some requests on them, and none on new ones.
    """
    did = "reset" if isinstance(cause, ConnectionResetError) else "closed"
    when = f"in the middle of its answer, after {bytes_in} bytes"
    if not bytes_in:
        when = "before it answered"
    kept = "a new connection"
    if requests > 1:
        # No plural to choose and one unit: numbers aside, all of these are one kind of failure.
        kept = f"a kept-alive connection, earlier requests: {requests - 1}, idle {idle:.3f} s"
    reason = f": {cause}" if did == "closed" and cause is not None and str(cause) else ""
    error = ConnectionClosed(f"{where} {did} the connection {when} ({kept}){reason}")
    error.was_kept = requests > 1 and not bytes_in
    return error


def too_long(where: str) -> ProtocolError:
    """Say that an answer was given up at :data:`BODY_LIMIT`."""
    return ProtocolError(f"{where} sent an answer of over {BODY_LIMIT >> 20} MiB; it was given up")


def not_http(where: str, data: bytes, cause: Exception) -> ProtocolError:
    """Say what came in place of an HTTP/1.1 answer, where ``data`` shows it."""
    reason = str(cause)
    if data[:2] in {b"\x15\x03", b"\x16\x03"}:  # a TLS record: an alert, or a handshake
        reason = "it speaks TLS; begin the URL with https://"
    elif data[3:4] in {b"\x04", b"\x07"} and data[:1] == b"\0":  # frames: SETTINGS, GOAWAY
        reason = "it speaks HTTP/2, and asyncload HTTP/1.1 alone"
    return ProtocolError(f"{where} sent no valid HTTP/1.1 answer: {reason}")
