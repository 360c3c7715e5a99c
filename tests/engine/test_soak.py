"""An hour of load on virtual time, through engine, ledger and consumer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent


def test_an_hour_of_load_balances_to_the_job_in_flat_memory():
    """The whole day, a million jobs, is in benchmarks/results/soak.json."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "soak.py"), "--hours", "1"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    ledger = result["ledger"]
    assert result["arrivals"] > 35_000
    assert (
        result["arrivals"]
        == result["requests"]
        == result["accepted_by_service"]
        == result["job_records"]
        == ledger["submitted"]
        == ledger["succeeded"]
    )
    assert ledger["duplicates"] == ledger["backlog"] == result["messages_left"] == 0
    assert result["longest_lateness_s"] < 1e-5
    # After the first quarter nothing grows: a leak of 100 bytes a job would be 2.7 MiB.
    warm = result["memory_mib"][6:]
    assert max(warm) - min(warm) < 2.5, warm
