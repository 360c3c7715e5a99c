"""What must hold after a trial, whatever was done: a sentence for each thing that does not."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from asyncload.local.ground_truth import JobTruth, RequestTruth, read_ground_truth
from asyncload.records.log import LogReader
from asyncload.records.outcomes import COUNTER_OF, ENDED, GIVEN_UP, OUTCOMES
from asyncload.records.record import OK, Job, Ledger, Record, Request, RunHeader, SummaryRecord
from tests.chaos import plan
from tests.chaos.plan import Trial
from tests.chaos.trial import Ended
from tests.cli.command_line import ROOT

_CRASH = re.compile(
    r"Traceback \(most recent call last\)|Fatal Python error|never retrieved|never awaited"
    r"|panicked at|Segmentation fault|Task was destroyed|Exception ignored|ResourceWarning|RuntimeWarning"
)
DOCUMENTED = {0, 1, 2, 3, 4, 130}
_INTERRUPTIONS = (*plan.SIGNALS, plan.TERMINAL_GONE)
_UNMINDED = {-signal.Signals[name] for name in plan.SIGNALS}


def findings(ended: Ended) -> list[str]:
    """Say what is wrong with what a run left behind; nothing if all is well."""
    return [
        *_of_the_end(ended),
        *_of_the_rest(ended),
        *_of_the_log(ended),
    ]


def _of_the_end(ended: Ended) -> Iterator[str]:
    trial, code = ended.trial, ended.exit_code
    if found := _CRASH.search(ended.screen):
        line = ended.screen[found.start() :].strip().splitlines()
        yield f"the screen shows {line[0]!r} … {line[-1][:200]!r}"
    if code is None:
        yield "it did not end"
    elif code == -9 and trial.is_killed:
        return
    elif code in _UNMINDED and not ended.begun and trial.has(*_INTERRUPTIONS):
        return  # it had not got as far as minding signals
    elif code not in DOCUMENTED:
        yield f"it ended with {code}, which is no documented exit code"
    elif code == 130 and not trial.has(*_INTERRUPTIONS):
        yield "it ended with 130, but nobody interrupted it"
    elif code == 2 and not (trial.surroundings == plan.DESCRIPTORS and "ulimit" in ended.screen):
        yield f"it ended with 2, but its config is right: {ended.screen.strip()[-300:]}"
    elif code in (1, 4) and not _is_hard_to_reach(trial):
        yield f"it ended with {code}, but nothing was done to the service: {ended.screen[-300:]}"
    elif code in (2, 4) and "asyncload: " not in ended.screen and not _is_blind(trial):
        yield f"it ended with {code} and no sentence"


def _is_hard_to_reach(trial: Trial) -> bool:
    """Whether the run may have found no service, or no answer."""
    service = (plan.SERVICE_KILL, plan.SERVICE_STOP, plan.CUT, plan.REFUSE, plan.STALL)
    return trial.surroundings == plan.DESCRIPTORS or trial.has(*service)


def _is_blind(trial: Trial) -> bool:
    return trial.surroundings in {plan.NO_STDOUT, plan.TERMINAL}


def _of_the_rest(ended: Ended) -> Iterator[str]:
    for command in ended.processes:
        yield f"a process is left: {command}"
    if ended.files:
        yield f"temporary files are left: {', '.join(ended.files)}"
    if ended.trial.is_killed or ended.trial.surroundings == plan.DISK:
        return  # a file that was being replaced has its copy beside it
    known = {"test.yaml", "run.jsonl", "job_status.json", "job_summary.json"}
    work = ended.log.parent.parent
    files = [path.name for path in work.rglob("*") if path.is_file()]
    if others := [name for name in files if name not in known and not name.startswith("all")]:
        yield f"files are left: {', '.join(others)}"


def _of_the_log(ended: Ended) -> Iterator[str]:
    if not ended.log.exists():
        if ended.exit_code in (0, 1) and not _lost_its_folder_late(ended.trial):
            yield f"there is no log, and the exit code is {ended.exit_code}"
        return
    reader = LogReader(ended.log)
    records: list[Record] = list(reader)
    by_itself = not ended.trial.is_killed and ended.exit_code in DOCUMENTED
    may_be_torn = not by_itself or ended.trial.surroundings == plan.DISK
    if reader.skipped > may_be_torn:
        yield f"{reader.skipped} lines of the log cannot be read"
    if not records:
        return
    if not isinstance(records[0], RunHeader):
        yield "the log does not begin with a header"
    yield from _of_the_readers(ended.log)
    yield from _of_the_ledger(records)
    whole = isinstance(records[-1], SummaryRecord)
    if not whole and by_itself and ended.exit_code in (0, 1):
        yield f"the log has no summary, and the exit code is {ended.exit_code}"
    if not whole and by_itself and ended.exit_code in (3, 130) and not may_be_torn:
        yield f"the log has no summary, although the run reported (exit code {ended.exit_code})"
    if whole:
        yield from _of_the_summary(records)
    yield from _of_the_truth(ended, records, whole=whole)


def _lost_its_folder_late(trial: Trial) -> bool:
    """Whether its log may have been complete before it was removed."""
    return any(fault.what == plan.FOLDER_GONE and fault.at > plan.SECONDS for fault in trial.faults)


def _of_the_readers(log: Path) -> Iterator[str]:
    done = subprocess.run(
        [sys.executable, "-m", "asyncload", "summary", str(log), "--json"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    if done.returncode:
        yield f"summary cannot read the log: {done.stderr.strip()[-300:]}"
    else:
        json.loads(done.stdout)


def _of_the_ledger(records: list[Record]) -> Iterator[str]:
    for ledger in (record for record in records if isinstance(record, Ledger)):
        ends = sum(getattr(ledger, counter) for counter in (*ENDED, *GIVEN_UP))
        if ledger.submitted != ends + ledger.backlog:
            yield (
                f"at {ledger.t:.2f} s {ledger.submitted} jobs were submitted, but {ends} are over "
                f"and {ledger.backlog} open"
            )
            return
    ids = Counter(record.job_id for record in records if isinstance(record, Job))
    if twice := [job_id for job_id, number in ids.items() if number > 1]:
        yield f"{len(twice)} jobs have two records, as {twice[0]}"


def _of_the_summary(records: list[Record]) -> Iterator[str]:
    """Hold the summary against a count of the records by hand."""
    last = records[-1]
    assert isinstance(last, SummaryRecord)
    said = last.summary["requests"]
    outcomes = Counter(record.outcome for record in records if isinstance(record, Request))
    for outcome, number in outcomes.items():
        if said[outcome] != number:
            yield f"the summary counts {said[outcome]} requests {outcome}, the log has {number}"
    jobs = Counter(COUNTER_OF[record.status] for record in records if isinstance(record, Job))
    said = last.summary["jobs"]
    for counter in OUTCOMES:
        if said[counter] != jobs[counter]:
            yield f"the summary counts {said[counter]} jobs {counter}, the log has {jobs[counter]}"
    if said["backlog"]:
        yield f"{said['backlog']} jobs are open at the end"


def _of_the_truth(ended: Ended, records: list[Record], *, whole: bool) -> Iterator[str]:
    """Hold the log against what the service says that it did."""
    truth = read_ground_truth(ended.truth) if ended.truth.exists() else []
    if ended.trial.target == "http":
        arrived = sum(isinstance(record, RequestTruth) for record in truth)
        requests = [record for record in records if isinstance(record, Request)]
        well = sum(record.outcome == OK for record in requests)
        sent = sum(record.start is not None for record in requests)
        if well > arrived:
            yield f"{well} requests ended well, but the service answered {arrived}"
        if whole and arrived > sent:
            yield f"the service answered {arrived} requests, but the log has {sent}"
        return
    statuses: dict[str, set[str]] = {}
    for record in truth:
        if isinstance(record, JobTruth):
            statuses.setdefault(record.job_id, set()).add(record.status)
    logged = {record.job_id: record.status for record in records if isinstance(record, Job)}
    if not ended.trial.has(plan.SERVICE_KILL, plan.KILL):  # its own log may lack the last jobs
        observed = {job: status for job, status in logged.items() if COUNTER_OF[status] in ENDED}
        wrong = [job for job, status in observed.items() if status not in statuses.get(job, ())]
        if wrong:
            yield f"{len(wrong)} jobs ended otherwise than the service says, as {wrong[0]}"
    if whole:
        ledger = next((r for r in reversed(records) if isinstance(r, Ledger)), None)
        missing = [job for job in statuses if job not in logged]
        excused = 0 if ledger is None else ledger.unconfirmed + ledger.late
        if len(missing) > excused:
            yield (
                f"the service worked on {len(missing)} jobs that are not in the log, as "
                f"{missing[0]}; {excused} sends are unconfirmed or late"
            )
