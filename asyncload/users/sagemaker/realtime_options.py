"""What a config says about users of ``kind: sagemaker``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from asyncload.plan.duration import Duration
from asyncload.transport.aws.sagemaker import INVOKE
from asyncload.users.http.checks import Expect, ExpectOptions, check_statuses
from asyncload.users.http.http_options import (
    check_stream,
    check_templates,
    given_payloads,
    texts_in,
)
from asyncload.users.http.streaming import StreamKind
from asyncload.users.templates.compiled import has_places
from asyncload.users.templates.templated_user import TemplateOptions

HEADERS: Final = tuple(INVOKE)
PAYLOADS: Final = ("json", "body", "file", "folder")
_NAME: Final = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", re.ASCII)
_ASCII: Final = re.compile(r"[\x20-\x7e]+")
_NAMED: Final = "letters, digits and hyphens"
_PRINTED: Final = "visible ASCII characters"
_MAY_BE: Final = {
    "content_type": (_ASCII, 1024, _PRINTED),
    "accept": (_ASCII, 1024, _PRINTED),
    "variant": (_NAME, 63, _NAMED),
    "target_model": (_ASCII, 1024, _PRINTED),
    "inference_component": (_NAME, 63, _NAMED),
    "custom_attributes": (_ASCII, 1024, _PRINTED),
    "session_id": (re.compile(f"NEW_SESSION|{_NAME.pattern}", re.ASCII), 256, _NAMED),
}
"""Patterns and lengths of the service model of SageMaker Runtime, 2017-05-13."""


class FolderOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``folder`` of a request; a text is its ``path``."""

    path: str
    """A folder, or a pattern such as ``images/*.jpg``."""
    order: Literal["random", "sequential"] = "random"

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("path is an empty text; name a folder")


class InvocationOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of ``requests``. One of ``json``, ``body``, ``file`` and ``folder`` is needed."""

    name: str | None = None
    """What it is called in the report; the operation if left out."""
    weight: float = 1.0
    content_type: str | None = None
    """Told by ``json`` or the file's name if left out."""
    accept: str | None = None
    variant: str | None = None
    target_model: str | None = None
    inference_component: str | None = None
    custom_attributes: str | None = None
    session_id: str | None = None
    json: Any = msgspec.UNSET
    body: str | None = None
    file: str | None = None
    folder: str | FolderOptions | None = None
    """All files of a folder, one for each request."""
    expect: Expect | None = None
    """What counts as answered well: status codes, or more; below 300 if left out."""
    stream: StreamKind | None = None
    """Asks for a streamed answer, and says what its chunks are."""

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise ValueError(f"weight is {self.weight:g}; give a number over 0")
        given = given_payloads(self, PAYLOADS)
        if not given:
            raise ValueError(f"nothing is to be sent; give one of {', '.join(PAYLOADS)}")
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other; keep one of them")
        if "" in (self.file, self.folder):
            raise ValueError("file or folder is an empty text; name one")
        for key in HEADERS:
            _check_header(key, getattr(self, key))
        if self.stream is not None and self.target_model is not None:
            raise ValueError(
                "target_model is not for streamed answers: SageMaker does not take it there; "
                "leave out target_model, or stream"
            )
        check_statuses("expect", self.expect)
        check_stream(self.stream, self.expect, {})
        check_templates(self.texts())

    def texts(self) -> Iterator[tuple[str, str]]:
        """Give every text that may be a template, with the key it stands under."""
        for key in (*HEADERS, "json", "body"):
            yield from texts_in(key, getattr(self, key))
        if isinstance(self.expect, ExpectOptions):
            yield from texts_in("expect", list(self.expect.json.values()))

    @property
    def files(self) -> FolderOptions | None:
        """What is said about a folder, if anything."""
        return FolderOptions(path=self.folder) if isinstance(self.folder, str) else self.folder


class SageMakerOptions(TemplateOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The ``user`` section of a scenario with ``kind: sagemaker``.

    Keys of a request may stand here: of the only one, or of all ``requests`` that do
    not have them themselves.
    """

    endpoint: str
    requests: list[InvocationOptions] | None = None
    timeout: Duration = Duration(70)
    """SageMaker itself gives a model 60 s."""
    content_type: str | None = None
    accept: str | None = None
    variant: str | None = None
    target_model: str | None = None
    inference_component: str | None = None
    custom_attributes: str | None = None
    session_id: str | None = None
    json: Any = msgspec.UNSET
    body: str | None = None
    file: str | None = None
    folder: str | FolderOptions | None = None
    expect: Expect | None = None
    stream: StreamKind | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_endpoint_name(self.endpoint)
        if self.requests == []:
            raise ValueError("requests is empty; give at least one, or leave it out")
        own = given_payloads(self, PAYLOADS)
        if self.requests is not None and own:
            raise ValueError(f"{own[0]} is given beside requests; put it into one of them")
        _ = self.invocations  # looks at what holds for them

    @property
    def invocations(self) -> list[InvocationOptions]:
        """The requests, each with all that holds for it. Raises ValueError with a sentence."""
        keys = (*HEADERS, "expect", "stream")
        shared = {key: getattr(self, key) for key in keys if getattr(self, key) is not None}
        if self.requests is None:
            return [InvocationOptions(**shared, **{key: getattr(self, key) for key in PAYLOADS})]
        return [
            msgspec.structs.replace(
                request, **{key: shared[key] for key in shared if getattr(request, key) is None}
            )
            for request in self.requests
        ]


def check_endpoint_name(name: str) -> None:
    """Refuse what is no name of an endpoint. Raises ValueError."""
    if not _NAME.fullmatch(name) or len(name) > 63:
        raise ValueError(
            f"endpoint is {name!r}; give the name of an endpoint: {_NAMED}, at most 63"
        )


def _check_header(key: str, value: str | None) -> None:
    """Refuse what SageMaker would refuse; what templates make of themselves is not known yet."""
    if value is None or has_places(value):
        return
    pattern, longest, signs = _MAY_BE[key]
    if not pattern.fullmatch(value) or value != value.strip():
        raise ValueError(f"{key} is {value!r}; give {signs}, or leave it out")
    if len(value) > longest:
        raise ValueError(f"{key} is of {len(value)} characters; SageMaker takes {longest} at most")
