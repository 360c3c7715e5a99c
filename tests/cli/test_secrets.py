"""Secrets planted in all places of a config, and looked for in all that comes of a run."""

from __future__ import annotations

import re

import pytest

from asyncload.config.load import load_config
from asyncload.transport.error_text import in_brief

HEADERS = [
    "Authorization", "Ocp-Apim-Subscription-Key", "X-Functions-Key", "X-Amz-Sig", "x-goog-api-key",
    "X-Key", "X-JWT", "X-Session", "X-SAS", "Cookie", "X-Tenant", "X-Custom", "Api-Token", "X-Auth",
    "Proxy-Authorization",
]  # fmt: skip
PARAMETERS = [
    "key", "sig", "jwt", "code", "session", "sas", "token", "password", "X-Amz-Signature",
    "signature", "client_secret", "api_key", "state", "q", "sid",
]  # fmt: skip
FIELDS = ["user", "password", "otp", "refresh_token", "card"]
JSON = ["password", "apiKey", "access_token", "secret", "private_key", "session_id"]
VARIABLES = [f"PLAIN_{number}" for number in range(13)]
PLACES = [
    *(f"header {name}" for name in HEADERS), *(f"in path {name}" for name in PARAMETERS),
    *(f"query {name}" for name in PARAMETERS[:7]), *(f"form {name}" for name in FIELDS),
    *(f"json {name}" for name in JSON), *VARIABLES, "user info",
]  # fmt: skip


def planted(place: str) -> str:
    """Give the secret of a place."""
    return f"CANARY{PLACES.index(place):02}{re.sub('[^a-zA-Z]', '', place)}X"


def config(url: str) -> str:
    """Write a config with a secret in each place."""
    heads = "\n".join(f"        {name}: {planted(f'header {name}')}" for name in HEADERS)
    paths = "\n".join(
        f'        - {{path: "/p?a=1&{name}={planted(f"in path {name}")}&z=2"}}'
        for name in PARAMETERS
    )
    query = ", ".join(f"{name}: {planted(f'query {name}')}" for name in PARAMETERS[:7])
    form = "&".join(f"{name}={planted(f'form {name}')}" for name in FIELDS)
    body = ", ".join(f"{name}: {planted(f'json {name}')}" for name in JSON)
    variable = iter(f"${{{name}}}" for name in VARIABLES)
    shared = next(variable)
    return f"""
name: run {next(variable)}
thresholds: ["request[named {shared}].latency.p95 < 1s", {{threshold: "request[/in/{shared}/path].latency.p95 < 1s"}}]
scenarios:
  - name: web {next(variable)}
    load: {{model: closed, shape: {{kind: constant, level: 2}}, duration: 0.4s}}
    user:
      kind: http
      base_url: {url.replace("://", f"://me:{planted('user info')}@")}
      wait: 5ms
      headers:
{heads}
        Accept: text/plain
        X-Variable: "{next(variable)}"
      requests:
        - {{path: /q, query: {{{query}, of: "{next(variable)}"}}}}
        - {{path: /form, method: POST, body: "{form}&more={next(variable)}"}}
        - {{path: /json, method: POST, json: {{{body}, deep: [{{more: "{next(variable)}"}}]}}}}
        - {{path: /parts, method: POST, multipart: {{file_of: "{next(variable)}"}}}}
        - {{path: "/in/{shared}/path", name: "/in/{shared}/path"}}
        - {{path: "/named", name: "named {shared}"}}
        - {{path: "/expects", expect: {{body_contains: "{next(variable)}"}}}}
        - {{path: "/json-path", expect: {{json: {{"$.a": "{next(variable)}"}}}}}}
        - {{path: "/let", let: {{mine: "{next(variable)}"}}, body: "{{{{ mine }}}}"}}
        - {{path: "/again/{next(variable)}?x={next(variable)}"}}
{paths}
"""


def left(asyncload, *texts: str) -> set[str]:
    """Find secrets in the files of a folder, but for the config, and in ``texts``."""
    files = [one for one in asyncload.folder.rglob("*") if one.is_file() and one.suffix != ".yaml"]
    assert len(files) > 6
    content = [one.read_text(errors="replace") for one in files]
    return set(re.findall(r"CANARY\w*", "\n".join([*content, *texts])))


def test_none_of_sixty_planted_secrets_is_in_anything_that_is_written(asyncload, fake_aws):
    assert len(PLACES) >= 60
    # The service says in its failures what it was sent, as many do.
    echo = ", ".join(planted(place) for place in PLACES)
    server = fake_aws(403, f'{{"error": {{"message": "no: {echo}"}}}}', "application/json")
    asyncload.config.write_text(config(server.url))
    secrets = {name: planted(name) for name in VARIABLES}
    check = asyncload("check", "test.yaml", **secrets)
    ended = asyncload(
        "run", "test.yaml", "--csv", "c/run", "--junit", "junit.xml", "--hlog", "run.hlog",
        "--markdown", "run.md", "--html", "run.html", GITHUB_STEP_SUMMARY="step.md", **secrets,
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    summary = asyncload("summary", "logs/run.jsonl", "--json")
    written = [text for one in (check, ended, summary) for text in (one.stdout, one.stderr)]
    assert left(asyncload, *written) == set()
    assert "text/plain" in (asyncload.folder / "logs" / "run.jsonl").read_text(), "harmless"


def test_no_secret_is_in_what_a_service_says_of_it(tmp_path):
    path = tmp_path / "test.yaml"
    path.write_text(config("http://127.0.0.1:9"))
    load_config(path, environment={name: planted(name) for name in VARIABLES})
    for place in PLACES:
        assert planted(place) not in in_brief(f"there is no tenant {planted(place)!r} here"), place


@pytest.mark.parametrize(
    "change",
    ["seed=${PLAIN_0}", "scenarios.0.user.kind=${PLAIN_0}", "scenarios.0.user.wait=${PLAIN_0}",
     "scenarios.0.user.base_url=ftp://${PLAIN_0}", "thresholds=['${PLAIN_0} < 1s']",
     "aws.endpoint_url=x://${PLAIN_0}"],
)  # fmt: skip
def test_no_mistake_is_told_with_a_value_of_the_environment(asyncload, change):
    asyncload.config.write_text(config("http://127.0.0.1:9"))
    secrets = {name: planted(name) for name in VARIABLES}
    ended = asyncload("check", "test.yaml", "--set", change, **secrets)
    assert ended.returncode == 2
    assert "CANARY" not in ended.stdout + ended.stderr, ended.stderr
