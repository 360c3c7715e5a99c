"""SageMaker's control API of the embedded stack, as far as one looks for endpoints with it.

Three endpoints are told of; what answers at those in service is in
:mod:`asyncload.local.sagemaker.runtime`. Four operations are answered as SageMaker
answers them, with pages, filters and errors; all others are refused, and so
is a parameter that is not known here, rather than passed over.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec

from asyncload.local.sagemaker.signatures import Refused
from asyncload.local.stack.protocol import (
    INFERENCE_BUCKET,
    INFERENCE_ERROR_TOPIC,
    INFERENCE_SUCCESS_TOPIC,
)

TARGET: Final = "SageMaker."
"""What the ``X-Amz-Target`` of every operation begins with."""
CONTENT_TYPE: Final = "application/x-amz-json-1.1"

Status = Literal[
    "OutOfService",
    "Creating",
    "Updating",
    "SystemUpdating",
    "RollingBack",
    "InService",
    "Deleting",
    "Failed",
    "UpdateRollbackFailed",
]
Limit = Annotated[int, msgspec.Meta(ge=1, le=100)]
SortOrder = Literal["Ascending", "Descending"]


class Endpoint(msgspec.Struct, frozen=True):
    """An endpoint, and the one instance that its configuration asks for."""

    name: str
    status: Status
    instance_type: str

    @property
    def config_name(self) -> str:
        """Name of its configuration."""
        return f"{self.name}-config"


VARIANT: Final = "AllTraffic"
"""The only production variant of each."""
ENDPOINTS: Final = (
    Endpoint("centerpoint", "InService", "ml.m5.xlarge"),
    Endpoint("aircraft", "InService", "ml.g4dn.xlarge"),
    Endpoint("ships", "Creating", "ml.g5.xlarge"),
)
IN_SERVICE: Final = tuple(one for one in ENDPOINTS if one.status == "InService")
"""Those that answer."""


class _Parameters(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="pascal"
):
    """Parameters of an operation."""


class _ListEndpointConfigs(_Parameters, frozen=True, kw_only=True):
    name_contains: str = ""
    sort_by: Literal["Name", "CreationTime"] = "CreationTime"
    sort_order: SortOrder = "Descending"
    max_results: Limit = 10
    next_token: str = ""


class _ListEndpoints(_ListEndpointConfigs, frozen=True, kw_only=True):
    sort_by: Literal["Name", "CreationTime", "Status"] = "CreationTime"  # type: ignore[assignment]
    status_equals: Status | None = None


class _DescribeEndpoint(_Parameters, frozen=True, kw_only=True):
    endpoint_name: str


class _DescribeEndpointConfig(_Parameters, frozen=True, kw_only=True):
    endpoint_config_name: str


class SageMaker:
    """Answers operations. ``created`` is when the endpoints were made, epoch seconds."""

    def __init__(self, *, region: str, account_id: str, created: float) -> None:
        self._arn = f"arn:aws:sagemaker:{region}:{account_id}"
        self._created = created
        topics = f"arn:aws:sns:{region}:{account_id}"
        self._outputs = {
            "S3OutputPath": f"s3://{INFERENCE_BUCKET}/output",
            "S3FailurePath": f"s3://{INFERENCE_BUCKET}/failure",
            "NotificationConfig": {
                "SuccessTopic": f"{topics}:{INFERENCE_SUCCESS_TOPIC}",
                "ErrorTopic": f"{topics}:{INFERENCE_ERROR_TOPIC}",
            },
        }
        self._operations: dict[str, tuple[type[_Parameters], Callable[[Any], dict[str, Any]]]] = {
            "ListEndpoints": (_ListEndpoints, self._list_endpoints),
            "DescribeEndpoint": (_DescribeEndpoint, self._describe_endpoint),
            "ListEndpointConfigs": (_ListEndpointConfigs, self._list_configs),
            "DescribeEndpointConfig": (_DescribeEndpointConfig, self._describe_config),
        }

    def answer(self, operation: str, body: bytes) -> tuple[int, bytes]:
        """Give the HTTP status and body that answer ``operation``, such as ``ListEndpoints``."""
        try:
            if operation not in self._operations:
                raise Refused(
                    400,
                    "UnknownOperationException",
                    f"the embedded stack has no {operation}; it has {', '.join(self._operations)}",
                )
            parameters, carry_out = self._operations[operation]
            status, answer = 200, carry_out(_read(body, parameters))
        except Refused as refusal:
            status, answer = refusal.status, {"__type": refusal.code, "message": refusal.message}
        return status, msgspec.json.encode(answer)

    def _list_endpoints(self, wanted: _ListEndpoints) -> dict[str, Any]:
        found = [
            endpoint
            for endpoint in ENDPOINTS
            if wanted.name_contains in endpoint.name
            and wanted.status_equals in (None, endpoint.status)
        ]
        keys = {"Name": lambda one: one.name, "Status": lambda one: one.status}
        return _page("Endpoints", map(self._endpoint, _sorted(found, wanted, keys)), wanted)

    def _list_configs(self, wanted: _ListEndpointConfigs) -> dict[str, Any]:
        found = [one for one in ENDPOINTS if wanted.name_contains in one.config_name]
        keys = {"Name": lambda one: one.config_name}
        return _page("EndpointConfigs", map(self._config, _sorted(found, wanted, keys)), wanted)

    def _describe_endpoint(self, wanted: _DescribeEndpoint) -> dict[str, Any]:
        for endpoint in ENDPOINTS:
            if endpoint.name == wanted.endpoint_name:
                variant = {"CurrentInstanceCount": 1, "DesiredInstanceCount": 1}
                return {
                    **self._endpoint(endpoint),
                    "EndpointConfigName": endpoint.config_name,
                    "ProductionVariants": [{"VariantName": VARIANT, **variant}],
                    "AsyncInferenceConfig": {"OutputConfig": self._outputs},
                }
        arn = f"{self._arn}:endpoint/{wanted.endpoint_name}"
        raise Refused(400, "ValidationException", f'Could not find endpoint "{arn}".')

    def _describe_config(self, wanted: _DescribeEndpointConfig) -> dict[str, Any]:
        for endpoint in ENDPOINTS:
            if endpoint.config_name == wanted.endpoint_config_name:
                variant = {
                    "VariantName": VARIANT,
                    "ModelName": endpoint.name,
                    "InitialInstanceCount": 1,
                    "InstanceType": endpoint.instance_type,
                    "InitialVariantWeight": 1.0,
                }
                return {**self._config(endpoint), "ProductionVariants": [variant]}
        arn = f"{self._arn}:endpoint-config/{wanted.endpoint_config_name}"
        raise Refused(400, "ValidationException", f'Could not find endpoint configuration "{arn}".')

    def _endpoint(self, endpoint: Endpoint) -> dict[str, Any]:
        return {
            "EndpointName": endpoint.name,
            "EndpointArn": f"{self._arn}:endpoint/{endpoint.name}",
            "CreationTime": self._created,
            "LastModifiedTime": self._created,
            "EndpointStatus": endpoint.status,
        }

    def _config(self, endpoint: Endpoint) -> dict[str, Any]:
        return {
            "EndpointConfigName": endpoint.config_name,
            "EndpointConfigArn": f"{self._arn}:endpoint-config/{endpoint.config_name}",
            "CreationTime": self._created,
        }


def _read(body: bytes, parameters: type[_Parameters]) -> _Parameters:
    try:
        return msgspec.json.decode(body or b"{}", type=parameters)
    except msgspec.ValidationError as problem:
        raise Refused(400, "ValidationException", str(problem)) from None
    except msgspec.DecodeError as problem:
        raise Refused(400, "SerializationException", str(problem)) from None


def _sorted(
    endpoints: Iterable[Endpoint],
    wanted: _ListEndpointConfigs,
    keys: dict[str, Callable[[Endpoint], str]],
) -> Sequence[Endpoint]:
    """All were made at the same time: their order stands for that of their creation."""
    key = keys.get(wanted.sort_by)
    found = sorted(endpoints, key=key) if key else list(endpoints)
    return found if wanted.sort_order == "Ascending" else found[::-1]


def _page(
    name: str, entries: Iterable[dict[str, Any]], wanted: _ListEndpointConfigs
) -> dict[str, Any]:
    """One page, and the token of the next one: where it begins, which clients need not know."""
    found = list(entries)
    first = 0
    if wanted.next_token:
        try:
            first = int(base64.b64decode(wanted.next_token, validate=True))
        except (binascii.Error, ValueError):
            raise Refused(400, "ValidationException", "NextToken is not one of ours") from None
    end = first + wanted.max_results
    page: dict[str, Any] = {name: found[first:end]}
    if end < len(found):
        page["NextToken"] = base64.b64encode(str(end).encode()).decode()
    return page
