"""A file of requests is a template of a JSON list; each mistake in it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncload.errors import ConfigError
from asyncload.users.model_runner.requests_file import PLACES, RequestsFile

pytestmark = pytest.mark.every_python

KEY = "scenarios.0.user.requests"
VALUES = {
    "test_imagery_location": "s3://images",
    "test_results_location": "s3://results/load",
    "test_results_bucket": "results",
    "test_results_prefix": "load",
}


@pytest.fixture
def render(tmp_path, monkeypatch):
    """Write the file and read its requests."""
    monkeypatch.chdir(tmp_path)

    def go(text, values=VALUES):
        content = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "requests.json").write_bytes(content)
        return RequestsFile(Path("requests.json"), key=KEY).render(values)

    return go


@pytest.fixture
def refusal(render):
    def go(text):
        with pytest.raises(ConfigError) as caught:
            render(text)
        sentence = str(caught.value)
        assert "\n" not in sentence
        assert sentence.startswith(f"{KEY}: 'requests.json'")
        return sentence.removeprefix(f"{KEY}: 'requests.json'").lstrip(": ")

    return go


def test_the_four_places_are_filled_in(render):
    text = "[{" + ", ".join(f'"{name}": "{{{{ {name} }}}}/x"' for name in PLACES) + "}]"
    assert render(text) == [{name: f"{value}/x" for name, value in VALUES.items()}]


def test_the_environment_is_there_as_env(render, monkeypatch):
    monkeypatch.setenv("MODEL", 'air"craft')
    monkeypatch.delenv("TILE", raising=False)
    assert render('[{"a": {{ env.MODEL | tojson }}, "b": {{ env.TILE | default(512) }}}]') == [
        {"a": 'air"craft', "b": 512}
    ]


def test_a_template_may_make_many_requests(render):
    text = """[
        {%- for size in [256, 512] %}
        {"imageProcessorTileSize": {{ size }}}{{ "," if not loop.last }}
        {%- endfor %}
    ]"""
    assert render(text) == [{"imageProcessorTileSize": 256}, {"imageProcessorTileSize": 512}]


def test_what_is_asked_for_is_known_before_it_is_filled_in(tmp_path):
    path = tmp_path / "requests.json"
    path.write_text('[{"a": "{{ test_imagery_location }}", "b": "{{ env.X }}"}]')
    assert RequestsFile(path, key=KEY).names & PLACES == {"test_imagery_location"}
    path.write_text('{% set test_results_bucket = "mine" %}["{{ test_results_bucket }}"]')
    assert RequestsFile(path, key=KEY).names & PLACES == set()


def test_numbers_texts_and_a_byte_order_mark_go_through_unchanged(render):
    text = '[{"a": 123456789012345678901234567890, "b": 0.1, "c": "ü☃", "d": [null, true]}]'
    assert render(b"\xef\xbb\xbf" + text.encode()) == [
        {"a": 123456789012345678901234567890, "b": 0.1, "c": "ü☃", "d": [None, True]}
    ]


def test_a_file_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, reason in (("nope.json", "No such file or directory"), (".", "Is a directory")):
        with pytest.raises(ConfigError) as caught:
            RequestsFile(Path(name), key=KEY)
        assert str(caught.value) == (
            f"{KEY}: cannot read {name!r}: {reason}; name a file that is there"
        )


def test_a_file_that_is_not_utf_8_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("latin.json").write_bytes('["größe"]'.encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        RequestsFile(Path("latin.json"), key=KEY)
    assert str(caught.value) == (
        f"{KEY}: cannot read 'latin.json': it is not text in UTF-8 (byte 0xf6); save it as that"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[{"a": "{{ test_results_bucket }"}]', (
            "is no template at line 1: unexpected '}'; mend it")),
        ("[\n{% for x in [1] %}\n]", "is no template at line 2: Unexpected end of template. Jinja "),
        ('["{{ test_result_bucket }}"]', (
            "test_result_bucket is not defined; did you mean 'test_results_bucket'?")),
        ('["{{ SOME_MODEL }}"]', (
            "SOME_MODEL is not defined; a variable of the environment is written "
            "{{ env.SOME_MODEL }}")),
        ('["{{ zzz }}"]', "zzz is not defined; there are: env, test_imagery_location, test_results_"),
        ('["{{ env.NO_SUCH }}"]', (
            "the environment variable NO_SUCH is not set; set it, or write "
            "{{ env.NO_SUCH | default('…') }}")),
        ('["{{ env.SOME_MODEL.name }}"]', "'str object' has no attribute 'name'; mend the template"),
        ('["{{ 1 // 0 }}"]', "cannot be filled in: ZeroDivisionError: "),
        ('["{{ env.__class__.__mro__ }}"]', "cannot be filled in: SecurityError: "),
        ('{% include "other.json" %}', "cannot be filled in: TypeError: "),
        ('["{{ range(1000000) | list }}"]', "cannot be filled in: OverflowError: "),
        ('[\n  {"a" 1}\n]', (
            "is not JSON once it is filled in: Expecting ':' delimiter at line 2, column 8; mend it"
        )),
        ("", "is not JSON once it is filled in: Expecting value at line 1, column 1; mend it"),
        ("[1e400]", "is not JSON once it is filled in: ValidationError: Number out of range - at "),
        ("[NaN]", "is not JSON once it is filled in: DecodeError: JSON is malformed: invalid "),
        ("[" * 100_000 + "]" * 100_000, "is not JSON once it is filled in: "),
        ('{"imageUrls": []}', (
            "holds an object, not a list of requests; write [{…}, …], also for a single one")),
        ('"text"', "holds a text, not a list of requests; "),
        ("null", "holds null, not a list of requests; "),
        ("[]", "is an empty list; put a request into it"),
        ('[{}, "x"]', (
            'entry 1, counted from 0, is a text, not an object; write {"imageUrls": […], …}')),
        ("[[]]", "entry 0, counted from 0, is a list, not an object; "),
        ("[1]", "entry 0, counted from 0, is a number, not an object; "),
        ("[true]", "entry 0, counted from 0, is true or false, not an object; "),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_named(refusal, monkeypatch, text, says):
    monkeypatch.setenv("SOME_MODEL", "aircraft")
    assert refusal(text).startswith(says)


def test_no_value_of_the_environment_is_in_a_message(refusal, monkeypatch):
    monkeypatch.setenv("ACCESS_TOKEN", "hunter2-hunter2")
    for text in (
        '[{"a": {{ env.ACCESS_TOKEN }} }]',
        '["{{ env.ACCESS_TOKEN + 1 }}"]',
        '"{{ env.ACCESS_TOKEN }}"',
        '["{{ env.ACCESS_TOKEN }}"]',
        '["{{ env.ACCESS_TOKEN.x }}"]',
    ):
        assert "hunter2" not in refusal(text)
