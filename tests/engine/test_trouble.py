"""SQS that refuses, throttles or loses answers: the run goes on, is exact, and says when it was."""

from __future__ import annotations

import itertools
import re

import pytest

from asyncload.local.stack.stack import LocalStack
from asyncload.stats.units import clock, clocks
from tests.engine.trouble_bench import REGION, run, steady
from tests.engine.troubled_sqs import LOST, TroubledSqs

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def _credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture(scope="module")
async def stack(anyio_backend):
    """A service that is faster than the load."""
    async with LocalStack(steady(20, 0.05), region=REGION) as stack:
        yield stack


EVERYTHING = {
    "SendMessage",
    "ReceiveMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibilityBatch",
}


class Between:
    """Trouble from ``start`` to ``end`` of the load, for every ``every``-th of some calls."""

    def __init__(self, start, end, code, operations=EVERYTHING, *, every=1):
        self.start, self.end, self.code = start, end, code
        self.operations, self.every = operations, every
        self.calls = itertools.count()
        self.moments = {operation: [] for operation in operations}
        """When there was trouble, seconds of the run."""

    def of(self, test):
        """The proxy's trouble in the run of ``test``."""

        def trouble(operation):
            progress = test.progress()
            there = progress.phase == "load" and self.start <= progress.t < self.end
            if not there or operation not in self.operations or next(self.calls) % self.every:
                return None
            self.moments[operation].append(progress.t)
            return self.code

        return trouble


@pytest.mark.parametrize(
    ("code", "every", "client"),
    [("ExpiredTokenException", 1, "fast"), ("RequestThrottled", 2, "sdk")],
)
async def test_calls_refused_for_a_while_cost_the_sends_of_that_while_and_nothing_else(
    tmp_path, stack, code, every, client
):
    proxy = TroubledSqs(stack.endpoint_url)
    trouble = Between(1, 2.5, code, every=every)
    async with proxy.serving():
        ran = await run(
            tmp_path,
            stack,
            sqs=proxy,
            options={"client": client},
            trouble=trouble,
        )
    ran.assert_exact()
    told = f"{code}: as told"
    failed = [request for request in ran.requests if request.outcome != "ok"]
    sends, receives = trouble.moments["SendMessage"], trouble.moments["ReceiveMessage"]
    assert 10 < len(failed) == len(sends)
    assert {request.error for request in failed} == {told}
    assert ran.ledger.submitted == ran.ledger.succeeded == 120 - len(failed)
    assert ran.ledger.unconfirmed == ran.ledger.late == 0
    # The report sums the sends up, with their times.
    start, end = ran.result.summary.requests.failure_times[told]
    assert start == min(request.end for request in failed) >= min(sends)
    assert end == max(request.end for request in failed) >= max(sends)
    assert min(request.start for request in failed) <= min(sends)
    assert f"Failures {len(failed)} × request {clocks(start, end)} {told}" in ran.table
    # The notes tell of the receives.
    begin = ran.notes[f"receiving from ImageStatusQueue fails, going on: {told}"]
    assert begin >= min(receives)
    if len(receives) > 1:
        [end] = [text for text in ran.notes if re.match(r"receiving from .* fail(ed|ing) ", text)]
        assert f" {len(receives)} times ({clock(begin)}" in end
        assert any(end in line for line in ran.table)


async def test_sends_whose_answer_is_lost_are_proven_by_their_statuses(tmp_path, stack):
    proxy = TroubledSqs(stack.endpoint_url)
    async with proxy.serving():
        ran = await run(
            tmp_path,
            stack,
            sqs=proxy,
            trouble=Between(1, 2, LOST, {"SendMessage"}),
        )
    ran.assert_exact()
    failed = [request for request in ran.requests if request.outcome != "ok"]
    assert 10 < len(failed) == proxy.answered
    assert ran.ledger.submitted == ran.ledger.succeeded == len(ran.requests) == 120
    assert ran.ledger.unconfirmed == 0
