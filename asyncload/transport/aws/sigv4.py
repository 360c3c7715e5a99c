"""AWS Signature Version 4 for many requests that differ only in their body.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

What does not change between two requests of one second is hashed once: the
canonical request up to the payload hash, and HMAC's inner and outer state with
the fixed start of the string to sign. Per request remain one SHA-256 of the
body and three short ones. Where values of headers differ, too, the canonical request
is hashed each time. Every service but S3, which escapes paths differently.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from binascii import b2a_hex
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import quote

from asyncload.errors import ConfigError
from asyncload.transport.aws.credentials import CredentialProvider, Credentials

ALGORITHM: Final = "AWS4-HMAC-SHA256"
NOT_SIGNED: Final = frozenset(
    {
        "baggage",
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-amzn-trace-id",
    }
)
"""Headers botocore leaves out, for proxies may change them."""
OURS: Final = frozenset({"authorization", "date", "x-amz-date", "x-amz-security-token"})
SKEW_CODES: Final = frozenset(
    {
        "403",  # the answer to a HEAD has no code
        "AuthFailure",
        "InvalidSignatureException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
SKEW_LIMIT: Final = 240.0
"""Seconds of difference from which our clock, and not our key, is blamed. AWS allows 300."""
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


class Signer:
    """Signs for one region and service. ``clock`` gives Unix seconds."""

    def __init__(
        self,
        provider: CredentialProvider,
        region: str,
        service: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.provider = provider
        self.region = region
        self.service = service
        self.clock = clock
        self.offset = 0.0
        """Seconds to add to our clock to get the server's."""
        self._key: tuple[str, Credentials, bytes] | None = None

    def template(
        self,
        method: str,
        target: str,
        host: str,
        headers: Mapping[str, str],
        *,
        marks: Sequence[str] = (),
    ) -> SigningTemplate:
        """Fix all of a request but its body. ``target`` is path and query as sent.

        Every header given is signed but those proxies may change. ``marks`` stand
        once each in the values of signed headers, in place of what is not known yet:
        words of ASCII letters and digits. Raises ConfigError for a header that
        signing itself sets.
        """
        return SigningTemplate(self, method, target, host, headers, marks=marks)

    def signing_key(self, date: str, credentials: Credentials) -> bytes:
        """Return the key of ``date`` (YYYYMMDD); kept until date or credentials change."""
        if self._key is not None and self._key[0] == date and self._key[1] is credentials:
            return self._key[2]
        key = b"AWS4" + credentials.secret_key.encode()
        for part in (date, self.region, self.service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._key = (date, credentials, key)
        return key

    def correct_clock(self, code: str, date: str | None) -> bool:
        """Set :attr:`offset` from the ``Date`` header of a refused request.

        The rule: the error code is one that a wrong clock can cause
        (:data:`SKEW_CODES`), and the server's clock differs by 240 s or more
        from the one we signed with. Returns whether the offset changed; then
        the request is worth signing again.
        """
        more = clock_skew(code, date, self.clock() + self.offset)
        if more is None:
            return False
        self.offset += more
        return True

    def __repr__(self) -> str:
        return f"Signer({self.region}, {self.service})"


def clock_skew(code: str, date: str | None, now: float) -> float | None:
    """Give the seconds that a service's clock is ahead of ``now``, when that is what it refused.

    ``code`` is that of the refusal, ``date`` its ``Date`` header.
    """
    if code not in SKEW_CODES or not date:
        return None
    try:
        skew = parsedate_to_datetime(date).timestamp() - now
    except ValueError:
        return None
    return skew if abs(skew) >= SKEW_LIMIT else None


class SigningTemplate:
    """All of a request but its body; :meth:`sign` does the rest."""

    def __init__(
        self,
        signer: Signer,
        method: str,
        target: str,
        host: str,
        headers: Mapping[str, str],
        *,
        marks: Sequence[str] = (),
    ) -> None:
        self._signer = signer
        self._marks = {mark: index for index, mark in enumerate(marks)}
        self._provider = signer.provider
        self._clock = signer.clock
        self._second = -1
        self._credentials: Credentials | None = None
        path, _, query = target.partition("?")
        self._start = f"{method.upper()}\n{_canonical_path(path)}\n{_canonical_query(query)}\n"
        self._headers = {"host": _trimmed(host)}
        self._payload_hash: bytes | None = None
        for name, value in headers.items():
            key = name.lower()
            if key in OURS:
                raise ConfigError(f"Header {name!r} is set by the AWS signature; leave it out.")
            if key not in NOT_SIGNED:
                self._headers[key] = _trimmed(value)
            if key == "x-amz-content-sha256":
                self._payload_hash = value.encode()

    def sign(
        self,
        body: bytes | bytearray | memoryview = b"",
        payload_hash: bytes | None = None,
        values: Sequence[bytes] = (),
    ) -> bytes:
        r"""Return the header lines of the signature, each ended by ``\r\n``.

        ``payload_hash`` (hex) spares hashing a body that was hashed before. ``values``
        are those of the marks, in their order.
        """
        second = int(self._clock() + self._signer.offset)
        if second != self._second or self._provider.current is not self._credentials:
            self._renew(second)
        canonical = self._filled(values) if self._marks else self._canonical.copy()
        canonical.update(
            payload_hash or self._payload_hash or b2a_hex(hashlib.sha256(body).digest())
        )
        inner = self._inner.copy()
        inner.update(b2a_hex(canonical.digest()))
        outer = self._outer.copy()
        outer.update(inner.digest())
        return b"%b%b\r\n" % (self._lines, b2a_hex(outer.digest()))

    def _renew(self, second: int) -> None:
        """Hash what stays the same for this second and these credentials."""
        credentials = self._provider.current
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        date = stamp[:8]
        scope = f"{date}/{self._signer.region}/{self._signer.service}/aws4_request"
        headers = {**self._headers, "x-amz-date": stamp}
        lines = f"X-Amz-Date: {stamp}\r\n"
        if credentials.token:
            headers["x-amz-security-token"] = _trimmed(credentials.token)
            lines += f"X-Amz-Security-Token: {credentials.token}\r\n"
        names = sorted(headers)
        signed = ";".join(names)
        canonical = "".join(f"{name}:{headers[name]}\n" for name in names)
        text = f"{self._start}{canonical}\n{signed}\n"
        if self._marks:
            self._marked = [self._line(line) for line in text.split("\n")]
        else:
            self._canonical = hashlib.sha256(text.encode())
        # HMAC(k, m) = H((k ^ opad) || H((k ^ ipad) || m)), k padded to a block of 64 bytes.
        key = self._signer.signing_key(date, credentials).ljust(64, b"\0")
        self._inner = hashlib.sha256(key.translate(_INNER))
        self._inner.update(f"{ALGORITHM}\n{stamp}\n{scope}\n".encode())
        self._outer = hashlib.sha256(key.translate(_OUTER))
        self._lines = (
            f"{lines}Authorization: {ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={signed}, Signature="
        ).encode()
        self._second = second
        self._credentials = credentials

    def _filled(self, values: Sequence[bytes]) -> hashlib._Hash:
        filled = []
        for line in self._marked:
            if isinstance(line, bytes):
                filled.append(line)
                continue
            # Blanks are trimmed of the value as a whole.
            name, pieces = line
            value = b"".join([one if isinstance(one, bytes) else values[one] for one in pieces])
            filled.append(b"%b:%b" % (name, _trimmed(value.decode()).encode()))
        return hashlib.sha256(b"\n".join(filled))

    def _line(self, line: str) -> bytes | tuple[bytes, list[bytes | int]]:
        """Give a line of the canonical request; where it has marks, its name and value in pieces."""
        name, _, value = line.partition(":")
        pieces = re.split(f"({'|'.join(self._marks)})", value)
        if len(pieces) == 1:
            return line.encode()
        return name.encode(), [self._marks.get(piece, piece.encode()) for piece in pieces]

    def __repr__(self) -> str:
        return f"SigningTemplate({self._signer!r})"


def _trimmed(value: str) -> str:
    return " ".join(value.split())


def _canonical_path(path: str) -> str:
    """Dot segments and empty ones out (RFC 3986, 5.2.4), then escaped once more."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if kept:
                kept.pop()
        elif part and part != ".":
            kept.append(part)
    end = "/" if kept and path.endswith("/") else ""
    return quote("/" + "/".join(kept) + end, safe="/~")


def _canonical_query(query: str) -> str:
    """Pairs sorted by name, then value; a name alone gets an ``=``."""
    if not query:
        return ""
    pairs = [pair.partition("=")[::2] for pair in query.split("&")]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))
