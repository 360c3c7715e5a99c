"""Two trials of the real thing, and the checks themselves: they must find what is planted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from asyncload.local.ground_truth import GroundTruthLog, JobTruth
from asyncload.records.record import Job, Ledger, RunHeader
from tests.chaos import checks, plan
from tests.chaos.checks import findings
from tests.chaos.plan import Fault, Trial, draw
from tests.chaos.trial import Ended, carry_out

pytestmark = pytest.mark.slow

HEADER = RunHeader(
    schema=1, run_id="r", name="n", started_at="2026-01-01T00:00:00Z", seed=1,
    config={}, host={}, versions={},
)  # fmt: skip


def test_a_seed_always_gives_the_same_trial_and_seeds_reach_every_fault():
    trials = [draw(seed) for seed in range(400)]
    assert trials == [draw(seed) for seed in range(400)]
    seen = {(trial.target, fault.what) for trial in trials for fault in trial.faults}
    always = {(target, what) for target, known in plan.FAULTS.items() for what in known}
    assert seen == always | {(target, plan.TERMINAL_GONE) for target in plan.TARGETS}
    seen = {(trial.target, trial.surroundings) for trial in trials}
    assert seen == {(target, one) for target, all_ in plan.SURROUNDINGS.items() for one in all_}


HTTP = (
    "--set=scenarios.0.load.duration=2s",
    "--set=scenarios.0.load.shape={kind: constant, level: 50}",
    "--csv=all",
)
MILD = (Fault(0.2, plan.CUT), Fault(0.3, plan.STOP, 0.1), Fault(0.4, plan.STALL, 0.2))
TRIALS = [
    Trial(0, "http", HTTP, None, 0, (*MILD, Fault(0.8, "SIGTERM"))),
    Trial(0, "http", HTTP, None, 0, (Fault(0.7, plan.KILL),)),
]


@pytest.mark.parametrize("trial", TRIALS, ids=str)
def test_a_run_under_faults_leaves_a_right_account_and_nothing_else(trial, tmp_path):
    ended = asyncio.run(carry_out(trial, tmp_path / "trial"))
    assert findings(ended) == []
    assert ended.exit_code == {plan.KILL: -9, "SIGTERM": 130}[trial.faults[-1].what]


# -- what is planted is found --------------------------------------------------------


@pytest.fixture
def _quick(monkeypatch):
    """Without the command that reads the log again: it takes a second to start."""
    monkeypatch.setattr(checks, "_of_the_readers", lambda _log: ())


def counts(**changes: int) -> Ledger:
    known = dict.fromkeys(
        ("submitted", "succeeded", "partial", "failed", "timed_out", "lost", "backlog",
         "duplicates", "late", "orphans", "unreadable"), 0,
    )  # fmt: skip
    return Ledger(t=1.0, **(known | changes))


def job(job_id: str, status: str = "SUCCESS") -> Job:
    return Job(t=1, scenario="jobs", job_id=job_id, name="x", due=0, start=0, status=status)


def left_by(folder: Path, records: list, truth: tuple = (), **changes: object) -> list[str]:
    """What is found in a killed run with this log."""
    trial = Trial(0, "queue", (), None, 0, (Fault(1, "SIGKILL"),))
    ended = Ended(trial, folder, exit_code=-9, begun=True, truth=folder / "truth.jsonl")
    for name, value in changes.items():
        setattr(ended, name, value)
    ended.log.parent.mkdir(parents=True)
    ended.log.write_bytes(msgspec.json.Encoder().encode_lines(records))
    with GroundTruthLog(ended.truth) as log:
        for number, (job_id, status) in enumerate(truth):
            log.write(
                JobTruth(number=number, job_id=job_id, image_url="x", received=0, started=0,
                         statuses=[status], status=status, service_time=1, finished=1, published=1)
            )  # fmt: skip
    return findings(ended)


@pytest.mark.usefixtures("_quick")
def test_nothing_is_found_where_all_is_well(tmp_path):
    records = [HEADER, job("a"), counts(submitted=2, succeeded=1, backlog=1)]
    assert left_by(tmp_path, records, (("a", "SUCCESS"),)) == []


PLANTED = {
    "at 1.00 s 3 jobs were submitted": {"records": [HEADER, counts(submitted=3, succeeded=2)]},
    "have two records": {"records": [HEADER, job("a"), job("a")]},
    "does not begin with a header": {"records": [job("a")]},
    "Traceback": {"records": [HEADER], "screen": "Traceback (most recent call last):\n  x\nOh: no"},
    "no documented exit code": {"records": [HEADER], "exit_code": -6},
    "nothing was done to the service": {"records": [HEADER], "exit_code": 4},
    "did not end": {"records": [HEADER], "exit_code": None},
    "a process is left: sleep 1": {"records": [HEADER], "processes": ["sleep 1"]},
    "temporary files are left: x": {"records": [HEADER], "files": ["x"]},
}


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("says", PLANTED)
def test_what_is_planted_is_found(says, tmp_path):
    (found,) = left_by(tmp_path, **PLANTED[says])
    assert says in found


@pytest.mark.usefixtures("_quick")
def test_a_job_that_ended_otherwise_than_the_service_says_is_found(tmp_path):
    trial = Trial(0, "queue", (), None, 0, (Fault(1, "SIGTERM"),))
    records = [HEADER, job("a")]
    found = left_by(tmp_path, records, (("a", "FAILED"),), trial=trial, exit_code=4)
    assert [sentence[:24] for sentence in found if "otherwise" in sentence] == [
        "1 jobs ended otherwise t"
    ]
