"""Where calls go by the config, the environment and the profile, and which of them says so."""

from __future__ import annotations

import ssl

import pytest

from asyncload.config.model import AwsConfig
from asyncload.cost.preview import is_billed
from asyncload.errors import ConfigError, TargetError
from asyncload.transport.aws.fast_sqs import FastSqsQueue
from asyncload.transport.aws.session import Aws
from asyncload.transport.aws.sqs import SqsQueue
from asyncload.transport.http.client import FastHttpClient
from tests.transport.servers import answering, serve

KEYS = ("key", "secret")
URL = "http://sqs/0/jobs"


def told(aws, service="sqs"):
    endpoint = aws.endpoints.of(service)
    return None if endpoint is None else (endpoint.url, endpoint.source)


PROFILE = "[profile dev]\nregion = us-west-2\n"


@pytest.mark.parametrize(
    ("environment", "profile", "found"),
    [
        ({}, "", None),
        ({"AWS_ENDPOINT_URL": "http://a"}, "", ("http://a", "AWS_ENDPOINT_URL")),
        (
            {"AWS_ENDPOINT_URL_SQS": "http://q", "AWS_ENDPOINT_URL": "http://a"},
            "endpoint_url = http://p\n",
            ("http://q", "AWS_ENDPOINT_URL_SQS"),
        ),
        ({}, "endpoint_url = http://p\n", ("http://p", "endpoint_url of the profile 'dev'")),
        (
            {},
            "services = mine\n[services mine]\nsqs =\n  endpoint_url = http://s\n",
            ("http://s", "endpoint_url of the profile 'dev'"),
        ),
        (
            {"AWS_ENDPOINT_URL": "http://a", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "",
            None,
        ),
    ],
)
def test_what_the_config_leaves_open_is_found_as_botocore_does(
    aws_files, monkeypatch, environment, profile, found
):
    aws_files(PROFILE + profile)
    monkeypatch.setenv("AWS_PROFILE", "dev")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    aws = Aws()
    assert told(aws) == found
    assert aws.target_of("sqs") == (found[0] if found else "AWS in us-west-2")
    assert is_billed(AwsConfig()) is (found is None)
    assert told(Aws(endpoint_url="http://c")) == ("http://c", "aws.endpoint_url")
    mine = Aws(endpoint_url="http://c", endpoints={"sqs": "http://d"})
    assert told(mine) == ("http://d", "aws.endpoints.sqs")


def test_an_endpoint_that_is_not_a_url_is_named_with_its_setting(aws_files, monkeypatch):
    aws_files()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "localhost:9324")
    with pytest.raises(ConfigError) as caught:
        told(Aws())
    assert str(caught.value) == (
        "AWS_ENDPOINT_URL_SQS: 'localhost:9324' is not a URL; write it like http://localhost:9324"
    )


def test_a_run_notes_once_what_the_config_does_not_say(run, aws_files, monkeypatch):
    aws_files(keys="K")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://me:pw@localhost:9324")
    notes = []

    async def main():
        async with Aws(region="us-west-2", endpoints={"s3": "http://localhost:1"}) as aws:
            aws.note = lambda *what: notes.append(what)
            for service, retries in (("sqs", True), ("sqs", False), ("s3", False)):
                await aws.client(service, retries=retries)

    run(main())
    assert notes == [("info", "calls of sqs go to http://localhost:9324, by AWS_ENDPOINT_URL_SQS")]


ANSWER = b'{"QueueUrl": "http://sqs/0/jobs", "MessageId": "1", "Attributes": {"QueueArn": "a"}}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n"


@pytest.mark.parametrize("how", ["AWS_CA_BUNDLE", "ca_bundle"])
def test_both_backends_trust_the_ca_of_the_environment_or_profile(
    run, aws_files, monkeypatch, authority, authority_file, how
):
    aws_files(f"[default]\nca_bundle = {authority_file}\n" if how == "ca_bundle" else "", "K")
    if how == "AWS_CA_BUNDLE":
        monkeypatch.setenv(how, authority_file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def main():
        async with serve(answering(HEAD % len(ANSWER) + ANSWER), tls=context) as server:
            url = f"https://127.0.0.1:{server.port}"
            async with (
                Aws(endpoint_url=url, region="us-west-2") as aws,
                FastHttpClient() as http,
            ):
                found = await SqsQueue.find(aws, "jobs", "queue")
                return await found.send("a"), await (await FastSqsQueue.of(aws, http, URL)).send(
                    "b"
                )

    assert run(main()) == ("1", "1")


def test_a_certificate_that_is_not_trusted_is_told_with_the_variable_that_helps(
    run, aws_files, authority
):
    aws_files(keys="K")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def main():
        async with serve(answering(b""), tls=context) as server:
            url = f"https://127.0.0.1:{server.port}"
            async with Aws(endpoint_url=url, region="us-west-2") as aws:
                await SqsQueue.find(aws, "jobs", "queue")

    with pytest.raises(TargetError, match=r"name the CA's file in AWS_CA_BUNDLE$"):
        run(main())


def test_a_ca_bundle_that_is_not_there_is_named(run, aws_files, monkeypatch):
    aws_files(keys="K")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such.pem")

    async def main():
        async with Aws(region="us-west-2") as aws:
            await aws.client("sqs")

    with pytest.raises(ConfigError, match=r"^AWS_CA_BUNDLE, .*'/no/such.pem' does not exist"):
        run(main())


@pytest.mark.parametrize("payer", ["requester", ""])
def test_the_requester_pays_where_the_environment_says_so(run, aws_files, monkeypatch, payer):
    aws_files()
    monkeypatch.setenv("AWS_REQUEST_PAYER", payer)

    async def main():
        async with serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as server:
            async with Aws(endpoint_url=server.url, region="us-west-2", credentials=KEYS) as aws:
                await (await aws.client("s3")).head_bucket(Bucket="b")
            return server.heads[0].lower()

    assert (b"\r\nx-amz-request-payer: requester\r\n" in run(main())) is bool(payer)
