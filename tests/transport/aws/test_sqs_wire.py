"""SQS on the wire: both backends send the same, and read the same errors."""

from __future__ import annotations

import json
import uuid

import botocore.exceptions
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st

from asyncload.transport.aws import sqs_wire
from asyncload.transport.aws.aws_errors import ErrorDecoder
from asyncload.transport.aws.credentials import CredentialProvider
from asyncload.transport.aws.sigv4 import Signer
from asyncload.transport.http.client import FastHttpClient
from asyncload.transport.http.http_errors import ProtocolError, Timing
from asyncload.transport.http.response import Response
from tests.transport.aws.test_sigv4 import by_botocore
from tests.transport.servers import answering, serve

pytestmark = pytest.mark.slow

KEYS = {"aws_access_key_id": "AKID", "aws_secret_access_key": "secret"}


def sdk(url):
    config = AioConfig(parameter_validation=False, retries={"total_max_attempts": 1})
    return get_session().create_client(
        "sqs", region_name="us-west-2", endpoint_url=url, config=config, **KEYS
    )


class Backend:
    """The fast backend, put together as its users will."""

    def __init__(self, client, url):
        self._client = client
        self._url = url
        provider = CredentialProvider.fixed(
            KEYS["aws_access_key_id"], KEYS["aws_secret_access_key"]
        )
        self._signer = Signer(provider, "us-west-2", "sqs")

    async def call(self, operation, body):
        headers = sqs_wire.headers(operation)
        prepared = self._client.prepare("POST", self._url, headers)
        template = self._signer.template("POST", prepared.target, prepared.host, headers)
        return await self._client.send(prepared, body, template.sign(body))


QUEUE = "http://127.0.0.1/000000000000/jobs"
BODIES = ['{"a": "é \\" \U0001f600"}', "", "line\nbreak\x7f"]
RECEIVE = {
    "wait": 20,
    "system_attributes": ["SentTimestamp"],
    "attributes": ["All"],
}


def test_both_backends_send_the_same_requests(run):
    async def main():
        empty = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(BODIES)]
        deletes = [{"Id": str(n), "ReceiptHandle": body} for n, body in enumerate(BODIES)]
        async with serve(answering(empty)) as server:
            async with sdk(server.url) as client:
                await client.send_message(QueueUrl=QUEUE, MessageBody=BODIES[0])
                await client.send_message_batch(QueueUrl=QUEUE, Entries=entries)
                await client.delete_message_batch(QueueUrl=QUEUE, Entries=deletes)
                await client.receive_message(
                    QueueUrl=QUEUE,
                    MaxNumberOfMessages=10,
                    WaitTimeSeconds=20,
                    MessageAttributeNames=["All"],
                    MessageSystemAttributeNames=["SentTimestamp"],
                )
            async with FastHttpClient() as client:
                backend, queue = Backend(client, server.url), sqs_wire.QueueEncoder(QUEUE)
                await backend.call("SendMessage", queue.send(BODIES[0]))
                await backend.call("SendMessageBatch", queue.send_batch(BODIES))
                await backend.call("DeleteMessageBatch", queue.delete_batch(BODIES))
                await backend.call("ReceiveMessage", queue.receive(**RECEIVE))
            return server

    server = run(main())
    for place in range(4):
        assert json.loads(server.bodies[place]) == json.loads(server.bodies[place + 4])
        slow, fast = (_fields(server.heads[place + n]) for n in (0, 4))
        # Told apart by these alone: who asks, when, the SDK's own accounting, and the
        # length and signature of a body with other blanks.
        for name in ("amz-sdk-invocation-id", "amz-sdk-request"):
            del slow[name]
        signed = []
        for head, body in ((slow, server.bodies[place]), (fast, server.bodies[place + 4])):
            assert int(head.pop("content-length")) == len(body)
            signed.append(head.pop("authorization").split(", ")[1])
            assert "Mozilla" not in head.pop("user-agent")
            assert head.pop("x-amz-date").endswith("Z")
        assert slow == fast
        assert signed[0] == signed[1]


def test_the_signature_on_the_wire_is_that_of_the_body_on_the_wire(run):
    async def main():
        empty = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        async with serve(answering(empty)) as server, FastHttpClient() as client:
            queue = sqs_wire.QueueEncoder(QUEUE)
            await Backend(client, server.url).call("SendMessage", queue.send("x"))
            return server

    server = run(main())
    head = _fields(server.heads[0])
    import datetime as dt

    stamp = dt.datetime.strptime(head["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    headers = {n: head[n] for n in ("x-amz-target", "content-type", "x-amzn-query-mode")}
    keys = tuple(KEYS.values())
    moment = int(stamp.timestamp())
    expected = by_botocore("POST", server.url, headers, server.bodies[0], keys, now=moment)
    assert head["authorization"] == expected["Authorization"]


def _fields(head):
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST / HTTP/1.1"
    pairs = [line.split(": ", 1) for line in lines[1:] if line]
    assert len({name.lower() for name, _ in pairs}) == len(pairs)
    return {name.lower(): value for name, value in pairs}


def test_messages_go_in_come_out_and_are_deleted(run, emulator):
    async def main():
        async with sdk(emulator) as slow, FastHttpClient() as client:
            name = f"q-{uuid.uuid4().hex}"
            url = (await slow.create_queue(QueueName=name))["QueueUrl"]
            backend, queue = Backend(client, emulator), sqs_wire.QueueEncoder(url)
            bodies = [b for b in BODIES if b and "\x7f" not in b]
            answer = await backend.call("SendMessage", queue.send(bodies[0]))
            ids = [sqs_wire.decode_sent(answer.body)]
            bodies += [f"job {n}" for n in range(8)]
            answer = await backend.call("SendMessageBatch", queue.send_batch(bodies[1:]))
            ids += sqs_wire.decode_sent_batch(answer.body, len(bodies) - 1)
            wanted = {"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0}
            by_sdk = (await slow.receive_message(**wanted))["Messages"]
            answer = await backend.call("ReceiveMessage", queue.receive(wait=1))
            messages = sqs_wire.decode_received(answer.body)
            assert [set(m) for m in messages] == [set(m) for m in by_sdk]
            assert sorted(m["Body"] for m in messages) == sorted(bodies)
            assert sorted(m["MessageId"] for m in messages) == sorted(ids)
            handles = [m["ReceiptHandle"] for m in messages]
            answer = await backend.call("DeleteMessageBatch", queue.delete_batch([*handles, "bad"]))
            failures = sqs_wire.decode_deleted_batch(answer.body, len(handles) + 1)
            assert set(failures) == {len(handles)}
            assert failures[len(handles)].code == "ReceiptHandleIsInvalid"
            empty = await backend.call("ReceiveMessage", queue.receive(wait=0))
            assert sqs_wire.decode_received(empty.body) == []

    run(main())


MISTAKES = [
    ("SendMessage", {"QueueUrl": "{base}/000000000000/none", "MessageBody": "x"}),
    ("ReceiveMessage", {"QueueUrl": "{base}/000000000000/none"}),
    ("SendMessage", {"QueueUrl": "{queue}", "MessageBody": "x" * 2_000_000}),
    (
        "SendMessageBatch",
        {
            "QueueUrl": "{queue}",
            "Entries": [{"Id": n, "MessageBody": "x" * 700_000} for n in "01"],
        },
    ),
    ("DeleteMessage", {"QueueUrl": "{queue}", "ReceiptHandle": "not a handle"}),
    ("SendMessage", {"QueueUrl": "{queue}"}),
]


@pytest.mark.filterwarnings("ignore:Sending a large body")
@pytest.mark.parametrize(("operation", "parameters"), MISTAKES)
def test_both_backends_raise_the_same_error(run, emulator, operation, parameters):
    async def main():
        async with sdk(emulator) as slow, FastHttpClient() as client:
            queue = (await slow.create_queue(QueueName="mistakes"))["QueueUrl"]
            given = {
                name: value.format(base=emulator, queue=queue) if isinstance(value, str) else value
                for name, value in parameters.items()
            }
            snake = "".join("_" + c.lower() if c.isupper() else c for c in operation)[1:]
            with pytest.raises(botocore.exceptions.ClientError) as caught:
                await getattr(slow, snake)(**given)
            expected = caught.value
            body = json.dumps(given).encode()
            response = await Backend(client, emulator).call(operation, body)
            same = ErrorDecoder("sqs", slow.exceptions).decode(response, operation)
            alone = ErrorDecoder("sqs").decode(response, operation)
            return expected, same, alone

    expected, same, alone = run(main())
    assert type(same) is type(expected)
    assert type(alone).__name__ == type(expected).__name__
    for error in (same, alone):
        assert str(error) == str(expected)
        assert error.operation_name == expected.operation_name
        assert _comparable(error.response) == _comparable(expected.response)


def _comparable(response):
    """Leave out what differs from call to call."""
    metadata = dict(response["ResponseMetadata"])
    metadata.pop("RequestId", None)
    metadata.pop("MaxAttemptsReached", None)
    changing = {"date", "x-amzn-requestid", "x-amz-request-id", "x-amz-id-2"}
    headers = metadata["HTTPHeaders"]
    metadata["HTTPHeaders"] = {n: v for n, v in headers.items() if n not in changing}
    return {**response, "ResponseMetadata": metadata}


def response(status, body, head="", reason="Bad"):
    raw = f"HTTP/1.1 {status} {reason}\r\n{head}\r\n".encode()
    return Response(status, body, Timing(0.0), len(raw) + len(body), 0, raw + b"\r\n")


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (424, "ModelError", b'{"Message":"m","OriginalStatusCode":500,"OriginalMessage":"o"}'),
        (400, "ValidationError", b'{"message":"no such endpoint"}'),
        (400, "ThrottlingException:http://internal/", b'{"message":"slow down"}'),
        (503, "ServiceUnavailable", b""),
    ],
)
def test_sagemaker_errors_are_the_same_in_both_backends(run, status, kind, body):
    async def main():
        head = f"HTTP/1.1 {status} Bad\r\nx-amzn-ErrorType: {kind}\r\nContent-Length: {len(body)}"
        async with serve(answering(head.encode() + b"\r\n\r\n" + body)) as server:
            config = AioConfig(retries={"total_max_attempts": 1})
            async with get_session().create_client(
                "sagemaker-runtime",
                region_name="us-west-2",
                endpoint_url=server.url,
                config=config,
                **KEYS,
            ) as slow:
                with pytest.raises(botocore.exceptions.ClientError) as caught:
                    await slow.invoke_endpoint(EndpointName="e", Body=b"x")
                decoder = ErrorDecoder("sagemaker-runtime", slow.exceptions)
            async with FastHttpClient() as client:
                answer = await client.request("POST", f"{server.url}endpoints/e/invocations")
            return caught.value, decoder.decode(answer, "InvokeEndpoint")

    expected, found = run(main())
    assert type(found) is type(expected)
    # The SDK counts its own retries, also when they are switched off.
    assert str(found) == str(expected).replace(" (reached max retries: 0)", "")
    assert _comparable(found.response) == _comparable(expected.response)


THROTTLED = b'{"__type":"com.amazonaws.sqs#RequestThrottled","message":"slow down"}'


@pytest.mark.parametrize(
    ("status", "body", "head", "code"),
    [
        (400, THROTTLED, "", "RequestThrottled"),
        (400, THROTTLED, "x-amzn-query-error: Throttling;Sender\r\n", "Throttling"),
        (403, b'{"__type":"AccessDeniedException","Message":"no"}', "", "AccessDeniedException"),
        (503, b"<html>busy</html>", "", "503"),
        (502, b"", "", "502"),
        (400, b"not json", "", "400"),
        (400, b"[1]", "", "400"),
        (400, b"\xff\xfe", "", "400"),
        (301, b"", "", "301"),
        (300, b"", "", "300"),
        (400, b'{"__type": 7}', "", "400"),
    ],
)
def test_an_error_of_any_form_becomes_a_client_error(status, body, head, code):
    error = ErrorDecoder("sqs").decode(response(status, body, head), "SendMessage")
    assert isinstance(error, botocore.exceptions.ClientError)
    assert error.response["Error"]["Code"] == code
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert error.operation_name == "SendMessage"


@given(st.text(), st.lists(st.text(), min_size=1, max_size=10))
def test_any_text_survives_encoding(url, values):
    values = [v.encode("utf-16", "replace").decode("utf-16") for v in values]
    url = url.encode("utf-16", "replace").decode("utf-16")
    queue = sqs_wire.QueueEncoder(url)
    assert json.loads(queue.send(values[0])) == {"QueueUrl": url, "MessageBody": values[0]}
    for name, body in (
        ("MessageBody", queue.send_batch(values)),
        ("ReceiptHandle", queue.delete_batch(values)),
    ):
        entries = [{"Id": str(n), name: value} for n, value in enumerate(values)]
        assert json.loads(body) == {"QueueUrl": url, "Entries": entries}


@pytest.mark.parametrize("count", [0, 11])
def test_a_batch_has_one_to_ten_entries(count):
    with pytest.raises(ValueError, match=str(count)):
        sqs_wire.QueueEncoder("q").send_batch(["x"] * count)


def test_failures_of_single_entries_are_mapped_to_their_places():
    answer = {
        "Successful": [{"Id": "2", "MessageId": "m2"}, {"Id": "0", "MessageId": "m0"}],
        "Failed": [{"Id": "1", "Code": "InternalError", "Message": "m", "SenderFault": False}],
    }
    found = sqs_wire.decode_sent_batch(json.dumps(answer).encode(), 4)
    assert found[0] == "m0"
    assert found[2] == "m2"
    assert found[1] == sqs_wire.BatchFailure("InternalError", "m", sender_fault=False)
    assert found[3].code == "Unknown"
    failed = sqs_wire.decode_deleted_batch(json.dumps(answer).encode(), 4)
    assert {place: failure.code for place, failure in failed.items()} == {
        1: "InternalError",
        3: "Unknown",
    }


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["Successful", "Failed", "Messages", "Id", "MessageId", "Code"]),
                inner,
            )
        ),
        max_leaves=15,
    )
)
def test_answers_of_the_wrong_form_are_errors_or_unknown_entries_never_a_crash(answer):
    body = json.dumps(answer).encode()
    for decode in (
        sqs_wire.decode_sent,
        sqs_wire.decode_received,
        lambda b: sqs_wire.decode_sent_batch(b, 3),
        lambda b: sqs_wire.decode_deleted_batch(b, 3),
    ):
        try:
            decode(body)
        except ProtocolError:
            continue


@pytest.mark.parametrize("body", [b"nope", b"[]", b"\xff", b'{"MessageId"'])
def test_an_answer_that_is_no_json_object_is_a_protocol_error(body):
    with pytest.raises(ProtocolError, match="SendMessage"):
        sqs_wire.decode_sent(body)


def test_binary_attributes_come_as_bytes():
    message = {"MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": "aGk="}}}
    (found,) = sqs_wire.decode_received(json.dumps({"Messages": [message]}).encode())
    assert found["MessageAttributes"]["a"]["BinaryValue"] == b"hi"


def test_a_message_with_half_a_character_does_not_hide_the_others():
    body = b'{"Messages": [{"Body": "x \\ud800"}, {"Body": "y"}]}'
    assert [one["Body"] for one in sqs_wire.decode_received(body)] == ["x \ud800", "y"]
