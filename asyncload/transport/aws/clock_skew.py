"""A wrong clock of this machine: once a service has refused it, its own time is signed with."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

from asyncload.stats import units
from asyncload.transport.aws.sigv4 import clock_skew


class ClockSkew:
    """Seconds that the services' clock is ahead of ours, as the SDK's clients find out.

    ``note`` is told when it is more than a service bears.
    """

    def __init__(self, note: Callable[[str, str], None]) -> None:
        self.offset = 0.0
        self._note = note

    def watch(self, client: Any, *, retry: bool) -> None:
        """Have an SDK client sign with the services' time.

        ``retry``: a call that was refused for our time is sent again.
        """
        signer = client._request_signer  # noqa: SLF001 - no event comes after the time is set
        make = signer.get_auth_instance

        async def shifted(*args: Any, **kwargs: Any) -> Any:
            auth = await make(*args, **kwargs)
            if self.offset:
                self._shift(auth)
            return auth

        def learn(response: Any, **_: Any) -> float | None:
            return 0.0 if response is not None and self._learn(*response) and retry else None

        signer.get_auth_instance = shifted
        client.meta.events.register("needs-retry", learn)

    def _shift(self, auth: Any) -> None:
        modify = auth._modify_request_before_signing  # noqa: SLF001 - see above

        def modified(request: Any) -> None:
            now = dt.datetime.fromtimestamp(time.time() + self.offset, dt.UTC)
            request.context["timestamp"] = now.strftime("%Y%m%dT%H%M%SZ")
            modify(request)

        auth._modify_request_before_signing = modified  # noqa: SLF001

    def _learn(self, answer: Any, parsed: Any) -> bool:
        """Look at an answer; whether it is a refusal of our time, and the time is known now."""
        code = str(parsed.get("Error", {}).get("Code", "")) if isinstance(parsed, dict) else ""
        more = clock_skew(code, answer.headers.get("date"), time.time() + self.offset)
        if more is None:
            return False
        self.offset += more
        side = "behind" if self.offset > 0 else "ahead of"
        self._note(
            "warning",
            f"the clock of this machine is {units.seconds(round(abs(self.offset)))} {side} AWS's; "
            "requests are signed with AWS's time; set the clock right (NTP)",
        )
        return True
