"""Users of SageMaker's real-time endpoints, against endpoints that verify every signature."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import pytest
from moto.server import ThreadedMotoServer

from asyncload.users.call_estimate import Between, ExpectedLoad
from asyncload.users.sagemaker.realtime import SageMakerUser
from asyncload.users.sagemaker.realtime_options import InvocationOptions, SageMakerOptions
from tests.users.sagemaker.sagemaker_app import endpoints, outcomes, run

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
OK = {("ok", None)}


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


@pytest.fixture
async def service():
    async with endpoints() as service:
        yield service


async def test_a_request_is_signed_and_carries_what_the_config_says(service, tmp_path):
    records = await run(
        service.url,
        tmp_path,
        json={"inputs": [1, 2]},
        accept="application/geo+json",
        variant="AllTraffic",
        target_model="models/a b.tar.gz",
        inference_component="part-1",
        custom_attributes="trace=1,  c000b4f9",
        session_id="s-1",
    )
    assert outcomes(records) == OK
    assert {one.name for one in records} == {"sagemaker-runtime.InvokeEndpoint"}
    assert {one.status for one in records} == {200}
    assert len(records) == len(service.requests) == 20
    request = service.requests[0]
    assert request.path == "/endpoints/centerpoint/invocations"
    assert request.body == b'{"inputs":[1,2]}'
    told = {
        "content-type": "application/json",
        "accept": "application/geo+json",
        "x-amzn-sagemaker-target-variant": "AllTraffic",
        "x-amzn-sagemaker-target-model": "models/a b.tar.gz",
        "x-amzn-sagemaker-inference-component": "part-1",
        "x-amzn-sagemaker-custom-attributes": "trace=1,  c000b4f9",
        "x-amzn-sagemaker-session-id": "s-1",
    }
    assert {name: request.headers[name] for name in told} == told
    signed = request.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    assert set(told) <= set(signed.split(";"))


async def test_payloads_are_templates_filled_from_rows_and_each_is_signed(service, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\n" + "".join(f"text {n},{n}\n" for n in range(5)))
    records = await run(
        service.url,
        tmp_path,
        data={"file": str(rows), "order": "sequential"},
        json={"inputs": "{{ text }}", "n": "{{ random_int(1, 1000000) }}"},
    )
    assert outcomes(records) == OK
    sent = [json.loads(body) for body in service.bodies]
    assert Counter(one["inputs"] for one in sent) == {f"text {n}": 4 for n in range(5)}
    assert len({one["n"] for one in sent}) == 20


async def test_headers_may_be_templates_and_every_value_is_signed(service, tmp_path):
    records = await run(
        service.url,
        tmp_path,
        body="{{ random_int(1, 9) }}",
        content_type="text/csv",
        target_model="model-{{ random_int(1, 3) }}.tar.gz",
        session_id="user-{{ uuid() }}",
        custom_attributes="  {{ repeat(' ', random_int(0, 2)) }} a  {{ random_int(1, 9) }} ",
    )
    assert outcomes(records) == OK
    assert len(set(service.header("x-amzn-sagemaker-session-id"))) == 20
    assert set(service.header("x-amzn-sagemaker-target-model")) <= {
        f"model-{n}.tar.gz" for n in (1, 2, 3)
    }
    assert set(service.header("content-type")) == {"text/csv"}


async def test_a_value_that_no_header_may_have_is_a_failed_request(service, tmp_path):
    records = await run(
        service.url,
        tmp_path,
        body="x",
        session_id="{{ 'é' if random_int(1, 2) == 1 else 's' }}",
    )
    wrong = (
        "the request cannot be made: ValueError: SageMaker takes ASCII characters only in "
        "headers; take the others out"
    )
    assert outcomes(records) == {*OK, ("failed", wrong)}
    assert set(service.header("x-amzn-sagemaker-session-id")) == {"s"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.png", "image/png"), ("a.of-no-kind", "application/octet-stream"), ("a.csv", "text/csv")],
)
async def test_a_file_is_sent_as_it_is_its_type_told_by_its_name(service, name, kind, tmp_path):
    (tmp_path / name).write_bytes(b"\x00\xff{{ no place }}")
    assert outcomes(await run(service.url, tmp_path, file=str(tmp_path / name))) == OK
    assert set(service.bodies) == {b"\x00\xff{{ no place }}"}
    assert set(service.header("content-type")) == {kind}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number, ending in enumerate(["jpg", "jpg", "tif"]):
        (folder / f"{number}.{ending}").write_bytes(f"image {number}".encode())
    (folder / ".hidden").write_bytes(b"not this one")
    return folder


async def test_the_files_of_a_folder_are_sent_in_turn(service, folder, tmp_path):
    records = await run(
        service.url, tmp_path, folder={"path": str(folder), "order": "sequential"}, session_id="s-1"
    )
    assert outcomes(records) == OK
    assert Counter(service.bodies) == {b"image 0": 7, b"image 1": 7, b"image 2": 6}
    kinds = dict(zip(service.bodies, service.header("content-type"), strict=True))
    assert kinds == {b"image 0": "image/jpeg", b"image 1": "image/jpeg", b"image 2": "image/tiff"}


async def test_of_a_folder_files_are_picked_at_random_by_the_seed(service, folder, tmp_path):
    picks = []
    for name in ("first", "again"):
        service.requests.clear()
        await run(
            service.url, tmp_path, folder=f"{folder}/*.jpg", level=1, model="closed", name=name
        )
        picks.append(service.bodies[:20])
    few = min(map(len, picks))
    assert few > 5
    assert picks[0][:few] == picks[1][:few]
    assert set(picks[0]) == {b"image 0", b"image 1"}


async def test_requests_are_picked_by_weight_and_share_what_stands_beside_them(service, tmp_path):
    records = await run(
        service.url,
        tmp_path,
        level=200,
        duration=0.5,
        session_id="shared",
        content_type="text/plain",
        requests=[
            {"name": "often", "body": "a", "weight": 9},
            {"name": "seldom", "body": "b", "session_id": "own"},
        ],
    )
    names = Counter(one.name for one in records)
    assert names["often"] + names["seldom"] == 100
    assert 75 <= names["often"] < 100
    pairs = zip(service.bodies, service.header("x-amzn-sagemaker-session-id"), strict=True)
    assert set(pairs) == {(b"a", "shared"), (b"b", "own")}
    assert set(service.header("content-type")) == {"text/plain"}


async def test_answers_are_held_against_what_is_expected(service, tmp_path):
    told = {"$.endpoint": "centerpoint", "$.bytes": {"min": 1, "max": 3}}
    for body, outcome in (("abc", OK), ("abcd", {("failed", "$.bytes is above 3")})):
        records = await run(
            service.url, tmp_path, body=body, expect={"json": told}, name=f"of-{len(body)}"
        )
        assert outcomes(records) == outcome


async def test_with_one_worker_latency_counts_from_when_a_request_was_due(tmp_path):
    async with endpoints(workers=1) as service:
        records = await run(service.url, tmp_path, body="x", level=100, duration=0.3)
    assert outcomes(records) == OK
    assert all(one.due <= one.start <= one.end for one in records)
    due = sorted(one.due for one in records)
    assert all(later - one == pytest.approx(0.01) for one, later in itertools.pairwise(due))


async def test_a_real_emulator_of_aws_answers_too(tmp_path, monkeypatch):
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        records = await run(f"http://{host}:{port}", tmp_path, json={"inputs": 1}, level=10)
    finally:
        server.stop()
    assert outcomes(records) == OK
    assert len(records) == 4


# -- before a run ------------------------------------------------------------------------


def test_one_request_is_expected_for_each_iteration_shared_out_by_weight():
    load = ExpectedLoad(iterations=Between(100, 200), seconds=10, drain=30)
    options = SageMakerOptions(endpoint="e", json={})
    expected = SageMakerUser.expected_calls(options, load)
    assert expected.requests == {"sagemaker-runtime.InvokeEndpoint": Between(100, 200)}
    options = SageMakerOptions(
        endpoint="e",
        requests=[
            InvocationOptions(name="a", body="x", weight=3),
            InvocationOptions(body="x", stream="sse"),
        ],
    )
    assert SageMakerUser.expected_calls(options, load).requests == {
        "a": Between(75, 150),
        "sagemaker-runtime.InvokeEndpointWithResponseStream": Between(25, 50),
    }
