"""Event streams are read as botocore reads them, however they are cut into pieces."""

from __future__ import annotations

import itertools
import struct
import zlib

import pytest
from botocore.eventstream import EventStreamBuffer, ParserError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asyncload.local.sagemaker import event_stream as written
from asyncload.transport.aws.event_stream import DamagedStream, EventStreamDecoder

pytestmark = pytest.mark.slow

# -- messages of every kind, encoded here and read by botocore --------------------------


def encode(headers: list[tuple[str, int, bytes]], payload: bytes) -> bytes:
    lines = b"".join(
        bytes([len(name.encode())]) + name.encode() + bytes([kind]) + value
        for name, kind, value in headers
    )
    prelude = struct.pack("!II", 16 + len(lines) + len(payload), len(lines))
    text = prelude + struct.pack("!I", zlib.crc32(prelude)) + lines + payload
    return text + struct.pack("!I", zlib.crc32(text))


def sized(content: bytes) -> bytes:
    return struct.pack("!H", len(content)) + content


values = st.one_of(
    st.sampled_from([(0, b""), (1, b"")]),
    st.integers(-(2**7), 2**7 - 1).map(lambda n: (2, struct.pack("!b", n))),
    st.integers(-(2**15), 2**15 - 1).map(lambda n: (3, struct.pack("!h", n))),
    st.integers(-(2**31), 2**31 - 1).map(lambda n: (4, struct.pack("!i", n))),
    st.integers(-(2**63), 2**63 - 1).map(lambda n: (5, struct.pack("!q", n))),
    st.binary(max_size=30).map(lambda content: (6, sized(content))),
    st.text(max_size=30).map(lambda text: (7, sized(text.encode()))),
    st.integers(0, 2**62).map(lambda n: (8, struct.pack("!q", n))),
    st.binary(min_size=16, max_size=16).map(lambda content: (9, content)),
)
names = st.text(min_size=1, max_size=20)
messages = st.builds(
    lambda headers, payload: encode([(n, *v) for n, v in headers.items()], payload),
    st.dictionaries(names, values, max_size=4),
    st.binary(max_size=200),
)


def pieces_of(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(places)]


def by_botocore(stream: bytes) -> list[tuple[dict[str, object], bytes]]:
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    return [(message.headers, message.payload) for message in buffer]


def by_us(pieces: list[bytes]) -> list[tuple[dict[str, object], bytes]]:
    decoder = EventStreamDecoder()
    found = [message for piece in pieces for message in decoder.feed(piece)]
    return [(message.headers, message.payload) for message in found]


@settings(deadline=None, max_examples=300)
@given(st.lists(messages, max_size=5), st.lists(st.integers(0, 10_000), max_size=12))
@example([encode([], b"")], list(range(16)))
def test_any_split_of_a_stream_gives_the_messages_that_botocore_reads(streams, cuts):
    stream = b"".join(streams)
    assert by_us(pieces_of(stream, cuts)) == by_botocore(stream)


@settings(deadline=None, max_examples=200)
@given(st.lists(messages, min_size=1, max_size=3), st.integers(0, 10_000), st.integers(1, 255))
def test_no_byte_of_a_message_can_be_changed_unnoticed(streams, place, flip):
    stream = bytearray(b"".join(streams))
    stream[place % len(stream)] ^= flip
    with pytest.raises(ParserError):
        by_botocore(bytes(stream))
    with pytest.raises(DamagedStream):
        by_us([bytes(stream)])


@settings(deadline=None, max_examples=100)
@given(st.lists(messages, min_size=1, max_size=3), st.integers(1, 10_000))
def test_a_stream_that_ends_within_a_message_is_told_from_one_that_is_complete(streams, lost):
    stream = b"".join(streams)
    whole = EventStreamDecoder()
    whole.feed(stream)
    assert not whole.cut_off
    short = EventStreamDecoder()
    kept = stream[: -(1 + (lost - 1) % len(streams[-1]))]
    assert len(short.feed(kept)) == len(streams) - 1
    assert short.cut_off == (len(kept) > sum(map(len, streams[:-1])))


# -- what is no event stream ------------------------------------------------------------


def prelude(total: int, headers: int) -> bytes:
    start = struct.pack("!II", total, headers)
    return start + struct.pack("!I", zlib.crc32(start))


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (b'{"Message": "no stream"}', "first bytes"),
        (prelude(15, 0), "shorter than its headers"),
        (prelude(100, 90), "shorter than its headers"),
        (prelude(2**31, 0), "too long"),
        (prelude(2**20, 2**19), "too long"),
        (encode([("a", 42, b"")], b""), "type 42, which there is not"),
        (encode([("a", 7, b"\x00\x05abc")], b""), "cannot be read"),
        (encode([("a", 7, b"\x00\x01\xff")], b""), "cannot be read"),
        (encode([("a", 9, b"short")], b""), "cannot be read"),
        (encode([("a", 5, b"1234")], b""), "cannot be read"),
        (encode([("a", 0, b""), ("a", 0, b"")], b""), "'a' twice"),
    ],
)
def test_what_is_no_event_stream_is_refused_in_words(stream, words):
    with pytest.raises(DamagedStream, match=words):
        by_us([stream])


# -- what the embedded stack writes -----------------------------------------------------


def test_the_embedded_stack_writes_what_botocore_reads():
    stream = written.event("PayloadPart", b"data") + written.exception("ModelStreamError", b"{}")
    first, last = by_botocore(stream)
    assert first[0][":message-type"] == "event"
    assert first[0][":event-type"] == "PayloadPart"
    assert first[1] == b"data"
    assert last[0][":message-type"] == "exception"
    assert last[0][":exception-type"] == "ModelStreamError"
    assert by_us([stream]) == [first, last]
