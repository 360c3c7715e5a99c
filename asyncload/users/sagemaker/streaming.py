"""The parts of a streamed answer: taken out of AWS's event stream while it comes in."""

from __future__ import annotations

import msgspec

from asyncload.records.record import Stream
from asyncload.transport.aws.event_stream import DamagedStream, EventStreamDecoder, Message
from asyncload.transport.error_text import in_brief
from asyncload.users.http.streaming import StreamReader

PART = "PayloadPart"


class _Reason(msgspec.Struct, rename="pascal"):
    message: str = ""
    error_code: str = ""


class PartReader(StreamReader):
    """Has ``inner`` read what the model sends, whatever it is wrapped in."""

    def __init__(self, inner: StreamReader) -> None:
        super().__init__()
        self._inner = inner
        self._decoder = EventStreamDecoder()
        self._parts: list[bytes] = []

    def feed(self, part: bytes, now: float) -> bool:
        """Take in a piece of the event stream, which tells its end itself."""
        if self._problem is not None:
            return False  # what comes after an error means nothing
        try:
            messages = self._decoder.feed(part)
        except DamagedStream as problem:
            self._problem = f"the answer is no event stream: {problem}"
            return False
        for message in messages:
            if message.headers.get(":event-type") == PART:
                self._parts.append(message.payload)
                self._inner.feed(message.payload, now)
            elif message.headers.get(":message-type") in {"exception", "error"}:
                self._problem = _format_error(message)
                break
        return False

    def end(self) -> str | None:
        """Say why the stream is not complete: the service's words first."""
        incomplete = self._inner.end()
        if self._problem is None and self._decoder.cut_off:
            self._problem = "the answer ended in the middle of a part"
        return self._problem or incomplete

    def snapshot(self) -> Stream:
        """Give what the record keeps."""
        return self._inner.snapshot()

    @property
    def payload(self) -> bytes:
        """What the model has sent."""
        return b"".join(self._parts)


def _format_error(message: Message) -> str:
    """Write an exception (JSON) or an error (headers) of the service in one line."""
    headers = message.headers
    if headers[":message-type"] == "error":
        return in_brief(f"{headers.get(':error-code')}: {headers.get(':error-message')}")
    kind = headers.get(":exception-type")
    try:
        reason = msgspec.json.decode(message.payload, type=_Reason)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return in_brief(f"{kind}: {message.payload.decode(errors='replace')}")
    code = f" ({reason.error_code})" if reason.error_code else ""
    return in_brief(f"{kind}{code}: {reason.message}")
