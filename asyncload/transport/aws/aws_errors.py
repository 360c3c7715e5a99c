"""Errors of AWS services, the same as the SDK backend raises.

botocore's own parser and its exception classes made from the service model do
the work: errors are rare, and so nothing can differ. Import late: botocore.
"""

from __future__ import annotations

from typing import Any

import botocore.errorfactory
import botocore.exceptions
import botocore.loaders
import botocore.model
import botocore.parsers

from asyncload.transport.http.response import Response


class ErrorDecoder:
    """Turns answers with a status from 300 into ``ClientError`` and its subclasses."""

    def __init__(self, service: str, exceptions: Any = None) -> None:
        """Load the service model of ``service`` (tens of milliseconds: at set-up).

        ``exceptions`` are the exception classes of an SDK client
        (``client.exceptions``), so that one ``except`` clause serves both
        backends; left out, classes of the same names are made.
        """
        loaded = botocore.loaders.create_loader().load_service_model(service, "service-2")
        self._model = botocore.model.ServiceModel(loaded, service)
        self._parser = botocore.parsers.create_parser(self._model.resolved_protocol)
        if exceptions is None:
            factory = botocore.errorfactory.ClientExceptionsFactory()
            exceptions = factory.create_client_exceptions(self._model)
        self.exceptions = exceptions

    def decode(self, response: Response, operation: str) -> botocore.exceptions.ClientError:
        """Return, not raise, the error of ``response``; ``operation`` as in ``SendMessage``.

        A body that is no error of the protocol (a proxy's page, say) gives a
        ClientError too; its code is the status.
        """
        answer = {
            "status_code": response.status,
            "headers": response.headers,
            "body": response.body,
            "context": {"operation_name": operation},
        }
        try:
            parsed = self._parser.parse(answer, self._model.operation_model(operation).output_shape)
            code = parsed.get("Error", {}).get("Code")
            shape = self._model.shape_for_error_code(code) if code is not None else None
            if shape is not None:
                parsed.update(self._parser.parse(answer, shape))
        except (AttributeError, TypeError, ValueError, botocore.parsers.ResponseParserError):
            parsed = {}
        if "Error" not in parsed:  # unreadable, or a redirect, which botocore reads as an answer
            parsed["Error"] = {"Code": str(response.status), "Message": response.reason}
        metadata = parsed.setdefault("ResponseMetadata", {})
        metadata.setdefault("HTTPStatusCode", response.status)
        metadata.setdefault("HTTPHeaders", response.headers)
        metadata["RetryAttempts"] = 0
        name = parsed["Error"]["Code"]
        if self._model.service_name == "sqs":
            # SQS's model lacks the old codes: its exceptions go by their new names (botocore,
            # handlers.py, the after-call handler of SQS).
            name = parsed["Error"].get("QueryErrorCode", name)
        kind: type[botocore.exceptions.ClientError] = self.exceptions.from_code(name)
        return kind(parsed, operation)
