"""What users know of an HTTP client: a request is prepared once, and sent many times.

:class:`~asyncload.transport.http.client.FastHttpClient` is the one of the fast backend, and
:class:`~asyncload.transport.http.aiohttp_client.AiohttpClient` does what that does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from asyncload.transport.http.pool import Timeouts
from asyncload.transport.http.response import Listener, Response
from asyncload.transport.http.reuse import DEFAULT, Reuse
from asyncload.transport.http.tls import TlsSettings

Body = bytes | bytearray | memoryview


class PreparedRequest(msgspec.Struct, frozen=True, eq=False):
    """A request but for its body. Only the client that has prepared it can send it."""

    method: str
    url: str
    host: str
    """The value of the Host header."""
    target: str
    """Path and query as sent."""


Fill = Callable[[Sequence[bytes]], PreparedRequest]
"""Gives a prepared request with these values in the places of its marks."""


class HttpClient(Protocol):
    """Sends HTTP requests, as often as asked: ``timing.resent`` tells of the one exception.

    A response with any status is a response: nothing is raised for 404 or 500.
    """

    @property
    def clock(self) -> Callable[[], float]:
        """Monotonic, seconds; all timings are on it."""

    def prepare(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        tls: TlsSettings | None = None,
        reuse: Reuse = DEFAULT,
    ) -> PreparedRequest:
        """Work out beforehand all of a request that can be.

        A ``Host`` header replaces the one of the URL, which stays the address
        connected to and the name in TLS (see ``TlsSettings.server_name``).
        User and password of the URL are sent as Basic authorization, unless
        there is an ``Authorization`` header. ``reuse`` limits the connections
        that carry it.

        Raises:
            ConfigError: URL, method or a header cannot be sent.

        """

    def filling(self, prepared: PreparedRequest, marks: Sequence[str]) -> Fill:
        """Make the function that puts values into a prepared request, in place of ``marks``.

        A mark is a word of ASCII letters and digits that stands once in the URL
        or in a header's value; the values come in the order of the marks. They
        are put in as they are: the caller has encoded them for their place.
        """

    async def send(
        self,
        prepared: PreparedRequest,
        body: Body = b"",
        lines: bytes = b"",
        timeouts: Timeouts | None = None,
        listener: Listener | None = None,
    ) -> Response:
        r"""Send a prepared request and return its answer.

        ``lines`` are further header lines, each ended by ``\r\n`` (such as a
        signature). ``listener`` hears of the answer's body as it arrives, and ends it.
        Raises TransportError with its ``timing`` set; cancelling closes the
        connection in use.
        """
