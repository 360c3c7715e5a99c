"""Two runs at once on one stack and one status queue: each has its own counters, right to the job."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from asyncload.local.ground_truth import JobTruth, read_ground_truth
from asyncload.local.settings import LocalSettings, ServiceTime
from asyncload.local.stack.stack import LocalStack
from asyncload.records.log import LogReader
from asyncload.records.record import Job, RunHeader
from tests.cli.command_line import Shell

pytestmark = pytest.mark.slow

RATE = 50
CONFIG = f"""
scenarios:
  - name: jobs
    load: {{arrivals: poisson, shape: {{kind: constant, level: {RATE}}}, duration: 6s}}
    user: {{kind: model_runner}}
"""


@pytest.mark.anyio
async def test_two_runs_on_one_status_queue_each_account_for_exactly_their_own(
    tmp_path, fork_server
):
    settings = LocalSettings(
        workers=100, service_time=ServiceTime(mean=0.3), failure_rate=0.1, partial_rate=0.1
    )
    async with LocalStack(settings, region="us-west-2", directory=tmp_path / "stack") as stack:
        processes = {}
        for seed, name in enumerate(("one", "two")):
            (tmp_path / name).mkdir()
            shell = Shell(tmp_path / name, fork_server, **stack.environment())
            shell.config.write_text(f"seed: {seed}\n{CONFIG}")
            processes[name] = shell.start("run", "test.yaml", "--quiet")
        for process in processes.values():
            _, complaint = process.communicate(timeout=60)
            assert process.returncode == 0, complaint
        truth = [one for one in read_ground_truth(stack.truth_log) if isinstance(one, JobTruth)]

    seen = 0
    for name in processes:
        records = list(LogReader(tmp_path / name / "logs" / "run.jsonl"))
        assert isinstance(records[0], RunHeader)
        mine = Counter(one.status for one in truth if one.job_id.startswith(records[0].run_id))
        assert sum(mine.values()) > 0.7 * RATE * 6
        assert Counter(record.status for record in records if isinstance(record, Job)) == mine
        summary = json.loads((tmp_path / name / "logs" / "job_summary.json").read_text())
        assert summary["total_image_sent"] == sum(mine.values())
        assert summary["total_image_succeeded"] == mine["SUCCESS"]
        assert summary["total_image_lost"] == summary["total_image_timed_out"] == 0
        seen += sum(mine.values())
    assert seen == len(truth)
