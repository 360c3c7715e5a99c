"""What a run gives back: the table, the graphs, the records; and configs as dicts."""

from __future__ import annotations

import io
import re

import msgspec
import pytest
import yaml
from rich.console import Console

import asyncload
from asyncload import AwsConfig, Config, ConfigError, LoadTest, LogError, Plan, Scenario, shapes
from asyncload.records.record import Request
from asyncload.stats.snapshot import NoteSeen
from tests.users.http.http_app import http, model_server

pytestmark = pytest.mark.anyio


def config(url, **more):
    return {
        "name": "notebook",
        "seed": 3,
        "aws": {"region": "us-west-2"},
        "scenarios": [
            {
                "name": "calls",
                "load": {"shape": {"kind": "constant", "level": 50}, "duration": "500ms"},
                "user": {"kind": "http", "base_url": url,
                         "requests": ({"path": "/a"}, {"path": "/<b>&", "name": "<b>&"})},
            }
        ],
        "thresholds": ("request.error_rate < 1%",),
        **more,
    }  # fmt: skip


async def result_of(folder, **more):
    async with model_server() as server:
        return await asyncload.run(config(server.url, **more), log=folder / "run.jsonl")


async def test_a_dict_is_run_like_the_config_file_it_could_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAY", "way")
    async with model_server() as server:
        raw = config(server.url, log="logs/${WAY}.jsonl")
        result = await asyncload.run(raw, overrides=["scenarios.calls.load.duration=200ms"])
    assert result.passed
    assert result.log is not None
    assert str(result.log) == "logs/way.jsonl"
    assert result.summary.requests.count == 10
    assert raw["log"] == "logs/${WAY}.jsonl"


class Remover:
    """A sink that removes the log while it is written."""

    def __init__(self, log):
        self.log = log

    def write(self, record):
        if isinstance(record, Request):
            self.log.unlink(missing_ok=True)


async def test_a_run_whose_log_is_removed_is_invalid(tmp_path):
    log = tmp_path / "run.jsonl"
    async with model_server() as server:
        loaded = asyncload.load_config(config(server.url, log=str(log)))
        result = await LoadTest(loaded, sink=Remover(log)).run()
    assert result.exit_code == 3
    (problem,) = result.problems
    assert problem == f"the log {log} was removed while it was written; run again"
    assert "log_incomplete" in {reason.code for reason in result.verdict.reasons}


async def test_a_dict_gives_the_config_that_a_file_gives(tmp_path):
    raw = config("http://127.0.0.1:1", drain="unlimited", seed=7)
    path = tmp_path / "test.yaml"
    path.write_text(
        yaml.safe_dump(msgspec.to_builtins(msgspec.json.decode(msgspec.json.encode(raw))))
    )
    of_file = asyncload.load_config(path)
    of_dict = asyncload.load_config(raw)
    assert isinstance(of_dict, Config)
    assert of_dict.resolved == of_file.resolved
    assert of_dict.thresholds == of_file.thresholds
    assert of_dict.source == ""


WRONG = [
    ({"scenarios": []}, "scenarios: is empty; give at least one scenario"),
    ({"scenario": []}, "scenario: there is no such key; did you mean 'scenarios'?"),
    ({1: 2}, "the config: the key 1 must be a text"),
    ({**config("http://h"), "log": "${NOT_SET_ANYWHERE}"}, "log: .*NOT_SET_ANYWHERE"),
    ({**config("http://h"), "seed": 1j}, "seed: 1j is of no type that a config has"),
]


@pytest.mark.parametrize(("raw", "sentence"), WRONG)
async def test_a_wrong_dict_is_refused_in_one_sentence(raw, sentence):
    with pytest.raises(ConfigError, match=f"^{sentence}"):
        await asyncload.run(raw)


async def test_what_is_no_config_is_refused_in_one_sentence():
    nested: dict[str, object] = {}
    nested["name"] = nested
    plan = Plan(scenarios=[Scenario(name="s", user=asyncload.UserSpec("http"),
                                    shape=shapes.Constant(1), duration=1)])  # fmt: skip
    for given, more, sentence in (
        (5, {}, "5 is no config; give a dict, or the path of a config file"),
        (
            plan,
            {"overrides": ["seed=1"]},
            "overrides change a config file or dict, not a Pl",
        ),
        (nested, {}, "the config is nested too deeply, or holds itself; flatten it"),
    ):
        with pytest.raises(ConfigError, match=f"^{re.escape(sentence)}"):
            await asyncload.run(given, **more)


async def test_a_result_prints_as_the_final_table(tmp_path, monkeypatch):
    result = await result_of(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    text = str(result)
    console = Console(file=io.StringIO(), width=100, color_system=None)
    result.print_table(console)
    printed = console.file.getvalue()
    assert text.split() == printed.split()
    assert re.search(r"^  GET /a +\d+ +0 ", text, re.MULTILINE)
    assert "✓  request.error_rate < 1%" in text
    assert "the threshold held; nothing failed" in text
    assert "\x1b" not in text


async def test_the_table_has_warnings_once_and_what_set_up_found(tmp_path):
    result = await result_of(tmp_path)
    told = msgspec.structs.replace(
        result,
        notes=(NoteSeen(1.0, "warning", "the clock jumped"),),
        found=("a queue",),
        problems=("the disk is full",),
    )
    text = str(told)
    assert [text.count(one) for one in ("the clock jumped", "a queue", "the disk is full")] == [
        1
    ] * 3


async def test_notes_of_a_run_are_in_its_result_but_for_its_problems(tmp_path):
    result = await result_of(tmp_path, max_requests=5)
    assert result.problems
    assert not {note.text for note in result.notes} & set(result.problems)
    assert all(problem in " ".join(str(result).split()) for problem in result.problems)


async def test_a_notebook_shows_the_table_with_names_escaped(tmp_path):
    html = (await result_of(tmp_path))._repr_html_()
    assert html.startswith("<pre ")
    assert html.endswith("</pre>")
    assert "&lt;b&gt;&amp;" in html
    assert "<b>" not in html
    assert 'font-weight: bold">Requests</span>' in html


@pytest.mark.slow
async def test_the_graphs_of_a_run_are_figures_a_notebook_shows_and_files(tmp_path):
    result = await result_of(tmp_path)
    graphs = result.plot()
    assert {"throughput", "request_latency", "system"} <= set(graphs)
    assert graphs["throughput"].get_axes()
    html = graphs._repr_html_()
    assert html.count("<img ") == len(graphs)
    assert 'alt="throughput"' in html
    files = graphs.save(tmp_path / "plots", format="svg")
    assert sorted(path.stem for path in files) == sorted(graphs)
    assert all(path.read_bytes().startswith(b"<?xml") for path in files)
    with pytest.raises(ConfigError, match="the format 'gif' is unknown; choose png or svg"):
        graphs.save(tmp_path, format="gif")


async def test_the_records_of_a_run_are_data_frames(tmp_path):
    result = await result_of(tmp_path)
    requests = result.to_polars()
    assert requests.height == result.summary.requests.count == 25
    assert set(requests["name"]) == {"GET /a", "<b>&"}
    latency = (requests["end"] - requests["due"]).max()
    assert latency == pytest.approx(result.summary.requests.latency.max, rel=0.01)
    assert result.to_polars("jobs").is_empty()
    assert set(result.to_polars("levels")["scenario"]) == {"calls"}


async def test_a_result_reads_its_own_log_after_later_runs_with_the_same_one(tmp_path):
    first = await result_of(tmp_path)
    second = await result_of(tmp_path, max_requests=3)
    assert first.log == second.log
    assert first.to_polars().height == 25
    assert second.to_polars().height == second.summary.requests.count < 25
    first_log = next(tmp_path.glob("run-*.jsonl"))
    first_log.unlink()
    with pytest.raises(LogError, match=r"the log of this run is not at .*run\.jsonl any more"):
        first.plot()


async def test_without_a_log_there_is_nothing_to_plot(tmp_path):
    async with model_server() as server:
        load = Scenario(name="s", user=http(server.url, [{"path": "/"}]),
                        shape=shapes.Constant(level=20), duration="200ms")  # fmt: skip
        result = await asyncload.run(Plan(scenarios=[load]), aws=AwsConfig(region="us-west-2"))
    for read in (result.plot, result.to_polars):
        with pytest.raises(
            ConfigError, match=r"^this run has no log to read from; give run\(\) one"
        ):
            read()
    assert "GET /" in str(result)


async def test_a_load_test_takes_what_a_dict_says(tmp_path):
    async with model_server() as server:
        test = LoadTest(asyncload.load_config(config(server.url, log=str(tmp_path / "x.jsonl"))))
        assert (await test.run()).passed
