"""``asyncload init``: configs to start from."""

import json

import pytest
import yaml

from asyncload.drafts.curl import draft_of_curl
from asyncload.drafts.kinds import EXAMPLES
from asyncload.errors import ConfigError


def scenario(command):
    config, _, _ = draft_of_curl(command)
    [only] = config["scenarios"]
    return only["user"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", EXAMPLES)
def test_an_example_of_each_kind_runs_as_it_is(asyncload, kind):
    ended = asyncload("init", kind)
    assert ended.returncode == 0, ended.stderr
    config = EXAMPLES[kind][0]
    assert ended.stdout == f"asyncload run {config}\n"
    scenario = yaml.safe_load((asyncload.folder / config).read_text())["scenarios"][0]
    shorter = ["--set", f"scenarios.{scenario['name']}.load.duration=3s"]
    ran = asyncload("run", config, "--quiet", "--set", "inconclusive=pass", *shorter)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_nothing_that_is_there_is_replaced(asyncload):
    (asyncload.folder / "http.yaml").write_text("mine")
    ended = asyncload("init")
    assert ended.returncode == 2
    assert ended.sentence == "http.yaml is there already; name another file with -o, or remove it"
    assert (asyncload.folder / "http.yaml").read_text() == "mine"


def test_an_unknown_kind_gets_the_nearest(asyncload):
    ended = asyncload("init", "modelrunner")
    assert ended.returncode == 2
    assert (
        ended.sentence == "there is no example of kind 'modelrunner'; did you mean 'model_runner'?"
    )


def test_a_curl_command_becomes_a_config_that_sends_the_same(asyncload, fake_aws):
    service = fake_aws(200, "{}", "application/json")
    command = (
        f"curl -sS -XPOST '{service.url}/predict?v=1' \\\n -H 'X-Api-Key: hidden-value' "
        '-H \'Content-Type: application/json\' --data-raw \'{"a": "{{ b }}", "token": "t0ken"}\''
    )
    ended = asyncload("init", "--from-curl", command, "-o", "mine.yaml")
    assert ended.returncode == 0, ended.stderr
    assert "set in the environment: X_API_KEY, TOKEN" in ended.stderr
    text = (asyncload.folder / "mine.yaml").read_text()
    assert "hidden-value" not in text
    assert "t0ken" not in text
    ran = asyncload("run", "mine.yaml", "--quiet", "--set", "scenarios.0.load.duration=1s",
                    X_API_KEY="key", TOKEN="t0ken")  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert {seen["X-Api-Key"] for seen in service.seen} == {"key"}


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("curl example.com", {"base_url": "http://example.com", "requests": [{"path": "/"}]}),
        ("curl -I https://example.com/a", {"requests": [{"method": "HEAD", "path": "/a"}]}),
        ("curl http://h -d a=1 -d b=2", {"requests": [{
            "method": "POST", "path": "/", "body": "a=1&b=2",
            "headers": {"Content-Type": "application/x-www-form-urlencoded"}}]}),
        ("curl -G http://h/s --data-urlencode 'q=a b'", {"requests": [{"path": "/s?q=a+b"}]}),
        ("curl --json '{\"a\":1}' http://h", {"requests": [{
            "method": "POST", "path": "/", "json": {"a": 1},
            "headers": {"Accept": "application/json"}}]}),
        ("curl -k -m 5 http://h", {"timeout": "5s", "tls": {"verify": False}}),
        ("curl -F 'image=@cat.jpg;type=image/jpeg' -F n=1 http://h", {"requests": [{
            "method": "POST", "path": "/",
            "multipart": {"image": {"file": "cat.jpg", "type": "image/jpeg"}, "n": "1"}}]}),
        ("curl -u me:pw http://h", {"requests": [{
            "path": "/", "headers": {"Authorization": "Basic ${AUTHORIZATION}"}}]}),
    ],
)  # fmt: skip
def test_curl_commands(command, wanted):
    user = scenario(command)
    assert {key: user[key] for key in wanted} == wanted


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("wget x", "'wget' is not curl; give a command such as 'curl URL'"),
        ("curl", "the curl command has no URL; give it one"),
        ("curl a b", "the curl command has 2 URLs; give it one"),
        ("curl 'a", ("the curl command cannot be read (No closing quotation); copy it whole, in "
                    "single quotes")),
        ("curl --proxy x http://h", "curl's option --proxy is not known to asyncload; leave it out"),
        ("curl http://h -H", "curl's --header has no value; give it one"),
        ("curl http://h -d @file", ("the curl command sends the file 'file'; draft it without, and "
                                   "write file: in the config")),
    ],
)  # fmt: skip
def test_what_is_no_curl_command_gets_one_sentence(command, sentence):
    with pytest.raises(ConfigError) as refused:
        draft_of_curl(command)
    assert str(refused.value) == sentence


def har(folder, entries):
    log = {"entries": [{"startedDateTime": f"2026-01-01T00:00:{second:02}.000Z", "request": request}
                       for second, request in entries]}  # fmt: skip
    (folder / "seen.har").write_text(json.dumps({"log": log}))


def test_recorded_traffic_becomes_scenarios_by_host_with_weights(asyncload):
    cookie = [{"name": "Cookie", "value": "session=hidden-value"}, {"name": ":path", "value": "/"}]
    page = {"method": "GET", "url": "https://a.example/x", "headers": cookie}
    post = {"method": "POST", "url": "https://a.example/y", "headers": cookie,
            "postData": {"mimeType": "application/json", "text": '{"a": 1}'}}  # fmt: skip
    other = {"method": "GET", "url": "http://b.example:8080/"}
    har(asyncload.folder, [(0, page), (1, page), (2, page), (5, post), (10, other)])
    ended = asyncload("init", "--from-har", "seen.har")
    assert ended.returncode == 0, ended.stderr
    text = (asyncload.folder / "seen.yaml").read_text()
    assert "hidden-value" not in text
    first, second = yaml.safe_load(text)["scenarios"]
    assert first["user"]["headers"] == {"Cookie": "${COOKIE}"}
    assert first["user"]["requests"] == [
        {"path": "/x", "weight": 3},
        {"method": "POST", "path": "/y", "json": {"a": 1}},
    ]
    assert first["load"]["shape"] == {"kind": "constant", "rate": 0.4}
    assert second["user"]["base_url"] == "http://b.example:8080"
    checked = asyncload("check", "seen.yaml", COOKIE="x")
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("text", ["", "{}", '{"log": {"entries": []}}', "\0"])
def test_what_is_no_har_file_gets_one_sentence(asyncload, text):
    (asyncload.folder / "seen.har").write_text(text)
    ended = asyncload("init", "--from-har", "seen.har")
    assert ended.returncode == 2
    assert ended.sentence.startswith("seen.har: ")


def test_literal_texts_arrive_as_they_were(asyncload, fake_aws):
    service = fake_aws(200, "{}", "application/json")
    odd = "{{ x }} {% if %} {# c #} ${HOME} a { b } {{ %}}"
    ended = asyncload("init", "--from-curl", f"curl {service.url} -H 'X-Odd: {odd}'")
    assert ended.returncode == 0, ended.stderr
    ran = asyncload("run", "http.yaml", "--quiet", "--set", "scenarios.0.load.duration=300ms")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert {seen["X-Odd"] for seen in service.seen} == {odd}


def test_secrets_of_addresses_and_forms_become_environment_variables():
    config, secrets, _ = draft_of_curl(
        "curl 'https://h/a?key=k1&sig=s%2F2&page=3' -d 'user=me&password=p4'"
    )
    [request] = config["scenarios"][0]["user"]["requests"]
    assert request["path"] == "/a?key=${KEY}&sig=${SIG}&page=3"
    assert request["body"] == "user=me&password=${PASSWORD}"
    assert secrets == {"KEY": "k1", "SIG": "s%2F2", "PASSWORD": "p4"}


def test_a_saved_test_has_no_password(asyncload):
    asyncload(
        "http", "http://me:hunter2x@127.0.0.1:9/a?token=t0k", "-n", "1", "--save", "saved.yaml"
    )
    saved = (asyncload.folder / "saved.yaml").read_text()
    assert "me:${PASSWORD}@" in saved
    assert "token=${TOKEN}" in saved
    assert "hunter2x" not in saved + "".join(
        one.read_text() for one in asyncload.folder.rglob("*.jsonl")
    )
