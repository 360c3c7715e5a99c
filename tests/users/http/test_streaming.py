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


def named(name, data):
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


ERROR = {"message": "out of memory", "type": "server_error"}
FAILURES = {
    "an event of that name": named("error", ERROR),
    "an event of that name without JSON": b"event: error\ndata: out of memory\n\n",
    "a key": f"data: {json.dumps({'error': ERROR})}\n\n".encode(),
    "a text under a key": b'data: {"error": "out of memory", "error_type": "generation"}\n\n',
    "an object": f"data: {json.dumps({'object': 'error', **ERROR, 'code': 40301})}\n\n".encode(),
    "a type": named("error", {"type": "error", "error": ERROR}),
    "a response": named("response.failed", {"type": "x", "response": {"error": ERROR}}),
}


@pytest.mark.parametrize("kind", ["sse", "openai", "chunks"])
@pytest.mark.parametrize("how", FAILURES)
def test_a_stream_that_reports_an_error_has_failed_however_it_says_so(kind, how):
    failure = FAILURES[how]
    if kind == "chunks" and how == "a response":
        return  # a piece of any body is no event of OpenAI's responses
    told, wrong = read(kind, event("a"), failure, event("b"), DONE)
    assert wrong == "the stream says: out of memory"
    if kind != "chunks":  # what comes behind the error is no output
        assert told.chunks == 1
        assert ended_by(kind, event("a"), failure) == [False, True]


@pytest.mark.parametrize("kind", ["lines", "chunks"])
@pytest.mark.parametrize(
    "line", ['{"error": "out of memory"}', '{"object": "error", "message": "out of memory"}']
)
def test_a_line_that_reports_an_error_fails_the_stream(kind, line):
    assert read(kind, b'{"n": 1}\n', line.encode() + b"\n")[1] == "the stream says: out of memory"


@pytest.mark.parametrize("kind", ["lines", "sse", "openai", "chunks"])
@pytest.mark.parametrize(
    "document", [{"error": None}, {"error": {}}, {"a": {"error": "x"}}, {"text": '"error"'}, []]
)
def test_what_only_mentions_an_error_is_none(kind, document):
    if kind == "openai" and document == []:
        return  # that is no completion
    line = json.dumps(document).encode()
    piece = line + b"\n" if kind in {"lines", "chunks"} else b"data: " + line + b"\n\n"
    assert read(kind, piece, *([DONE] if kind == "openai" else []))[1] is None


def ended_by(kind, *pieces):
    """Whether the answer is complete for the reader after each piece."""
    reader = READERS[kind]()
    return [bool(reader.feed(piece, 0.0)) for piece in pieces]


@pytest.mark.parametrize("kind", ["sse", "openai"])
def test_a_stream_is_complete_at_its_last_event_though_the_body_stays_open(kind):
    assert ended_by(kind, event("a"), DONE[:6], DONE[6:]) == [False, False, True]
    told, wrong = read(kind, event("a"), DONE, b"data: late\n\n")
    assert (told.chunks, wrong) == (1, None)


ANTHROPIC = [
    named("message_start", {"type": "message_start"}),
    named("content_block_start", {"type": "content_block_start"}),
    named("content_block_delta", {"delta": {"type": "text_delta", "text": "Hi"}}),
    named("ping", {"type": "ping"}),
    named("content_block_delta", {"delta": {"type": "text_delta", "text": "!"}}),
    named("content_block_stop", {"type": "content_block_stop"}),
    named("message_delta", {"usage": {"output_tokens": 2}}),
    named("message_stop", {"type": "message_stop"}),
]
RESPONSES = [
    named("response.created", {"type": "response.created"}),
    named("response.output_text.delta", {"delta": "Hi"}),
    named("response.output_text.delta", {"delta": "!"}),
    named("response.output_text.done", {"text": "Hi!"}),
    named("response.completed", {"response": {"usage": {"output_tokens": 2}}}),
]


@pytest.mark.parametrize("pieces", [ANTHROPIC, RESPONSES], ids=["messages", "responses"])
def test_events_that_only_say_how_the_answer_goes_on_are_no_chunks(pieces):
    told, wrong = read("sse", *pieces)
    assert (told.chunks, wrong) == (2, None)
    assert told.first_token == next(n for n, piece in enumerate(pieces) if b"Hi" in piece)
    assert ended_by("sse", *pieces) == [False] * (len(pieces) - 1) + [True]
    _, cut = read("sse", *pieces[:-1])
    assert cut.startswith("the stream ended without ")


def test_what_stands_in_place_of_a_stream_is_kept_for_its_reason():
    reader = READERS["openai"]()
    reader.feed(b'{"error": {"mess', 0.0)
    reader.feed(b'age": "too long"}}', 0.0)
    assert reader.end() == "the answer holds no event"
    assert json.loads(reader.unread) == {"error": {"message": "too long"}}


@pytest.mark.parametrize("name", ["refusal", "function_call"])
def test_refusals_and_calls_of_functions_are_content(name):
    body = {"choices": [{"delta": {name: {"arguments": "{"}}}]}
    assert read("openai", f"data: {json.dumps(body)}\n\n".encode(), DONE)[0].chunks == 1


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
