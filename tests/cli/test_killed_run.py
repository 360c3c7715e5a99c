"""A run that is killed leaves a log that reads, and no process behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from asyncload.errors import LogError
from asyncload.records.log import LogReader
from asyncload.records.record import Job, Request, RunHeader, SummaryRecord
from asyncload.report.plots.run_plots import plot_log

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
# Ten moments of a run that starts for about three seconds and sends for six.
MOMENTS = [random.Random(number).uniform(0.5, 8.0) for number in range(10)]


def gone(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """The processes that are still alive after so many seconds."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: f"{moment:.2f}s")
def test_kill_minus_nine_at_a_random_moment(moment, tmp_path):
    log = tmp_path / "logs" / "run.jsonl"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "asyncload", "run", str(ROOT / "configs" / "burst.yaml"),
            "--log", str(log), "--set", "scenarios.0.load.duration=6s",
            "--set", "scenarios.0.load.shape={kind: constant, level: 20}",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        time.sleep(moment)
        assert process.poll() is None, "it was to be killed while it runs"
        family = psutil.Process(process.pid).children(recursive=True)
        before = time.monotonic()
        process.kill()
        process.wait(10)
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
    assert gone(family, 15) == []
    assert time.monotonic() - before < 20
    if not log.exists():
        return  # killed while it was starting
    reader = LogReader(log)
    records = list(reader)
    assert reader.skipped <= 1  # the torn last line
    if not records:
        return
    assert isinstance(records[0], RunHeader)
    if any(isinstance(record, Request | Job) for record in records):
        assert plot_log(log, tmp_path / "plots")
    else:
        with pytest.raises(LogError):
            plot_log(log, tmp_path / "plots")
    status = log.with_name("job_status.json")
    if status.exists():
        json.loads(status.read_text())


def test_the_end_of_the_terminal_drains_and_reports_also_with_closed_streams(tmp_path):
    """A shell that goes away says so, and so does the system: the second one is no abort."""
    (tmp_path / "test.yaml").write_text("""
log: run.jsonl
scenarios:
  - name: s
    load: {shape: {kind: constant, level: 20}, duration: 60s}
    user: {kind: edge, endpoint: local, detectors: [det_1]}
""")
    process = subprocess.Popen(
        ["bash", "-c", 'exec "$0" -m asyncload run test.yaml <&- >&- 2>&-', sys.executable],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    log = tmp_path / "run.jsonl"
    try:
        deadline = time.monotonic() + 30
        while not (log.exists() and b'"request"' in log.read_bytes()):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGHUP)
        time.sleep(0.05)
        process.send_signal(signal.SIGHUP)
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.wait()
    records = list(LogReader(log))
    assert isinstance(records[-1], SummaryRecord)
    assert {record.outcome for record in records if isinstance(record, Request)} == {"ok"}
