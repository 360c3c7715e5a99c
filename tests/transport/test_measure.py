"""Requests are measured from when they were due, whatever becomes of them."""

import asyncio
import enum
import http
import itertools

import botocore.exceptions
import msgspec
import numpy as np
import pytest

from asyncload.records.record import FAILED, OK, TIMEOUT
from asyncload.transport.aws.session import Aws
from asyncload.transport.error_text import describe, error_code, http_status, is_timeout
from asyncload.transport.measure import CURRENT, Recorder, is_recorded


class Clock:
    """Goes on by a second each time it is read."""

    def __init__(self):
        self.times = itertools.count(10.0)

    def __call__(self):
        return next(self.times)


class Written(list):
    def write(self, record):
        self.append(record)


@pytest.fixture
def sink():
    return Written()


@pytest.fixture
def recorder(sink):
    return Recorder(sink, Clock(), "jobs", 3)


def test_an_answered_request_is_recorded_with_what_is_known_of_it(recorder, sink):
    with recorder.measure("classify") as call:
        call.status, call.bytes_out, call.bytes_in, call.first_byte = 200, 5, 7, 10.5
    (record,) = sink
    assert (record.scenario, record.user, record.name) == ("jobs", 3, "classify")
    assert (record.due, record.start, record.end, record.t) == (10.0, 10.0, 11.0, 11.0)
    assert (record.outcome, record.status, record.error) == (OK, 200, None)
    assert (record.bytes_out, record.bytes_in, record.first_byte) == (5, 7, 10.5)


def test_the_first_request_of_an_iteration_is_due_when_the_iteration_was(recorder, sink):
    recorder.begin(4.0, 4.5)
    with recorder.measure("first"):
        pass
    with recorder.measure("second"):
        pass
    recorder.begin(20.0, 20.5)
    with recorder.measure("third"):
        pass
    assert [(record.due, record.start) for record in sink] == [(4.0, 10), (12, 12), (20.0, 14)]


def test_looking_at_the_due_time_does_not_use_it_up(recorder):
    recorder.begin(4.0, 4.5)
    assert recorder.due_at(9.0) == recorder.due_at(9.5) == recorder.take_due(9.7) == 4.0
    assert recorder.due_at(9.8) == 9.8


def test_an_answer_that_is_not_good_enough_is_a_failed_request(recorder, sink):
    with recorder.measure("classify") as call:
        call.status = 200
        call.fail("no label in the answer")
    assert (sink[0].outcome, sink[0].status, sink[0].error) == (
        FAILED, 200, "no label in the answer",
    )  # fmt: skip


def client_error(code="ThrottlingException", status=400):
    answer = {
        "Error": {"Code": code, "Message": "Rate  exceeded\nfor you"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return botocore.exceptions.ClientError(answer, "SendMessage")


@pytest.mark.parametrize(
    ("problem", "outcome", "status", "error"),
    [
        (ValueError("bad"), FAILED, None, "ValueError: bad"),
        (KeyError(), FAILED, None, "KeyError"),
        (client_error(), FAILED, 400, "ThrottlingException: Rate exceeded for you"),
        (TimeoutError(), TIMEOUT, None, "TimeoutError"),
        (TimeoutError("5 s"), TIMEOUT, None, "TimeoutError: 5 s"),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="http://h"), TIMEOUT, None,
         'ReadTimeoutError: Read timeout on endpoint URL: "http://h"'),
        (botocore.exceptions.ConnectTimeoutError(endpoint_url="http://h"), TIMEOUT, None,
         'ConnectTimeoutError: Connect timeout on endpoint URL: "http://h"'),
        (ConnectionResetError(104, "reset"), FAILED, None,
         "ConnectionResetError: [Errno 104] reset"),
    ],
)  # fmt: skip
def test_an_exception_is_recorded_and_goes_on(recorder, sink, problem, outcome, status, error):
    assert not is_recorded(problem)
    with pytest.raises(type(problem)), recorder.measure("classify"):
        raise problem
    assert (sink[0].outcome, sink[0].status, sink[0].error) == (outcome, status, error)
    assert is_recorded(problem)


def test_a_request_that_is_cancelled_was_not_answered_in_time(recorder, sink):
    with pytest.raises(asyncio.CancelledError), recorder.measure("classify"):
        raise asyncio.CancelledError
    assert sink[0].outcome == TIMEOUT
    assert sink[0].error


def test_errors_of_all_kinds_can_be_asked_for_code_and_status():
    class OddError(Exception):
        response = "not a dict"

    assert error_code(client_error()) == "ThrottlingException"
    assert http_status(client_error(status=503)) == 503
    assert (error_code(ValueError()), http_status(ValueError())) == (None, None)
    assert (error_code(OddError()), http_status(OddError())) == (None, None)
    assert describe(OddError("x")) == "OddError: x"
    assert not is_timeout(ValueError("timeout"))


# -- calls of an AWS client ---------------------------------------------------------


async def answer(reader, writer):
    """Answer each request like SQS, with as many bytes as it has itself."""
    while True:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            writer.close()
            return
        length = int(head.lower().partition("content-length:")[2].split("\r")[0])
        await reader.readexactly(length)
        body = b'{"MessageId":"m","MD5OfMessageBody":"49f68a5c8493ec2c0bf489821c21fc3b"}'
        good = "SendMessage" in head
        status = "200 OK" if good else "400 Bad Request"
        if not good:
            body = b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no"}'
        writer.write(
            f"HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.0\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await writer.drain()


@pytest.mark.anyio
async def test_calls_of_a_user_are_recorded_and_calls_of_the_set_up_are_not(sink):
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    async with (
        server,
        Aws(endpoint_url=url, region="us-west-2", credentials=("a", "b")) as aws,
    ):
        client = await aws.client("sqs")
        await client.send_message(QueueUrl=f"{url}/0/q", MessageBody="hi")
        assert sink == []
        token = CURRENT.set(Recorder(sink, Clock(), "jobs", 0))
        try:
            await client.send_message(QueueUrl=f"{url}/0/q", MessageBody="hi")
            with pytest.raises(client.exceptions.QueueDoesNotExist):
                await client.get_queue_url(QueueName="q")
            control = await aws.client("sqs", retries=True)
            await control.send_message(QueueUrl=f"{url}/0/q", MessageBody="hi")
        finally:
            CURRENT.reset(token)
        assert await aws.client("sqs") is client, "users share one client"
    good, bad = sink
    assert (good.name, good.outcome, good.status) == ("sqs.SendMessage", OK, 200)
    assert good.bytes_in == 71
    assert good.bytes_out == len(f'{{"QueueUrl": "{url}/0/q", "MessageBody": "hi"}}')
    assert (bad.name, bad.outcome, bad.status) == ("sqs.GetQueueUrl", FAILED, 400)
    assert "QueueDoesNotExist: no" in bad.error


class Kind(enum.StrEnum):
    FAST = "fast"


@pytest.mark.parametrize("name", [5, None, b"a", ["a"], ValueError("a")])
def test_a_name_that_is_no_text_is_refused_where_it_is_given(recorder, sink, name):
    with pytest.raises(TypeError, match="the name of a request is a text, not"):
        recorder.measure(name)
    assert sink == []


def test_names_are_recorded_as_plain_texts_that_any_file_can_hold(recorder, sink):
    for name in (Kind.FAST, "größer", "half a \ud800 character"):
        with recorder.measure(name):
            pass
    assert [record.name for record in sink] == ["fast", "größer", "half a \\ud800 character"]
    assert {type(record.name) for record in sink} == {str}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bytes_in", "12"), ("bytes_out", 1.5), ("bytes_in", -1), ("bytes_in", 2**63),
        ("status", "200"), ("status", object()), ("first_byte", "1.5"), ("first_byte", float("nan")),
        ("first_byte", float("inf")),
    ],
)  # fmt: skip
def test_what_is_no_figure_fails_the_request_once_and_says_which(recorder, sink, field, value):
    with recorder.measure("a") as call:
        setattr(call, field, value)
    (record,) = sink
    assert record.outcome == FAILED
    assert record.error.startswith(f"the user set {field} to ")
    assert getattr(record, field) is None
    assert not raises_when_encoded(record)


def test_figures_of_other_types_are_recorded_as_plain_numbers(recorder, sink):
    with recorder.measure("a") as call:
        call.status, call.bytes_in, call.bytes_out = http.HTTPStatus.OK, np.int64(12), True
        call.first_byte = np.float32(1.5)
    (record,) = sink
    assert (record.outcome, record.error) == (OK, None)
    assert (record.status, record.bytes_in, record.bytes_out, record.first_byte) == (
        200,
        12,
        1,
        1.5,
    )
    assert not raises_when_encoded(record)


def raises_when_encoded(record):
    try:
        msgspec.json.encode(record)
    except (TypeError, ValueError) as problem:
        return problem
    return None


def test_a_reason_that_is_no_text_is_refused_and_counted_once(recorder, sink):
    with (
        pytest.raises(
            TypeError, match="fail\\(\\) takes the reason as text, not a ValueError"
        ) as raised,
        recorder.measure("a") as call,
    ):
        call.fail(ValueError("boom"))
    assert is_recorded(raised.value)
    (record,) = sink
    assert record.outcome == FAILED


def test_an_error_set_to_something_else_is_its_text(recorder, sink):
    with recorder.measure("a") as call:
        call.error = ValueError("boom")
    assert (sink[0].outcome, sink[0].error) == (FAILED, "boom")


@pytest.mark.parametrize("broken", ["__str__", "__repr__", "response"])
def test_an_exception_that_cannot_be_described_is_still_named(recorder, sink, broken):
    def fails(self):
        raise RuntimeError("no text")

    kind = property(fails) if broken == "response" else fails
    odd = type("Odd", (Exception,), {broken: kind})()
    with pytest.raises(type(odd)), recorder.measure("a"):
        raise odd
    assert sink[0].outcome == FAILED
    assert sink[0].error.startswith("Odd")
