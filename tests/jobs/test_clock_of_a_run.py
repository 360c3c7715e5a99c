"""Statuses with wrong times, read from their queue, leave the times of the other jobs alone."""

import datetime as dt
import json

import anyio
import pytest

from asyncload.jobs.clock import ServiceClock
from asyncload.jobs.clock_notes import clock_notes
from asyncload.jobs.ledger import JobLedger
from asyncload.testing import FakeQueue, status_body
from tests.jobs.job_bench import RUN, Records, consuming, now, run_virtual, submit

JOBS = 60
WRONG = 20


def stamped(body, seconds):
    """A status as SNS hands it on, published at ``seconds`` of the service's clock."""
    envelope = json.loads(body)
    moment = dt.datetime.fromtimestamp(seconds + 0.0005, dt.UTC)
    envelope["Timestamp"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps(envelope)


def run_jobs(skew, error):
    """Jobs of 0.2 s queue wait and 2 s processing; one STARTED tells a time that is wrong."""
    records, clock = Records(), ServiceClock(0.0)

    async def main():
        queue = FakeQueue("ImageStatusQueue")
        ledger = JobLedger(RUN, sink=records, clock=now, service_clock=clock)

        async def serve(number, job):
            for status, wait in (("STARTED", 0.2173), ("IN_PROGRESS", 0.1), ("SUCCESS", 1.9)):
                await anyio.sleep(wait)
                wrong = error if number == WRONG and status == "STARTED" else 0.0
                queue.put(stamped(status_body(job.id, status), now() + skew + wrong))

        async with consuming(queue, ledger), anyio.create_task_group() as group:
            await anyio.sleep(1000)
            for number in range(JOBS):
                job = submit(ledger)
                group.start_soon(serve, number, job)
                await anyio.sleep(0.337)
            await ledger.settle()

    run_virtual(main)
    return records, clock


@pytest.mark.parametrize("skew", [0.0, 3.0, -3.0])
@pytest.mark.parametrize("error", [3600.0, -3600.0])
def test_a_status_an_hour_off_costs_its_own_job_a_part_and_no_other_job_anything(skew, error):
    records, clock = run_jobs(skew, error)
    assert len(records) == JOBS
    wrong = records[WRONG]
    assert wrong.started is None
    assert wrong.finished is not None
    for record in records:
        allowed = clock.uncertainty + clock.resolution
        if record is not wrong:
            # The stamps' resolution, and 100 ppm of the two seconds by which a bound has widened.
            assert record.finished - record.started == pytest.approx(2.0, abs=0.0013)
            assert record.started - record.accepted == pytest.approx(0.2173, abs=0.25)
    assert records[-1].started - records[-1].accepted == pytest.approx(0.2173, abs=allowed)
    assert (clock.observed, clock.rejected, clock.changes) == (3 * JOBS, 1, 0)
    assert abs(clock.skew - skew) <= clock.uncertainty + 0.001 < 0.3
    texts = [text for _, text in clock_notes(clock)]
    side = "ahead" if error > 0 else "behind"
    assert texts[-1].startswith("1 of 180 times in statuses fit no clock skew that explains the")
    assert f"job {wrong.job_id}, 3,60" in texts[-1] or f"job {wrong.job_id}, 3,59" in texts[-1]
    assert f" s {side}); they were not used" in texts[-1]
    if skew:
        assert "179 of 180 times in statuses agree; job times are corrected for it" in texts[0]
