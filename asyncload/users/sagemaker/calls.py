"""From the requests of a config to signed calls of an endpoint; worked out once, in set-up."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from asyncload.errors import ConfigError
from asyncload.transport.aws.operation import FastService, Operation
from asyncload.transport.aws.sagemaker import invocation, label
from asyncload.users.http.bodies import content_of
from asyncload.users.http.checks import ExpectOptions, Judge, good_statuses, judge
from asyncload.users.http.compile import Head
from asyncload.users.http.streaming import READERS, StreamReader
from asyncload.users.sagemaker.realtime_options import HEADERS, InvocationOptions
from asyncload.users.templates.compiled import Maker, TemplateError
from asyncload.users.templates.rows import rows_in_order
from asyncload.users.templates.tables import Table, find_files, read_bytes
from asyncload.users.templates.template import IN_HEADER, Form, compiler_of
from asyncload.users.user import Setup

if TYPE_CHECKING:
    from asyncload.users.templates.expressions import Compiler

OCTETS: Final = "application/octet-stream"
"""Content type of what is not known, as the SDK has it."""
_TYPES: Final = mimetypes.MimeTypes()  # Python's own: the same on every host
LARGEST: Final = 6_291_456
"""Bytes of a body (service model of SageMaker Runtime)."""


class Sending(NamedTuple):
    """One call, ready to be signed and sent."""

    operation: Operation
    body: bytes
    payload_hash: bytes | None
    """SHA-256 in hex, where the body has been hashed before."""
    values: Sequence[bytes] = ()
    """Of the headers that differ from call to call."""


class Call(msgspec.Struct, frozen=True):
    """What an iteration does."""

    name: str
    make: Callable[[Any], Sending]
    """Gives a call for a scope."""
    fixed: Sending | None
    """What is made, where it is the same each time."""
    good: frozenset[int]
    """Statuses that count as answered well; ``None`` for all below 300."""
    judge: Judge | None
    """Where more than the status of an answer is looked at."""
    reader: Callable[[], StreamReader] | None
    uses_rows: bool


def call_name(request: InvocationOptions) -> str:
    """What its requests are called in the log."""
    return request.name or label(streamed=request.stream is not None)


class CallMaker:
    """Makes the calls of one scenario."""

    def __init__(
        self, service: FastService, endpoint: str, table: Table | None, setup: Setup
    ) -> None:
        self._service = service
        self._endpoint = endpoint
        self._table = table
        self._setup = setup

    def call(self, request: InvocationOptions, *, key: str) -> Call:
        """Compile one of ``requests``; blocks. Raises :class:`ConfigError` that names the key."""
        texts = (text for _, text in request.texts())
        compiler = compiler_of(texts, self._table, find=self._setup.find)
        expect = request.expect
        more = isinstance(expect, ExpectOptions) and expect != ExpectOptions(status=expect.status)
        try:
            make, fixed = self._sending(request, compiler, key=key)
            return Call(
                name=call_name(request),
                make=make,
                fixed=fixed,
                good=good_statuses(expect),
                judge=judge(expect, {}, compiler) if more else None,
                reader=None if request.stream is None else READERS[request.stream],
                uses_rows=compiler is not None and compiler.uses_rows,
            )
        except TemplateError as problem:
            raise ConfigError(f"{key}: {problem}") from None

    def _sending(
        self, request: InvocationOptions, compiler: Compiler | None, *, key: str
    ) -> tuple[Callable[[Any], Sending], Sending | None]:
        """Put heads and bodies together, so that only what varies is worked out per request."""
        if request.files is not None:
            return self._from_folder(request, compiler, key=key), None
        content, usual_type = content_of(request, compiler, key=key, find=self._setup.find)
        if request.file is not None:
            usual_type = _type_of(Path(request.file))
        operation, values = self._operation(request, usual_type, compiler, key=key)
        if isinstance(content, bytes):
            self._check_size(content, key)
            sending = Sending(operation, content, _hash(content))
            if not values:
                return (lambda _: sending), sending
            return (lambda scope: sending._replace(values=_filled(values, scope))), None
        if not values:
            return (lambda scope: Sending(operation, content(scope), None)), None
        return (
            lambda scope: Sending(operation, content(scope), None, _filled(values, scope))
        ), None

    def _from_folder(
        self, request: InvocationOptions, compiler: Compiler | None, *, key: str
    ) -> Callable[[Any], Sending]:
        """One call for each file, hashed beforehand; a head for each content type."""
        folder = request.files
        assert folder is not None
        where = f"{key}.folder"
        self._setup.progress(f"reading the files of {folder.path}")
        heads: dict[str, tuple[Operation, list[Maker]]] = {}
        files: list[tuple[Sending, list[Maker]]] = []
        for path in find_files(self._setup.find(folder.path), key=where):
            content = bytes(read_bytes(path, key=where))
            self._check_size(content, where)
            kind = _type_of(path)
            if kind not in heads:
                heads[kind] = self._operation(request, kind, compiler, key=key)
            operation, values = heads[kind]
            files.append((Sending(operation, content, _hash(content)), values))
        select = rows_in_order(folder.order, len(files), self._setup.load)

        def make(scope: Any) -> Sending:
            sending, values = files[select(scope)]
            return sending._replace(values=_filled(values, scope)) if values else sending

        return make

    def _operation(
        self,
        request: InvocationOptions,
        usual_type: str | None,
        compiler: Compiler | None,
        *,
        key: str,
    ) -> tuple[Operation, list[Maker]]:
        head = Head(compiler)
        given = {name: getattr(request, name) for name in HEADERS}
        given["content_type"] = given["content_type"] or usual_type or OCTETS
        headers = {
            name: None if value is None else head.text(value, IN_AWS_HEADER)
            for name, value in given.items()
        }
        try:
            operation = invocation(
                self._service,
                self._endpoint,
                headers,
                streamed=request.stream is not None,
                marks=head.marks,
            )
        except ConfigError as problem:
            raise ConfigError(f"{key}: {head.readable(str(problem))}") from None
        return operation, head.values

    def _check_size(self, content: bytes, key: str) -> None:
        """Tell of a payload that the service's model does not allow."""
        if len(content) > LARGEST:
            text = f"{key}: a payload has {len(content):,} bytes; SageMaker takes {LARGEST:,}"
            self._setup.note("warning", text)


def _filled(values: list[Maker], scope: Any) -> list[bytes]:
    return [value(scope) for value in values]


def _hash(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _type_of(path: Path) -> str:
    return _TYPES.guess_type(path.name)[0] or OCTETS


def _in_aws_header(given: Any) -> bytes:
    line: bytes = IN_HEADER.encode(given)
    if not line.isascii():
        raise ValueError("SageMaker takes ASCII characters only in headers; take the others out")
    return line


IN_AWS_HEADER: Final = Form(_in_aws_header)
"""Within a header of SageMaker's."""
