"""The tests of Lift Wing: `configs/liftwing/` on KServe's own server, and its baselines."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command_line import ROOT, Shell
from tests.liftwing.kserve_environment import kserve_python

pytestmark = pytest.mark.slow

CONFIGS = ROOT / "configs" / "liftwing"
FAMILIES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
COLUMNS = (
    "Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,"
    "Min Response Time,Max Response Time,Average Content Size,Requests/s,Failures/s,"
    "50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%"
)
TIMES = [name for name in COLUMNS.split(",") if name.endswith(("%", "Response Time"))]
BUSY = (
    "--set=scenarios.0.load.shape={kind: constant, level: 8}",
    "--set=scenarios.0.user.wait=10ms",
)
"""Eight users who hardly wait, instead of two who do."""

# One process has the server, while the others go on with other tests: it takes half a minute
# where KServe must be installed first.
on_kserve = [pytest.mark.xdist_group("kserve"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def kserve() -> Iterator[str]:
    """The URL of KServe's server with its models."""
    try:
        python = kserve_python()
    except RuntimeError as problem:
        pytest.fail(str(problem), pytrace=False)
    models = ROOT / "tests" / "liftwing" / "kserve_models.py"
    process = subprocess.Popen(
        [python, models, "--http_port", "0", "--work_time", "0.02"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url, "KServe's server did not start; what it said is on stderr"
        yield url
    finally:
        process.stdin.close()  # it ends with the pipe
        process.wait(20)
        process.stdout.close()


@pytest.fixture(scope="module")
def on_server(tmp_path_factory, fork_server, kserve) -> Shell:
    """A shell beside a copy of the folder, in which Lift Wing is that server."""
    folder = tmp_path_factory.mktemp("liftwing")
    shutil.copytree(CONFIGS, folder / "liftwing")
    return Shell(folder, fork_server, LIFTWING_URL=kserve)


@pytest.fixture(scope="module")
def whole_run(on_server, kserve):
    """The whole folder, once: what was printed, and what KServe counted meanwhile."""
    before = counted_by(kserve)
    ended = on_server(
        "run", "liftwing", "--quiet", "--csv", "results/", *BUSY, "--set=scenarios.0.load.duration=0.7s"
    )  # fmt: skip
    return ended, counted_by(kserve) - before


def counted_by(url: str) -> Counter[str]:
    """The answers of each model, by KServe's own metrics."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    pattern = r'^request_predict_seconds_count\{model_name="(.+)"\} ([\d.]+)$'
    found = re.findall(pattern, text, re.MULTILINE)
    return Counter({name: int(float(number)) for name, number in found})


def stats(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a `_stats.csv`, by name."""
    with path.open(newline="") as file:
        return {row["Name"]: row for row in csv.DictReader(file)}


def scaled(source: Path, target: Path, *, times: float = 1, rate: float = 1) -> None:
    """Write the results in `source` as those of a service that is so many times as slow."""
    target.mkdir()
    for path in source.glob("*_stats.csv"):
        rows = list(stats(path).values())
        for row in rows:
            for column in TIMES:
                row[column] = str(float(row[column]) * times)
            row["Requests/s"] = str(float(row["Requests/s"]) * rate)
        with (target / path.name).open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS.split(","))
            writer.writeheader()
            writer.writerows(rows)


def old_check_passes(baseline: Path, candidate: Path) -> bool:
    """The rule of the harness that this replaces: every change, in per cent, must be below 10."""
    watched = ("Average Response Time", "Median Response Time", "Requests/s")
    for path in baseline.glob("*_stats.csv"):
        new = stats(candidate / path.name)
        for name, row in stats(path).items():
            for column in watched:
                old_value, new_value = float(row[column]), float(new[name][column])
                if (new_value - old_value) * 100 / old_value >= 10:
                    return False
    return True


# -- the whole folder on KServe's server ----------------------------------------------------


class TestOnKServe:
    pytestmark = on_kserve

    def test_every_family_runs_and_has_results_with_the_columns_of_locust(
        self, whole_run, on_server
    ):
        ended, _ = whole_run
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.endswith(f"\n{len(FAMILIES)} tests passed\n")
        for family in FAMILIES:
            path = on_server.folder / "results" / f"{family}_stats.csv"
            assert path.read_text().splitlines()[0] == COLUMNS
            rows = stats(path)
            assert "Aggregated" in rows
            for row in rows.values():
                assert int(row["Request Count"]) >= 7, "fewer say nothing about a median"
                assert row["Failure Count"] == "0"

    def test_kserve_counts_as_many_requests_of_each_model_as_we_do(self, whole_run, on_server):
        _, counted = whole_run
        ours: Counter[str] = Counter()
        for family in FAMILIES:
            for name, row in stats(on_server.folder / "results" / f"{family}_stats.csv").items():
                if name != "Aggregated":
                    found = re.fullmatch(r"/v1/models/(.+):predict|/openai/v1/completions", name)
                    assert found is not None
                    ours[found[1] or "llm"] += int(row["Request Count"])
        assert ours == counted

    def test_there_is_a_baseline_for_every_row(self, whole_run, on_server):
        for family in FAMILIES:
            name = f"{family}_stats.csv"
            baseline, ours = (
                stats(folder / name)
                for folder in (CONFIGS / "baselines", on_server.folder / "results")
            )
            assert baseline.keys() == ours.keys()
        ended = on_server("compare", "liftwing/baselines", "results")
        assert ended.returncode in {0, 1}, "how fast this machine is decides; but it can be told"
        assert "Only in" not in ended.stdout

    @pytest.mark.parametrize(
        ("change", "passes", "passed_before"),
        [
            ({"times": 1.5}, False, False),
            ({"times": 0.5}, True, True),
            ({"times": 1.05, "rate": 0.95}, True, True),
            ({"rate": 0.1}, False, True),  # nine of ten requests gone, and nothing said
            ({"rate": 1.12}, True, False),  # a gain, and an alarm
            ({"times": 0.5, "rate": 1.5}, True, False),
            ({"times": 1.5, "rate": 0.5}, False, False),
        ],
        ids=str,
    )
    def test_what_is_worse_fails_and_what_is_better_passes(
        self, whole_run, on_server, tmp_path, change, passes, passed_before
    ):
        results = on_server.folder / "results"
        changed = tmp_path / "changed"
        scaled(results, changed, **change)
        ended = on_server("compare", results, changed)
        assert ended.returncode == (0 if passes else 1), ended.stdout
        assert old_check_passes(results, changed) is passed_before

    def test_a_run_is_compared_with_a_folder_of_baselines(self, whole_run, on_server, tmp_path):
        results = on_server.folder / "results"
        scaled(results, tmp_path / "faster", times=0.1)
        scaled(results, tmp_path / "slower", times=10, rate=0.1)
        expected = {"faster": 1, "slower": 0}
        runs = {
            baseline: on_server.start(
                "run", "liftwing/readability.yaml", "--quiet", "--log", tmp_path / f"{baseline}.jsonl",
                "--baseline", tmp_path / baseline, *BUSY, "--set=scenarios.0.load.duration=10s",
            )
            for baseline in expected
        }  # fmt: skip
        for baseline, process in runs.items():
            shown, complaint = process.communicate(timeout=60)
            assert (process.returncode, complaint) == (expected[baseline], ""), shown
            assert f"{tmp_path / baseline / 'readability_stats.csv'}" in shown
