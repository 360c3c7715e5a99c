"""Estimates of the AWS requests of a scenario, before it runs."""

from __future__ import annotations

import math
from typing import Final

import msgspec

from asyncload.jobs.consumer import BATCH, SHORTEST_POLL
from asyncload.transport.queue import LONG_POLL

STATUSES: Final = 3
"""Status messages of a successful job: STARTED, IN_PROGRESS and SUCCESS."""
LISTED: Final = 1000
"""Objects per ListObjectsV2 response."""
_RECEIVERS: Final = 16  # of a status consumer at most; each ends with one empty receive


class Between(msgspec.Struct, frozen=True):
    """A number known only by its bounds; ``high`` is infinite if there is no upper bound."""

    low: float
    high: float

    def __add__(self, other: Between) -> Between:
        return Between(self.low + other.low, self.high + other.high)

    def times(self, low: float, high: float) -> Between:
        """Multiply the bounds by ``low`` and ``high``."""
        return Between(self.low * low, self.high * high)


NONE: Final = Between(0, 0)


class ExpectedLoad(msgspec.Struct, frozen=True, kw_only=True):
    """The load of a scenario by the plan."""

    iterations: Between
    seconds: float
    """From the start of the run to the end of the scenario's load."""
    drain: float
    """Longest drain, seconds; infinite if it has no limit."""


class ExpectedCalls(msgspec.Struct, frozen=True, kw_only=True):
    """Requests to AWS by their names in the log, such as ``sqs.SendMessage``."""

    requests: dict[str, Between]
    """Requests of users, which the final table counts."""
    beside: dict[str, Between] = {}
    """Other requests of the run, such as polls of a status queue."""
    per_image: dict[str, float] = {}
    """Requests of the set-up, at least, per image; the number of images is not known."""


def calls_of_jobs(
    load: ExpectedLoad, *, attempts: int, batched: bool, job_timeout: float
) -> ExpectedCalls:
    """Estimate the sends, polls and deletions of jobs over SQS.

    ``attempts`` is the maximum number of sends per job.
    """
    jobs = load.iterations.times(1, attempts)
    send = "sqs.SendMessageBatch" if batched else "sqs.SendMessage"
    return ExpectedCalls(
        requests={send: jobs.times(1 / BATCH if batched else 1, 1)},
        beside=calls_for_statuses(load, jobs.times(STATUSES, STATUSES), job_timeout=job_timeout),
        per_image={"s3.GetObject": 1, "s3.ListObjectsV2": 1 / LISTED},
    )


def calls_for_statuses(
    load: ExpectedLoad, statuses: Between, *, job_timeout: float
) -> dict[str, Between]:
    """Estimate the polls for ``statuses`` messages on a queue, and their deletions.

    A receive returns one to ten messages, or none at the end of its poll; a deletion takes one
    to ten.
    """
    fewest = max(statuses.low / BATCH, load.seconds / LONG_POLL)
    # After the load polls are short, so that none outlasts the run. A drain
    # without limit ends when the last job is given up.
    drain = min(load.drain, job_timeout) / SHORTEST_POLL
    most = statuses.high + math.ceil(load.seconds / LONG_POLL) + drain + _RECEIVERS
    return {
        "sqs.ReceiveMessage": Between(fewest, most),
        "sqs.DeleteMessageBatch": statuses.times(1 / BATCH, 1),
    }
