"""Reading answers that come in as streams, chunk by chunk, while they come in.

A reader is told each piece of the body the moment it arrives. It never
raises: what is wrong with a stream is told at its end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from asyncload.records.record import Stream
from asyncload.transport.error_text import hide_secrets
from asyncload.transport.http.pool import Timeouts
from asyncload.transport.http.response import Response
from asyncload.transport.http_client import Body, HttpClient, PreparedRequest
from asyncload.transport.measure import Measurement

StreamKind = Literal["chunks", "lines", "sse", "openai"]

DONE: Final = b"[DONE]"
_LONGEST: Final = 200


class StreamReader:
    """``stream: chunks``: every piece of the body, as it arrives, is a chunk."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._last = 0.0
        self._chunks = 0
        self._gaps: list[float] = []
        self._problem: str | None = None

    def feed(self, part: bytes, now: float) -> None:
        """Take in a piece of the body that arrived at ``now`` seconds."""
        if part:
            self._chunk(now)

    def end(self) -> str | None:
        """Say, after the whole answer, why it is no complete stream; ``None`` when it is."""
        return self._problem

    def snapshot(self) -> Stream:
        """Give what the record keeps, at any moment."""
        return Stream(self._chunks, self._first, self._tokens(), self._gaps or None)

    def _chunk(self, now: float) -> None:
        if self._first is None:
            self._first = now
        else:
            self._gaps.append(round(now - self._last, 6))
        self._last = now
        self._chunks += 1

    def _tokens(self) -> int | None:
        return None


class LineReader(StreamReader):
    """``stream: lines``: every line that is not empty is a chunk, as in JSON Lines."""

    def __init__(self) -> None:
        super().__init__()
        self._rest = b""
        self._rest_came = 0.0

    def feed(self, part: bytes, now: float) -> None:
        """Take in a piece of the body."""
        lines = (self._rest + part if self._rest else part).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._line(line[:-1] if line.endswith(b"\r") else line, now)
        if self._rest:
            self._rest_came = now

    def end(self) -> str | None:
        """Count a last line without its end, too."""
        if self._rest:
            self._line(self._rest, self._rest_came)
        return self._problem

    def _line(self, line: bytes, now: float) -> None:
        if line.strip():
            self._chunk(now)


class SseReader(LineReader):
    """``stream: sse``: every server-sent event with data is a chunk.

    https://html.spec.whatwg.org/multipage/server-sent-events.html, but for
    line ends that are a carriage return alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self._data: list[bytes] = []

    def end(self) -> str | None:
        """Say whether an event was cut off, or none came at all."""
        if self._rest:
            self._line(self._rest, self._rest_came)
            self._rest = b""
        if self._problem is not None:
            return self._problem
        if self._data and not self._is_end(self._data):
            return "the stream ended in the middle of an event"
        return self._incomplete()

    def _line(self, line: bytes, now: float) -> None:
        if not line:
            if self._data:
                data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                self._data = []
                self._event(data, now)
        elif line.startswith(b"data"):
            name, _, data = line.partition(b":")
            if name == b"data":
                self._data.append(data.removeprefix(b" "))

    def _event(self, data: bytes, now: float) -> None:  # noqa: ARG002 - for subclasses
        self._chunk(now)

    def _is_end(self, data: list[bytes]) -> bool:  # noqa: ARG002 - for subclasses
        """Whether an event that lacks its empty line ends the stream all the same."""
        return False

    def _incomplete(self) -> str | None:
        return None if self._chunks else "the answer holds no event"


class _Delta(msgspec.Struct):
    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: Any = None


class _Choice(msgspec.Struct):
    text: Any = None
    delta: _Delta | None = None


class _Usage(msgspec.Struct):
    completion_tokens: int | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


class OpenAiReader(SseReader):
    """``stream: openai``: events of a completion; one with content is a chunk.

    Completions (``text``) and chat completions (``delta.content``, reasoning
    and tool calls too). The stream must end with ``data: [DONE]``.
    """

    _decode: Final = msgspec.json.Decoder(_Completion).decode

    def __init__(self) -> None:
        super().__init__()
        self._seen = self._done = False
        self._counted: int | None = None

    def _event(self, data: bytes, now: float) -> None:
        self._seen = True
        if data == DONE:
            self._done = True
            return
        try:
            completion = OpenAiReader._decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._problem = self._problem or "the stream has an event that is no completion"
            return
        if completion.error is not None:
            self._problem = self._problem or f"the stream says: {_reason(completion.error)}"
        if completion.usage is not None and completion.usage.completion_tokens is not None:
            self._counted = completion.usage.completion_tokens
        if any(map(_has_content, completion.choices or ())):
            self._chunk(now)

    def _tokens(self) -> int | None:
        return self._chunks if self._counted is None else self._counted

    def _is_end(self, data: list[bytes]) -> bool:
        self._done = self._done or data == [DONE]
        return self._done

    def _incomplete(self) -> str | None:
        if self._done:
            return None
        if self._seen:
            return "the stream ended without data: [DONE]"
        return "the answer holds no event"


def _has_content(choice: _Choice) -> bool:
    if choice.text:
        return True
    delta = choice.delta
    return delta is not None and bool(
        delta.content or delta.reasoning_content or delta.reasoning or delta.tool_calls
    )


def _reason(error: Any) -> str:
    message = error.get("message", error) if isinstance(error, dict) else error
    text = hide_secrets(" ".join(str(message).split()))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


async def send_measured(
    client: HttpClient,
    prepared: PreparedRequest,
    body: Body,
    timeouts: Timeouts | None,
    *,
    reader: StreamReader | None,
    measurement: Measurement,
) -> tuple[Response, str | None]:
    """Send a request whose answer ``reader`` reads while it comes in, if there is one.

    Returns and raises as :func:`listened`; ``measurement`` has what the answer tells, too.
    """
    cut = None
    if reader is None:
        response = await client.send(prepared, body, b"", timeouts)
    else:
        sending = client.send(prepared, body, b"", timeouts, reader.feed)
        response, cut = await listened(sending, reader=reader, measurement=measurement)
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
