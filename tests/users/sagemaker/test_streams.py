"""Streamed answers of SageMaker's endpoints: every chunk is timed, and what breaks off has failed."""

from __future__ import annotations

import pytest
from aiohttp import web

from asyncload.local.sagemaker import event_stream
from asyncload.local.settings import ServiceTime
from asyncload.plan.duration import Duration
from asyncload.users.http.streaming import LineReader
from asyncload.users.sagemaker.streaming import PartReader
from tests.users.sagemaker.sagemaker_app import endpoints, outcomes, run

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
PARTS = 8
PACE = 0.01
EVENT_STREAM = {"Content-Type": "application/vnd.amazon.eventstream"}


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


@pytest.fixture
async def service():
    service_time = ServiceTime(mean=Duration(PARTS * PACE), distribution="constant")
    async with endpoints(service_time=service_time, stream_parts=PARTS) as service:
        yield service


@pytest.mark.parametrize(
    ("stream", "accept", "chunks", "tokens"),
    [
        ("chunks", None, PARTS, None),
        ("lines", "application/jsonlines", PARTS, None),
        ("sse", "text/event-stream", PARTS + 1, None),  # how many tokens
        ("openai", "text/event-stream", PARTS, PARTS),
    ],
)
async def test_chunks_of_every_kind_are_read_out_of_the_event_stream(
    service, stream, accept, chunks, tokens, tmp_path
):
    records = await run(
        service.url, tmp_path, json={"stream": True}, stream=stream, accept=accept, level=20
    )
    assert outcomes(records) == {("ok", None)}
    assert {one.name for one in records} == {"sagemaker-runtime.InvokeEndpointWithResponseStream"}
    assert {(one.stream.chunks, one.stream.tokens) for one in records} == {(chunks, tokens)}
    for one in records:
        assert one.due <= one.start < one.first_byte <= one.stream.first_token <= one.end
        assert len(one.stream.gaps) == chunks - 1
        # The last part cannot come before the work is done.
        assert one.end - one.start > PARTS * PACE * 0.99
    request = service.requests[0]
    assert request.path == "/endpoints/centerpoint/invocations-response-stream"
    assert request.headers["content-type"] == "application/json"
    assert request.headers.get("x-amzn-sagemaker-accept") == accept


async def test_what_the_model_sent_is_held_against_what_is_expected(service, tmp_path):
    for text, outcome in (
        ('"part":8', {("ok", None)}),
        ('"part":9', {("failed", "the body does not contain '\"part\":9'")}),
    ):
        records = await run(
            service.url,
            tmp_path,
            body="x",
            stream="lines",
            expect={"body_contains": text},
            level=10,
            name=text[-1],
        )
        assert outcomes(records) == outcome


async def test_a_model_that_fails_while_it_streams_is_told_in_sagemakers_words(tmp_path):
    async with endpoints(failure_rate=1, stream_parts=4) as service:
        records = await run(service.url, tmp_path, body="x", stream="lines", level=10)
    assert outcomes(records) == {
        ("failed", "ModelStreamError (StreamBroken): The model failed while it streamed.")
    }
    assert {one.stream.chunks for one in records} == {1}, "what came before it is kept"


async def test_an_answer_that_ends_within_a_part_has_failed(service, tmp_path):
    part = len(event_stream.event("PayloadPart", b'{"part":1,"of":8}\n'))
    service.break_off_after = 2 * part + 5
    records = await run(service.url, tmp_path, body="x", stream="lines", level=10)
    assert outcomes(records) == {("failed", "the answer ended in the middle of a part")}
    assert {one.stream.chunks for one in records} == {2}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            b"<html>a proxy</html>",
            (
                "the answer is no event stream: "
                "the checksum of a message's first bytes is wrong"
            ),
        ),
        (b"too short", "the answer ended in the middle of a part"),
        (
            event_stream.message(
                b"", message_type="error", error_code="Overloaded", error_message="too much"
            ),
            "Overloaded: too much",
        ),
        (
            event_stream.exception("InternalStreamFailure", b'{"Message": "ours"}'),
            "InternalStreamFailure: ours",
        ),
        (event_stream.exception("InternalStreamFailure", b"no JSON"), "InternalStreamFailure: no JSON"),
        (event_stream.event("PayloadPart", b"data: 1\n\n"), "the stream ended without data: [DONE]"),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_an_answer_is_its_reason(service, body, reason, tmp_path):
    service.answers = [web.Response(body=body, headers=EVENT_STREAM)]
    if b"data: 1" in body:
        chunk = b'data: {"choices": [{"text": "a"}]}\n\n'
        service.answers = [
            web.Response(body=event_stream.event("PayloadPart", chunk), headers=EVENT_STREAM)
        ]
    records = await run(service.url, tmp_path, body="x", stream="openai", level=10, duration=0.1)
    assert outcomes(records) == {("failed", reason)}


async def test_an_error_before_the_stream_is_told_as_any_other(service, tmp_path):
    records = await run(service.url, tmp_path, endpoint="nope", body="x", stream="openai", level=10)
    assert outcomes(records) == {
        ("failed", "ValidationError: Endpoint nope of account 000000000000 not found.")
    }
    assert {one.status for one in records} == {400}


async def test_a_stream_that_stalls_times_out(tmp_path):
    slow = ServiceTime(mean=Duration(60), distribution="constant")
    async with endpoints(service_time=slow, stream_parts=600) as service:  # one each 100 ms
        records = await run(
            service.url,
            tmp_path,
            body="x",
            stream="lines",
            level=10,
            duration=0.1,
            idle_timeout="50ms",
        )
    assert {one.outcome for one in records} == {"timeout"}
    assert all(
        "did not go on with its answer within 0.05 s (idle_timeout)" in one.error for one in records
    )
    assert all(0 < one.stream.chunks < 600 for one in records)


def test_what_comes_after_an_error_of_the_stream_is_not_read():
    reader = PartReader(LineReader())
    part = event_stream.event("PayloadPart", b"one\n")
    reader.feed(part + event_stream.exception("ModelStreamError", b"{}") + part, 1.0)
    reader.feed(part, 2.0)
    assert reader.end() == "ModelStreamError:"
    assert reader.snapshot().chunks == 1
    assert reader.payload == b"one\n"
