"""Secrets never reach what is written: the log's header, messages, error texts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.config.load import config_from, load_config
from asyncload.config.redact import redact
from asyncload.errors import ConfigError
from asyncload.transport.error_text import describe, hide_secrets

SECRET = "hunter2-s3cr3t"
BASE = {"load": {"shape": {"kind": "constant", "level": 1}, "duration": 1}}

HIDDEN = [
    {"headers": {"Authorization": f"Bearer {SECRET}"}},
    {"headers": {"authorization": SECRET}},
    {"headers": {"x-api-token": SECRET}},
    {"headers": {"X-Api-Key": SECRET}},
    {"headers": {"Cookie": f"session={SECRET}"}},
    {"headers": {"X-Amz-Security-Token": SECRET}},
    {"headers": {"X-Custom": f"Bearer {SECRET}"}},
    {"api_token": SECRET},
    {"tokens": [SECRET, SECRET]},
    {"password": SECRET},
    {"passphrase": SECRET},
    {"client_secret": SECRET},
    {"private_key": SECRET},
    {"aws_secret_access_key": SECRET},
    {"credentials": {"user": "me", "key": SECRET}},
    {"auth": ["me", SECRET]},
    {"proxy-auth": SECRET},
    {"base_url": f"https://me:{SECRET}@host/path"},
    {"base_url": f"https://me:{SECRET}@x@host/path"},
    {"base_url": f"https://host/path?token={SECRET}&a=b"},
    {"base_url": f"https://host/?X-Amz-Signature={SECRET}"},
    {"body": f'{{"user": "me", "password": "{SECRET}"}}'},
    {"list": [{"deep": {"token": SECRET}}]},
    {"headers": {"X-Anything": SECRET}},
    {"headers": {"X-Session": SECRET}},
    {"query": {"q": SECRET}},
    {"path": f"/v1?pwd={SECRET}&q=cats"},
    {"form": {"field": SECRET}},
    {"path": f"/v1?key={SECRET}"},
    {"path": f"/blob?sv=2020&sig={SECRET}&se=1"},
    {"path": f"/?jwt={SECRET}&code={SECRET}&session={SECRET}&sas={SECRET}"},
]


@pytest.mark.parametrize("options", HIDDEN, ids=[next(iter(one)) for one in HIDDEN])
def test_secrets_of_a_config_are_not_in_what_the_log_keeps(options):
    config = config_from({"scenarios": [{**BASE, "user": {"kind": "a:B", **options}}]})
    assert SECRET not in str(config.resolved)
    assert SECRET in str(config.plan.scenarios[0].user.options), "the run itself needs it"


SHOWN = {
    "max_tokens": 100,
    "max_completion_tokens": "{{ random_int(10, 1000) }}",
    "prompt_tokens": 5.5,
    "model": "centerpoint",
    "author": "me",
    "images": "s3://bucket/folder",
    "base_url": "https://host:8080/path?page=2&sort=name",
    "tile_size": 512,
    "prompt": "What is Wikipedia",
    "passes": 3,
    "keys": ["a", "b"],
    "nothing": None,
    "token_is_there": None,
}


@pytest.mark.parametrize("key", SHOWN)
def test_what_is_no_secret_stays_as_it_is(key):
    assert redact({key: SHOWN[key]}) == {key: SHOWN[key]}


def test_the_value_of_a_secret_variable_is_hidden_wherever_it_is_put_in(tmp_path):
    path = tmp_path / "test.yaml"
    path.write_text(
        "scenarios:\n"
        "  - load: {shape: {kind: constant, level: 1}, duration: 1}\n"
        "    user: {kind: a:B, header: '${MY_TOKEN}', url: 'http://h/${MY_TOKEN}/x'}\n"
    )
    config = load_config(path, environment={"MY_TOKEN": SECRET})
    assert config.plan.scenarios[0].user.options["url"] == f"http://h/{SECRET}/x"
    assert SECRET not in str(config.resolved)
    assert config.resolved["scenarios"][0]["user"]["url"] == "http://h/***/x"


def test_the_value_of_a_secret_variable_is_not_in_an_error(tmp_path):
    path = tmp_path / "test.yaml"
    path.write_text("seed: ${MY_PASSWORD}\nscenarios: []")
    with pytest.raises(ConfigError) as caught:
        load_config(path, environment={"MY_PASSWORD": SECRET})
    assert SECRET not in str(caught.value)
    assert "seed: expected a whole number, got '***'" in str(caught.value)


def test_user_info_of_an_endpoint_is_not_in_an_error():
    with pytest.raises(ConfigError) as caught:
        config_from({"aws": {"endpoint_url": f"ftp://me:{SECRET}@host"}, "scenarios": []})
    assert SECRET not in str(caught.value)


TEXTS = [
    f"Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/2026, Signature={SECRET}",
    f"{{'token': '{SECRET}', 'x': 1}}",
    f'{{"api_key":"{SECRET}"}}',
    f"AWS_SESSION_TOKEN={SECRET}",
    f"aws_secret_access_key = {SECRET}",
    f"cannot connect to https://me:{SECRET}@host:1/",
    f"got header Bearer {SECRET}",
]


@pytest.mark.parametrize("text", TEXTS)
def test_secrets_in_the_message_of_an_exception_are_hidden(text):
    assert SECRET not in describe(RuntimeError(text))
    assert "AKIA" not in describe(RuntimeError(text))


@pytest.mark.parametrize(
    "text",
    [
        "The request signature we calculated does not match the signature you provided",
        "the token limit was reached at 4000",
        "tokens per second: 5",
        "basic authentication failed",
        "see https://host/path and mail a@b",
        'Could not connect to the endpoint URL: "http://127.0.0.1:9/"',
    ],
)  # fmt: skip
def test_messages_without_secrets_stay_as_they_are(text):
    assert hide_secrets(text) == text


@settings(deadline=None)
@given(st.text(max_size=200))
def test_hiding_twice_hides_no_more(text):
    once = hide_secrets(text)
    assert hide_secrets(once) == once


def test_a_message_of_a_whole_page_is_one_short_line():
    text = describe(RuntimeError("<html>\n" + "x y\n" * 100_000))
    assert len(text) <= 300
    assert "\n" not in text


def test_what_came_from_the_environment_is_hidden_whatever_it_is_called(tmp_path):
    path = tmp_path / "test.yaml"
    path.write_text(
        "scenarios: [{load: {shape: {kind: constant, level: 1}, duration: 1}, "
        "user: {kind: 'a:B', tenant: '${TENANT}', region: '${PLACE:-north-west}'}}]"
    )
    config = load_config(path, environment={"TENANT": SECRET})
    assert SECRET not in str(config.resolved)
    assert "north-west" in str(config.resolved)


def test_the_name_and_load_of_a_scenario_stay_readable_whoever_set_them(tmp_path):
    path = tmp_path / "test.yaml"
    path.write_text(
        "scenarios: [{name: 'web ${STAGE}', user: {kind: 'a:B'}, "
        "load: {model: '${MODEL}', shape: {kind: '${SHAPE}', level: 1}, duration: '${HOW_LONG}'}}]"
    )
    environment = {
        "STAGE": "staging", "MODEL": "closed", "SHAPE": "constant", "HOW_LONG": "1m30s",
    }  # fmt: skip
    config = load_config(path, environment=environment)
    [entry] = config.resolved["scenarios"]
    assert entry["name"] == config.plan.scenarios[0].name == "web staging"
    assert entry["load"]["model"] == "closed"
    assert entry["load"]["shape"] == {"kind": "constant", "level": 1.0}
    assert entry["load"]["duration"] == 90.0


def test_a_word_is_hidden_where_the_name_of_its_parameter_says_so():
    assert hide_secrets("no answer of http://h/a?key=hunter&page=2&sort=name") == (
        "no answer of http://h/a?key=***&page=2&sort=name"
    )
