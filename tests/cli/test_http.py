"""``asyncload http URL``: a test of one URL without a config file."""

import json

import pytest

from asyncload.commands.runs.http import HttpTest, full_threshold
from asyncload.config.load import load_config
from asyncload.errors import ConfigError

URL = "http://127.0.0.1:8080/predict?v=1"


@pytest.fixture
def service(fake_aws):
    return fake_aws(200, '{"label": "cat"}', "application/json")


def requests(log):
    lines = map(json.loads, log.read_text().splitlines())
    return [line for line in lines if line["type"] == "request"]


def test_a_url_is_enough(asyncload, service):
    ended = asyncload("http", service.url, "-d", "1s", "--quiet")
    assert ended.returncode == 0, ended.stderr
    assert "GET /" in ended.stdout
    sent = requests(asyncload.folder / "logs/run.jsonl")
    assert len(sent) == 10
    assert {request["outcome"] for request in sent} == {"ok"}


def test_local_is_a_simulated_server(asyncload):
    ended = asyncload("http", "local/v1/models/demo:predict", "--json", "{}", "-d", "1s", "--quiet")
    assert ended.returncode == 0, ended.stderr
    assert "POST /v1/models/demo:predict" in ended.stdout


def test_a_count_at_a_rate_and_of_users_is_sent_exactly(asyncload, service):
    for load in (["-r", "50"], ["-c", "4"]):
        ended = asyncload("http", service.url, "-n", "23", *load, "--quiet", "--log", "run.jsonl")
        assert ended.returncode == 0, ended.stderr + ended.stdout
        assert len(requests(asyncload.folder / "run.jsonl")) == 23


def test_what_goes_out_is_what_the_options_say(asyncload, service):
    ended = asyncload(
        "http", service.url + "/predict", "-n", "3", "-r", "20", "-X", "put",
        "-H", "X-Api-Token: ${TOKEN}", "--json", '{"instances": [1, 2]}', "--quiet",
        TOKEN="hidden-value",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert {headers["X-Api-Token"] for headers in service.seen} == {"hidden-value"}
    assert {headers["Content-Type"] for headers in service.seen} == {"application/json"}
    assert "PUT /predict" in ended.stdout
    assert "hidden-value" not in ended.stdout + (asyncload.folder / "logs/run.jsonl").read_text()


def test_expectations_make_the_exit_code(asyncload, service):
    ended = asyncload("http", service.url, "-n", "30", "-r", "60", "--quiet",
                      "--expect", "max < 1us", "--expect", "error_rate < 1%")  # fmt: skip
    assert ended.returncode == 1
    assert "request.latency.max < 1us" in ended.stdout


def test_a_service_that_is_not_there_is_no_success(asyncload):
    ended = asyncload("http", "http://127.0.0.1:9", "-n", "3", "--quiet")
    assert ended.returncode in {1, 4}
    assert "refused" in ended.stdout + ended.stderr


def test_a_saved_config_is_the_same_test_without_its_secrets(asyncload, service):
    ended = asyncload("http", service.url, "-n", "5", "-c", "2", "--quiet", "--save", "mine.yaml",
                      "-H", "Authorization: Bearer hidden-value", "--expect", "p50 < 10s",
                      "--set", "inconclusive=pass")  # fmt: skip
    assert ended.returncode == 0, ended.stderr + ended.stdout
    text = (asyncload.folder / "mine.yaml").read_text()
    assert "hidden-value" not in text
    assert "# Set in the environment: AUTHORIZATION" in text
    again = asyncload("run", "mine.yaml", "--quiet", AUTHORIZATION="other")
    assert again.returncode == 0, again.stderr + again.stdout
    assert service.seen[-1]["Authorization"] == "Bearer other"
    assert len(service.seen) == 10
    refused = asyncload("http", service.url, "--save", "mine.yaml")
    assert refused.returncode == 2
    assert refused.sentence == (
        "--save mine.yaml is there already; name another file, or remove it"
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["ftp://here"], ("URL 'ftp://here' is not http:// or https:// with a host; "
                         "give one such as http://127.0.0.1:8080/predict")),
        (["http://here:x/"], ("URL 'http://here:x/' cannot be read (Port could not be cast to "
                             "integer value as 'x'); give one such as http://127.0.0.1:8080/predict")),
        (["here", "-r", "5", "-c", "2"], "--rate and --users say different loads; keep one of them"),
        (["here", "-n", "5", "-d", "2s"], ("--requests and --duration both say when to end, and at a "
                                          "rate one follows from the other; keep one of them")),
        (["here", "--stages", "10"], ("--stages: '10' is no RATE:TIME; write stages such as "
                                     "10:30s,50:1m")),
        (["here", "--json", "{"], None),
        (["here", "--json", "1", "--body", "x"], ("--json and --body exclude each other; keep one of "
                                                 "them")),
        (["here", "--body", "@none"], ("--body @none: cannot be read: No such file or directory; "
                                      "check the path")),
        (["here", "-H", "none"], "-H 'none' is no header; write it as 'Name: value'"),
        (["here", "--think-time", "1s"], None),
        (["here", "--expect", "p95 < 200"], None),
        (["here", "-d", "none"], None),
    ],
)  # fmt: skip
def test_a_mistake_gets_one_sentence(asyncload, options, sentence):
    ended = asyncload("http", *options)
    assert ended.returncode == 2
    assert sentence is None or ended.sentence == sentence
    assert ended.sentence


def test_run_says_which_command_is_meant_for_a_url(asyncload):
    ended = asyncload("run", URL)
    assert ended.returncode == 2
    assert ended.sentence == (
        f"{URL} is a URL, and this takes a config file; asyncload http {URL} tests a URL without one"
    )


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, {"model": "open", "shape": {"kind": "constant", "rate": 10.0}, "duration": "10s"}),
        ({"rate": 2.5, "requests": 5}, {"duration": 2.2}),
        ({"users": 3}, {"model": "closed", "shape": {"kind": "constant", "users": 3}}),
        ({"stages": "10:30s, 50:1m"},
         {"shape": {"kind": "stages", "stages": [[10.0, "30s"], [50.0, "1m"]]}}),
        ({"rate": 5, "poisson": True}, {"arrivals": "poisson"}),
    ],
)  # fmt: skip
def test_loads(given, wanted):
    config = HttpTest(url=URL, **given).config()
    load = config["scenarios"][0]["load"]
    assert {key: load[key] for key in wanted} == wanted
    load_config(config)
    assert config["scenarios"][0]["user"]["base_url"] == "http://127.0.0.1:8080"
    assert config["scenarios"][0]["user"]["requests"] == [{"path": "/predict?v=1"}]


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("p95 < 200ms", "request.latency.p95 < 200ms"),
        ("p99.9 < 1s for GET /", "request.latency.p99.9 < 1s for GET /"),
        ("error_rate < 1%", "request.error_rate < 1%"),
        ("ok_latency.p50 < 1s", "request.ok_latency.p50 < 1s"),
        ("request.rate > 5", "request.rate > 5"),
        ("job.latency.p95 < 1s", "job.latency.p95 < 1s"),
    ],
)
def test_short_thresholds(short, full):
    assert full_threshold(short) == full


def test_a_url_is_not_cut_in_silence():
    with pytest.raises(ConfigError, match="has a part behind #"):
        HttpTest(url="http://here/a#b").config()


def test_a_config_on_standard_input():
    from asyncload.config.reader import config_content

    assert config_content("a: 1", "standard input") == {"a": 1}
    with pytest.raises(ConfigError, match="standard input: is empty"):
        config_content("", "standard input")
