"""`asyncload capacity` against services whose capacity is known."""

from __future__ import annotations

import json
import signal

import pytest

from tests.cli.four_workers import CAPACITY, four_workers

pytestmark = pytest.mark.slow

HTTP = """
name: four workers
scenarios:
  - name: predict
    load: {shape: {kind: constant, level: 20}, duration: 10s}
    user:
      kind: http
      base_url: "${URL:-http://127.0.0.1:9}"
      requests: [{method: POST, path: /predict, json: {rev_id: 1}}]
"""
JOBS = """
name: jobs
aws: {endpoint_url: local}
scenarios:
  - name: jobs
    load: {shape: {kind: constant, level: 7}, duration: 10s}
    user: {kind: model_runner, wait: 0}
local: {workers: 2, service_time: {mean: 200ms, distribution: constant}, images: 1}
"""
LIMIT = "--set=thresholds=[request.latency.p95 < 150ms]"


@pytest.fixture
def service():
    with four_workers() as url:
        yield url


@pytest.fixture
def search(asyncload):
    asyncload.config.write_text(HTTP)

    def run(*arguments, **environment):
        return asyncload("capacity", "test.yaml", "--json", "found.json", *arguments, **environment)

    return run


def found(search_folder):
    return json.loads((search_folder / "found.json").read_text())


def test_the_capacity_of_four_workers_is_found(asyncload, service, tmp_path):
    asyncload.config.write_text(HTTP)
    options = ["--start", 50, "--max", 200, "--step", 1.5, "--step-duration", "4s", LIMIT]
    process = asyncload.start(
        "capacity", "test.yaml", "--json", "found.json", *options, URL=service
    )
    out, err = process.communicate(timeout=110)  # half a minute, unless steps are repeated
    assert process.returncode == 0, out + err
    result = found(tmp_path)
    assert 74 <= result["capacity"] <= 84, out
    assert result["capacity"] < result["failed_at"] <= result["capacity"] * 1.05
    assert result["ending"] == "found"
    assert f"The service sustains {result['capacity']:.4g}/s" in out
    # Overloaded, it still does what it can.
    beyond = [step for step in result["steps"] if step["rate"] > 1.2 * CAPACITY]
    assert beyond
    for step in beyond:
        assert step["ended"] == pytest.approx(CAPACITY, rel=0.1)
        assert step["outcome"] == "failed"
    assert result["knee"] is None or 70 <= result["knee"] <= 90
    assert (tmp_path / "plots" / "four-workers.capacity.png").stat().st_size > 20_000
    logs = sorted((tmp_path / "logs" / "four-workers.capacity").glob("step-*.jsonl"))
    assert len(logs) == len(result["steps"])


def test_a_search_that_is_interrupted_goes_on_where_it_was(asyncload, service, tmp_path):
    asyncload.config.write_text(HTTP)
    command = ["capacity", "test.yaml", "--json", "found.json", "--max", 40]
    command += ["--step-duration", "2s"]
    process = asyncload.start(*command, URL=service)
    assert process.stdout is not None
    assert any("20/s  passed" in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, out + err
    assert "stopping: waiting for what is open" in err
    assert "Interrupted: 20/s passed so far. The same command goes on from here." in out
    assert found(tmp_path)["ending"] == "interrupted"
    kept = found(tmp_path)["steps"]
    assert kept

    other = asyncload(*command, "--set=seed=5", URL=service)
    assert other.returncode == 2
    assert "has another config or other options" in other.sentence

    done = asyncload(*command, URL=service)
    assert "kept; --fresh starts anew" in done.stdout
    result = found(tmp_path)
    assert [step["rate"] for step in result["steps"] if step["outcome"] == "passed"] == [20, 40]
    assert result["steps"][: len(kept)] == kept
    assert result["ending"] == "at least"
    assert done.returncode == 3
    assert "at least 40/s" in done.stdout


def test_a_finished_search_is_not_gone_on_with_but_made_anew(search, service, tmp_path):
    arguments = ("--max", 20, "--step-duration", "1s")
    assert search(*arguments, URL=service).returncode == 3
    before = found(tmp_path)["steps"]
    again = search(*arguments, URL=service)
    assert "Going on" not in again.stdout
    assert found(tmp_path)["steps"][0]["started_at"] >= before[0]["started_at"]
    logs = list((tmp_path / "logs" / "four-workers.capacity").glob("step-01-at-20*.jsonl"))
    assert len(logs) == 2, "the log of the first search is kept"


def test_a_step_with_many_errors_is_stopped_early(search, tmp_path):
    with four_workers(errors_from=0) as url:
        done = search("--start", 400, "--step-duration", "30s", URL=url)
    assert done.returncode == 1
    step = found(tmp_path)["steps"][0]
    assert step["stopped_early"]
    assert step["reasons"][0].startswith("stopped early: ")
    assert step["count"] < 400 * 10
    assert "does not sustain even 400/s" in done.stdout


def test_the_target_of_auto_scaling_is_ready_to_paste(search, service, tmp_path):
    done = search(
        *("--max", 40, "--step-duration", "1s", "--instances", 2, "--safety-factor", 0.6),
        URL=service,
    )
    # 40/s by two instances: 20 × 0.6 × 60.
    assert "SageMakerVariantInvocationsPerInstance = MAX_RPS × SAFETY_FACTOR × 60" in done.stdout
    assert "= 20/s of each of 2 instances × 0.6 × 60 = 720" in done.stdout
    policy = done.stdout[done.stdout.index("{\n") : done.stdout.index("\n}") + 2]
    assert json.loads(policy) == found(tmp_path)["scaling"]["policy"]
    assert json.loads(policy) == {
        "TargetValue": 720,
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
        },
    }


def test_of_jobs_a_backlog_that_grows_is_the_limit(asyncload, tmp_path):
    asyncload.config.write_text(JOBS)
    done = asyncload(
        "capacity", "test.yaml", "--json", "found.json", "--max", 14,
        "--precision", "100%", "--step-duration", "5s",
    )  # fmt: skip
    result = found(tmp_path)
    outcomes = {step["rate"]: step["outcome"] for step in result["steps"]}
    assert outcomes[7] == "passed", done.stdout
    assert outcomes[14] == "failed", done.stdout
    beyond = next(step for step in result["steps"] if step["rate"] == 14)
    assert any(reason.startswith("what is open grows by") for reason in beyond["reasons"])
    # Two workers of 200 ms each end 10 jobs a second, during the load and after it.
    assert beyond["ended"] == pytest.approx(10, rel=0.15)
    assert beyond["drain_rate"] == pytest.approx(10, rel=0.25)
    assert beyond["left_behind"] == 0
    assert "drained" in done.stdout


MISTAKES = {
    "no rate": (["--start", "0"], "--start is 0; give a rate over 0, such as 10"),
    "not a number": (["--start", "nan"], "--start is nan; give a rate over 0, such as 10"),
    "a maximum below the start": (
        ["--max", "5"],
        "--max is 5; give a rate of 20 or more, where the search starts",
    ),
    "no step": (["--step", "1"], "--step is 1; give a factor over 1, such as 2"),
    "a precision that is none": (
        ["--precision", "fine"],
        "--precision is 'fine'; give a percentage such as 5%",
    ),
    "a precision too wide": (
        ["--precision", "500%"],
        "--precision is 500%; give 0.1% to 100%",
    ),
    "no time": (["--step-duration", "0"], "--step-duration is 0; give a time of 1s or more"),
    "a factor over 1": (
        ["--safety-factor", "2"],
        "--safety-factor is 2; give a number over 0, up to 1",
    ),
    "no instance": (["--instances", "0"], "--instances is 0; give 1 or more"),
    "a folder that is a file": (
        ["--log", "test.yaml"],
        (
            "log: cannot write test.yaml/step-01-at-20.jsonl: FOLDER/test.yaml is not a folder; "
            "choose another place with --log"
        ),
    ),
    "a closed load without a start": (
        ["--set=scenarios.0.load.model=closed"],
        (
            "scenario 'predict' is closed, so its config has no rate to start from; give one with "
            "--start, such as --start 1"
        ),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_sentence(asyncload, mistake):
    asyncload.config.write_text(HTTP)
    arguments, sentence = MISTAKES[mistake]
    done = asyncload("capacity", "test.yaml", *arguments)
    assert done.returncode == 2
    assert done.sentence == sentence.replace("FOLDER", str(asyncload.folder))


def test_a_state_that_is_damaged_is_refused_and_fresh_starts_anew(search, service, tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "search.json").write_text("{")
    done = search("--log", "kept", URL=service)
    assert done.returncode == 2
    assert done.sentence == (
        "kept/search.json is not the state of a search; start anew with --fresh"
    )
    done = search("--log", "kept", "--fresh", "--max", 20, "--step-duration", "1s", URL=service)
    assert done.returncode == 3
