"""HTTP requests of a user, through the fast backend, recorded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, TypedDict, Unpack

import msgspec

from asyncload.errors import ConfigError
from asyncload.transport.http.pool import Timeouts
from asyncload.transport.http.response import Response
from asyncload.transport.http.reuse import DEFAULT, Reuse
from asyncload.transport.http_client import HttpClient, PreparedRequest
from asyncload.transport.measure import Recorder
from asyncload.users.base_url import check_base_url
from asyncload.users.http.checks import (
    SUCCESS,
    check_statuses,
    good_statuses,
    unexpected_status,
)
from asyncload.users.http.paths import Parameters, joined, usual_name, with_parameters
from asyncload.users.http.streaming import READERS, StreamKind, send_measured

REMEMBERED: Final = 1024
"""Prepared heads each user keeps; a head costs more to make than to send."""
_JSON: Final = {"Content-Type": "application/json"}


class CallOptions(TypedDict, total=False):
    """Options of :meth:`UserHttp.request`."""

    params: Parameters | None
    headers: Mapping[str, str] | None
    json: Any
    body: bytes | str
    name: str | None
    timeouts: Timeouts | None
    stream: StreamKind | None
    expect: list[int | str] | int | str | None


class UserHttp:
    """``self.http`` of a user. Every call is one recorded request.

    An answer with a status other than 2xx is recorded as failed, unless ``expect``
    has it, and returned like any other. No answer raises
    :class:`~asyncload.transport.http.http_errors.TransportError`, recorded too.
    """

    __slots__ = ("_base_url", "_client", "_prepared", "_recorder", "_reuse")

    def __init__(
        self,
        client: HttpClient,
        recorder: Recorder,
        base_url: str = "",
        reuse: Reuse = DEFAULT,
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._base_url = base_url
        self._reuse = reuse
        self._prepared: OrderedDict[Any, tuple[PreparedRequest, str]] = OrderedDict()

    @property
    def base_url(self) -> str:
        """What stands before every path that is given in place of a URL; ``""`` if nothing does.

        Set it to send to another place from then on. Raises :class:`ConfigError`.
        """
        return self._base_url

    @base_url.setter
    def base_url(self, url: str) -> None:
        try:
            check_base_url("base_url", url)
        except ValueError as problem:
            raise ConfigError(str(problem)) from None
        self._base_url = url
        self._prepared.clear()

    async def get(self, url: str, **options: Unpack[CallOptions]) -> Response:
        """Send a GET; options as in :meth:`request`."""
        return await self.request("GET", url, **options)

    async def post(self, url: str, **options: Unpack[CallOptions]) -> Response:
        """Send a POST; options as in :meth:`request`."""
        return await self.request("POST", url, **options)

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: Parameters | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        body: bytes | str = b"",
        name: str | None = None,
        timeouts: Timeouts | None = None,
        stream: StreamKind | None = None,
        expect: list[int | str] | int | str | None = None,
    ) -> Response:
        """Send one request and return its answer.

        ``url`` may be a path, which is appended to :attr:`base_url`; ``params``
        come behind it, encoded. ``json`` is encoded and wins over ``body``;
        ``name`` is what the request is called in the report, method and path
        if left out, with ``{id}`` for each segment of the path that is an id.
        ``stream`` has the chunks of the answer timed while they come in; one
        that ends too early is recorded as failed. ``expect`` is the statuses that
        count as answered well, such as ``307``, ``"3xx"`` or ``["2xx", 404]``; 2xx if left out.
        Raises ValueError for what is no status.
        """
        good = SUCCESS
        if expect is not None:
            check_statuses("expect", expect)
            good = good_statuses(expect)
        if params:
            url = with_parameters(url, params)
        if json is not None:
            body = msgspec.json.encode(json)
        elif isinstance(body, str):
            body = body.encode()
        prepared, usual_name = self._head(method, url, headers, is_json=json is not None)
        with self._recorder.measure(name or usual_name) as call:
            reader = None if stream is None else READERS[stream]()
            response, cut = await send_measured(
                self._client, prepared, body, timeouts, reader=reader, measurement=call
            )
            if response.status not in good:
                call.fail(unexpected_status(response, good))
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
                self._client.prepare(method, joined(self._base_url, url), given, reuse=self._reuse),
                usual_name(method, url),
            )
            self._prepared[key] = found
            if len(self._prepared) > REMEMBERED:
                self._prepared.popitem(last=False)
        return found
