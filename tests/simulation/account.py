"""An independent account of a trial: what the ledger and the log must say of it.

It is worked out from what the modelled SQS took in and gave out, and from when. It shares
no code with the ledger, the consumer or the statistics.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from botocore.exceptions import ClientError

from asyncload.records.record import AnyRecord, Job, Ledger, Request
from asyncload.stats.summary import SummaryFold
from asyncload.transport.http.http_errors import ConnectFailed, RequestTimeout
from tests.simulation.service import TERMINAL
from tests.simulation.sqs import STATUSES
from tests.simulation.trial import Trial

COUNTER: Final = {
    "SUCCESS": "succeeded",
    "PARTIAL": "partial",
    "FAILED": "failed",
    "TIMED_OUT": "timed_out",
    "LOST": "lost",
}
PROGRESS: Final = ("SUBMITTED", "STARTED", "IN_PROGRESS")
ROUNDING: Final = 2e-6
"""Seconds; records hold whole microseconds."""
END_SLACK: Final = 25.0
"""Seconds after the drain in which the last look, polls and connections must be over."""
FLIGHT: Final = 0.05
"""Seconds that what was written before an end may still be on its way."""


def violations(trial: Trial) -> Iterator[str]:
    """Give each promise that the trial broke, in a sentence."""
    if trial.problem is not None:
        yield f"the run ended with {trial.problem!r}"
        return
    yield from _end(trial)
    yield from _jobs(trial)
    yield from _counters(trial)
    yield from _requests(trial)
    yield from _messages(trial)
    yield from _log(trial)


def _end(trial: Trial) -> Iterator[str]:
    world = trial.world
    latest = world.duration + world.drain + END_SLACK
    if trial.ended_at > latest:
        yield f"it ended at {trial.ended_at:.3f}, and should by {latest:.3f}"
    if trial.left:
        yield f"left over: {trial.left}"
    # Once a load is over nothing new is sent; at an abort nothing at all.
    limit = trial.ended_at
    if world.ending is not None and world.ending[0] == "abort" and trial.ending_at is not None:
        limit = trial.ending_at
    late = [t for t in trial.sqs.arrivals if t > limit + FLIGHT + _held(trial, limit)]
    if late:
        yield f"a message was sent at {late[0]:.3f}, after the end at {limit:.3f}"


def _held(trial: Trial, t: float) -> float:
    """For how long the network holds back what was sent at ``t``."""
    trouble = trial.world.trouble("partition", t)
    return 0.0 if trouble is None else trouble.end - t


def _jobs(trial: Trial) -> Iterator[str]:
    heard = _heard(trial)
    records: dict[str, Job] = {}
    for record in trial.records:
        if isinstance(record, Job):
            if record.job_id in records:
                yield f"{record.job_id} has two records"
            records[record.job_id] = record
    for job, times in trial.sqs.accepted.items():
        if times > 1:
            yield f"{job} was sent {times} times"
        if job not in trial.opened:
            yield f"{job} was accepted and never opened"
    for job in records.keys() - trial.opened.keys():
        yield f"{job} has a record and was never opened"
    for job in trial.opened:
        record = records.get(job)
        yield from (
            _unrecorded(trial, job, heard[job])
            if record is None
            else _recorded(trial, record, heard[job])
        )


def _recorded(trial: Trial, record: Job, heard: list[tuple[float, str]]) -> Iterator[str]:
    job = record.job_id
    if job not in trial.sqs.accepted:
        yield f"{job} is {record.status} and was never accepted"
    ends = [(t, status) for t, status in heard if status in TERMINAL]
    if record.status in TERMINAL:
        if not ends:
            yield f"{job} is {record.status}, and nobody said so"
            return
        t, status = ends[0]
        if record.status != status:
            yield f"{job} is {record.status}; the first end it was told of is {status}"
        if record.observed is None or abs(record.observed - t) > ROUNDING:
            yield f"{job} was observed at {record.observed}, and told of at {t:.6f}"
        return
    if ends and ends[0][0] < record.t - ROUNDING:
        yield f"{job} was {record.status} at {record.t}; at {ends[0][0]:.6f} it was {ends[0][1]}"
    if record.status == "TIMED_OUT" and record.t - record.start < trial.world.timeout - ROUNDING:
        yield f"{job} was given up after {record.t - record.start} s"
    told = [PROGRESS.index(status) for t, status in heard if t < record.t and status in PROGRESS]
    if record.progress != PROGRESS[max(told, default=0)]:
        yield f"{job} got as far as {record.progress}; told of {heard}"
    if record.dead_letter_age is not None and job not in trial.service.rejected:
        yield f"{job} is said to be rejected, and was not"


def _unrecorded(trial: Trial, job: str, heard: list[tuple[float, str]]) -> Iterator[str]:
    problem = trial.opened[job]
    if job in trial.sqs.confirmed and problem is None:
        yield f"{job} was accepted, as its sender knows, and has no record"
    if _refused(problem) and job in trial.sqs.accepted:
        yield f"{job} was accepted, and its sender takes it for refused: {problem!r}"
    # What was unconfirmed was open until its time was over; a status would have proven it.
    if not _refused(problem) and heard and heard[0][0] < trial.world.timeout:
        yield f"{job} was heard of at {heard[0][0]:.3f}, and has no record"


def _refused(problem: BaseException | None) -> bool:
    """Whether a failed send says that the message was not taken."""
    if isinstance(problem, ClientError):
        metadata: Any = problem.response.get("ResponseMetadata", {})
        return bool(metadata.get("HTTPStatusCode", 400) < 500)
    if isinstance(problem, RequestTimeout):
        return problem.phase in {"connect", "pool wait"}
    return isinstance(problem, ConnectFailed)


def _counters(trial: Trial) -> Iterator[str]:
    ledger = [record for record in trial.records if isinstance(record, Ledger)][-1]
    jobs = [record for record in trial.records if isinstance(record, Job)]
    heard = _heard(trial)
    gone = {record.job_id: record.t for record in jobs}
    wanted: Counter[str] = Counter(COUNTER[record.status] for record in jobs)
    wanted["submitted"] = len(jobs)
    wanted["backlog"] = 0
    open_ended = [
        job for job, problem in trial.opened.items() if job not in gone and not _refused(problem)
    ]
    # Who was cancelled while it waited for its batch to go has sent nothing: that is no doubt.
    unsent = sum(
        job not in trial.sqs.seen and isinstance(trial.opened[job], CancelledError)
        for job in open_ended
    )
    wanted["unconfirmed"] = min(max(ledger.unconfirmed, len(open_ended) - unsent), len(open_ended))
    for job in trial.opened:
        seen: set[str] = set()
        for t, status in heard[job]:
            kind = "end" if status in TERMINAL else status
            wanted["duplicates"] += kind in seen
            if kind == "end" and kind not in seen:
                given_up = job not in gone or t > gone[job] + ROUNDING
                wanted["late"] += given_up
            seen.add(kind)
    first_seen = {message.id: message.about[0] for _, message in trial.sqs.deliveries}
    wanted["orphans"] = sum(kind == "foreign" for kind in first_seen.values())
    wanted["unreadable"] = sum(kind == "unreadable" for kind in first_seen.values())
    for counter in (*COUNTER.values(), "submitted", "backlog", "unconfirmed", "duplicates", "late",
                    "orphans", "unreadable"):  # fmt: skip
        if getattr(ledger, counter) != wanted[counter]:
            yield f"{counter} is {getattr(ledger, counter)}, and should be {wanted[counter]}"
    if ledger.rejected + ledger.stuck + ledger.never_started != ledger.timed_out + ledger.lost:
        yield f"the reasons of jobs given up do not add up: {ledger}"
    if ledger.rejected > len(trial.service.rejected):
        yield f"{ledger.rejected} jobs are said to be rejected of {len(trial.service.rejected)}"


def _requests(trial: Trial) -> Iterator[str]:
    requests = [record for record in trial.records if isinstance(record, Request)]
    # An entry that failed within an answer is a record of its own beside that of the call.
    went_out = sum(one.start is not None and one.outcome != "dropped" for one in requests)
    if went_out < len(trial.sqs.arrivals):
        yield f"{len(trial.sqs.arrivals)} calls arrived, and {went_out} are recorded"
    ok = sum(one.outcome == "ok" for one in requests)
    interrupted = sum(one.outcome == "interrupted" for one in requests)
    answered = trial.sqs.sends_answered
    if not ok <= answered <= ok + interrupted:
        yield f"{answered} sends were answered, {ok} are ok and {interrupted} interrupted"


def _messages(trial: Trial) -> Iterator[str]:
    deleted = [message.about[0] for message in trial.sqs.queues[STATUSES].deleted]
    foreign = sum(kind in {"foreign", "unreadable"} for kind in deleted)
    if foreign and not trial.world.delete_foreign:
        yield f"{foreign} foreign messages were deleted"
    taken = {message.id for _, message in trial.sqs.deliveries}
    unseen = [m.id for m in trial.sqs.queues[STATUSES].deleted if m.id not in taken]
    if unseen:
        yield f"messages were deleted that nobody had been given: {unseen}"


def _log(trial: Trial) -> Iterator[str]:
    """Compare what a reader of the log finds with the records."""
    lines = [msgspec.json.encode(record) for record in trial.records]
    fold = SummaryFold()
    decode = msgspec.json.Decoder(AnyRecord).decode
    for line in lines:
        fold.write(decode(line))
    summary = fold.summary().to_dict()
    outcomes = Counter(one.outcome for one in trial.records if isinstance(one, Request))
    for field, outcome in (("ok", "ok"), ("failed", "failed"), ("timeout", "timeout"),
                           ("dropped", "dropped"), ("interrupted", "interrupted")):  # fmt: skip
        if field in summary["requests"] and summary["requests"][field] != outcomes[outcome]:
            yield f"the summary has {summary['requests'][field]} {field} of {outcomes[outcome]}"


def _heard(trial: Trial) -> defaultdict[str, list[tuple[float, str]]]:
    """Give what the consumer was told of each job, in order: when, and the status."""
    heard: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
    for t, message in trial.sqs.deliveries:
        if message.about[0] == "status":
            heard[message.about[1]].append((t, message.about[2]))
    return heard
