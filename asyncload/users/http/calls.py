"""HTTP requests of a user, through the fast backend, recorded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from asyncload.transport.http.client import HttpClient, PreparedRequest
from asyncload.transport.http.pool import Timeouts
from asyncload.transport.http.response import Response
from asyncload.transport.measure import Recorder
from asyncload.users.http.streaming import READERS, StreamKind, send_listening

REMEMBERED: Final = 1024
"""Prepared heads each user keeps; a head costs more to make than to send."""
_JSON: Final = {"Content-Type": "application/json"}


class UserHttp:
    """``self.http`` of a user. Every call is one recorded request.

    An answer with a status of 400 or more is recorded as failed, and returned
    like any other. No answer raises
    :class:`~asyncload.transport.http.http_errors.TransportError`, recorded too.
    """

    __slots__ = ("_client", "_prepared", "_recorder")

    def __init__(self, client: HttpClient, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder
        self._prepared: OrderedDict[Any, tuple[PreparedRequest, str]] = OrderedDict()

    async def get(self, url: str, **options: Any) -> Response:
        """Send a GET; options as in :meth:`request`."""
        return await self.request("GET", url, **options)

    async def post(self, url: str, **options: Any) -> Response:
        """Send a POST; options as in :meth:`request`."""
        return await self.request("POST", url, **options)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        body: bytes | str = b"",
        name: str | None = None,
        timeouts: Timeouts | None = None,
        stream: StreamKind | None = None,
    ) -> Response:
        """Send one request and return its answer.

        ``json`` is encoded and wins over ``body``; ``name`` is what the
        request is called in the report, method and path if left out.
        ``stream`` has the chunks of the answer timed while they come in; one
        that ends too early is recorded as failed.
        """
        if json is not None:
            body = msgspec.json.encode(json)
        elif isinstance(body, str):
            body = body.encode()
        prepared, usual_name = self._head(method, url, headers, is_json=json is not None)
        with self._recorder.measure(name or usual_name) as call:
            cut = None
            if stream is None:
                response = await self._client.send(prepared, body, b"", timeouts)
            else:
                response, cut = await send_listening(
                    self._client,
                    prepared,
                    body,
                    timeouts,
                    reader=READERS[stream](),
                    measurement=call,
                )
            call.answered(response)
            if response.status >= 400:
                call.fail(f"HTTP {response.status} {response.reason}".rstrip())
            elif cut is not None:
                call.fail(cut)
            return response

    def _head(
        self, method: str, url: str, headers: Mapping[str, str] | None, *, is_json: bool
    ) -> tuple[PreparedRequest, str]:
        key = (method, url, is_json, tuple(headers.items()) if headers else None)
        found = self._prepared.get(key)
        if found is None:
            given = {**(_JSON if is_json else {}), **(headers or {})}
            found = (
                self._client.prepare(method, url, given),
                f"{method} {urlsplit(url).path or '/'}",
            )
            self._prepared[key] = found
            if len(self._prepared) > REMEMBERED:
                self._prepared.popitem(last=False)
        return found
