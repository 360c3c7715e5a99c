"""The ``monitor`` section of a config, and mistakes in it."""

import pytest

from asyncload.config.load import config_from, load_config
from asyncload.errors import ConfigError

SCENARIO = {
    "load": {"shape": {"kind": "constant", "level": 1}, "duration": 1},
    "user": {"kind": "http", "base_url": "http://127.0.0.1:1", "requests": [{}]},
}


def section(*sources):
    return config_from({"scenarios": [SCENARIO], "monitor": list(sources)})


def test_a_source_is_called_by_host_and_port_unless_it_has_a_name():
    one, other = section(
        {"url": "http://edge:30101/status/resources.json"},
        {"prometheus": "http://[::1]:9100/metrics", "name": "node", "interval": "500ms"},
    ).monitor
    assert (one.label, one.interval) == ("edge:30101", 1)
    assert (other.label, other.interval) == ("node", 0.5)


def test_values_of_headers_are_in_no_log(tmp_path):
    path = tmp_path / "test.yaml"
    path.write_text(
        "scenarios: [{load: {shape: {kind: constant, level: 1}, duration: 1},"
        " user: {kind: http, base_url: 'http://h', requests: [{}]}}]\n"
        "monitor:\n  - url: http://edge/x?token=${WORD}\n"
        "    headers: {X-Plain: '${WORD}', Authorization: 'Bearer ${WORD}'}\n"
    )
    config = load_config(path, environment={"WORD": "swordfish"})
    assert config.monitor[0].headers["X-Plain"] == "swordfish"
    assert "swordfish" not in str(config.resolved)
    assert config.resolved["monitor"][0]["headers"] == {"X-Plain": "***", "Authorization": "***"}


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({}, "monitor.0: give either url or prometheus"),
        ({"url": "http://a", "prometheus": "http://b"}, "monitor.0: give either url or prometheus"),
        (
            {"url": "edge:30101"},
            "monitor.0.url: is 'edge:30101'; give a URL such as http://localhost:9100/metrics",
        ),
        (
            {"prometheus": "http://a:99999"},
            (
                "monitor.0.prometheus: is 'http://a:99999'; give a URL such as "
                "http://localhost:9100/metrics"
            ),
        ),
        (
            {"url": "http://me:secret@edge/x"},
            (
                "monitor.0.url: is 'http://edge/x'; leave the user name and password out; a config can "
                "send a header with them"
            ),
        ),
        (
            {"url": "http://a", "interval": 0},
            "monitor.0.interval: is 0 s; give a time of 100ms or more",
        ),
        (
            {"url": "http://a", "metrics": {"q": {"series": "x"}}},
            "monitor.0: metrics are of a Prometheus endpoint; give prometheus, not url",
        ),
        (
            {"prometheus": "http://a", "metrics": {"q": {"series": 'x{a="1"}'}}},
            (
                "monitor.0.metrics.q.series: is 'x{a=\"1\"}'; give the name alone, such as "
                "http_requests_total, and its labels under labels"
            ),
        ),
        (
            {"url": "http://a", "headers": {"X Y": "hidden"}},
            "monitor.0.headers: 'X Y' cannot be sent; its name must be one word and its value one line",
        ),
        (
            {"url": "http://a", "headers": {"X-Y": "hidden\nX-Z: 1"}},
            "monitor.0.headers: 'X-Y' cannot be sent; its name must be one word and its value one line",
        ),
        (
            {"url": "http://a", "intervall": 1},
            "monitor.0.intervall: there is no such key; did you mean 'interval'?",
        ),
    ],
)
def test_a_mistake_is_told_in_one_sentence(source, says):
    with pytest.raises(ConfigError) as caught:
        section(source)
    assert str(caught.value) == says


def test_two_sources_of_one_name_are_refused():
    with pytest.raises(ConfigError) as caught:
        section({"url": "http://a/x"}, {"prometheus": "http://b/y", "name": "a"})
    assert str(caught.value) == "monitor: two sources are called 'a'; give each a name"
