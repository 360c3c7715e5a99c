"""What a config says about users of ``kind: sagemaker_async``."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from asyncload.errors import ConfigError
from asyncload.plan.duration import Duration
from asyncload.users.http.http_options import ChainedRequestOptions
from asyncload.users.model_runner.images import parse_s3_url
from asyncload.users.sagemaker.realtime_options import check_endpoint_name
from asyncload.users.templates.rows import DataOptions, check_data, data_options
from asyncload.users.wait import check_wait

PAYLOADS: Final = ("file", "folder", "json", "body")
"""Keys of what is uploaded before the start."""
_LONGEST_HEADER: Final = 1024


class AsyncInferenceOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The ``user`` section of a scenario with ``kind: sagemaker_async``."""

    endpoint: str
    notifications: str
    """The queue that is subscribed to the endpoint's topics; a name or URL."""
    input: str | None = None
    """An object in S3, or a folder there, which ends in a slash."""
    file: str | None = None
    folder: str | None = None
    json: Any = msgspec.UNSET
    body: str | None = None
    data: str | DataOptions | None = None
    """Rows that fill the places of ``json`` or ``body``: one payload for each."""
    upload_to: str | None = None
    """Where ``file``, ``folder``, ``json`` and ``body`` are put: ``s3://bucket/folder/``."""
    order: Literal["sequential", "random"] = "sequential"
    """How inputs are picked."""
    content_type: str | None = None
    accept: str | None = None
    custom_attributes: str | None = None
    request_ttl: Duration | None = None
    """How long the service may keep a request in its queue."""
    invocation_timeout: Duration | None = None
    """How long the model may work on one."""
    wait_for_result: bool = False
    job_timeout: Duration = Duration(3600)
    foreign: Literal["leave", "delete"] = "leave"
    client: Literal["fast", "sdk"] = "fast"
    wait: Any = None

    def __post_init__(self) -> None:
        check_endpoint_name(self.endpoint)
        if not self.notifications:
            raise ValueError("notifications is empty; give the name or URL of a queue")
        self._check_source()
        for name in ("content_type", "accept", "custom_attributes"):
            _check_header(name, getattr(self, name))
        _check_seconds("request_ttl", self.request_ttl, 60, 21_600)
        _check_seconds("invocation_timeout", self.invocation_timeout, 1, 3600)
        if self.job_timeout <= 0:
            raise ValueError("job_timeout is 0; give the time after which a job is given up")
        check_wait(self.wait)

    @property
    def payload(self) -> str | None:
        """Which of :data:`PAYLOADS` is given, if one is."""
        return next((key for key in PAYLOADS if self._is_given(key)), None)

    @property
    def type_of_payload(self) -> str | None:
        """The content type: as given, else JSON's for ``json``."""
        if self.content_type is None and self.payload == "json":
            return "application/json"
        return self.content_type

    @property
    def rows(self) -> DataOptions | None:
        """What is said about data rows, if anything."""
        return data_options(self.data)

    @property
    def request(self) -> ChainedRequestOptions:
        """``json`` or ``body`` as ``kind: http`` knows them. Raises ValueError for a bad template."""
        return ChainedRequestOptions(json=self.json, body=self.body)

    @property
    def headers(self) -> dict[str, Any]:
        """What the headers of every request say, by the names of the keys."""
        whole = {"request_ttl": self.request_ttl, "invocation_timeout": self.invocation_timeout}
        return {
            "content_type": self.type_of_payload,
            "accept": self.accept,
            "custom_attributes": self.custom_attributes,
            **{name: None if value is None else int(value) for name, value in whole.items()},
        }

    def _is_given(self, key: str) -> bool:
        value = getattr(self, key)
        return value is not None and value is not msgspec.UNSET

    def _check_source(self) -> None:
        given = [key for key in ("input", *PAYLOADS) if self._is_given(key)]
        if len(given) != 1:
            problem = f"{' and '.join(given)} are both given" if given else "nothing is to be sent"
            raise ValueError(f"{problem}; give one of input, {', '.join(PAYLOADS)}")
        if self.payload is None and self.upload_to is not None:
            raise ValueError(
                "upload_to is given, and input is in S3 already; leave one of them out"
            )
        if self.payload is not None and self.upload_to is None:
            raise ValueError(
                f"upload_to is missing: the service takes {self.payload} from S3; "
                "give upload_to: s3://bucket/folder/"
            )
        if self.data is not None and self.payload not in {"json", "body"}:
            raise ValueError("data fills the places of json or body; leave it out, or give one")
        _ = self.request  # looks at its templates
        try:
            for key in ("input", "upload_to"):
                if self._is_given(key):
                    parse_s3_url(getattr(self, key), key=key)
        except ConfigError as problem:
            raise ValueError(str(problem)) from None
        check_data(self.data)


def _check_header(name: str, value: str | None) -> None:
    if value is None:
        return
    if not value or not value.isascii() or not value.isprintable():
        raise ValueError(f"{name} is {value!r}; give visible ASCII characters, or leave it out")
    if len(value) > _LONGEST_HEADER:
        raise ValueError(
            f"{name} has {len(value)} characters; SageMaker takes {_LONGEST_HEADER} at most"
        )


def _check_seconds(name: str, value: Duration | None, least: int, most: int) -> None:
    if value is not None and (not least <= value <= most or not value.is_integer()):
        raise ValueError(f"{name} is {value:g} s; SageMaker takes whole seconds, {least} to {most}")
