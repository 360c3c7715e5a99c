"""Credentials that cannot be had, expire, or are written anew: told in a sentence, and mended."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
import time
from email.utils import formatdate

import pytest

from asyncload.errors import TargetError
from asyncload.transport.aws import credentials
from asyncload.transport.aws.credentials import CredentialProvider
from asyncload.transport.aws.fast_sqs import FastSqsQueue
from asyncload.transport.aws.session import Aws
from asyncload.transport.aws.sqs import SqsQueue
from asyncload.transport.http.client import FastHttpClient
from tests.transport.servers import serve

ROLE = "role_arn = arn:aws:iam::1:role/x\n"
BASE = "[profile base]\naws_access_key_id = a\naws_secret_access_key = b\n"
PROFILES = {
    "sso": (
        "sso_start_url = https://x\nsso_region = us-west-2\nsso_account_id = 1\nsso_role_name = r\n",
        "log in anew with 'aws sso login'",
    ),
    "a process that fails": (
        "credential_process = sh -c 'echo run: corp login >&2; exit 1'\n",
        "run: corp login; mend credential_process",
    ),
    "a process without JSON": ("credential_process = echo hello\n", "that is not JSON"),
    "no process": ("credential_process = /no/such/thing\n", "check credential_process"),
    "MFA": (f"{ROLE}source_profile = base\nmfa_serial = m\n{BASE}", "there is no terminal to ask"),
    "web identity": (f"{ROLE}web_identity_token_file = /no/token\n", "/no/token"),
    "no source": (f"{ROLE}source_profile = nobody\n", "mend the profile"),
}


@pytest.mark.parametrize("profile", PROFILES)
def test_credentials_that_cannot_be_had_are_one_sentence_for_every_kind_of_user(
    run, aws_files, monkeypatch, capfd, profile
):
    text, words = PROFILES[profile]
    aws_files(f"[default]\n{text}")
    monkeypatch.setattr("sys.stdin", None)

    async def main():
        async with Aws(endpoint_url="http://127.0.0.1:9", region="us-west-2") as aws:
            for ask in (aws.credentials, lambda: aws.client("sagemaker-runtime")):
                with pytest.raises(TargetError) as caught:
                    await ask()
                assert words in str(caught.value), str(caught.value)
                assert "\n" not in str(caught.value)

    run(main())
    assert capfd.readouterr() == ("", "")


class KeptKeys:
    """SQS that refuses the key OLD."""

    async def __call__(self, server, reader, writer):
        while True:
            await server.read(reader)
            old = b"Credential=OLD/" in server.heads[-1]
            answer = {"MessageId": "1", "Attributes": {"QueueArn": "a"}}
            if old and self.refusing:
                answer = {"__type": "com.amazonaws.sqs#ExpiredToken", "message": "expired"}
            body = json.dumps(answer).encode()
            status = 403 if old and self.refusing else 200
            writer.write(
                b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)
            )

    refusing = False


@pytest.mark.parametrize("client", ["fast", "sdk"])
def test_keys_that_a_tool_writes_anew_are_read_when_the_old_ones_are_refused(
    run, aws_files, client
):
    aws_files(keys="OLD")
    service, notes = KeptKeys(), []

    async def main():
        async with (
            serve(service) as server,
            Aws(endpoint_url=server.url, region="us-west-2") as aws,
            FastHttpClient() as http,
        ):
            aws.note = lambda *what: notes.append(what)
            url = "http://sqs/0/jobs"
            queue = await SqsQueue.find(aws, url, "queue")
            if client == "fast":
                queue = await FastSqsQueue.of(aws, http, url)
            assert await queue.send("a") == "1"
            service.refusing = True
            aws_files(keys="NEW")
            with pytest.raises(Exception, match="ExpiredToken"):
                await queue.send("b")
            async with asyncio.timeout(5):
                while not notes:
                    await asyncio.sleep(0.01)
            assert await queue.send("c") == "1"

    run(main())
    assert notes == [("info", "the AWS keys were refused, and new ones have been read")]


def test_a_failing_refresh_is_told_once_until_it_works_again(run):
    notes, broken = [], True

    class Source:
        def refresh_needed(self):
            return False

        def get_frozen_credentials(self):
            if broken:
                raise RuntimeError("run: corp login (token=S3CRET)")
            return credentials.Credentials("A", "b", "c")

    async def main():
        nonlocal broken
        provider = CredentialProvider(
            Source(), credentials.Credentials("0", "0"), note=lambda *what: notes.append(what)
        )
        for broken in (True, True, False, False):  # noqa: B007 - the source reads it
            await provider.refresh()
        return provider.current.access_key

    assert run(main()) == "A"
    (first, told), second = notes
    assert (first, second) == ("warning", ("warning", "the AWS credentials can be refreshed again"))
    assert "run: corp login" in told
    assert "S3CRET" not in told


AHEAD = 1200


async def strict(server, reader, writer):
    """SQS and S3 whose clock is 20 minutes ahead, and who refuse what is 5 minutes old."""
    while True:
        await server.read(reader)
        head = server.heads[-1].decode()
        stamp = re.search(r"(?i)x-amz-date: (\w+)", head)[1]
        signed = dt.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC).timestamp()
        status, body = 200, b'{"MessageId": "1", "Attributes": {"QueueArn": "a"}}'
        if abs(time.time() + AHEAD - signed) > 300:
            status = 403
            body = b'{"__type": "com.amazonaws.sqs#InvalidSignatureException", "message": "old"}'
        if head.startswith("HEAD"):
            body = b""
        answer = f"HTTP/1.1 {status} X\r\nDate: {formatdate(time.time() + AHEAD, usegmt=True)}\r\n"
        writer.write(answer.encode() + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))


@pytest.mark.parametrize("first", ["sqs", "s3"])
def test_a_wrong_clock_is_put_right_by_the_first_refusal_for_both_backends(run, aws_files, first):
    aws_files(keys="K")
    notes = []

    async def main():
        async with (
            serve(strict) as server,
            Aws(endpoint_url=server.url, region="us-west-2") as aws,
            FastHttpClient() as http,
        ):
            aws.note = lambda *what: notes.append(what)
            if first == "s3":
                await (await aws.client("s3", retries=True)).head_bucket(Bucket="b")
            queue = await SqsQueue.find(aws, "http://sqs/0/jobs", "queue")
            fast = await FastSqsQueue.of(aws, http, queue.url)
            return await queue.send("a"), await fast.send("b"), len(server.heads)

    assert run(main()) == ("1", "1", 5 if first == "s3" else 4)
    ((level, text),) = notes
    assert level == "warning"
    assert text.startswith(
        "the clock of this machine is 20.0 min behind AWS's; requests are signed"
    )


def test_a_wrong_clock_is_named_from_the_services_own(run, aws_files):
    aws_files(keys="K")
    body = (
        b'{"__type": "com.amazonaws.sqs#InvalidSignatureException", "message": "Signature expired"}'
    )
    date = formatdate(time.time() + 1200, usegmt=True).encode()

    async def refuse(server, reader, writer):
        while True:
            await server.read(reader)
            head = b"HTTP/1.1 403 X\r\nDate: %b\r\nContent-Length: %d\r\n\r\n"
            writer.write(head % (date, len(body)) + body)

    async def main():
        async with (
            serve(refuse) as server,
            Aws(endpoint_url=server.url, region="us-west-2") as aws,
        ):
            await SqsQueue.find(aws, "jobs", "queue")

    with pytest.raises(TargetError, match=r"this machine is 20\.0 min behind the service's"):
        run(main())
