"""Mistakes in a config of HTTP users, each refused in one sentence, and services that misbehave."""

from __future__ import annotations

import ssl

import pytest
import trustme

import asyncload
from asyncload import UserSpec
from asyncload.config.model import Config
from asyncload.records.log import LogReader
from asyncload.records.record import Note
from tests.users.http.http_app import http, model_server, run

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.mark.parametrize(
    ("request_options", "words"),
    [
        ({"path": "/{{ x }}"}, r"requests.0: '/{{ x }}': 'x' is not known: there is no data"),
        ({"path": "echo/x"}, "requests.0.path: is 'echo/x'; begin it with a slash: /echo/x"),
        ({"path": ".evil.invalid/x"}, "requests.0.path: is '.evil.invalid/x'; begin it with a"),
        ({"path": "@evil.invalid/"}, "requests.0.path: is '@evil.invalid/'; begin it with a"),
        ({"path": "{{ uuid() }}/x"}, r"requests.0.path: is '{{ uuid\(\) }}/x'; begin it with a"),
        ({"then": [{"path": "x"}]}, "requests.0.then.0.path: is 'x'; begin it with a slash"),
        ({"body": "{{ repeat('x', 1000000000) }}"}, "requests.0: .* 16,777,216 are the most"),
        ({"json": {"a": float("nan")}}, "requests.0: json: NaN or infinity cannot be sent"),
        ({"query": {"a": [float("inf")]}}, "requests.0.query: NaN or infinity cannot be sent"),
        ({"expect": "2xy"}, "requests.0.expect: '2xy' is no status; .* a class such as 2xx"),
        ({"expect": {"status": [20]}}, "requests.0.expect.status: 20 is no status; give"),
        ({"expect": []}, "requests.0.expect: is an empty list, so that no answer is good"),
        ({"multipart": {"threshold": 0.5}}, "requests.0.multipart.threshold: .* in quotes"),
        ({"headers": {"X-A": 0.5}}, "requests.0.headers.X-A: expected a text, got 0.5; put it"),
        ({"body": "{{ x("}, r"requests.0.body: '{{ x\(' is no template: unexpected"),
        ({"body": "{{ nope() }}"}, r"requests.0.body: .* there is no function 'nope'"),
        ({"headers": {"A": "{{ x | nope }}"}}, r"requests.0.headers: .* there is no filter 'nope'"),
        ({"json": {"a": ["{{"]}}, r"requests.0.json: '{{' is no template"),
        ({"json": {"{{ a }}": 1}}, r"requests.0.json: the key '{{ a }}' is no place"),
        ({"query": {"a": "{% x %}"}}, r"requests.0.query: .* has a {% … %} statement"),
        ({"headers": {"A": "{{ env.TEST_NOT_SET }}"}}, "variable TEST_NOT_SET is not set; set it"),
        ({"headers": {"A B": "{{ uuid() }}"}}, "requests.0: Header 'A B' cannot be sent"),
        ({"json": {"n": "{{ random_int(2, 1) }}"}}, "requests.0: .* the smaller first"),
        ({"expect": {"json": {"$.a[": 1}}}, r"requests.0.expect.json: '\$.a\[' is not a path"),
        ({"expect": {"json": {"$.a": {"mn": 1}}}}, "requests.0.expect.json: .* is no condition"),
        ({"expect": {"json": {"$.a": "{{ x }}"}}}, "requests.0: '{{ x }}': 'x' is not known"),
        ({"expect": {"max_bytes": "10 pounds"}}, "requests.0.expect.max_bytes: .* is not a size"),
        ({"expect": {"body_contains": ""}}, "requests.0.expect.body_contains: is an empty text"),
        ({"expect": {"stauts": 1}}, "requests.0.expect.stauts: .* did you mean 'status'"),
        ({"capture": {"a-b": "$.x"}}, "requests.0.capture: 'a-b' is no name"),
        ({"capture": {"a": "x"}}, "requests.0.capture: 'x' is not a path .* or 'header NAME'"),
        ({"capture": {"uuid": "$.x"}}, "requests.0.capture: 'uuid' is a name of templates already"),
        ({"then": [{"path": "/{{ x }}"}]}, "requests.0.then.0: '/{{ x }}': 'x' is not known"),
        ({"then": [{"weight": 2}]}, "requests.0.then.0.weight: there is no such key"),
        ({"stream": "ssse"}, "requests.0.stream: .* did you mean 'sse'"),
        ({"stream": "sse", "capture": {"a": "$.x"}}, "requests.0.stream: is sse, .* not one JSON"),
        ({"multipart": {}}, "requests.0.multipart: is empty"),
        ({"multipart": {"a": "b"}, "json": 1}, "json and multipart exclude each other"),
        ({"multipart": {"a": {"file": "/no/such"}}}, "requests.0.multipart.a.file: cannot read"),
        ({"multipart": {"a": {"file": "x", "value": "y"}}}, "file or value is needed"),
        (
            {"multipart": {"a": {"value": "y", "type": "a\nb"}}},
            "type is 'a.nb'; give a content type",
        ),
        (
            {"multipart": {"a": "b"}, "headers": {"content-type": "x"}},
            "requests.0.headers: Content-Type of a multipart body",
        ),
        ({"file": "/no/such"}, "requests.0.file: cannot read '/no/such': No such file"),
        ({"body": "{{ random_file('/no/such/') }}"}, "requests.0: .* there is no file in"),
    ],
)
async def test_a_request_that_cannot_work_is_refused_before_the_start(
    request_options, words, tmp_path
):
    with pytest.raises(asyncload.ConfigError, match=words) as caught:
        await run(http("http://127.0.0.1:9", [request_options]), tmp_path)
    assert str(caught.value).startswith("scenarios.0.user.requests.0")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "request_options", "words"),
    [
        ("a\n1\n", {"path": "/{{ b }}"}, "no column 'b'; there are: a"),
        ("rev_id\n1\n", {"path": "/{{ revid }}"}, "no column 'revid'; did you mean 'rev_id'"),
        ("", {}, "data.file: .* is empty"),
        (None, {}, "data.file: cannot read .* No such file"),
        (
            "a\n1\nx\n",
            {"json": {"n": "{{ a + 1 }}"}},
            "requests.0: .* line 2 of the data: TypeError",
        ),
        ('a\n"x\ny"\n', {"headers": {"X": "{{ a }}"}}, "line 3 of the data: a header's value"),
        ("a\n1\n", {"capture": {"a": "$.a"}}, "'a' is a column of the data already"),
    ],
)
async def test_data_that_do_not_fit_are_refused_before_the_start(
    content, request_options, words, tmp_path
):
    path = tmp_path / "rows.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(asyncload.ConfigError, match=words):
        await run(http("http://127.0.0.1:9", [request_options], data=str(path)), tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data": "rows.txt"}, "user.data: format is missing"),
        ({"data": {"file": "r.csv", "order": "rnd"}}, "user.data.order: .* 'random'"),
        (
            {"data": {"file": "r.csv", "where": {"a": {"min": "x"}}}},
            "data.where: a: .* no condition",
        ),
        ({"idle_timeout": 0}, "must be over 0"),
        (
            {"wait": {"between": [1, 2]}},
            "user.wait: is .* in the open model nobody waits, .* leave wait out, or set model: clo",
        ),
    ],
)
async def test_options_that_make_no_sense_are_refused(options, words, tmp_path):
    with pytest.raises(asyncload.ConfigError, match=words):
        await run(http("http://127.0.0.1:9", [{}], **options), tmp_path)


@pytest.mark.parametrize("wait", [0, None, "0s"])
async def test_a_wait_of_nothing_is_all_the_same_to_the_open_model(wait, tmp_path):
    async with model_server() as server:
        records = await run(http(server.url, [{}], wait=wait), tmp_path, duration=0.1)
    assert {one.outcome for one in records} == {"ok"}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (
            "http://{{ env.HOST }}",
            r"is 'http://{{ env.HOST }}', where .* write \${NAME} for an env",
        ),
        ("http://h?x=1", "is .*; give http://host:port, or local for a simulated server"),
        ("http://h#x", "is .*; give http://host:port"),
        ("http://", "is .*; give http://host:port"),
        ("http://h:x", "is .*; give http://host:port"),
        ("h:80", "is .*; give http://host:port"),
    ],
)
async def test_a_base_url_that_no_path_can_be_appended_to_is_refused(url, words, tmp_path):
    with pytest.raises(asyncload.ConfigError, match=f"scenarios.0.user.base_url: {words}"):
        await run(http(url, [{}]), tmp_path)


@pytest.mark.parametrize("client", ["fast", "aiohttp"])
async def test_a_base_url_may_have_a_path_of_its_own(client, tmp_path):
    paths = ["/x", "", "?a=1", "/"]
    async with model_server() as server:
        for path in paths:
            user = http(f"{server.url}/api/", [{"path": path}], client=client)
            await run(user, tmp_path, duration=0.02)
    assert server.targets == ["/api/x", "/api", "/api?a=1", "/api/"]


@pytest.mark.parametrize(
    ("threshold", "words"),
    [
        ("request[nope].latency.p95 < 1s", "no request and no scenario is called 'nope'; there a"),
        ("request[predct].count > 1", "is called 'predct'; did you mean 'predict'?"),
        ("request[predict].count > 1", None),
        ("request[s].count > 1", None),
        ("request[after].count > 1", None),
        ("request[GET /].count > 1", None),
    ],
)
def test_a_threshold_of_a_request_that_there_is_not_is_refused(threshold, words):
    requests = [{"name": "predict", "then": [{"name": "after"}]}, {}]
    scenario = asyncload.Scenario(
        name="s", user=http("http://h", requests), shape=asyncload.shapes.Constant(1), duration=1
    )
    config = Config(plan=asyncload.Plan(scenarios=(scenario,)), thresholds=(threshold,), log="")
    if words is None:
        asyncload.LoadTest(config)
        return
    with pytest.raises(asyncload.ConfigError, match=words) as caught:
        asyncload.LoadTest(config)
    assert threshold in str(caught.value)


async def test_shares_of_the_open_model_are_told_to_be_a_trap(tmp_path):
    (tmp_path / "r.csv").write_text("a\n1\n2\n")
    data = {"file": str(tmp_path / "r.csv"), "order": "split"}
    notes = {}
    async with model_server() as server:
        for model in ("open", "closed"):
            user = http(server.url, [{"path": "/{{ a }}"}], data=data)
            await run(user, tmp_path, duration=0.1, model=model, level=2)
            log = LogReader(tmp_path / "run-3.jsonl")
            notes[model] = [one.text for one in log if isinstance(one, Note)]
    assert notes["closed"] == []
    (note,) = notes["open"]
    assert note.startswith("scenarios.0.user.data: order: split in the open model has a share for")
    assert "max_in_flight (10,000)" in note


async def test_a_place_without_quotes_in_yaml_is_told_how_to_be_written(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("scenarios:\n  - user: {requests: [{json: {id: {{ id }}}}]}\n")
    with pytest.raises(asyncload.ConfigError, match=r'line 2, .* put "{{ … }}" in quotes'):
        asyncload.load_config(path)


async def test_a_mistake_in_a_template_is_found_without_a_run(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        """
        scenarios:
          - load: {shape: {kind: constant, level: 1}, duration: 1}
            user: {kind: http, base_url: "http://h", requests: [{path: "/{{ foo() }}"}]}
        """
    )
    with pytest.raises(asyncload.ConfigError, match=r"requests.0.path: .* no function 'foo'"):
        asyncload.LoadTest(asyncload.load_config(path))


# -- while it runs ------------------------------------------------------------------------


@pytest.mark.parametrize("client", ["fast", "aiohttp"])
async def test_a_host_that_does_not_exist_is_a_failed_request_that_names_it(client, tmp_path):
    user = http("http://no-such-host.invalid:8080", [{"path": "/"}], client=client)
    records = await run(user, tmp_path, duration=0.2, level=20)
    assert len(records) == 4
    assert {one.outcome for one in records} == {"failed"}
    assert all("no-such-host.invalid" in one.error for one in records)


@pytest.mark.parametrize("client", ["fast", "aiohttp"])
async def test_a_certificate_that_is_not_trusted_is_a_failed_request_that_says_so(client, tmp_path):
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "gateway.example.org").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with model_server(context) as server:
        records = await run(http(server.url, [{}], client=client), tmp_path, duration=0.2)
        assert {one.outcome for one in records} == {"failed"}
        assert all("certificate" in one.error.lower() for one in records)
        if client == "fast":
            assert all("name the CA's file in tls.ca" in one.error for one in records)
        assert server.seen.total() == 0
        # Trusted, and with a Host of its own: TLS goes to the gateway, the request to a service.
        tls = {"ca": str(tmp_path / "ca.pem"), "server_name": "gateway.example.org"}
        request = {"path": "/", "headers": {"Host": "revertrisk.example.org"}}
        user = http(server.url, [request], client=client, tls=tls)
        records = await run(user, tmp_path, duration=0.2)
    assert {(one.outcome, one.error) for one in records} == {("ok", None)}
    assert {headers["host"] for headers in server.headers} == {"revertrisk.example.org"}


async def test_what_goes_wrong_is_counted_by_its_reason_and_the_run_goes_on(tmp_path):
    wanted = [
        {"name": "fine", "path": "/"},
        {"name": "page", "path": "/page", "expect": {"json": {"$.label": {}}}},
        {"name": "cut", "path": "/stream?kind=sse&cut=2", "stream": "sse"},
    ]
    async with model_server() as server:
        user = http(server.url, wanted)
        plan = asyncload.Plan(
            seed=1,
            scenarios=(
                asyncload.Scenario(
                    name="s", user=user, shape=asyncload.shapes.Constant(100), duration=0.5
                ),
            ),
        )
        result = await asyncload.run(plan, aws=asyncload.AwsConfig(region="us-west-2"))
    rows = {row.name: row for row in result.summary.requests_by_name}
    assert rows["fine"].ok == rows["fine"].count > 5
    assert rows["page"].failures == {"the answer is not JSON but text/html": rows["page"].count}
    reasons = list(rows["cut"].failures)
    assert all("closed the connection in the middle of its answer" in one for one in reasons)
    assert sum(row.count for row in rows.values()) == 50


async def test_a_user_spec_without_requests_is_refused(tmp_path):
    with pytest.raises(asyncload.ConfigError, match="requests: is missing"):
        await run(UserSpec("http", {"base_url": "http://h"}), tmp_path)
