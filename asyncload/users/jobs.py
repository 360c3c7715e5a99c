"""Base class of users that send jobs, for every kind of service."""

from __future__ import annotations

from typing import Any, Literal

from asyncload.jobs.ledger import LiveJob, Submission
from asyncload.jobs.status import Parse, parse_status
from asyncload.transport.aws.fast_sqs import FastSqsQueue
from asyncload.transport.aws.sqs import SqsQueue, is_denied
from asyncload.transport.error_text import error_code, http_status, never_connected
from asyncload.users.user import Context, Setup, User
from asyncload.users.wait import parse_wait


class JobSender(User):
    """Sends jobs with :meth:`deliver`, which a subclass implements.

    Statuses return on a queue; the status consumer matches them with the jobs.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        wait: Any = context.options.wait
        if wait is not None:
            self.wait = parse_wait(wait)

    async def deliver(self, spec: Any, job_id: str) -> str | None:
        """Send the job to the service; return the service's id of the request, if it has one.

        Raises the transport's error when the service has not accepted it.
        """
        raise NotImplementedError

    async def send(self, spec: Submission) -> LiveJob:
        """Send one job. Raises the transport's error when the service has not accepted it."""
        recorder = self.recorder
        start = recorder.clock()
        # A repetition is due now: no latency spans two attempts.
        due = recorder.due_at(start) if spec.attempt == 1 else start
        job = self.jobs.open(spec, due=due, start=start)
        try:
            message_id = await self.deliver(spec, job.id)
        except BaseException as problem:
            self._not_sent(job, problem)
            raise
        self.jobs.accept(job, message_id)
        return job

    def _not_sent(self, job: LiveJob, problem: BaseException) -> None:
        """Reject the job if the service refused it; else mark it unconfirmed.

        After a server error (5xx) the service may have accepted the request.
        """
        refused = error_code(problem) is not None and (http_status(problem) or 400) < 500
        if refused or never_connected(problem):
            self.jobs.reject(job)
        else:
            self.jobs.mark_unconfirmed(job)


async def read_statuses(
    setup: Setup,
    queue: SqsQueue,
    *,
    client: Literal["fast", "sdk"],
    foreign: Literal["leave", "delete"],
    parse: Parse = parse_status,
) -> None:
    """Make the status consumer read ``queue`` through the backend ``client``."""
    await _warn_about_dead_letters(setup, foreign, queue)
    fast = client == "fast"
    statuses = await FastSqsQueue.of(setup.aws, setup.http, queue.url) if fast else queue
    setup.consume(statuses, foreign=foreign, parse=parse)


async def _warn_about_dead_letters(setup: Setup, foreign: str, statuses: SqsQueue) -> None:
    if foreign != "leave":
        return
    doing = f"reading the attributes of {statuses.name!r}"
    async with setup.aws.explained(doing, service="sqs"):
        try:
            limit = await statuses.dead_letter_limit()
        except Exception as problem:
            if not is_denied(problem):
                raise
            setup.note(
                "info",
                f"{statuses.name} was not looked at before the start (no sqs:GetQueueAttributes)",
            )
            return
    if limit is not None:
        setup.note(
            "warning",
            f"{statuses.name} moves messages to a dead-letter queue after {limit} receives; "
            "messages of other people's jobs that this run gives back count as received",
        )
