"""`base_url: local`: a simulated model server for users of `kind: http`."""

from __future__ import annotations

import pytest

from asyncload.errors import ConfigError
from asyncload.local.model_server.server import ModelServer
from asyncload.transport.http.client import HttpClient
from tests.users.http.http_app import http, run

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PREDICT = "/v1/models/readability:predict"
REQUESTS = [
    {
        "method": "POST",
        "path": PREDICT,
        "json": {"rev_id": 1},
        "expect": {"json": {"$.model_name": "readability", "$.predictions[0].probability": {}}},
    },
    {
        "method": "POST",
        "path": "/openai/v1/completions",
        "json": {"model": "llm", "prompt": "What is Wikipedia", "max_tokens": 3},
        "expect": {
            "json": {
                "$.model": "llm",
                "$.choices[0].text": " word word word",
                "$.usage.prompt_tokens": 3,
                "$.usage.completion_tokens": 3,
            }
        },
    },
]


async def test_it_predicts_and_completes_in_the_time_that_it_is_given(tmp_path):
    user = http("local", REQUESTS, local={"workers": 4, "service_time": "20ms"})
    requests = await run(user, tmp_path)
    assert {one.name for one in requests} == {f"POST {one['path']}" for one in REQUESTS}
    assert {one.outcome for one in requests} == {"ok"}
    assert all(one.end - one.start >= 0.019 for one in requests)


async def test_each_instance_gets_a_prediction():
    async with ModelServer(workers=1, service_time=0.0) as server, HttpClient() as client:
        answer = await client.request(
            "POST", f"{server.url}{PREDICT}?debug=1", body=b'{"instances": [1, 2, 3]}'
        )
    assert len(answer.json()["predictions"]) == 3


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", PREDICT, b"{", 400),
        ("POST", PREDICT, b"[1]", 400),
        ("POST", "/v1/completions", b"", 400),
        ("GET", PREDICT, b"", 404),
        ("POST", "/v1/models/readability", b"{}", 404),
        ("POST", "/service/lw/inference/v1/models/readability:predict", b"{}", 200),
        ("POST", "/v1/completions", b'{"max_tokens": "many"}', 200),
    ],
)
async def test_it_answers_as_a_server_of_models_does(method, path, body, status):
    async with ModelServer(workers=1, service_time=0.0) as server, HttpClient() as client:
        answer = await client.request(method, f"{server.url}{path}", body=body)
    assert answer.status == status


async def test_settings_of_a_simulated_server_are_passed_over_where_the_server_is_real(tmp_path):
    async with ModelServer(workers=1, service_time=0.0) as server:
        user = http(server.url, REQUESTS, local={"service_time": "1h"})
        assert {one.outcome for one in await run(user, tmp_path)} == {"ok"}


async def test_a_place_that_is_neither_is_refused_with_both_ways_out(tmp_path):
    with pytest.raises(ConfigError, match="give http://host:port, or local for a simulated"):
        await run(http("here", REQUESTS), tmp_path)
