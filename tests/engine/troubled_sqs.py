"""SQS with trouble: a proxy in front of the embedded stack that answers some calls itself."""

from __future__ import annotations

import json
from collections.abc import Callable

from aiohttp import web

from tests.fault_proxy import LOST, FaultProxy

Trouble = Callable[[str], str | None]
"""Of an operation such as ``SendMessage``: the error code to answer with, ``None`` to let it
pass, or :data:`LOST` to carry it out and answer nothing."""


class TroubledSqs(FaultProxy):
    """A proxy whose ``trouble`` may be changed at any moment."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.trouble: Trouble = lambda _: None
        self.answered = 0
        """How many calls met with trouble."""

    async def fault(self, request: web.Request, body: bytes) -> web.Response | str | None:
        code = self.trouble(request.headers["X-Amz-Target"].rpartition(".")[2])
        if code is None:
            return None
        self.answered += 1
        if code == LOST:
            return LOST
        return web.Response(
            status=400,
            body=json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": "as told"}),
            headers={"x-amzn-query-error": f"{code};Sender"},
            content_type="application/x-amz-json-1.0",
        )
