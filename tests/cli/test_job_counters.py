"""The job counters are the same in the terminal, in the job files, in the log and in truth."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from asyncload.local.ground_truth import ExtraTruth, JobTruth, read_ground_truth
from asyncload.records.log import LogReader
from asyncload.records.record import Job, Ledger, Request, RunHeader, SummaryRecord

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
DISORDER = {
    "duplicate_rate": 0.05,
    "reorder_rate": 0.2,
    "unreadable_rate": 0.05,
    "foreign_rate": 0.1,
    "region_rate": 0.1,
    "failure_rate": 0.1,
    "partial_rate": 0.1,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run against a service in disorder: its output, its folder."""
    folder = tmp_path_factory.mktemp("counters")
    settings = [f"--set=local.{name}={rate}" for name, rate in DISORDER.items()]
    done = subprocess.run(
        [
            sys.executable, "-m", "asyncload", "run", str(ROOT / "configs" / "burst.yaml"),
            "--set", "scenarios.0.load.duration=12s",
            "--set", "scenarios.0.load.shape.period=6s",
            "--set", "local.service_time.mean=50ms",
            "--set", "local.truth_log=truth.jsonl",
            "--set", "thresholds=[]",
            *settings,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, folder


def test_terminal_job_files_log_and_truth_agree_to_the_job(finished):
    output, folder = finished
    truth = read_ground_truth(folder / "truth.jsonl")
    true = Counter(one.status for one in truth if isinstance(one, JobTruth))
    records = list(LogReader(folder / "logs" / "run.jsonl"))
    assert isinstance(records[0], RunHeader)
    assert isinstance(records[-1], SummaryRecord)

    jobs = [record for record in records if isinstance(record, Job)]
    assert Counter(job.status for job in jobs) == true
    ledger = [record for record in records if isinstance(record, Ledger)][-1]
    assert (ledger.succeeded, ledger.partial, ledger.failed) == (
        true["SUCCESS"], true["PARTIAL"], true["FAILED"],
    )  # fmt: skip
    assert ledger.submitted == sum(true.values()) == len(jobs)
    assert ledger.timed_out == ledger.lost == ledger.backlog == 0
    assert ledger.submitted == sum(
        record.outcome == "ok" for record in records if isinstance(record, Request)
    )

    summary = json.loads((folder / "logs" / "job_summary.json").read_text())
    assert summary["total_image_sent"] == ledger.submitted
    assert summary["total_image_succeeded"] == true["SUCCESS"]
    assert summary["total_image_partial"] == true["PARTIAL"]
    assert summary["total_image_failed"] == true["FAILED"]
    status = json.loads((folder / "logs" / "job_status.json").read_text())
    assert Counter(one["status"] for one in status.values()) == true

    counters = re.search(
        r"([\d,]+) submitted = ([\d,]+) succeeded \+ ([\d,]+) partial \+ ([\d,]+) failed"
        r" \+ 0 timed out \+ 0 lost",
        output,
    )
    assert counters is not None, output
    assert [int(number.replace(",", "")) for number in counters.groups()] == [
        ledger.submitted, true["SUCCESS"], true["PARTIAL"], true["FAILED"],
    ]  # fmt: skip


def test_messages_beside_the_counters_are_counted_as_the_truth_says(finished):
    _, folder = finished
    truth = read_ground_truth(folder / "truth.jsonl")
    records = list(LogReader(folder / "logs" / "run.jsonl"))
    ledger = [record for record in records if isinstance(record, Ledger)][-1]
    extras = Counter(one.kind for one in truth if isinstance(one, ExtraTruth))
    assert ledger.orphans == extras["foreign"] > 0
    assert ledger.unreadable == extras["unreadable"] > 0
    assert ledger.regions == extras["region"] > 0
    assert ledger.duplicates == sum(one.duplicates for one in truth if isinstance(one, JobTruth))
    assert ledger.duplicates > 0
    assert ledger.late == ledger.unconfirmed == 0


def test_a_waiting_user_would_wake_within_the_emulators_own_delay(finished):
    """Nothing polls on our side: the longest wait is the emulator's long-poll step of 0.1 s."""
    _, folder = finished
    records = list(LogReader(folder / "logs" / "run.jsonl"))
    epoch = datetime.fromisoformat(records[0].started_at).timestamp()
    finish = {
        one.job_id: one.finished
        for one in read_ground_truth(folder / "truth.jsonl")
        if isinstance(one, JobTruth)
    }
    delays = [
        record.observed + epoch - finish[record.job_id]
        for record in records
        if isinstance(record, Job)
    ]
    # Generous for a loaded machine, and far below the 5 s steps of a poller.
    assert sorted(delays)[len(delays) // 2] < 1.0
