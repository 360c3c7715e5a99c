"""What goes wrong with AWS before the start, each in one sentence with a remedy."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from asyncload.errors import TargetError
from asyncload.stats import units
from asyncload.transport.aws.credentials import NO_TERMINAL
from asyncload.transport.aws.sigv4 import clock_skew
from asyncload.transport.error_text import describe, error_code

NO_CREDENTIALS: Final = (
    "no AWS credentials were found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or aws.endpoint_url: local for the embedded stack"
)
_BAD_CREDENTIALS: Final = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_UNREACHABLE: Final = {
    "ConnectTimeoutError",
    "ConnectionClosedError",
    "EndpointConnectionError",
}
_QUERY_PROTOCOL: Final = "<ErrorResponse"
"""How an answer begins of a server that looks for the operation in the parameters of a form."""
_LOGIN: Final = frozenset(
    {"SSOError", "SSOTokenLoadError", "TokenRetrievalError", "UnauthorizedSSOTokenError"}
)


class Where:
    """What a sentence says of the service that was called."""

    def __init__(self, target: str, check_address: str, service: str) -> None:
        self.target = target
        self.check_address = check_address
        self.service = service


def sentence(doing: str, where: Where, problem: Exception, remedies: Mapping[str, str]) -> str:
    """Say what ``problem`` means that came while ``doing`` something.

    ``remedies`` maps error codes to sentences of their own.
    """
    target, check_address = where.target, where.check_address
    code = (error_code(problem) or type(problem).__name__).rpartition(".")[2]
    if code in remedies:
        return remedies[code]
    if code in {"NoCredentialsError", "PartialCredentialsError"}:
        return NO_CREDENTIALS
    response: Any = getattr(problem, "response", None) or {}  # None where no answer came
    date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    if (skew := clock_skew(code, date, time.time())) is not None:
        side = "behind" if skew > 0 else "ahead of"
        return (
            f"{target} refused the signature while {doing} ({code}): the clock of this machine is "
            f"{units.seconds(round(abs(skew)))} {side} the service's; set it right (NTP)"
        )
    if code in _BAD_CREDENTIALS:
        return (
            f"{target} refused the credentials while {doing} ({code}); "
            "check AWS_PROFILE or the AWS_* variables, and that they have not expired"
        )
    if code.startswith("AccessDenied") or code in {"403", "Forbidden"}:
        payer = ""
        if where.service == "s3":
            payer = "; where the requester pays for a bucket, set AWS_REQUEST_PAYER=requester"
        return (
            f"access denied by {target} while {doing}; "
            f"give these credentials the permission, or use others{payer}"
        )
    if code == "SSLError":
        return (
            f"no TLS connection to {target} while {doing}: {describe(problem)}; if a CA of your own "
            "has signed its certificate, name the CA's file in AWS_CA_BUNDLE"
        )
    if code in _UNREACHABLE:
        return f"cannot reach {target} while {doing}; {check_address}, and that the service is up"
    if code in {"ReadTimeoutError", "TimeoutError"}:
        return (
            f"{target} does not answer while {doing}; {check_address}, and that the service is up"
        )
    if where.service == "sqs" and _QUERY_PROTOCOL in str(problem):
        return (
            f"{target} speaks only SQS's older query protocol, as ElasticMQ before 1.4 does, and "
            "asyncload speaks its JSON protocol; use a newer version of the emulator"
        )
    if code.isdigit():  # an HTTP status without one of AWS's error codes
        return f"{target} answered {describe(problem)!r} while {doing}; {check_address}"
    return f"{doing} failed at {target}: {describe(problem)}"


def credentials_error(problem: Exception) -> TargetError:
    """Say why the credentials that are configured cannot be had, and what to do."""
    kind = type(problem).__name__
    if kind in {"NoCredentialsError", "PartialCredentialsError"}:
        return TargetError(NO_CREDENTIALS)
    if kind == "RefreshWithMFAUnsupportedError":  # asked once, without an answer
        return TargetError(NO_TERMINAL)
    names = {one.__name__ for one in type(problem).__mro__}
    reason, remedy = describe(problem), "mend the profile in the AWS config files, or name another"
    if names & _LOGIN:
        remedy = "log in anew with 'aws sso login'"
    elif isinstance(problem, json.JSONDecodeError):
        reason = "the credential_process of the profile printed something that is not JSON"
        remedy = "mend credential_process in the AWS config file"
    elif isinstance(problem, OSError):
        # uvloop does not say which program it could not start.
        what = problem.filename or "a program that the profile names"
        reason = f"{problem.strerror or kind}: {what}"
        remedy = (
            "check credential_process and web_identity_token_file of the profile, and "
            "AWS_WEB_IDENTITY_TOKEN_FILE"
        )
    elif "custom-process" in reason:
        remedy = "mend credential_process in the AWS config file, or log in as it asks"
    elif kind in _UNREACHABLE:
        remedy = "check the network, and AWS_ENDPOINT_URL_STS or _SSO if one is set"
    return TargetError(f"the AWS credentials cannot be loaded: {reason.rstrip('.')}; {remedy}")
