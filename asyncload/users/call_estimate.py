"""What a scenario is expected to send, before it is run."""

from __future__ import annotations

import math
from typing import Final

import msgspec

from asyncload.jobs.consumer import BATCH, SHORTEST_POLL
from asyncload.transport.queue import LONG_POLL

STATUSES: Final = 3
"""Status messages of a job that goes well: STARTED, IN_PROGRESS and its end."""
LISTED: Final = 1000
"""Objects that one listing names."""
_RECEIVERS: Final = 16  # of a status consumer at most; each ends with one empty receive


class Between(msgspec.Struct, frozen=True):
    """A number that is not known exactly; ``high`` is infinite where it has no bound."""

    low: float
    high: float

    def __add__(self, other: Between) -> Between:
        return Between(self.low + other.low, self.high + other.high)

    def times(self, low: float, high: float) -> Between:
        """``low`` to ``high`` for each."""
        return Between(self.low * low, self.high * high)


NONE: Final = Between(0, 0)


class ExpectedLoad(msgspec.Struct, frozen=True, kw_only=True):
    """What the plan says of a scenario."""

    iterations: Between
    seconds: float
    """From the start of the run to the end of the scenario's load."""
    drain: float
    """Seconds after it; infinite where it has no limit."""


class ExpectedCalls(msgspec.Struct, frozen=True, kw_only=True):
    """Requests to AWS by what the log calls them, such as ``sqs.SendMessage``."""

    requests: dict[str, Between]
    """Of the users: what the table of the run will count."""
    beside: dict[str, Between] = {}
    """What the run sends besides, such as polls of a status queue."""
    per_image: dict[str, float] = {}
    """At the start, for each image found, at least. How many there are is not known before."""


def calls_of_jobs(
    load: ExpectedLoad, *, attempts: int, batched: bool, job_timeout: float
) -> ExpectedCalls:
    """Expect jobs over SQS: sends, polls for their statuses, and deletions of these.

    ``attempts``: how often a job is sent at most.
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
    """Expect polls for so many ``statuses`` on a queue, and deletions of these.

    A receive brings one to ten statuses, or none when its poll is over; a deletion
    takes one to ten.
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
