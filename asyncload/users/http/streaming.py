"""Reading answers that come in as streams, chunk by chunk, while they come in.

A reader is told each piece of the body the moment it arrives. It never
raises: what is wrong with a stream is told at its end.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from asyncload.records.record import Stream
from asyncload.transport.http.failed_answer import READ, body_message
from asyncload.transport.http.pool import Timeouts
from asyncload.transport.http.response import Response
from asyncload.transport.http_client import Body, HttpClient, PreparedRequest
from asyncload.transport.measure import Measurement
from asyncload.users.http.stream_events import DONE, ENDS, ERROR, FAILED, LAST, error_in, is_output

StreamKind = Literal["chunks", "lines", "sse", "openai"]

NO_EVENT: Final = "the answer holds no event"
_FIELD: Final = re.compile(rb":|(?:id|retry)(?::|$)")


class StreamReader:
    """``stream: chunks``: every piece of the body, as it arrives, is a chunk."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._last = 0.0
        self._chunks = 0
        self._gaps: list[float] = []
        self._problem: str | None = None

    def feed(self, part: bytes, now: float) -> bool:
        """Take in a piece of the body that arrived at ``now`` seconds; whether it was the last."""
        if part:
            self._chunk(now)
            if ERROR in part:
                self._look_for_error(part)
        return False

    def end(self) -> str | None:
        """Say, after the whole answer, why it is no complete stream; ``None`` when it is."""
        return self._problem

    def snapshot(self) -> Stream:
        """Give what the record keeps, at any moment."""
        return Stream(self._chunks, self._first, self._tokens(), self._gaps or None)

    @property
    def unread(self) -> bytes:
        """What stood in the body in place of a stream, or its beginning."""
        return b""

    def _chunk(self, now: float) -> None:
        if self._first is None:
            self._first = now
        else:
            self._gaps.append(round(now - self._last, 6))
        self._last = now
        self._chunks += 1

    def _tokens(self) -> int | None:
        return None

    def _look_for_error(self, part: bytes) -> None:
        """Note an error that a piece reports which is a document, or events, of its own."""
        self._note(error_in(part))
        name = b""
        for line in part.splitlines():
            field, _, value = line.partition(b":")
            if field == b"event":
                name = value.strip()
            else:
                self._note(error_in(value if field == b"data" else line, name))

    def _note(self, problem: str | None) -> None:
        """Keep the first of the problems."""
        if self._problem is None and problem is not None:
            self._problem = problem


class LineReader(StreamReader):
    """``stream: lines``: every line that is not empty is a chunk, as in JSON Lines."""

    def __init__(self) -> None:
        super().__init__()
        self._rest = b""
        self._rest_came = 0.0

    def feed(self, part: bytes, now: float) -> bool:
        """Take in a piece of the body."""
        lines = (self._rest + part if self._rest else part).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._line(line[:-1] if line.endswith(b"\r") else line, now)
        if self._rest:
            self._rest_came = now
        return False

    def end(self) -> str | None:
        """Count a last line without its end, too."""
        if self._rest:
            self._line(self._rest, self._rest_came)
        return self._problem

    def _line(self, line: bytes, now: float) -> None:
        if line.strip():
            self._chunk(now)
            if ERROR in line:
                self._note(error_in(line))


class SseReader(LineReader):
    """``stream: sse``: every server-sent event with output is a chunk.

    That is each event with data, but for those of Anthropic's messages and OpenAI's responses that
    only say how the answer goes on, and ``data: [DONE]``.

    https://html.spec.whatwg.org/multipage/server-sent-events.html, but for
    line ends that are a carriage return alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self._data: list[bytes] = []
        self._name = b""
        self._unread = b""
        self._seen = self._done = False
        self._missing = b""
        """The event that the stream has to end with, as its first one says."""

    def feed(self, part: bytes, now: float) -> bool:
        """Take in a piece of the body; nothing is read after the event that ends the stream."""
        if not self._done:
            super().feed(part, now)
        return self._done

    def end(self) -> str | None:
        """Say whether the stream failed, was cut off, or was none at all."""
        if self._rest and not self._done:
            self._line(self._rest, self._rest_came)
            self._rest = b""
        if self._data == [DONE]:  # that lacks its empty line
            self._done = True
        if self._problem is not None or self._done:
            return self._problem
        if self._data:
            return "the stream ended in the middle of an event"
        if not self._seen:
            return NO_EVENT
        if self._missing:
            return f"the stream ended without {self._missing.decode()}"
        return None

    @property
    def unread(self) -> bytes:
        """Lines that are nothing of an event stream, before its first event."""
        return self._unread

    def _line(self, line: bytes, now: float) -> None:
        if not line:
            if self._data:
                data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                self._data = []
                if not self._done:
                    self._seen = True
                    self._event(data, now)
            self._name = b""
        elif line.startswith(b"data"):
            name, _, data = line.partition(b":")
            if name == b"data":
                self._data.append(data.removeprefix(b" "))
        elif line.startswith(b"event:"):
            self._name = line[6:].strip()
        elif not self._seen and len(self._unread) < READ and not _FIELD.match(line):
            self._unread += line[:READ] + b"\n"

    def _event(self, data: bytes, now: float) -> None:
        if data == DONE:
            self._done = True
            return
        self._missing = self._missing or ENDS.get(self._name, b"")
        if self._name in LAST:
            self._done = True
        if ERROR in data or self._name in FAILED:
            self._fail(error_in(data, self._name))
        if self._problem is None and is_output(self._name):
            self._chunk(now)

    def _fail(self, problem: str | None) -> None:
        """Note what an event says has failed; nothing that comes after it matters."""
        if problem is not None:
            self._note(problem)
            self._done = True


class _Delta(msgspec.Struct):
    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: Any = None
    refusal: Any = None
    function_call: Any = None


class _Choice(msgspec.Struct):
    text: Any = None
    delta: _Delta | None = None


class _Usage(msgspec.Struct):
    completion_tokens: int | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None


class OpenAiReader(SseReader):
    """``stream: openai``: events of a completion; one with content is a chunk.

    Completions (``text``) and chat completions (``delta.content``, reasoning,
    refusals and calls of tools too). The stream must end with ``data: [DONE]``.
    """

    _decode: Final = msgspec.json.Decoder(_Completion).decode

    def __init__(self) -> None:
        super().__init__()
        self._missing = b"data: [DONE]"
        self._counted: int | None = None

    def _event(self, data: bytes, now: float) -> None:
        if data == DONE:
            self._done = True
            return
        if ERROR in data or self._name in FAILED:
            self._fail(error_in(data, self._name))
        try:
            completion = OpenAiReader._decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._note("the stream has an event that is no completion")
            return
        if completion.usage is not None and completion.usage.completion_tokens is not None:
            self._counted = completion.usage.completion_tokens
        if any(map(_has_content, completion.choices or ())):
            self._chunk(now)

    def _tokens(self) -> int | None:
        return self._chunks if self._counted is None else self._counted


def _has_content(choice: _Choice) -> bool:
    if choice.text:
        return True
    delta = choice.delta
    return delta is not None and bool(
        delta.content
        or delta.reasoning_content
        or delta.reasoning
        or delta.tool_calls
        or delta.refusal
        or delta.function_call
    )


async def send_measured(
    client: HttpClient,
    prepared: PreparedRequest,
    body: Body,
    timeouts: Timeouts | None,
    *,
    lines: bytes = b"",
    reader: StreamReader | None,
    measurement: Measurement,
) -> tuple[Response, str | None]:
    """Send a request whose answer ``reader`` reads while it comes in, if there is one.

    ``lines`` are further header lines. Returns and raises as :func:`listened`; ``measurement`` has what the answer tells, too.
    """
    cut = None
    if reader is None:
        response = await client.send(prepared, body, lines, timeouts)
    else:
        sending = client.send(prepared, body, lines, timeouts, reader.feed)
        response, cut = await listened(sending, reader=reader, measurement=measurement)
        if cut == NO_EVENT and reader.unread:
            _, message = body_message(msgspec.structs.replace(response, body=reader.unread))
            cut = f"{cut}: {message}" if message else cut
    measurement.answered(response)
    return response, cut


async def listened(
    sending: Awaitable[Response], *, reader: StreamReader, measurement: Measurement
) -> tuple[Response, str | None]:
    """Await a request that is being sent, whose answer ``reader`` hears of.

    Returns the answer, and why it is no complete stream. What was read is in
    ``measurement`` also when the stream is cut off, which raises TransportError.
    """
    try:
        return await sending, reader.end()
    finally:
        measurement.stream = reader.snapshot()


READERS: Final[Mapping[str, Callable[[], StreamReader]]] = MappingProxyType(
    {"chunks": StreamReader, "lines": LineReader, "sse": SseReader, "openai": OpenAiReader}
)
"""A reader for one answer, by the kind of stream."""
