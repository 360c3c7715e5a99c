"""Reading streams: chunks, lines, server-sent events, completions."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.records.record import Stream
from asyncload.users.http.streaming import READERS


def read(kind, *pieces):
    """Read pieces that come a second apart; return what is told, and what is wrong."""
    reader = READERS[kind]()
    for second, piece in enumerate(pieces):
        reader.feed(piece, float(second))
    wrong = reader.end()
    return reader.snapshot(), wrong


def event(text=None, *, kind="chat", **more):
    choice = {"delta": {"content": text}} if kind == "chat" else {"text": text}
    body = {"choices": [] if text is None else [choice], **more}
    return f"data: {json.dumps(body)}\n\n".encode()


DONE = b"data: [DONE]\n\n"


def test_each_piece_of_a_body_is_a_chunk_with_its_time():
    told = Stream(3, 0.0, None, [1.0, 2.0])
    assert read("chunks", b"a", b"b", b"", b"c") == (told, None)
    assert read("chunks") == (Stream(0), None)


def test_each_line_that_is_not_empty_is_a_chunk():
    told, wrong = read("lines", b'{"n":', b"1}\r\n\n", b"2\n3\n", b"4")
    assert (told.chunks, told.first_token, told.gaps) == (4, 1.0, [1.0, 0.0, 1.0])
    assert wrong is None


def test_events_with_data_are_chunks_and_comments_are_not():
    told, wrong = read(
        "sse", b": ping\n\n", b"event: x\nid: 1\ndata: a\ndata:b\n\ndata\n\n", b"data: c\r\n\r\n"
    )
    assert (told.chunks, told.first_token, told.gaps) == (3, 1.0, [0.0, 1.0])
    assert told.tokens is None
    assert wrong is None


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([], "holds no event"),
        ([b"<html>"], "holds no event"),
        ([b": ping\n\n"], "holds no event"),
        ([b"data: a\n\ndata: b\n"], "in the middle of an event"),
        ([b"data: a\n\ndata: b"], "in the middle of an event"),
    ],
)
def test_a_stream_of_events_that_is_none_or_was_cut_is_told(pieces, words):
    assert words in read("sse", *pieces)[1]


@pytest.mark.parametrize("kind", ["chat", "text"])
def test_events_with_content_are_tokens(kind):
    pieces = [
        event("", kind=kind),
        event("Wiki", kind=kind),
        event("pedia", kind=kind),
        event(None),
    ]
    told, wrong = read("openai", *pieces, DONE)
    assert told == Stream(2, 1.0, 2, [1.0])
    assert wrong is None


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_and_tool_calls_are_content_too(name):
    deltas = [{name: "hm"}, {"tool_calls": [{"index": 0}]}, {}, {"content": None}]
    pieces = [f"data: {json.dumps({'choices': [{'delta': d}]})}\n\n".encode() for d in deltas]
    assert read("openai", *pieces, DONE)[0].chunks == 2


def test_tokens_are_those_that_the_service_has_counted():
    usage = event(None, usage={"prompt_tokens": 9, "completion_tokens": 17})
    assert read("openai", event("a"), event("b"), usage, DONE)[0] == Stream(2, 0.0, 17, [1.0])


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([event("a")], "ended without data: [DONE]"),
        ([b"<html></html>"], "holds no event"),
        ([event("a"), b"data: {"], "in the middle of an event"),
        ([b""], "holds no event"),
        ([event("a"), b'data: {"choi', DONE], "an event that is no completion"),
        ([event("a"), b'data: {"choices": 5}\n\n', DONE], "an event that is no completion"),
        ([event("a", error={"message": "out of\nmemory"}), DONE], "the stream says: out of memory"),
        ([event("a", error="token=abcdef123"), DONE], "the stream says: token=***"),
    ],
)
def test_a_completion_that_is_not_whole_is_told(pieces, words):
    wrong = read("openai", *pieces)[1]
    assert words in wrong
    assert "\n" not in wrong


def test_the_last_event_may_lack_its_empty_line():
    assert read("openai", event("a"), b"data: [DONE]")[1] is None
    assert read("openai", event("a"), b"data: [DONE]\n")[1] is None


def test_choices_may_be_null():
    assert read("openai", b'data: {"choices": null}\n\n', DONE)[1] is None


STREAMS = {
    "lines": b'{"a":1}\n\n{"b":"\xc3\xbc"}\r\n7\n',
    "sse": b": ping\r\n\r\nevent: x\ndata: a\ndata: b\n\nid: 2\ndata: \xc3\xbc\n\n",
    "openai": event("", usage=None) + event("a") + event("ü") + event(None) + DONE,
}


@given(st.sampled_from(sorted(STREAMS)), st.lists(st.integers(0, 200)))
def test_where_a_stream_is_cut_into_pieces_does_not_change_what_it_says(kind, cuts):
    whole = STREAMS[kind]
    places = sorted({0, len(whole), *(cut % len(whole) for cut in cuts)})
    pieces = [whole[a:b] for a, b in itertools.pairwise(places)]
    told, wrong = read(kind, *pieces)
    assert wrong is None
    assert (told.chunks, told.tokens) == {"lines": (3, None), "sse": (2, None), "openai": (2, 2)}[
        kind
    ]
    assert len(told.gaps or []) == told.chunks - 1
    assert told.first_token + sum(told.gaps) <= len(pieces)


@given(st.sampled_from(sorted(READERS)), st.lists(st.binary()))
def test_whatever_comes_a_reader_never_raises(kind, pieces):
    told, _ = read(kind, *pieces)
    assert told.chunks >= 0
