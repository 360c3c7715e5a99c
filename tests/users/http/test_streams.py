"""Streamed answers, from a config and from a class, against a real server."""

from __future__ import annotations

import pytest

from asyncload import User, constant, task
from tests.users.http.http_app import http, model_server, run

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
EITHER = pytest.mark.parametrize("client", ["fast", "aiohttp"])


async def streamed(tmp_path, query, kind, *, client="fast", **options):
    """Records of requests for a stream."""
    request = {"name": "chat", "path": f"/stream?{query}", "stream": kind}
    async with model_server() as server:
        user = http(server.url, [request], client=client, **options)
        return await run(user, tmp_path, level=20, duration=0.3)


@EITHER
@pytest.mark.parametrize("kind", ["sse", "openai", "lines"])
async def test_chunks_are_counted_and_timed(kind, client, tmp_path):
    records = await streamed(tmp_path, f"kind={kind}&n=5&pause=10", kind, client=client)
    assert len(records) == 6
    for one in records:
        assert (one.outcome, one.status, one.error) == ("ok", 200, None)
        stream = one.stream
        assert stream.chunks == 5
        assert stream.tokens == (5 if kind == "openai" else None)
        assert one.start < one.first_byte < stream.first_token < one.end
        assert stream.first_token - one.first_byte > 0.008
        assert len(stream.gaps) == 4
        assert all(gap > 0.004 for gap in stream.gaps)
        assert stream.first_token + sum(stream.gaps) <= one.end + 1e-4


async def test_pieces_of_any_body_may_be_timed(tmp_path):
    records = await streamed(tmp_path, "kind=lines&n=3&pause=10", "chunks")
    assert {(one.outcome, one.stream.chunks) for one in records} == {("ok", 3)}


async def test_the_services_own_count_of_tokens_wins(tmp_path):
    records = await streamed(tmp_path, "kind=openai&n=4&usage=11", "openai")
    assert {(one.stream.chunks, one.stream.tokens) for one in records} == {(4, 11)}


@EITHER
@pytest.mark.parametrize("kind", ["sse", "openai", "lines"])
async def test_a_stream_that_is_cut_in_the_middle_is_a_failed_request(kind, client, tmp_path):
    records = await streamed(tmp_path, f"kind={kind}&n=5&pause=10&cut=3", kind, client=client)
    for one in records:
        assert (one.outcome, one.stream.chunks) == ("failed", 3)
        assert " closed the connection" in one.error
        assert one.start < one.first_byte < one.stream.first_token < one.end


@pytest.mark.parametrize(
    ("query", "kind", "reason"),
    [
        ("kind=openai&without=1", "openai", "the stream ended without data: [DONE]"),
        ("kind=sse&without=1", "sse", "the stream ended in the middle of an event"),
        ("kind=openai&n=5&error=2", "openai", "the stream says: out of memory"),
        ("kind=sse&n=0", "sse", "the answer holds no event"),
        ("kind=sse&n=2", "openai", "the stream has an event that is no completion"),
    ],
)
async def test_a_stream_that_is_not_whole_is_a_failed_request(query, kind, reason, tmp_path):
    records = await streamed(tmp_path, query, kind)
    assert {(one.outcome, one.status, one.error) for one in records} == {("failed", 200, reason)}


@EITHER
async def test_a_stream_that_stalls_is_a_timeout_of_its_own(client, tmp_path):
    records = await streamed(
        tmp_path, "kind=openai&n=5&stall=2", "openai", client=client, idle_timeout="200ms"
    )
    for one in records:
        assert (one.outcome, one.stream.chunks) == ("timeout", 2)
        assert one.end - one.start < 3
        assert one.error.endswith(" did not go on with its answer within 0.2 s (idle_timeout)")


@EITHER
async def test_an_answer_that_does_not_begin_in_time_is_a_timeout(client, tmp_path):
    request = {"name": "slow", "path": "/slow", "stream": "sse"}
    async with model_server() as server:
        user = http(server.url, [request], client=client, first_byte_timeout="150ms")
        records = await run(user, tmp_path, level=10, duration=0.2)
    assert {(one.outcome, one.stream.chunks) for one in records} == {("timeout", 0)}
    assert all(one.end - one.start < 3 for one in records)


async def test_a_status_that_is_not_expected_says_more_than_the_missing_stream(tmp_path):
    request = {"path": "/broken", "stream": "openai"}
    async with model_server() as server:
        records = await run(http(server.url, [request]), tmp_path, duration=0.2)
    assert {one.error for one in records} == {"HTTP 503 Service Unavailable: no model"}


async def test_a_user_class_may_read_streams_too(tmp_path):
    class Chatter(User):
        wait = constant(0.01)
        url = ""

        @task()
        async def chat(self) -> None:
            answer = await self.http.get(f"{self.url}/stream?kind=openai&n=3", stream="openai")
            assert answer.body.endswith(b"[DONE]\n\n")
            await self.http.get(
                f"{self.url}/stream?kind=openai&without=1", stream="openai", name="cut"
            )
            await self.http.get(f"{self.url}/plain", name="plain")

    async with model_server() as server:
        Chatter.url = server.url
        records = await run(Chatter, tmp_path, level=2, model="closed", duration=0.3)
    by_name = {one.name: one for one in records}
    assert (by_name["GET /stream"].outcome, by_name["GET /stream"].stream.tokens) == ("ok", 3)
    assert by_name["cut"].error == "the stream ended without data: [DONE]"
    assert by_name["plain"].stream is None
