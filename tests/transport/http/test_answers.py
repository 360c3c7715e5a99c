"""Answers of every form, good and bad, on both event loops."""

from __future__ import annotations

import asyncio
import math
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.errors import ConfigError
from asyncload.transport.http.client import FastHttpClient
from asyncload.transport.http.http_errors import ConnectionClosed, ProtocolError, RequestTimeout
from asyncload.transport.http.pool import Timeouts
from asyncload.transport.http.response import final_head, head_length, parse_headers
from tests.transport.servers import OK, answering, nothing_left_open, reset, serve

pytestmark = [pytest.mark.every_python, pytest.mark.slow]

SOON = Timeouts(connect=5, first_byte=0.2, total=0.5)


def fetch(run, handler, method="POST", body=b"job", timeouts=None, times=1):
    """Send ``times`` requests one after the other; return the answers and the server."""

    async def main():
        async with serve(handler) as server, FastHttpClient() as client:
            prepared = client.prepare(method, server.url)
            found = [await client.send(prepared, body, timeouts=timeouts) for _ in range(times)]
            return found, server

    return run(main())


def failure(run, handler, error, method="POST", body=b"job", timeouts=None):
    """Send a request that must fail with ``error``, and leave no descriptor behind."""

    async def main():
        async with nothing_left_open(), serve(handler) as server, FastHttpClient() as client:
            prepared = client.prepare(method, server.url)
            with pytest.raises(error) as caught:
                await client.send(prepared, body, timeouts=timeouts)
            assert f"127.0.0.1:{server.port}" in str(caught.value)
            assert prepared.pool.connections <= 1
            return caught.value

    found = run(main())
    assert found.timing is not None
    assert found.timing.end >= found.timing.queued
    return found


def test_a_connection_is_used_again_after_a_complete_answer(run):
    answers, server = fetch(run, answering(OK), times=5)
    assert [a.body for a in answers] == [b"hi"] * 5
    assert server.connections == 1
    assert server.bodies == [b"job"] * 5


def test_an_answer_carries_status_reason_headers_sizes_and_times_in_order(run):
    raw = b"HTTP/1.1 404 Not Here\r\nX-A: 1\r\nx-a:  2 \r\nContent-Length: 3\r\n\r\nabc"
    (answer,), server = fetch(run, answering(raw))
    assert (answer.status, answer.reason, answer.body) == (404, "Not Here", b"abc")
    assert answer.headers == {"x-a": "1, 2", "content-length": "3"}
    assert answer.bytes_in == 3
    assert answer.bytes_out == len(server.bodies[0]) == 3
    timing = answer.timing
    assert timing.queued <= timing.sent <= timing.first_byte <= timing.end


def test_a_chunked_answer_is_put_together_and_the_connection_kept(run):
    raw = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5;x=y\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nX-Trailer: t\r\n\r\n"
    )
    answers, server = fetch(run, answering(raw), times=2)
    assert [a.body for a in answers] == [b"hello world"] * 2
    assert server.connections == 1


def test_an_answer_without_a_length_ends_with_its_connection(run):
    raw = b"HTTP/1.1 200 OK\r\n\r\nto the end"
    answers, server = fetch(run, answering(raw, times=1), times=2)
    assert [a.body for a in answers] == [b"to the end"] * 2
    assert server.connections == 2


def test_an_http_1_0_answer_is_read_and_its_connection_not_used_again(run):
    raw = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    answers, server = fetch(run, answering(raw), times=2)
    assert [a.body for a in answers] == [b"hi"] * 2
    assert server.connections == 2


def test_connection_close_is_obeyed(run):
    raw = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
    answers, server = fetch(run, answering(raw), times=2)
    assert [a.status for a in answers] == [200, 200]
    assert server.connections == 2


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_204_and_304_have_no_body_and_keep_the_connection(run, status):
    answers, server = fetch(run, answering(b"HTTP/1.1 " + status + b"\r\n\r\n"), times=3)
    assert [a.body for a in answers] == [b""] * 3
    assert server.connections == 1


@pytest.mark.parametrize(
    ("headers", "connections"),
    [
        (b"Content-Length: 1000", 1),
        (b"Transfer-Encoding: chunked", 1),
        (b"X: y", 1),
        (b"Content-Length: 5\r\nConnection: close", 3),
    ],
)
def test_an_answer_to_head_ends_with_its_head(run, headers, connections):
    raw = b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n\r\n"
    answers, server = fetch(run, answering(raw), "HEAD", b"", times=3)
    assert [(a.status, a.body) for a in answers] == [(200, b"")] * 3
    assert server.connections == connections
    assert b"Content-Length" not in server.heads[0]


def test_answers_with_status_1xx_are_skipped(run):
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    answers, server = fetch(run, answering(early + OK), times=2)
    assert [(a.status, a.body, a.reason) for a in answers] == [(200, b"hi", "OK")] * 2
    assert "link" not in answers[0].headers
    assert server.connections == 1


def test_the_first_byte_is_that_of_the_final_answer_not_of_a_1xx(run):
    handler = answering(b"HTTP/1.1 100 Continue\r\n\r\n", OK, pause=0.2)
    (answer,), _ = fetch(run, handler)
    assert answer.timing.first_byte - answer.timing.sent >= 0.15


def test_a_1xx_does_not_count_as_a_beginning_of_the_answer(run):
    async def handler(server, reader, writer):
        await server.read(reader)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(10)

    error = failure(run, handler, RequestTimeout, timeouts=Timeouts(first_byte=0.2, total=5))
    assert error.phase == "first byte"
    assert error.timing.first_byte is None


def test_a_switch_of_protocols_is_an_error(run):
    raw = b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"
    failure(run, answering(raw), ProtocolError)


def test_an_answer_byte_by_byte_is_read(run):
    raw = b"HTTP/1.1 200 OK\r\nX-Name: value\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    parts = [raw[n : n + 1] for n in range(len(raw))]
    answers, server = fetch(run, answering(*parts), times=2)
    assert [a.body for a in answers] == [b"abc"] * 2
    assert answers[0].headers["x-name"] == "value"
    assert answers[0].bytes_in == 3, "the framing of chunks is not counted"
    assert server.connections == 1


def test_a_drip_for_ever_ends_at_the_total_limit(run):
    async def handler(server, reader, writer):
        await server.read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    error = failure(run, handler, RequestTimeout, timeouts=SOON)
    assert error.phase == "total"
    assert error.timing.first_byte is not None


def test_a_server_that_never_answers_is_given_up_at_the_first_byte_limit(run):
    async def handler(server, reader, writer):
        await server.read(reader)
        await asyncio.sleep(30)

    error = failure(run, handler, RequestTimeout, timeouts=SOON)
    assert error.phase == "first byte"
    assert error.timing.first_byte is None
    assert error.timing.end - error.timing.sent >= 0.2


def test_a_half_open_server_that_never_reads_is_given_up(run):
    async def handler(server, reader, writer):
        await asyncio.sleep(30)

    big = bytes(64 * 2**20)
    error = failure(run, handler, RequestTimeout, body=big, timeouts=SOON)
    assert error.phase == "total"


def test_a_close_before_the_answer_fails_and_is_not_sent_twice(run):
    seen = []

    async def handler(server, reader, writer):
        await server.read(reader)
        seen.append(1)

    failure(run, handler, ConnectionClosed)
    assert seen == [1]


@pytest.mark.parametrize(
    "part",
    [
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_a_close_in_the_middle_of_an_answer_fails(run, part):
    error = failure(run, answering(part, times=1), ConnectionClosed)
    assert "middle" in str(error)


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\n\r\nno length"])
def test_a_reset_fails_also_where_a_close_would_end_the_answer(run, part):
    async def handler(server, reader, writer):
        await server.read(reader)
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0.05)
        reset(writer)

    failure(run, handler, ConnectionClosed)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\xff\x13garbage\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"<html>not http</html>\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_garbage_is_a_protocol_error(run, raw):
    failure(run, answering(raw), ProtocolError)


@pytest.mark.parametrize("chunk", [512, 4096, 10**6])
def test_a_giant_head_is_refused_in_whatever_parts_it_comes(run, chunk):
    raw = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %b\r\n" % (n, b"v" * 90) for n in range(1000))
    raw += b"Content-Length: 0\r\n\r\n"
    parts = [raw[n : n + chunk] for n in range(0, len(raw), chunk)]
    failure(run, answering(*parts), ProtocolError)


def test_endless_1xx_answers_are_refused(run):
    failure(run, answering(*[b"HTTP/1.1 100 Continue\r\n\r\n" * 100] * 100), ProtocolError)


def test_a_large_body_in_the_same_read_as_a_small_head_is_no_giant_head(run):
    body = b"b" * 200_000
    raw = b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + body
    (answer,), _ = fetch(run, answering(raw))
    assert answer.body == body


@pytest.mark.parametrize("extra", [b"x", OK, b"HTTP/1.1 ", b"\x00"])
def test_bytes_beyond_the_content_length_cost_the_connection_not_the_answer(run, extra):
    answers, server = fetch(run, answering(OK + extra), times=3)
    assert [a.body for a in answers] == [b"hi"] * 3
    assert server.connections == 3


def test_bytes_that_come_later_cost_the_idle_connection(run):
    async def main():
        async with (
            serve(answering(OK, b"surprise", pause=0.05)) as server,
            FastHttpClient() as client,
        ):
            prepared = client.prepare("GET", server.url)
            await client.send(prepared)
            await asyncio.sleep(0.3)
            assert prepared.pool.connections == 0
            return (await client.send(prepared)).body

    assert run(main()) == b"hi"


def test_a_large_answer_arrives_whole(run):
    body = os.urandom(1000) * 20_000
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    (answer,), _ = fetch(run, answering(raw))
    assert answer.body == body
    assert answer.bytes_in == len(body)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_large_body_arrives_whole_and_the_connection_is_kept(run, kind):
    body = os.urandom(1000) * 10_000
    answers, server = fetch(run, answering(OK), body=kind(body), times=2)
    assert server.bodies == [body, body]
    assert server.connections == 1
    assert answers[0].bytes_out == len(body)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_small_body_of_any_kind_arrives(run, kind):
    assert fetch(run, answering(OK), body=kind(b"abc"))[1].bodies == [b"abc"]


@pytest.mark.parametrize("size", [100_000, 8_000_000])
def test_an_early_refusal_is_read_though_the_connection_is_reset_behind_it(run, size):
    """The server closes with most of the body unread, so writing fails before anything is read."""

    async def handler(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\n"
        writer.write(head + b"big")
        await writer.drain()

    async def main():
        async with nothing_left_open(), serve(handler) as server, FastHttpClient() as client:
            prepared = client.prepare("POST", server.url)
            return [await client.send(prepared, bytes(size)) for _ in range(10)]

    assert {(answer.status, answer.body) for answer in run(main())} == {(413, b"big")}


def test_a_write_that_fails_leaves_no_connection_to_be_used_again(run):
    """What came before is an answer that would keep the connection."""

    async def main():
        async with serve(answering(OK)) as server, FastHttpClient() as client:
            prepared = client.prepare("POST", server.url)
            sending = asyncio.ensure_future(client.send(prepared, b"x"))
            while not prepared.pool._open:
                await asyncio.sleep(0)
            (connection,) = prepared.pool._open
            connection.transport.pause_reading()
            await asyncio.sleep(0.1)  # the answer lies unread
            connection.connection_lost(BrokenPipeError())
            connection.transport.abort()
            connection.connection_lost = lambda exc: None
            return (await sending).body, prepared.pool.connections

    assert run(main()) == (b"hi", 0)


def test_a_header_that_goes_on_in_the_next_line_is_read(run):
    raw = b"HTTP/1.1 200 OK\r\nX-A: a\r\n  b: c\r\n\td\r\nContent-Length: 2\r\n\r\nhi"
    (answer,), _ = fetch(run, answering(raw))
    assert answer.headers["x-a"] == "a b: c d"


def test_an_early_refusal_ends_the_upload_and_the_connection(run):
    async def handler(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.sleep(0.5)

    async def main():
        async with serve(handler) as server, FastHttpClient() as client:
            prepared = client.prepare("POST", server.url)
            answer = await client.send(prepared, bytes(64 * 2**20))
            assert answer.bytes_out < 64 * 2**20
            await asyncio.sleep(0.1)
            return answer.status, prepared.pool.connections

    assert run(main()) == (413, 0)


def test_no_limit_at_all_is_possible(run):
    none = Timeouts(math.inf, math.inf, math.inf)
    assert fetch(run, answering(OK), timeouts=none)[0][0].status == 200


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("GET", "ftp://host/", {}),
        ("GET", "http:///path", {}),
        ("GET", "http://host:99999/", {}),
        ("GE T", "http://host/", {}),
        ("GET\r\nX: y", "http://host/", {}),
        ("GET", "http://host/", {"X": "a\r\nY: b"}),
        ("GET", "http://host/", {"X Y": "a"}),
        ("GET", "http://host/", {"": "a"}),
        ("GET", "http://host/", {"Content-Length": "3"}),
        ("GET", "http://host/", {"Host": "a\r\nb"}),
    ],
)
def test_what_cannot_be_sent_is_refused_before_it_is_sent(method, url, headers):
    with pytest.raises(ConfigError):
        FastHttpClient().prepare(method, url, headers)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=30), st.text(max_size=30))
def test_a_target_is_always_one_line_of_ascii_without_blanks(path, query):
    try:
        prepared = FastHttpClient().prepare("GET", f"http://h/{path}?{query}")
    except ConfigError:
        return
    line = prepared.head.split(b"\r\n")[0]
    assert line.isascii()
    assert line.count(b" ") == 2
    assert all(c > 32 for c in prepared.target.encode())


_names = st.text("abcXYZ-_09", min_size=1, max_size=9).map(lambda s: "X-" + s)
_values = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)


@given(st.lists(st.tuples(_names, _values), max_size=8), st.integers(0, 3), st.binary(max_size=40))
def test_headers_are_found_whatever_stands_before_and_after_them(pairs, early, body):
    head = "\r\n".join(["HTTP/1.1 200 OK", *(f"{n}: {v}" for n, v in pairs)]).encode()
    skipped = b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" * early
    raw = skipped + head + b"\r\n\r\n" + body
    assert final_head(raw) == head
    assert head_length(raw) == len(skipped) + len(head)
    expected: dict[str, list[str]] = {}
    for name, value in pairs:
        expected.setdefault(name.lower(), []).append(value)
    assert parse_headers(head) == {name: ", ".join(found) for name, found in expected.items()}
