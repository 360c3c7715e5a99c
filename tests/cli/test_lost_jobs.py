"""Jobs that never end are told apart as the service's ground-truth log says, wherever they are counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from asyncload.local.ground_truth import (
    JobTruth,
    RejectedTruth,
    ReplayTruth,
    StuckTruth,
    read_ground_truth,
)
from asyncload.records.log import LogReader
from asyncload.records.record import Job, Ledger, Note
from tests.cli.command_line import ROOT

pytestmark = pytest.mark.slow

CONFIG = {
    "name": "lost",
    "aws": {"endpoint_url": "local", "region": "us-west-2"},
    "scenarios": [
        {
            "name": "jobs",
            "load": {"model": "open", "shape": {"kind": "constant", "level": 30}, "duration": 4},
            "user": {"kind": "model_runner"},
        }
    ],
    "drain": 3,
    "local": {
        "workers": 20,
        "service_time": {"mean": 0.02},
        "double_failed_rate": 0.1,
        "replay_rate": 0.1,
        "stuck_rate": 0.1,
        "reject_rate": 0.1,
        "seed": 4,
        "truth_log": "truth.jsonl",
    },
    "thresholds": ["job.rejected < 5", "job.stuck < 200", "job.never_started == 0"],
}


def asyncload(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "asyncload", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "140"},
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A run against a service that rejects jobs and gets stuck: what it printed, its folder."""
    folder = tmp_path_factory.mktemp("lost")
    (folder / "test.yaml").write_text(json.dumps(CONFIG))  # YAML, too
    return asyncload(folder, "run", "test.yaml", "--quiet"), folder


@pytest.fixture(scope="module")
def truth(ended):
    return read_ground_truth(ended[1] / "truth.jsonl")


@pytest.fixture(scope="module")
def records(ended):
    return list(LogReader(ended[1] / "logs" / "run.jsonl"))


def of(records, kind):
    return [record for record in records if isinstance(record, kind)]


def test_the_ledger_splits_the_jobs_given_up_as_the_truth_log_does(truth, records):
    ledger = of(records, Ledger)[-1]
    rejected = {one.job_id for one in of(truth, RejectedTruth)}
    stuck = {one.job_id for one in of(truth, StuckTruth)}
    assert ledger.submitted == 120
    assert ledger.rejected == len(rejected) > 3
    assert ledger.stuck == len(stuck) > 3
    assert (ledger.never_started, ledger.timed_out) == (0, 0)
    assert ledger.lost == ledger.rejected + ledger.stuck
    jobs = {job.job_id: job for job in of(records, Job)}
    assert {i for i, job in jobs.items() if job.dead_letter_age is not None} == rejected
    assert {i for i, job in jobs.items() if job.progress == "IN_PROGRESS"} == stuck
    ended = {one.job_id: one.status for one in of(truth, JobTruth)}
    assert {i: job.status for i, job in jobs.items() if job.progress is None} == ended


def test_second_failures_and_replays_are_duplicates_and_change_no_outcome(truth, records):
    ledger = of(records, Ledger)[-1]
    outcomes = Counter(one.status for one in of(truth, JobTruth))
    assert (ledger.succeeded, ledger.failed) == (outcomes["SUCCESS"], outcomes["FAILED"])
    replayed = sum(len(one.statuses) for one in of(truth, ReplayTruth))
    twice = sum(one.duplicates for one in of(truth, JobTruth))
    assert ledger.failed == twice > 0
    assert ledger.duplicates == twice + replayed > twice
    assert ledger.late == ledger.orphans == 0


def test_jobs_of_less_than_a_second_have_a_processing_time_but_none_of_the_services_own(records):
    done = [job for job in of(records, Job) if job.status == "SUCCESS"]
    short = [job for job in done if job.started is not None and job.finished - job.started < 0.9]
    assert len(short) > 30
    assert {job.processing_s for job in short} == {None}
    assert all(job.finished >= job.started for job in short)


def test_the_table_the_thresholds_and_the_note_say_what_was_lost(ended, records):
    run, _ = ended
    ledger = of(records, Ledger)[-1]
    assert run.returncode == 1, run.stderr
    words = " ".join(run.stdout.split())
    assert (
        f"{ledger.lost} given up = {ledger.rejected} rejected by the service + "
        f"{ledger.stuck} stuck + 0 never started"
    ) in words
    assert f"✗ job.rejected < 5 {ledger.rejected}" in words
    assert f"✓ job.stuck < 200 {ledger.stuck}" in words
    assert "✓ job.never_started == 0 0" in words
    assert "LOST: rejected by the service: the request is in ImageRequestQueue-dlq" in words
    assert "LOST: no terminal status before the drain ended; the last one was IN_PROGRESS" in words
    [note] = [note.text for note in of(records, Note) if note.level == "warning"]
    assert note.startswith(
        f"the service rejected {ledger.rejected} jobs of this run: in ImageRequestQueue-dlq"
    )
    assert note in words


def test_the_summary_of_the_log_and_the_job_files_agree(ended, records):
    _, folder = ended
    ledger = of(records, Ledger)[-1]
    told = asyncload(folder, "summary", "logs/run.jsonl", "--json")
    jobs = json.loads(told.stdout)["jobs"]
    assert (jobs["rejected"], jobs["stuck"], jobs["never_started"]) == (
        ledger.rejected,
        ledger.stuck,
        0,
    )
    summary = json.loads((folder / "logs" / "job_summary.json").read_text())
    assert summary["total_image_lost"] == ledger.lost
    assert not {"rejected", "stuck"} & {key.removeprefix("total_image_") for key in summary}
