"""Whether a request is signed as AWS demands: botocore signs what arrived once more.

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

import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

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
        self._signer = _Signer(Credentials(access_key, secret_key), service, region)
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
        wanted = self._signature(request, signed, stamp)
        if not hmac.compare_digest(wanted, found["signature"]):
            raise _wrong(
                "The request signature we calculated does not match the signature you provided. "
                "Check your AWS Secret Access Key and signing method. Consult the service "
                "documentation for details."
            )

    def _signature(self, request: Request, signed: list[str], stamp: str) -> str:
        """Sign what arrived with the key that it should be signed with, at the time it says."""
        headers = {name: request.headers[name] for name in signed}
        url = f"http://localhost{request.path}"  # the host that is signed is the header
        again = AWSRequest(
            request.method,
            f"{url}?{request.query}" if request.query else url,
            headers,
            request.body,
        )
        again.context["timestamp"] = stamp
        to_sign = self._signer.string_to_sign(again, self._signer.canonical_request(again))
        return str(self._signer.signature(to_sign, again))


class _Signer(SigV4Auth):  # type: ignore[misc]
    """Signs all headers of a request, also those that botocore itself never signs."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        return request.headers


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
