"""``asyncload compare`` as a user and a CI job meet it."""

from __future__ import annotations

import json
import re
import shlex
import shutil

import numpy as np
import pytest

from tests.cli.command_line import ROOT
from tests.compare.two_runs import csv_file, csv_row, jobs, requests, run_header, steady, write_log


@pytest.fixture
def logs(asyncload):
    """Two logs of one service, and one of a slower one."""
    for seed, slower in ((1, 1.0), (2, 1.0), (3, 1.5)):
        sample = steady(40.0)(np.random.default_rng(seed), slower)
        write_log(asyncload.folder / f"{seed}.jsonl", requests(sample))
    return asyncload


def csvs(asyncload, baseline, candidate):
    csv_file(asyncload.folder / "before_stats.csv", csv_row(**baseline))
    csv_file(asyncload.folder / "after_stats.csv", csv_row(**candidate))
    return asyncload("compare", "before_stats.csv", "after_stats.csv")


@pytest.mark.parametrize(
    ("baseline", "candidate", "exit_code"),
    [
        ({"average": 200.0, "median": 210}, {"average": 300.0, "median": 320}, 1),
        ({"average": 300.0, "median": 320}, {"average": 150.0, "median": 160}, 0),
        ({"rate": 8.0}, {"rate": 0.8}, 1),
        ({"rate": 8.0}, {"rate": 9.0}, 0),
        ({}, {}, 0),
        ({"count": 3}, {"count": 3}, 3),
    ],
    ids=["slower", "faster", "a tenth of the rate", "more rate", "no change", "too few"],
)
def test_the_exit_code_says_whether_something_got_worse(asyncload, baseline, candidate, exit_code):
    ended = csvs(asyncload, baseline, candidate)
    assert (ended.returncode, ended.stderr) == (exit_code, "")


def test_logs_are_compared_and_what_was_found_is_written_where_it_is_asked_for(logs):
    ended = logs(
        "compare", "1.jsonl", "3.jsonl", "--markdown", "out/pr.md", "--json", "out/pr.json"
    )
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "✗ average" in ended.stdout
    content = json.loads((logs.folder / "out" / "pr.json").read_text())
    assert (content["exit_code"], content["baseline"]) == (1, "1.jsonl")
    assert content["rows"][0]["changes"][0]["verdict"] == "worse"
    markdown = (logs.folder / "out" / "pr.md").read_text()
    assert markdown.startswith("### ✗ Load test: ")
    assert "| `predict` | **✗ +" in markdown


def test_two_runs_of_the_same_service_pass(logs):
    ended = logs("compare", "1.jsonl", "2.jsonl")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "nothing is worse" in ended.stdout


def test_a_threshold_changes_the_verdict(logs):
    ended = logs(
        "compare", "1.jsonl", "3.jsonl", "--threshold", "average=80%", "--threshold=median=80%",
        "--threshold=p95=90%", "--threshold=p99=150%",
    )  # fmt: skip
    assert ended.returncode == 0
    assert "Thresholds  average, median 80 %; p95 90 %; p99 150 %; rate 10 %" in ended.stdout


def test_a_threshold_may_be_of_one_name_and_times_have_a_floor(logs):
    ended = logs("compare", "1.jsonl", "3.jsonl", "--threshold", "p95=90% for predict", "--floor=2ms", COLUMNS="160")  # fmt: skip
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "; p95 for predict 90 %; times by more than 2.00 ms\n" in ended.stdout
    assert "✗ p95" not in ended.stdout
    assert logs("compare", "1.jsonl", "3.jsonl", "--floor=10s").returncode == 0


def test_a_name_may_be_left_out(logs):
    ended = logs("compare", "1.jsonl", "3.jsonl", "--ignore", "pre*")
    assert (ended.returncode, ended.stderr) == (3, "")
    assert "Ignored  predict" in ended.stdout
    ended = logs("compare", "1.jsonl", "2.jsonl", "--ignore", "other")
    assert "--ignore 'other': nothing is called that" in ended.stdout


def test_several_runs_a_side_are_pooled(logs):
    ended = logs("compare", "--baseline", "1.jsonl", "--baseline=2.jsonl", "3.jsonl", "--json=out.json")  # fmt: skip
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "Baseline   1.jsonl, 2.jsonl\nCandidate  3.jsonl\n" in ended.stdout
    (row,) = json.loads((logs.folder / "out.json").read_text())["rows"]
    assert row["baseline_count"] > 1.8 * row["candidate_count"]
    ended = logs("compare", "--baseline=1.jsonl", "2.jsonl", "1.jsonl")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Candidate  2.jsonl, 1.jsonl\n" in ended.stdout


def test_folders_of_baselines_are_compared_file_by_file(asyncload):
    for folder, average in (("results", 200.0), ("new", 300.0)):
        (asyncload.folder / folder).mkdir()
        csv_file(asyncload.folder / folder / "langid_stats.csv", csv_row(average=average))
        csv_file(asyncload.folder / folder / "readability_stats.csv", csv_row())
    ended = asyncload("compare", "results", "new")
    assert ended.returncode == 1
    assert "langid: /predict" in ended.stdout
    assert "1 of 12 metrics is worse, 11 the same" in ended.stdout


def test_a_log_and_the_csv_made_of_it_are_the_same(asyncload):
    rng = np.random.default_rng(1)
    work = [(float(due), float(took)) for due, took in zip(*steady(5.0)(rng), strict=True)]
    records = [*requests(steady(20.0)(rng), name="POST /x:predict"), *jobs([*work, (9.0, None)])]
    write_log(asyncload.folder / "run.jsonl", records)
    assert asyncload("summary", "run.jsonl", "--csv", "run").returncode == 0
    for pair in (("run.jsonl", "run_stats.csv"), ("run_stats.csv", "run.jsonl")):
        ended = asyncload("compare", *pair, "--json", "out.json")
        assert (ended.returncode, ended.stderr) == (0, "")
        rows = json.loads((asyncload.folder / "out.json").read_text())["rows"]
        assert {(row["type"], row["name"]) for row in rows} == {
            ("POST", "POST /x:predict" if pair[1].endswith("jsonl") else "/x:predict"),
            ("JOB", "x.tif:m"),
        }
        for row in rows:
            assert row["baseline_count"] == row["candidate_count"]
            for change in row["changes"]:
                assert change["change"] == pytest.approx(0, abs=0.002)
                assert change["low"] is None or change["low"] <= 0 <= change["high"]
                assert change["verdict"] in {"same", "cannot tell"}  # a few hundred are not sure


def test_the_commands_of_the_docs_work(logs):
    page = (ROOT / "docs" / "compare.md").read_text()
    commands = re.findall(r"^\$ asyncload (compare .+)$", page, re.MULTILINE)
    assert len(commands) == 5
    for number, source in ((1, "1.jsonl"), (2, "2.jsonl"), (3, "1.jsonl"), (4, "2.jsonl")):
        shutil.copy(logs.folder / source, logs.folder / f"night{number}.jsonl")
    for folder, source in (("results", "1.jsonl"), ("new", "2.jsonl")):
        (logs.folder / folder).mkdir()
        shutil.copy(logs.folder / source, logs.folder / folder / "night.jsonl")
    for name, source in (("main", "1.jsonl"), ("branch", "2.jsonl")):
        shutil.copy(logs.folder / source, logs.folder / f"{name}.jsonl")
    for command in commands:
        ended = logs(*shlex.split(command))
        assert (ended.returncode, ended.stderr) == (0, "")
    assert (logs.folder / "comment.md").exists()


# -- mistakes --------------------------------------------------------------------------

MISTAKES = {
    "missing CSV": (("none.csv", "ok.csv"), "there is no file or folder none.csv; check the path"),
    "missing log": (
        ("folder", "none.jsonl"),
        "there is no file or folder none.jsonl; check the path",
    ),
    "a file below a file": (
        ("ok.csv/none.csv", "ok.csv"),
        "there is no file or folder ok.csv/none.csv; check the path",
    ),
    "empty CSV": (
        ("ok.csv", "empty.csv"),
        "empty.csv is empty; give a _stats.csv that a run has written",
    ),
    "a CSV of something else": (
        ("ok.csv", "other.csv"),
        "other.csv has no column 'Name'; give a Locust _stats.csv, or a log that ends in .jsonl",
    ),
    "a missing column": (
        ("old.csv", "ok.csv"),
        (
            "old.csv has no column 'Requests/s'; give a Locust _stats.csv, "
            "or a log that ends in .jsonl"
        ),
    ),
    "no number": (
        ("ok.csv", "text.csv"),
        "text.csv, line 2: Average Response Time is 'soon'; it must be a number of 0 or more",
    ),
    "neither a log nor a CSV": (
        ("test.yaml", "ok.jsonl"),
        (
            "test.yaml is not an asyncload log: no line of it is a record; "
            "name a .jsonl file that a run has written"
        ),
    ),
    "a log without requests": (
        ("ok.jsonl", "idle.jsonl"),
        (
            "there is nothing to compare in idle.jsonl: it holds no request that was sent and no "
            "job; let the run go on for longer, or name another log"
        ),
    ),
    "an empty folder": (
        ("folder", "folder"),
        (
            "the folder folder has nothing to compare; put NAME_stats.csv files or logs "
            "(NAME.jsonl) into it"
        ),
    ),
    "a folder without that file": (
        ("results", "ok.jsonl"),
        (
            "the folder results has no file ok.jsonl or ok_stats.csv or night.jsonl or "
            "night_stats.csv; name the file to compare with"
        ),
    ),
    "a threshold without a percentage": (
        ("ok.csv", "ok.csv", "--threshold", "p95=20"),
        ("--threshold 'p95=20': '20' is no percentage; write one of 0% or more, such as p95=20%"),
    ),
    "a metric that is none": (
        ("ok.csv", "ok.csv", "--threshold", "p90=20%"),
        (
            "--threshold 'p90=20%': there is no metric 'p90'; use one of average, median, p95, "
            "p99, rate, failures"
        ),
    ),
    "a place that is a folder": (
        ("none.csv", "none.csv", "--markdown", "folder"),
        "cannot write folder: folder is a folder; choose another place",
    ),
    "a place below a file": (
        ("none.csv", "none.csv", "--json", "ok.csv/x.json"),
        "cannot write ok.csv/x.json: {folder}/ok.csv is not a folder; choose another place",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_met_with_one_sentence(asyncload, mistake):
    arguments, says = MISTAKES[mistake]
    here = asyncload.folder
    csv_file(here / "ok.csv", csv_row())
    csv_file(here / "text.csv", csv_row(average="soon"))
    (here / "empty.csv").touch()
    (here / "other.csv").write_text("a,b\n1,2\n")
    csv_file(
        here / "old.csv",
        header="Name,Request Count,Failure Count,Median Response Time,Average Response Time",
    )
    write_log(
        here / "ok.jsonl", requests(steady()(np.random.default_rng(1))), run_header(name="night")
    )
    write_log(here / "idle.jsonl", [])
    (here / "folder").mkdir()
    (here / "results").mkdir()
    csv_file(here / "results" / "x_stats.csv", csv_row())
    ended = asyncload("compare", *arguments)
    assert ended.sentence == says.format(folder=here)
    assert (ended.returncode, ended.stdout) == (2, "")


@pytest.mark.parametrize(
    "arguments", [("a.csv",), ("a.csv", "b.csv", "c.csv"), ("--baseline=a.csv",)]
)
def test_both_sides_must_be_named(asyncload, arguments):
    ended = asyncload("compare", *arguments)
    assert ended.returncode == 2
    assert "Usage: asyncload compare [OPTIONS] [BASELINE] CANDIDATE..." in ended.stderr
