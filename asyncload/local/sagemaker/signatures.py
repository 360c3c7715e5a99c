"""Whether a request is signed as AWS demands: Signature Version 4, worked out from what arrived.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

Refusals have the codes and words of AWS, so that a client meets here what it would meet there.
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

ALGORITHM: Final = "AWS4-HMAC-SHA256"
SKEW: Final = 300
"""Seconds that a request's time may be off."""
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_AUTHORIZATION: Final = re.compile(
    rf"{ALGORITHM}\s+Credential=(?P<credential>[^,\s]+)\s*,\s*"
    r"SignedHeaders=(?P<signed>[^,\s]+)\s*,\s*Signature=(?P<signature>[0-9a-f]{64})"
)


class Refused(Exception):  # noqa: N818 - it is an answer
    """An answer that is an error: HTTP status, AWS's code, a message, and more of its members."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.more = more


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it arrived."""

    method: str
    path: str
    """As sent: percent-encoded."""
    query: str
    headers: Mapping[str, str]
    """By lower-case name; repeated ones joined by commas."""
    body: bytes


class Verifier:
    """Checks requests for one region and service against the one pair of keys there is."""

    def __init__(self, *, access_key: str, secret_key: str, region: str, service: str) -> None:
        self._access_key = access_key
        self._secret_key = secret_key
        self._region = region
        self._service = service

    def check(self, request: Request, now: float) -> None:
        """Raise :class:`Refused` unless ``request``, come at ``now`` (epoch seconds), is signed."""
        authorization = request.headers.get("authorization")
        if authorization is None:
            raise Refused(
                403, "MissingAuthenticationTokenException", "Missing Authentication Token"
            )
        found = _AUTHORIZATION.fullmatch(authorization.strip())
        scope = found["credential"].split("/") if found else []
        stamp = request.headers.get("x-amz-date", "")
        if found is None or len(scope) != 5 or scope[4] != "aws4_request":
            raise Refused(
                403,
                "IncompleteSignatureException",
                "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature', "
                "and existence of an 'X-Amz-Date' header.",
            )
        access_key, date, region, service, _ = scope
        if access_key != self._access_key:
            raise Refused(
                403,
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )
        if (region, service) != (self._region, self._service):
            raise _wrong(
                f"Credential should be scoped to region '{self._region}' and "
                f"service '{self._service}'."
            )
        signed = found["signed"].split(";")
        _check_signed(request, signed)
        _check_clock(stamp, date, now)
        wanted = self._signature(request, signed, stamp, "/".join(scope[1:]))
        if not hmac.compare_digest(wanted, found["signature"]):
            raise _wrong(
                "The request signature we calculated does not match the signature you provided. "
                "Check your AWS Secret Access Key and signing method. Consult the service "
                "documentation for details."
            )

    def _signature(self, request: Request, signed: list[str], stamp: str, scope: str) -> str:
        canonical = canonical_request(request, signed)
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        key = b"AWS4" + self._secret_key.encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        text = f"{ALGORITHM}\n{stamp}\n{scope}\n{digest}"
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def canonical_request(request: Request, signed: list[str]) -> str:
    """Write a request in its canonical form. Paths are escaped once more, as for all but S3."""
    segments: list[str] = []
    for segment in request.path.split("/"):
        if segment == "..":
            segments = segments[:-1]
        elif segment not in {"", "."}:
            segments.append(quote(segment, safe="~"))
    path = "/" + "/".join(segments)
    if segments and request.path.endswith("/"):
        path += "/"
    pairs = sorted(pair.partition("=")[::2] for pair in request.query.split("&") if pair)
    headers = [f"{name}:{' '.join(request.headers[name].split())}" for name in signed]
    lines = [
        request.method,
        path,
        "&".join(f"{name}={value}" for name, value in pairs),
        *headers,
        "",
        ";".join(signed),
        hashlib.sha256(request.body).hexdigest(),
    ]
    return "\n".join(lines)


def _check_signed(request: Request, signed: list[str]) -> None:
    """What must be signed: the host, and every ``x-amz-`` header that there is."""
    needed = ["host", "x-amz-date", *(one for one in request.headers if one.startswith("x-amz-"))]
    missing = [name for name in needed if name not in signed]
    if missing:
        raise _wrong(f"'{missing[0]}' must be a 'SignedHeader' in the AWS Authorization.")
    gone = [name for name in signed if name not in request.headers]
    if gone:
        raise _wrong(f"'{gone[0]}' is a 'SignedHeader', and the request has no such header.")
    if signed != sorted(signed):
        raise _wrong("'SignedHeaders' are not in order.")
    digest = request.headers.get("x-amz-content-sha256")
    if digest is not None and digest != hashlib.sha256(request.body).hexdigest():
        raise _wrong("'x-amz-content-sha256' is not the hash of the body.")


def _check_clock(stamp: str, date: str, now: float) -> None:
    try:
        at = calendar.timegm(time.strptime(stamp, _STAMP))
    except ValueError:
        raise _wrong(f"Date must be in ISO-8601 'basic format'. Got '{stamp}'.") from None
    if not stamp.startswith(date):
        raise _wrong(f"Date in Credential scope does not match YYYYMMDD from '{stamp}'.")
    here = _format_time(now)
    if at < now - SKEW:
        limit = _format_time(now - SKEW)
        raise _wrong(f"Signature expired: {stamp} is now earlier than {limit} ({here} - 5 min.)")
    if at > now + SKEW:
        limit = _format_time(now + SKEW)
        raise _wrong(
            f"Signature not yet current: {stamp} is still later than {limit} ({here} + 5 min.)"
        )


def _format_time(at: float) -> str:
    return time.strftime(_STAMP, time.gmtime(at))


def _wrong(message: str) -> Refused:
    return Refused(403, "InvalidSignatureException", message)
