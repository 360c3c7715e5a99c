"""The table of jobs: every job of a run, from its submission to its end.

Rules (also in docs/ledger.md):

- A job is *submitted* once the queue accepted it. A send whose answer was
  lost is unconfirmed: the first status of the job proves that it was
  accepted; if none comes it is counted as ``unconfirmed`` at the end.
- SUCCESS, PARTIAL and FAILED are terminal, and the first terminal status is
  final: later ones are counted as duplicates. A late STARTED or IN_PROGRESS
  changes nothing.
- A job past its own timeout is given up as TIMED_OUT, one that is open when
  the drain ends as LOST; a terminal status after that, or after a refused or
  unconfirmed send, is counted as ``late``.
- A job that was given up was ``rejected`` when its request is found among the
  dead letters, else ``stuck`` or ``never_started``, as its statuses say.
- The equations of :class:`~asyncload.jobs.counters.JobCounters` hold after every call.

Job ids say who sent them: 12 hex digits of the run, 4 of the part (when a
plan is split over processes), 16 of a sequence number. So a status of a
finished job is told from a foreign one without remembering finished jobs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import anyio.lowlevel

from asyncload.jobs.clock import ServiceClock
from asyncload.jobs.counters import GiveUpReason, JobCounters
from asyncload.jobs.job import (
    NEVER_STARTED_BIT,
    SEEN_BITS,
    STARTED_BIT,
    STUCK_BIT,
    TERMINAL_BIT,
    DeadLetter,
    End,
    LiveJob,
    Submission,
)
from asyncload.jobs.status import TERMINAL, Status
from asyncload.jobs.timeouts import GIVEN_UP_IN_A_TURN, Timeouts
from asyncload.records.record import Ledger, Sink

__all__ = ["REMEMBERED", "JobLedger", "LiveJob", "Submission"]

REMEMBERED: Final = 1 << 20
"""For this many of the latest jobs it is known, after their end, which statuses were seen."""


class JobLedger(JobCounters):
    """Accounts for every job of one run (or of one part of it).

    ``run_id`` is 12 hex digits, ``clock`` gives seconds of run time. Finished
    jobs leave the ledger as ``Job`` records written to ``sink``.
    """

    def __init__(
        self,
        run_id: str,
        *,
        sink: Sink,
        clock: Callable[[], float],
        service_clock: ServiceClock,
        part: int = 0,
    ) -> None:
        super().__init__()
        self.prefix = f"{run_id}{part:04x}"
        if len(self.prefix) != 16:
            raise ValueError(f"run_id must be 12 hex digits, got {run_id!r}")
        self.live: dict[str, LiveJob] = {}
        self._sink = sink
        self._clock = clock
        self._service_clock = service_clock
        self._next = 0
        self._seen = bytearray(REMEMBERED)
        self._dead: dict[str, DeadLetter] = {}
        """Of open jobs: those whose request was found among the dead letters."""
        self._timeouts = Timeouts(self.live)
        self._settled: anyio.Event | None = None
        self._waited_for = 0  # open jobs that users wait for

    # -- what users call ------------------------------------------------------

    def open(self, about: Submission, *, due: float, start: float) -> LiveJob:
        """Enter a job that is about to be sent; its new id is ``job.id``."""
        number = self._next
        self._next = number + 1
        job = LiveJob(f"{self.prefix}{number:016x}", about, due, start)
        self.live[job.id] = job
        self._timeouts.add(job)
        return job

    def accept(self, job: LiveJob, message_id: str | None) -> None:
        """Note that the queue has taken the job."""
        job.accepted = self._clock()
        job.message_id = message_id
        self._answered(job)

    def reject(self, job: LiveJob) -> None:
        """Note that the queue refused the job: it was never submitted, unless a status says so."""
        if job.confirmed:
            self._answered(job)
        elif job.outcome is None:
            self._remove(job, "REJECTED")

    def mark_unconfirmed(self, job: LiveJob) -> None:
        """Note that the answer was lost: only a status can tell whether the job was accepted."""
        job.sending = False
        if job.early is not None and job.outcome is None:
            self._finish(job, *job.early)

    async def wait(self, job: LiveJob) -> str:
        """Wait until ``job`` is over and return its status. Woken the moment the status arrives."""
        if job.outcome is None:
            if job.done is None:
                job.done = anyio.Event()
                self._waited_for += 1
            await job.done.wait()
        assert job.outcome is not None
        return job.outcome

    # -- what the status consumer calls ---------------------------------------

    def apply(self, status: Status, received: float) -> bool:
        """Take in one status message; ``False`` when it is about no job of this run.

        ``received`` is when the message was held, in seconds of run time. The consumer, which sees
        repetitions, counts those it cannot place in ``orphans`` and ``unreadable``.
        """
        job = self.live.get(status.job_id)
        if job is None:
            number = self._number(status.job_id)
            if number is None:
                return False
            if status.region:
                self.regions += 1
            else:
                self._after_the_end(number, SEEN_BITS[status.status])
            return True
        self._confirm(job)
        if status.region:
            self.regions += 1
            return True
        bit = SEEN_BITS[status.status]
        if bit & job.seen:
            job.duplicates += 1
            self.duplicates += 1
            return True
        job.seen |= bit
        published = self._observe(job, status.sent_at, received)
        if self._observe(job, status.begun_at, received) is not None:
            job.began = status.begun_at
        if status.status in TERMINAL:
            if job.sending:
                job.early = (status, published, received)
            else:
                self._finish(job, status, published, received)
        elif bit == STARTED_BIT and published is not None:
            job.began = status.sent_at
        return True

    @property
    def missing(self) -> int:
        """Jobs that a dead letter may still explain: open, or given up without a reason."""
        return len(self.live) - len(self._dead) + self.unexplained

    def mark_dead_lettered(
        self, job_id: str, queue: str, sent_at: float | None
    ) -> DeadLetter | None:
        """Note that a job's request is in the dead-letter ``queue``: the service rejected it.

        ``sent_at`` is when it was sent, epoch seconds on the service's clock. An open job is
        given up later, or now where a user waits for it. ``None``: no news, or no missing job.
        """
        job = self.live.get(job_id)
        now = self._clock()
        if sent_at is not None:
            age = now - self._service_clock.on_ours(sent_at)
        else:
            age = now - job.start if job else 0.0
        letter = DeadLetter(job_id, queue, round(max(age, 0.0), 3), too_late=job is None)
        if job is not None:
            if job_id in self._dead:
                return None
            self._confirm(job)
            self._dead[job_id] = letter
            if job.done is not None and now < job.start + job.about.timeout:
                self._give_up(job, "LOST", "before it was rejected")
            return letter
        number = self._number(job_id)
        if number is None or number < self._next - REMEMBERED:
            return None
        slot = number % REMEMBERED
        seen = self._seen[slot]
        if not seen & (STUCK_BIT | NEVER_STARTED_BIT):
            return None
        self._seen[slot] = seen & ~(STUCK_BIT | NEVER_STARTED_BIT)
        self.count_reason("stuck" if seen & STUCK_BIT else "never_started", -1)
        self.count_reason("rejected")
        return letter

    def waited_for(self, seconds: float) -> bool:
        """Whether users wait for jobs, and the oldest job is open for ``seconds`` or longer."""
        oldest = next(iter(self.live.values()), None) if self._waited_for else None
        return oldest is not None and self._clock() - oldest.start >= seconds

    # -- what the engine calls ------------------------------------------------

    @property
    def overdue(self) -> bool:
        """Whether there are open jobs whose own timeout has passed."""
        return bool(self._timeouts.overdue(self._clock(), 1))

    def expire(self, most: float = math.inf) -> int:
        """Give up jobs whose own timeout has passed, ``most`` of them; return how many they were."""
        for job in (overdue := self._timeouts.overdue(self._clock(), most)):
            self._give_up(job, "TIMED_OUT", f"within {job.about.timeout:g} s")
        return len(overdue)

    async def expire_in_turns(self) -> None:
        """Do the same for all of them, some in each turn of the loop."""
        while self.expire(GIVEN_UP_IN_A_TURN):
            await anyio.lowlevel.checkpoint()

    def close(self) -> None:
        """Give up every job that is still open: the drain is over."""
        for job in list(self.live.values()):
            self._give_up(job, "LOST", "before the drain ended")

    async def settle(self) -> None:
        """Wait until no job is open."""
        while self.live:
            if self._settled is None:
                self._settled = anyio.Event()
            await self._settled.wait()

    def totals(self) -> Ledger:
        """Give the counters at this moment."""
        return self.state(self._clock())

    # -- inside ---------------------------------------------------------------

    def _number(self, job_id: str) -> int | None:
        """Sequence number of a job of this run, ``None`` for anybody else's."""
        try:
            number = int(job_id[len(self.prefix) :], 16)
        except ValueError:
            return None
        # int() reads signs, spaces and underscores too; ours have none.
        ours = 0 <= number < self._next and job_id == f"{self.prefix}{number:016x}"
        return number if ours else None

    def _after_the_end(self, number: int, bit: int) -> None:
        if number < self._next - REMEMBERED:
            self.duplicates += 1  # too long ago to know: taken as a repetition
            return
        slot = number % REMEMBERED
        seen = self._seen[slot]
        self._seen[slot] = seen | bit
        if bit & seen:
            self.duplicates += 1
        elif bit == TERMINAL_BIT:
            self.late += 1

    def _observe(self, job: LiveJob, at: float | None, received: float) -> float | None:
        return at and self._service_clock.observe(at, job.start, received, job.id)

    def _started(self, job: LiveJob) -> float | None:
        if job.began is None:
            return None
        return self._service_clock.place_later(job.began, job.start, job.id)

    def _confirm(self, job: LiveJob) -> None:
        if not job.confirmed:
            job.confirmed = True
            self.count_submitted(job.about.scenario)

    def _answered(self, job: LiveJob) -> None:
        job.sending = False
        if job.outcome is None:
            self._confirm(job)
            if job.early is not None:
                self._finish(job, *job.early)

    def _finish(
        self, job: LiveJob, status: Status, published: float | None, received: float
    ) -> None:
        self.count_ended(job.about.scenario, status.status)
        end = End(
            status.status,
            started=self._started(job),
            finished=published,
            observed=received,
            processing_s=status.processing_s,
            error=status.text,
        )
        if status.begun_at is not None:
            job.started_when_accepted(end)
        self._leave(job, end)

    def _give_up(self, job: LiveJob, outcome: str, when: str) -> None:
        """Give a job up as TIMED_OUT or LOST; ``when`` says what it did not do it in."""
        if job.early is not None:
            self._finish(job, *job.early)
            return
        if not job.confirmed:
            self.unconfirmed += 1
            self._remove(job, outcome)
            return
        end = End(outcome, started=self._started(job), progress=job.progress)
        letter = self._dead.get(job.id)
        reason: GiveUpReason = "never_started"
        if letter is not None:
            reason = "rejected"
            end.dead_letter_age = letter.age
            end.error = f"rejected by the service: the request is in {letter.queue}"
        elif end.progress != "SUBMITTED":
            reason = "stuck"
            end.error = f"no terminal status {when}; the last one was {end.progress}"
            job.seen |= STUCK_BIT
        else:
            end.error = f"no status at all {when}"
            job.seen |= NEVER_STARTED_BIT
        self.count_given_up(job.about.scenario, outcome, reason)
        self._leave(job, end)

    def _leave(self, job: LiveJob, end: End) -> None:
        self._remove(job, end.status)
        self._sink.write(job.record(self._clock(), end))

    def _remove(self, job: LiveJob, outcome: str) -> None:
        """Let a job go that is over: keep what was seen of it, and wake who waits."""
        del self.live[job.id]
        self._timeouts.remove(job)
        if self._dead:
            self._dead.pop(job.id, None)
        number = int(job.id[len(self.prefix) :], 16)
        if number >= self._next - REMEMBERED:
            self._seen[number % REMEMBERED] = job.seen
        job.outcome = outcome
        if job.done is not None:
            self._waited_for -= 1
            job.done.set()
        if not self.live and self._settled is not None:
            self._settled.set()
            self._settled = None
