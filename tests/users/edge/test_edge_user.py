"""Users of ``kind: edge``: what they send, and what they make of the answers."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from rasterio.io import MemoryFile

import asyncload
from asyncload import Plan, Scenario, shapes
from asyncload.config.load import load_config
from tests.users.edge.edge_app import PATH, edge, edge_endpoint
from tests.users.http.http_app import NOWHERE, run

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

NO_TOKEN = (
    "HTTP 401 Unauthorized: no token was sent; set GROUNDLIGHT_API_TOKEN, or token in the config"
)
JPEG = b"\xff\xd8\xff\xe0 and so on"


@pytest.fixture(autouse=True)
def no_token(monkeypatch):
    monkeypatch.delenv("GROUNDLIGHT_API_TOKEN", raising=False)


async def ask(endpoint, tmp_path, *, clients=2, **options):
    """Two clients ask for half a second, ten times a second each."""
    user = edge(endpoint.url, **options)
    return await run(user, tmp_path, level=clients, duration=0.5, model="closed")


async def test_a_request_is_what_the_service_takes(tmp_path):
    (tmp_path / "cat.jpg").write_bytes(JPEG)
    async with edge_endpoint() as endpoint:
        requests = await ask(
            endpoint,
            tmp_path,
            image=str(tmp_path / "cat.jpg"),
            patience_time="1500ms",
            confidence_threshold=0.75,
            query={"want_async": "true"},
            token="api_secret_token",
        )
    assert {one.outcome for one in requests} == {"ok"}
    target = urlsplit(endpoint.targets[0])
    assert target.path == PATH
    assert parse_qs(target.query) == {
        "detector_id": ["det_a"],
        "human_review": ["NEVER"],
        "patience_time": ["1.5"],
        "confidence_threshold": ["0.75"],
        "want_async": ["true"],
    }
    assert set(endpoint.bodies) == {JPEG}
    assert endpoint.headers[0]["content-type"] == "image/jpeg"
    assert endpoint.headers[0]["x-api-token"] == "api_secret_token"
    assert "accept" in endpoint.headers[0]


async def test_clients_take_the_detectors_in_turns_and_keep_them(tmp_path):
    async with edge_endpoint() as endpoint:
        requests = await ask(endpoint, tmp_path, clients=5, detectors=["det_a", "det_b"])
    assert {(one.user, one.name) for one in requests} == {
        (0, "det_a"), (1, "det_b"), (2, "det_a"), (3, "det_b"), (4, "det_a"),
    }  # fmt: skip
    sent = Counter(
        parse_qs(urlsplit(target).query)["detector_id"][0] for target in endpoint.targets
    )
    assert sent == Counter(one.name for one in requests)


async def test_each_client_sends_at_its_rate_and_begins_at_a_moment_of_its_own(tmp_path):
    async with edge_endpoint() as endpoint:
        requests = await ask(endpoint, tmp_path, clients=8, rate=5)
    firsts = []
    for client in range(8):
        dues = [one.due for one in requests if one.user == client]
        gaps = [later - earlier for earlier, later in itertools.pairwise(dues)]
        assert gaps
        assert min(gaps) == pytest.approx(0.2, abs=1e-6)
        firsts.append(dues[0] % 0.2)
    # Of 8 moments in a period of 200 ms, spread by the golden ratio, no two lie together;
    # clients that begin together would be a few milliseconds apart.
    firsts.sort()
    assert firsts[-1] - firsts[0] > 0.1


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
async def test_an_image_is_made_of_the_size_and_by_the_seed(tmp_path):
    images = []
    for options in ({"size": "320x200", "seed": 5}, {"size": [320, 200], "seed": 5}, {"seed": 6}):
        async with edge_endpoint() as endpoint:
            await ask(endpoint, tmp_path, image=options)
        (image,) = set(endpoint.bodies)
        images.append(image)
    assert images[0] == images[1] != images[2]
    sizes = []
    for image in images:
        with MemoryFile(image) as memory, memory.open() as dataset:
            assert dataset.driver == "JPEG"
            sizes.append((dataset.width, dataset.height))
    assert sizes == [(320, 200), (320, 200), (256, 256)]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"text": "<html>no</html>"}, "the answer is no JSON"),
        ({"text": "{}"}, "the answer has no result"),
        ({"text": '{"result": null}'}, "the answer has no result"),
        ({"text": '{"result": 3}'}, "the answer is JSON of another form: its result is no object"),
        ({"text": '{"result": {"label": "YES"}}'}, "the result has no count; expected 2"),
        ({}, "the count is 3; expected 2"),
        ({"status": 500, "text": '{"detail": "no GPU"}'}, "HTTP 500 Internal Server Error: no GPU"),
        ({"status": 307}, "HTTP 307 Temporary Redirect: only 2xx counts as ok"),
        ({"token": "t"}, NO_TOKEN),
    ],
)  # fmt: skip
async def test_a_bad_answer_is_a_failed_request_with_its_reason(answer, reason, tmp_path):
    async with edge_endpoint(**answer) as endpoint:
        requests = await ask(endpoint, tmp_path, expect_count=2)
    assert requests
    assert {(one.outcome, one.error) for one in requests} == {("failed", reason)}


async def test_a_good_answer_has_the_count_where_one_is_expected(tmp_path):
    async with edge_endpoint() as endpoint:
        requests = await ask(endpoint, tmp_path, expect_count=3)
    assert {one.outcome for one in requests} == {"ok"}


async def test_the_token_comes_from_the_environment_and_is_never_logged(monkeypatch, tmp_path):
    monkeypatch.setenv("GROUNDLIGHT_API_TOKEN", "api_very_secret")
    async with edge_endpoint(token="api_very_secret") as endpoint:
        requests = await ask(endpoint, tmp_path)
        assert {one.outcome for one in requests} == {"ok"}
        assert "api_very_secret" not in next(tmp_path.glob("*.jsonl")).read_text()
        refused = await ask(endpoint, tmp_path, token="api_wrong_secret")
    told = "HTTP 401 Unauthorized: the endpoint refuses the token"
    assert {one.error for one in refused} == {f"{told}; check token, or GROUNDLIGHT_API_TOKEN"}
    text = "".join(path.read_text() for path in tmp_path.glob("*.jsonl"))
    assert "api_wrong_secret" not in text
    assert "api_very_secret" not in text


async def test_in_the_open_model_arrivals_are_on_time_whatever_the_rate(tmp_path):
    async with edge_endpoint() as endpoint:
        requests = await run(edge(endpoint.url, rate=0.01), tmp_path, level=40, duration=0.5)
    assert len(requests) == 20


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"detectors": []}, "detectors: is empty; give at least one"),
        ({"detectors": [" "]}, "detectors: one of them is empty"),
        ({"endpoint": "edge:30101"}, "endpoint: is 'edge:30101'; give http://host:port"),
        ({"endpoint": ""}, "endpoint: is ''; give http://host:port"),
        ({"endpoint": "http://{{ h }}"}, r"endpoint: is .* not filled: .* write \${NAME}"),
        ({"endpoint": "http://h?a=1"}, "endpoint: is .*; give http://host:port"),
        ({"rate": 0}, "rate: is 0; give a number"),
        ({"image": "no-such.jpg"}, "image: cannot read .*no-such.jpg.: No such file"),
        ({"image": __file__}, "image: .* is no JPEG; name a JPEG file"),
        ({"image": {"size": "wide"}}, "image.size: is 'wide'; give width and height"),
        ({"image": {"size": [256]}}, r"image.size: is \[256\]; give width and height"),
        ({"image": {"size": "4x4"}}, "image.size: is '4x4'; give sides of 32 to 4096"),
        ({"image": {"size": "256x99999"}}, "image.size: is .* give sides of 32 to 4096"),
        ({"image": {"seed": -1}}, "image.seed: is -1"),
        ({"human_review": "never"}, "human_review: 'never' is not one of"),
        ({"patience_time": "soon"}, "patience_time: 'soon' is not a duration"),
        ({"confidence_threshold": 90}, "confidence_threshold: is 90; give a share"),
        ({"expect_count": -1}, "expect_count: is -1"),
        (
            {"query": {"detector_id": "x"}},
            "query: detector_id does not belong.* use the key detectors",
        ),
        ({"token": "a\nb"}, "token: holds what no token has"),
        ({"local": {"workers": 1}}, "local: is about the simulated endpoint"),
        ({"endpoint": "local", "local": {"workers": 0}}, "local.workers: is 0"),
        ({"timeout": 0}, "timeout and connect_timeout must be over 0"),
    ],
)
async def test_a_mistake_is_refused_in_one_sentence_that_names_the_key(options, words, tmp_path):
    user = edge(**{"endpoint": "http://127.0.0.1:9", **options})
    with pytest.raises(asyncload.ConfigError, match=words) as caught:
        await run(user, tmp_path)
    assert "\n" not in str(caught.value)
    assert "a\nb" not in str(caught.value)


@pytest.mark.parametrize("missing", ["endpoint", "detectors"])
async def test_what_must_be_given_is_named(missing, tmp_path):
    user = edge("http://127.0.0.1:9")
    options = {key: value for key, value in user.options.items() if key != missing}
    with pytest.raises(asyncload.ConfigError, match=f"scenarios.0.user.{missing}: is missing"):
        await run(asyncload.UserSpec("edge", options), tmp_path)


@pytest.mark.parametrize("name", ["ramp", "custom_ramp"])
def test_the_configs_ramp_as_the_reference_does(name):
    config = load_config(Path(__file__).parents[3] / "configs" / "edge" / f"{name}.yaml")
    (scenario,) = config.plan.scenarios
    users = [scenario.users_at(t) for t in range(15, int(scenario.end), 30)]
    assert scenario.model == "closed"
    assert users == {
        "ramp": [2, 4, 6, 8, 10],
        "custom_ramp": [1, 2, 3, 4, 5, 10, 15, 20, 30, 40, 50, 60],
    }[name]  # fmt: skip


async def test_the_header_keeps_no_token_of_a_plan_made_in_python(tmp_path):
    async with edge_endpoint() as endpoint:
        plan = Plan(
            scenarios=(
                Scenario(
                    name="s",
                    model="closed",
                    user=edge(endpoint.url, token="api_secret_token"),
                    shape=shapes.Ramp(max=2, step=1, every=0.3),
                ),
            )
        )
        result = await asyncload.run(plan, aws=NOWHERE, log=tmp_path / "log.jsonl")
    assert [step.clients for step in result.summary.steps] == [1, 2]
    assert "api_secret_token" not in (tmp_path / "log.jsonl").read_text()


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ('{"result": {"count": 3, "from_edge": true}}', None),
        ('{"result": {"count": 3, "from_edge": false}}', "the result is not from the edge"),
        ('{"result": {"count": 3}}', "the result is not from the edge"),
    ],
)
async def test_an_answer_of_the_cloud_can_be_told_from_one_of_the_edge(answer, wrong, tmp_path):
    async with edge_endpoint(text=answer) as endpoint:
        records = await ask(endpoint, tmp_path, expect_from_edge=True)
    for record in records:
        assert (record.error or "").startswith(wrong or "")
        assert (record.outcome == "ok") is (wrong is None)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
async def test_each_request_can_send_an_image_that_was_never_sent(tmp_path):
    async with edge_endpoint() as endpoint:
        await ask(endpoint, tmp_path, image={"size": "64x48", "fresh": True})
    assert len(set(endpoint.bodies)) == len(endpoint.bodies) > 5
    for body in endpoint.bodies[:3]:
        with MemoryFile(body) as file, file.open() as image:
            assert (image.width, image.height) == (64, 48)
