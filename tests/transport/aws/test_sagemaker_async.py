"""InvokeEndpointAsync: what both backends put on the wire, and how they read errors."""

from __future__ import annotations

import json

import pytest

from asyncload.records.record import Request
from asyncload.transport.aws.sagemaker import FastAsyncEndpoint
from asyncload.transport.http.client import HttpClient
from asyncload.transport.measure import CURRENT, Recorder
from tests.transport.aws.test_sagemaker import answering, at, fields
from tests.transport.servers import serve

HEADERS = {
    "content_type": "image/tiff",
    "accept": "application/geo+json",
    "custom_attributes": "a=1  b=2",
    "request_ttl": 600,
    "invocation_timeout": 30,
}
IN_THE_SDK = {
    "ContentType": "image/tiff",
    "Accept": "application/geo+json",
    "CustomAttributes": "a=1  b=2",
    "RequestTTLSeconds": 600,
    "InvocationTimeoutSeconds": 30,
}
ACCEPTED = b'{"InferenceId":"x"}'
LOCATIONS = ["s3://inputs/scene.tif", "s3://inputs/two  blanks & a+b=c?.tif"]


@pytest.mark.parametrize(("headers", "in_the_sdk"), [(HEADERS, IN_THE_SDK), ({}, {})])
def test_both_backends_send_the_same_requests(run, headers, in_the_sdk):
    async def main():
        async with (
            serve(answering(202, ACCEPTED)) as server,
            at(server.url) as aws,
            HttpClient() as http,
        ):
            sdk = await aws.client("sagemaker-runtime")
            endpoint = await FastAsyncEndpoint.of(aws, http, "my-model", **headers)
            for number, location in enumerate(LOCATIONS):
                await sdk.invoke_endpoint_async(
                    EndpointName="my-model",
                    InferenceId=f"{number:032x}",
                    InputLocation=location,
                    **in_the_sdk,
                )
                await endpoint.invoke(f"{number:032x}", location)
        heads = [fields(head) for head in server.heads]
        for slow, fast in zip(heads[::2], heads[1::2], strict=True):
            assert slow == fast
        assert heads[0] != heads[2]
        assert server.bodies == [b""] * 4
        signed = [
            set(head.decode().split("SignedHeaders=")[1].split(",")[0].split(";"))
            for head in server.heads
        ]
        assert all(one >= {"x-amzn-sagemaker-inference-id"} for one in signed)
        assert signed[1] <= signed[0] | {"host", "accept-encoding"}

    run(main())


def test_calls_and_refusals_are_recorded_as_the_sdk_records_them(run):
    body = json.dumps({"Message": "Endpoint my-model not found."}).encode()

    async def main():
        written: list[Request] = []

        class Sink:
            write = staticmethod(written.append)

        async with (
            serve(answering(400, body)) as server,
            at(server.url) as aws,
            HttpClient() as http,
        ):
            sdk = await aws.client("sagemaker-runtime")
            endpoint = await FastAsyncEndpoint.of(aws, http, "my-model")
            CURRENT.set(Recorder(Sink(), http.clock, "s", 0))
            problems = []
            for call in (
                sdk.invoke_endpoint_async(
                    EndpointName="my-model", InferenceId="i", InputLocation="s3://a/b"
                ),
                endpoint.invoke("i", "s3://a/b"),
            ):
                with pytest.raises(sdk.exceptions.ClientError) as caught:
                    await call
                problems.append(caught.value)
        assert problems[0].response["Error"] == problems[1].response["Error"]
        slow, fast = written
        assert slow.name == fast.name == "sagemaker-runtime.InvokeEndpointAsync"
        assert (slow.outcome, slow.status, slow.error) == (fast.outcome, fast.status, fast.error)

    run(main())
