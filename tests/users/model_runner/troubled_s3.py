"""S3 with trouble: a proxy in front of the embedded stack that refuses some objects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from tests.fault_proxy import FaultProxy

Refusal = tuple[int, str, str]
"""Status, error code and message."""


async def nothing_refused(_name: str, _first: int) -> Refusal | None:
    """All objects are given."""
    return None


class TroubledS3(FaultProxy):
    """``refuse`` is asked of each GET of an object: its key and the first byte that is wanted."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.refuse: Callable[[str, int], Awaitable[Refusal | None]] = nothing_refused

    async def fault(self, request: web.Request, _body: bytes) -> web.Response | str | None:
        wanted = request.headers.get("Range", "")
        if request.method != "GET" or not wanted:
            return None
        first = int(wanted.removeprefix("bytes=").partition("-")[0])
        refusal = await self.refuse(request.path.split("/", 2)[2], first)
        if refusal is None:
            return None
        status, code, message = refusal
        text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return web.Response(status=status, text=text, content_type="application/xml")
