"""Cookies of one user: aiohttp's jar, for the fast backend."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

from asyncload.transport.http.response import Response
from asyncload.transport.http_client import PreparedRequest

if TYPE_CHECKING:
    from aiohttp import CookieJar


class Cookies:
    """What a service has set, sent back to where it belongs (RFC 6265). Make it on the loop."""

    def __init__(self) -> None:
        from aiohttp import CookieJar

        # Many services under test are addresses, not names.
        self._jar: CookieJar = CookieJar(unsafe=True)

    def line(self, prepared: PreparedRequest) -> bytes:
        """Give the header line of a request; empty without cookies for it."""
        from yarl import URL

        found = self._jar.filter_cookies(URL(prepared.url))
        if not found:
            return b""
        pairs = "; ".join(f"{cookie.key}={cookie.coded_value}" for cookie in found.values())
        return f"Cookie: {pairs}\r\n".encode("latin-1", "replace")

    def take(self, response: Response, prepared: PreparedRequest) -> None:
        """Keep what an answer sets; a cookie that cannot be read is left out."""
        from yarl import URL

        for value in response.values("set-cookie"):
            cookie: SimpleCookie = SimpleCookie()
            try:
                cookie.load(value)
            except CookieError:
                continue
            self._jar.update_cookies(cookie, URL(prepared.url))
