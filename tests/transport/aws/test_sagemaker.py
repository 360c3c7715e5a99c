"""InvokeEndpoint: what both backends put on the wire, and how they read errors."""

from __future__ import annotations

import json

import pytest

from asyncload.transport.aws.sagemaker import invocation, runtime
from asyncload.transport.aws.session import Aws
from asyncload.transport.http.client import HttpClient
from tests.transport.servers import serve

pytestmark = pytest.mark.slow

HEADERS = {
    "content_type": "image/tiff",
    "accept": "application/geo+json",
    "variant": "blue",
    "target_model": "m.tar.gz",
    "inference_component": "part",
    "custom_attributes": "a=1",
    "session_id": "s-1",
}
IN_THE_SDK = {
    "ContentType": "image/tiff",
    "Accept": "application/geo+json",
    "TargetVariant": "blue",
    "TargetModel": "m.tar.gz",
    "InferenceComponentName": "part",
    "CustomAttributes": "a=1",
    "SessionId": "s-1",
}
# Differ by design: who calls, when, and what follows from it.
BACKENDS_OWN = {
    "user-agent", "x-amz-date", "authorization", "amz-sdk-invocation-id", "amz-sdk-request",
    "accept-encoding", "x-amz-user-agent",
}  # fmt: skip


def at(url):
    return Aws(endpoint_url=url, region="us-west-2", credentials=("key", "secret"))


def answering(status, body):
    async def handler(server, reader, writer):
        while True:
            await server.read(reader)
            kind = b"X-Amzn-Errortype: ModelError\r\n" if status >= 400 else b""
            writer.write(
                b"HTTP/1.1 %d X\r\n%bContent-Length: %d\r\n\r\n%b" % (status, kind, len(body), body)
            )
            await writer.drain()

    return handler


def fields(head: bytes) -> tuple[bytes, dict[str, str]]:
    line, *rest = head.decode().strip().split("\r\n")
    pairs = (one.split(": ", 1) for one in rest)
    headers = {name.lower(): value for name, value in pairs}
    return line.encode(), {k: v for k, v in headers.items() if k not in BACKENDS_OWN}


def test_both_backends_send_the_same_request(run):
    async def main():
        async with (
            serve(answering(200, b'{"ok": 1}')) as server,
            at(server.url) as aws,
            HttpClient() as http,
        ):
            sdk = await aws.client("sagemaker-runtime")
            await sdk.invoke_endpoint(EndpointName="my-model", Body=b"\x00pixels", **IN_THE_SDK)
            invoke = invocation(await runtime(aws, http), "my-model", HEADERS)
            answer = await invoke(b"\x00pixels")
            assert answer.json() == {"ok": 1}
        slow, fast = map(fields, server.heads)
        assert slow == fast
        assert server.bodies == [b"\x00pixels"] * 2
        signed = [
            head.decode().split("SignedHeaders=")[1].split(",")[0].split(";")
            for head in server.heads
        ]
        assert set(signed[1]) <= {*signed[0], "host", "accept-encoding"}
        assert all("/us-west-2/sagemaker/aws4_request" in head.decode() for head in server.heads)

    run(main())


def test_both_backends_ask_for_a_streamed_answer_in_the_same_way(run):
    ours = {name: value for name, value in HEADERS.items() if name != "target_model"}
    in_the_sdk = {name: value for name, value in IN_THE_SDK.items() if name != "TargetModel"}

    async def main():
        async with (
            serve(answering(200, b"")) as server,
            at(server.url) as aws,
            HttpClient() as http,
        ):
            sdk = await aws.client("sagemaker-runtime")
            answer = await sdk.invoke_endpoint_with_response_stream(
                EndpointName="my-model", Body=b"\x00pixels", **in_the_sdk
            )
            answer["Body"].close()
            invoke = invocation(await runtime(aws, http), "my-model", ours, streamed=True)
            await invoke(b"\x00pixels")
        slow, fast = map(fields, server.heads)
        assert slow == fast
        assert slow[0].startswith(b"POST /endpoints/my-model/invocations-response-stream ")
        assert server.bodies == [b"\x00pixels"] * 2

    run(main())


def test_both_backends_raise_the_same_error(run):
    body = json.dumps({"Message": "the model broke", "OriginalStatusCode": 500}).encode()

    async def main():
        async with (
            serve(answering(424, body)) as server,
            at(server.url) as aws,
            HttpClient() as http,
        ):
            sdk = await aws.client("sagemaker-runtime")
            invoke = invocation(await runtime(aws, http), "my-model", {})
            problems = []
            for call in (
                sdk.invoke_endpoint(EndpointName="my-model", Body=b""),
                invoke(b""),
            ):
                with pytest.raises(sdk.exceptions.ModelError) as caught:
                    await call
                problems.append(caught.value)
        assert type(problems[0]) is type(problems[1])
        assert problems[0].response["Error"] == problems[1].response["Error"]

    run(main())
