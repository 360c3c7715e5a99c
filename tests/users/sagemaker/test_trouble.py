"""Mistakes in a config of SageMaker users, and endpoints that refuse or fail: one clear reason each."""

from __future__ import annotations

import json
import socket

import pytest
from aiohttp import web

import asyncload
from tests.users.sagemaker.sagemaker_app import endpoints, outcomes, run

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture(autouse=True)
def keys(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    return monkeypatch


@pytest.fixture
async def service():
    async with endpoints() as service:
        yield service


# -- mistakes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "user: nothing is to be sent; give one of json, body, file, folder"),
        ({"json": 1, "file": "a"}, "user: json and file exclude each other; keep one of them"),
        ({"body": "x", "endpoint": "a/b"}, "user.endpoint: is 'a/b'; give the name of an endpoint"),
        ({"body": "x", "endpoint": "a" * 64}, "user.endpoint: is .* at most 63"),
        ({"body": "x", "varient": "a"}, "user.varient: there is no such key; did you mean 'variant'"),
        ({"body": "x", "variant": "a b"}, "user.variant: is 'a b'; give letters, digits and hyph"),
        ({"body": "x", "variant": "a" * 64}, "user.variant: is of 64 characters; SageMaker takes 63"),
        ({"body": "x", "session_id": ""}, "user.session_id: is ''; give letters, digits and hyph"),
        ({"body": "x", "custom_attributes": "é"}, "user.custom_attributes: is 'é'; give visible"),
        ({"body": "x", "content_type": "a\nb"}, "user.content_type: is .* give visible ASCII"),
        ({"body": "x", "session_id": "{{ a"}, "user.session_id: '{{ a' is no template"),
        ({"body": "x", "session_id": "{{ a }}"},
         "'a' is not known: there is no data; add data: FILE, or write text in quotes"),
        ({"body": "x", "expect": ["2xx", 7]}, "user.expect: 7 is no status; give a number"),
        ({"body": "{{ nope() }}"}, "user.body: .* there is no function 'nope'"),
        ({"body": "x", "stream": "ssse"}, "user.stream: .* did you mean 'sse'"),
        ({"body": "x", "stream": "sse", "target_model": "m"}, "user.target_model: is not for stream"),
        ({"body": "x", "stream": "sse", "expect": {"json": {"$.a": 1}}}, "user.stream: is sse, and"),
        ({"file": ""}, "user: file or folder is an empty text; name one"),
        ({"file": "/no/such"}, "user.file: cannot read '/no/such': No such file or directory; name"),
        ({"folder": "/no/such/"}, "user.folder: there is no file in '/no/such'; name a folder that"),
        ({"folder": {"path": "x", "order": "rnd"}}, "user.folder.order: .* 'random'"),
        ({"requests": []}, "user.requests: is empty; give at least one, or leave it out"),
        ({"requests": [{"name": "a"}]}, "user.requests.0: nothing is to be sent; give one of json"),
        ({"requests": [{"body": "x"}], "json": 1}, "user.json: is given beside requests; put it into"),
        ({"requests": [{"body": "x"}], "variant": "a b"}, "user.variant: is 'a b'; give letters"),
        ({"requests": [{"body": "x"}], "session_id": "{{ a"}, "user.session_id: '{{ a' is no temp"),
        ({"requests": [{"body": "x"}], "session_id": "{{ a }}"}, "user.requests.0: '{{ a }}': 'a'"),
        ({"requests": [{"body": "x", "weight": 0}]}, "user.requests.0.weight: is 0; give a number"),
        ({"requests": [{"body": "{{ y }}"}]}, "user.requests.0: '{{ y }}': 'y' is not known"),
        ({"body": "x", "data": "rows.txt"}, "user.data: format is missing"),
        ({"body": "x", "data": "/no/such.csv"}, "user.data.file: cannot read '/no/such.csv'"),
        ({"body": "x", "timeout": 0}, "user.timeout, connect_timeout, .*: must be over 0|must be"),
        ({"body": "x", "wait": "soon"}, "user.wait: "),
    ],
)  # fmt: skip
async def test_a_mistake_is_refused_in_one_sentence(options, sentence, service, tmp_path):
    with pytest.raises(asyncload.ConfigError, match=sentence) as caught:
        await run(service.url, tmp_path, **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("scenarios.0.user")
    assert service.requests == []


async def test_a_column_that_is_not_there_is_named_with_the_nearest(service, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("text\nhello\n")
    with pytest.raises(asyncload.ConfigError, match=r"no column 'txt'; did you mean 'text'"):
        await run(service.url, tmp_path, data=str(rows), body="{{ txt }}")


async def test_an_empty_folder_is_refused(service, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    with pytest.raises(asyncload.ConfigError, match=r"user.folder: there is no file in .*images"):
        await run(service.url, tmp_path, folder=str(folder))


async def test_without_credentials_a_run_says_which_to_set(service, keys, tmp_path):
    keys.delenv("AWS_ACCESS_KEY_ID")
    keys.setenv("AWS_EC2_METADATA_DISABLED", "true")
    keys.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    keys.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(asyncload.ConfigError, match="no AWS credentials were found; set AWS_PRO"):
        await run(service.url, tmp_path, body="x")


# -- endpoints that refuse --------------------------------------------------------------


async def test_an_endpoint_that_is_not_there_gives_one_reason(service, tmp_path):
    records = await run(service.url, tmp_path, endpoint="nope", body="x")
    assert outcomes(records) == {
        ("failed", "ValidationError: Endpoint nope of account 000000000000 not found.")
    }
    assert {one.status for one in records} == {400}


@pytest.mark.parametrize(
    ("variable", "reason"),
    [
        ("AWS_SECRET_ACCESS_KEY", "InvalidSignatureException: The request signature we calculated"),
        ("AWS_ACCESS_KEY_ID", "UnrecognizedClientException: The security *** included"),
    ],
)
async def test_wrong_credentials_are_told_without_the_credentials(
    service, variable, reason, keys, tmp_path
):
    keys.setenv(variable, "WRONGKEY123")
    records = await run(service.url, tmp_path, body="x", level=10)
    assert {one.status for one in records} == {403}
    for one in records:
        assert one.error.startswith(reason.split(" ***")[0])
        assert "WRONGKEY123" not in one.error


async def test_a_clock_that_is_wrong_is_put_right_after_the_first_refusal(service, tmp_path):
    service.clock_ahead = 3600
    records = await run(service.url, tmp_path, body="x", level=20)
    first, *others = sorted(records, key=lambda one: one.start)
    assert first.error.startswith("InvalidSignatureException: Signature expired")
    assert outcomes(others) == {("ok", None)}


@pytest.mark.parametrize(
    ("status", "code", "content", "reason"),
    [
        (424, "ModelError", {"Message": "no memory", "OriginalStatusCode": 507},
         "ModelError: no memory (the model answered with 507)"),
        (424, "ModelError", {"Message": "server error (500)", "OriginalStatusCode": 500},
         "ModelError: server error (500)"),
        (400, "ThrottlingException", {"Message": "Rate exceeded"},
         "ThrottlingException: Rate exceeded"),
        (503, "ServiceUnavailable", {"Message": "no capacity"}, "ServiceUnavailable: no capacity"),
        (429, "ModelNotReadyException", {"Message": "loading"}, "ModelNotReadyException: loading"),
        (503, None, "<html>down</html>", "503: Service Unavailable"),
    ],
)  # fmt: skip
async def test_an_error_is_told_as_the_sdk_tells_it(
    service, status, code, content, reason, tmp_path
):
    body = content if isinstance(content, str) else json.dumps(content)
    headers = {"x-amzn-ErrorType": code} if code else {}
    service.answers = [web.Response(status=status, text=body, headers=headers)]
    records = await run(service.url, tmp_path, body="x", level=10, duration=0.1)
    assert outcomes(records) == {("failed", reason)}
    assert {one.status for one in records} == {status}


async def test_an_error_that_is_expected_is_answered_well(tmp_path):
    async with endpoints(failure_rate=1) as service:
        records = await run(service.url, tmp_path, body="x", expect=424)
        assert outcomes(records) == {("ok", None)}
        failed = await run(service.url, tmp_path, body="x", name="not-expected")
    assert {one.outcome for one in failed} == {"failed"}
    assert {one.error[:37] for one in failed} == {"ModelError: Received server error (50"}


async def test_a_status_that_is_not_expected_is_told_with_what_is(service, tmp_path):
    records = await run(service.url, tmp_path, body="x", expect=[201])
    assert outcomes(records) == {("failed", "HTTP 200 OK, not 201")}


async def test_a_refused_connection_and_a_slow_endpoint_are_failed_requests(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        records = await run(f"http://127.0.0.1:{taken.getsockname()[1]}", tmp_path, body="x")
    assert {one.outcome for one in records} == {"failed"}
    assert all(one.error.startswith("No connection to 127.0.0.1:") for one in records)


async def test_a_payload_that_is_too_large_is_warned_of_and_refused(service, tmp_path):
    (tmp_path / "big.bin").write_bytes(bytes(6_291_457))
    records = await run(
        service.url, tmp_path, file=str(tmp_path / "big.bin"), level=10, duration=0.2
    )
    assert outcomes(records) == {
        ("failed", "ValidationError: Request 6291457 exceeds limit 6291456 bytes.")
    }
    log = (tmp_path / "run.jsonl").read_text()
    assert "a payload has 6,291,457 bytes; SageMaker takes 6,291,456" in log
