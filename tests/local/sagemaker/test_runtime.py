"""The simulated SageMaker endpoints: who may invoke them, how many they take, what they say."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from unittest import mock

import anyio
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from asyncload.local.sagemaker.runtime import Answer, SageMakerRuntime
from asyncload.local.sagemaker.signatures import Refused, Request, Verifier
from asyncload.local.settings import LocalSettings, SageMakerSettings, ServiceTime
from asyncload.plan.duration import Duration
from asyncload.testing import VirtualTimeLoop
from asyncload.transport.aws.session import Aws

pytestmark = pytest.mark.slow

NOW = 1_800_000_000
REGION = "us-west-2"
KEYS = ("test", "test")

# -- signatures: botocore signs, the verifier works it out from what arrived -----------------


def signed(
    url="http://127.0.0.1:80/endpoints/centerpoint/invocations",
    headers=None,
    body=b"{}",
    keys=KEYS,
    at=NOW,
    region=REGION,
    service="sagemaker",
    method="POST",
):
    """A request as it arrives that botocore has signed."""
    request = botocore.awsrequest.AWSRequest(method, url, headers or {}, body)
    moment = dt.datetime.fromtimestamp(at, dt.UTC).replace(tzinfo=None)
    signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(*keys), service, region)
    with mock.patch("botocore.auth.get_current_datetime", return_value=moment):
        signer.add_auth(request)
    prepared = request.prepare()
    host, _, rest = prepared.url.removeprefix("http://").partition("/")
    path, _, query = rest.partition("?")
    return Request(
        method=method,
        path=f"/{path}",
        query=query,
        headers={
            "host": host.removesuffix(":80"),
            **{name.lower(): _text(value) for name, value in prepared.headers.items()},
        },
        body=body,
    )


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def verdict(request, now=NOW):
    verifier = Verifier(access_key="test", secret_key="test", region=REGION, service="sagemaker")
    try:
        verifier.check(request, now)
    except Refused as refusal:
        return refusal.code if refusal.status == 403 else f"HTTP {refusal.status}"
    return None


names = st.from_regex(r"x-[a-z]{1,8}", fullmatch=True)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@settings(deadline=None, max_examples=200)
@given(
    path=st.text("abz019-_.~%2F /", max_size=20),
    query=st.sampled_from(["", "a=1", "b=2&a=1", "a=&a=2"]),
    headers=st.dictionaries(names, values, max_size=3),
    body=st.binary(max_size=40),
    token=st.none() | st.just("a-session-token"),
    later=st.integers(-300, 300),
)
def test_what_botocore_signs_is_accepted_and_nothing_of_it_can_be_changed(
    path, query, headers, body, token, later
):
    url = f"http://127.0.0.1/{path.replace(' ', '%20')}" + (f"?{query}" if query else "")
    request = signed(url, headers, body, (*KEYS, token))
    assert verdict(request, NOW + later) is None
    assert verdict(replace(request, body=body + b"!")) == "InvalidSignatureException"
    assert verdict(replace(request, path=request.path + "x")) == "InvalidSignatureException"
    assert verdict(replace(request, method="PUT")) == "InvalidSignatureException"
    for name in headers:
        forged = {**request.headers, name: request.headers[name] + "!"}
        assert verdict(replace(request, headers=forged)) == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (signed(keys=("test", "wrong")), "InvalidSignatureException"),
        (signed(keys=("wrong", "test")), "UnrecognizedClientException"),
        (signed(region="eu-central-1"), "InvalidSignatureException"),
        (signed(service="sqs"), "InvalidSignatureException"),
        (signed(at=NOW - 301), "InvalidSignatureException"),
        (signed(at=NOW + 301), "InvalidSignatureException"),
    ],
    ids=["secret", "key", "region", "service", "too early", "too late"],
)
def test_a_request_that_is_not_signed_as_it_must_be_is_refused(request_, code):
    assert verdict(request_) == code


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("authorization", lambda _: None, "MissingAuthenticationTokenException"),
        ("authorization", lambda _: "Bearer abc", "IncompleteSignatureException"),
        (
            "authorization",
            lambda v: v.replace("Signature=", "Sig="),
            "IncompleteSignatureException",
        ),
        ("authorization", lambda v: v.replace("host;", ""), "InvalidSignatureException"),
        ("authorization", lambda v: v.replace("=host", "=a;host"), "InvalidSignatureException"),
        ("x-amz-date", lambda _: "yesterday", "InvalidSignatureException"),
        ("x-amz-date", lambda _: None, "InvalidSignatureException"),
        ("x-amz-extra", lambda _: "not signed", "InvalidSignatureException"),
        ("x-amz-content-sha256", lambda _: "0" * 64, "InvalidSignatureException"),
    ],
)
def test_a_head_that_was_tampered_with_is_refused(name, change, code):
    request = signed()
    headers = dict(request.headers)
    value = change(headers.pop(name, ""))
    if value is not None:
        headers[name] = value
    assert verdict(replace(request, headers=headers)) == code


# -- capacity and answers, on virtual time ---------------------------------------------------


def virtually(main):
    return anyio.run(main, backend_options={"loop_factory": VirtualTimeLoop})


def runtime(seed=0, **sagemaker):
    given = {"service_time": ServiceTime(mean=Duration(0.05), distribution="constant"), **sagemaker}
    return SageMakerRuntime(
        LocalSettings(seed=seed, sagemaker=SageMakerSettings(**given)),
        region=REGION,
        account_id="000000000000",
        clock=lambda: NOW,
    )


def invocation(endpoint="centerpoint", action="invocations", body=b"{}", **headers):
    url = f"http://127.0.0.1/endpoints/{endpoint}/{action}"
    return signed(url, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def test_an_endpoint_takes_workers_by_service_time_and_no_more():
    async def main():
        service = runtime(workers=4)
        loop, ends = asyncio.get_running_loop(), []

        async def invoke(endpoint):
            answer = await service.answer(invocation(endpoint))
            assert answer.status == 200
            ends.append((endpoint, round(loop.time(), 3)))

        async with asyncio.TaskGroup() as tasks:
            for endpoint in ["centerpoint"] * 40 + ["aircraft"] * 4:
                tasks.create_task(invoke(endpoint))
        return ends

    ends = virtually(main)
    first = [end for endpoint, end in ends if endpoint == "centerpoint"]
    assert first == [round(0.05 * (1 + place // 4), 3) for place in range(40)]
    # Another endpoint has an instance of its own.
    assert [end for endpoint, end in ends if endpoint == "aircraft"] == [0.05] * 4


def test_an_answer_tells_what_arrived():
    async def main():
        return await runtime().answer(
            invocation(
                body=b"12345",
                content_type="image/png",
                x_amzn_sagemaker_target_model="a.tar.gz",
                x_amzn_sagemaker_session_id="s-1",
                x_amzn_sagemaker_custom_attributes="trace=1",
            )
        )

    answer = virtually(main)
    told = json.loads(answer.body)
    assert told == {
        "endpoint": "centerpoint",
        "variant": "AllTraffic",
        "model": "a.tar.gz",
        "inference_component": None,
        "session_id": "s-1",
        "content_type": "image/png",
        "bytes": 5,
        "service_time": 0.05,
    }
    assert answer.headers["x-amzn-invoked-production-variant"] == "AllTraffic"
    assert answer.headers["x-amzn-sagemaker-custom-attributes"] == "trace=1"


REFUSALS = {
    "no such endpoint": (
        invocation("nope"), 400, "ValidationError",
        "Endpoint nope of account 000000000000 not found.",
    ),
    "not in service": (
        invocation("ships"), 400, "ValidationError",
        "Endpoint ships of account 000000000000 not found.",
    ),
    "no such variant": (
        invocation(x_amzn_sagemaker_target_variant="blue"), 400, "ValidationError",
        "Could not find variant blue.",
    ),
    "too large": (
        invocation(body=b"x" * 6_291_457), 413, "ValidationError",
        "Request 6291457 exceeds limit 6291456 bytes.",
    ),
    "no such operation": (
        invocation(action="explanations"), 404, "UnknownOperationException",
        "There is no such operation.",
    ),
    "not a POST": (
        signed(method="GET", body=b""), 404, "UnknownOperationException",
        "There is no such operation.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_sagemaker_refuses_is_refused_in_its_words(refusal):
    request, status, code, message = REFUSALS[refusal]
    answer = virtually(lambda: runtime().answer(request))
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (status, code)
    assert json.loads(answer.body)["Message"] == message


def test_the_model_fails_as_often_as_it_is_told_to_and_the_same_way_each_run():
    async def main():
        service = runtime(workers=1000, failure_rate=0.3, seed=5)
        answers = [await service.answer(invocation()) for _ in range(300)]
        return [answer.status for answer in answers]

    statuses = virtually(main)
    assert set(statuses) == {200, 424}
    assert 60 <= statuses.count(424) <= 120
    assert virtually(main) == statuses


async def listen(answer: Answer, begun: float):
    """The parts of a streamed answer, and when they came."""
    buffer, loop, parts = EventStreamBuffer(), asyncio.get_running_loop(), []
    async for part in answer.body:
        buffer.add_data(part)
        parts += [(m.headers, m.payload, round(loop.time() - begun, 3)) for m in buffer]
    return parts


def stream(**settings):
    async def main():
        service = runtime(**settings)
        request = invocation(
            action="invocations-response-stream", x_amzn_sagemaker_accept="text/event-stream"
        )
        begun = asyncio.get_running_loop().time()
        answer = await service.answer(request)
        assert answer.status == 200
        return await listen(answer, begun)

    return virtually(main)


def test_a_streamed_answer_comes_in_parts_at_an_even_pace_over_the_service_time():
    parts = stream(stream_parts=5)
    assert [moment for _, _, moment in parts] == [0.01, 0.02, 0.03, 0.04, 0.05]
    assert {headers[":event-type"] for headers, _, _ in parts} == {"PayloadPart"}
    told = b"".join(payload for _, payload, _ in parts)
    assert told.count(b"token") == 5 + 1  # and how many there were
    assert told.endswith(b'{"completion_tokens":5}}\n\ndata: [DONE]\n\n')


def test_a_model_that_fails_while_it_streams_breaks_the_stream_off():
    parts = stream(stream_parts=4, failure_rate=1)
    kinds = [headers.get(":exception-type", headers.get(":event-type")) for headers, _, _ in parts]
    assert kinds == ["PayloadPart", "ModelStreamError"]
    assert json.loads(parts[-1][1])["ErrorCode"] == "StreamBroken"


# -- the embedded stack itself ---------------------------------------------------------------


async def invoke(bench, keys, endpoint="centerpoint", region=None):
    stack = bench.stack
    async with Aws(
        endpoint_url=stack.endpoint_url, region=region or stack.region, credentials=keys
    ) as aws:
        client = await aws.client("sagemaker-runtime")
        answer = await client.invoke_endpoint(EndpointName=endpoint, Body=b"12345")
        streamed = await client.invoke_endpoint_with_response_stream(
            EndpointName=endpoint, Body=b"12345"
        )
        lines = b"".join([event["PayloadPart"]["Bytes"] async for event in streamed["Body"]])
        return json.loads(await answer["Body"].read()), lines.splitlines()


@pytest.mark.anyio
async def test_the_sdk_invokes_an_endpoint_of_the_stack(bench):
    told, lines = await invoke(bench, KEYS)
    assert (told["endpoint"], told["bytes"]) == ("centerpoint", 5)
    assert [json.loads(line) for line in lines] == [{"part": n, "of": 10} for n in range(1, 11)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("keys", "more", "code"),
    [
        (("test", "wrong"), {}, "InvalidSignatureException"),
        (("wrong", "test"), {}, "UnrecognizedClientException"),
        (KEYS, {"region": "us-east-1"}, "InvalidSignatureException"),
        (KEYS, {"endpoint": "nope"}, "ValidationError"),
    ],
)
async def test_the_stack_refuses_as_aws_does(bench, keys, more, code):
    with pytest.raises(ClientError) as caught:
        await invoke(bench, keys, **more)
    assert caught.value.response["Error"]["Code"] == code
