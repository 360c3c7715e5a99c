"""Notifications of asynchronous inference: read in every form they come in, and held by the ledger."""

import datetime as dt
import json
import math

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.jobs.inference_status import NO_REASON, parse_inference
from asyncload.jobs.status import Status
from tests.jobs.job_bench import (
    About,
    TroubledQueue,
    balance,
    consuming,
    make_ledger,
    now,
    run_virtual,
    submit,
    until,
)

JOB = "0123456789abcdef0123456789abcdef"
RECEIVED, ENDED = 1643150760.455, 1643150760.608
SENT = {"SentTimestamp": "1643150760999", "ApproximateReceiveCount": "1"}


def told(job_id=JOB, status="Completed", **more):
    """What SageMaker publishes, as its documentation shows it."""
    failed = {"failureReason": "ClientError: the model says no"} if status == "Failed" else {}
    outcome = failed or {
        "responseParameters": {"contentType": "text/csv", "outputLocation": "s3://out/1.out"}
    }
    return {
        "awsRegion": "us-east-1",
        "eventTime": "2022-01-25T22:46:00.608Z",
        "receivedTime": "2022-01-25T22:46:00.455Z",
        "invocationStatus": status,
        "requestParameters": {
            "contentType": "text/csv",
            "endpointName": "mine",
            "inputLocation": "s3://in/1.csv",
        },
        **outcome,
        "inferenceId": job_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
        **more,
    }


def envelope(body, **more):
    return json.dumps(
        {"Type": "Notification", "TopicArn": "arn:t", "Message": json.dumps(body), **more}
    )


def message(body, attributes=SENT):
    return {"MessageId": "m", "ReceiptHandle": "h", "Body": body, "Attributes": attributes}


def read(body):
    return parse_inference(message(body))


@pytest.mark.parametrize("written", [json.dumps, envelope], ids=["raw", "sns"])
def test_a_completed_inference_is_a_success_with_the_times_of_the_service(written):
    assert read(written(told())) == Status(
        JOB, "SUCCESS", sent_at=ENDED, processing_s=0.153, begun_at=RECEIVED
    )


@pytest.mark.parametrize("written", [json.dumps, envelope], ids=["raw", "sns"])
def test_a_failed_one_tells_its_reason(written):
    status = read(written(told(status="Failed")))
    assert (status.status, status.text) == ("FAILED", "ClientError: the model says no")


def test_the_reason_is_one_short_line_without_secrets():
    reason = (
        "ClientError: 403\n at https://user:hunter2@host/?X-Amz-Signature=abc123&b " + "x" * 999
    )
    text = read(envelope(told(status="Failed", failureReason=reason))).text
    assert text.startswith("ClientError: 403 at https://host/?X-Amz-Signature=***")
    assert "\n" not in text
    assert len(text) == 300
    assert read(envelope(told(status="Failed", failureReason=None))).text == NO_REASON


def test_times_that_are_missing_or_make_no_sense_are_left_out():
    late = told(receivedTime="2022-01-25T22:46:01.000Z")
    assert (read(envelope(late)).begun_at, read(envelope(late)).processing_s) == (None, None)
    # Cut to whole seconds it is worse than the stamps of the queue.
    whole = told(eventTime="2022-01-25T22:46:00Z")
    assert read(json.dumps(whole)).sent_at == 1643150760.999
    published = envelope(whole, Timestamp="2022-01-25T22:46:00.700Z")
    assert read(published).sent_at == pytest.approx(1643150760.7)
    assert read(json.dumps(told(eventTime=7))).begun_at is None


@pytest.mark.parametrize(
    "body",
    [
        "", "{}", "null", "[1]", "no JSON", '{"Message": "no JSON"}', '{"Message": 5}',
        json.dumps(told(job_id="")), json.dumps(told(job_id=7)), json.dumps(told(status="Started")),
        json.dumps(told(status=None)), json.dumps({"Records": [{"eventName": "ObjectCreated"}]}),
        json.dumps({"status": "SUCCESS", "job_id": JOB}),
    ],
)  # fmt: skip
def test_whatever_else_comes_onto_the_queue_is_no_notification(body):
    assert read(body) is None


names = st.sampled_from(
    [
        "inferenceId",
        "invocationStatus",
        "eventTime",
        "receivedTime",
        "failureReason",
        "Message",
        "Timestamp",
        "Type",
        "MessageAttributes",
        "requestParameters",
    ]
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["Completed", "Failed", JOB, "2022-01-25T22:46:00.608Z",
                       "0001-01-01T00:00:00.1+14:00", "9999-12-31T23:59:59.9-14:00", "9" * 400])
)  # fmt: skip
junk = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(), inner),
    max_leaves=15,
)
fields = st.dictionaries(names, junk)
bodies = st.one_of(
    st.text(),
    st.binary().map(lambda raw: raw.decode("latin-1")),
    junk.map(json.dumps),
    fields.map(lambda more: json.dumps({**told(), **more})),
    fields.map(lambda more: envelope({**told(), **more})),
    junk.map(lambda inner: json.dumps({"Message": inner})),
    junk,
)


@settings(deadline=None, max_examples=200)
@given(
    st.fixed_dictionaries(
        {"Body": bodies}, optional={"Attributes": junk, "MessageAttributes": junk}
    )
    | fields
)
def test_whatever_comes_is_a_valid_status_or_none(anything):
    status = parse_inference(anything)
    if status is None:
        return
    assert isinstance(status.job_id, str)
    assert status.job_id
    assert status.status in {"SUCCESS", "FAILED"}
    assert status.sent_at is None or math.isfinite(status.sent_at)
    assert status.processing_s is None or status.processing_s >= 0
    assert status.begun_at is None or status.begun_at <= status.sent_at
    assert (status.text is not None) == (status.status == "FAILED")


moments = st.datetimes(
    dt.datetime(2020, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC)
).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))


@settings(deadline=None, max_examples=100)
@given(st.text(st.characters(codec="utf-8"), min_size=1), st.booleans(), moments, st.data())
def test_whatever_is_published_is_read_back(job_id, works, received, data):
    seconds = data.draw(st.integers(0, 10**7)) / 1000
    ended = received + dt.timedelta(seconds=seconds)
    body = told(
        job_id,
        "Completed" if works else "Failed",
        receivedTime=received.isoformat(timespec="milliseconds"),
        eventTime=ended.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )
    status = read(envelope(body))
    assert (status.job_id, status.status) == (job_id, "SUCCESS" if works else "FAILED")
    assert status.begun_at == received.timestamp()
    assert status.sent_at == ended.timestamp()
    assert status.processing_s == pytest.approx(seconds, abs=1e-6)


# -- in the ledger --------------------------------------------------------------------


def at(t):
    """A time as SageMaker writes it, ``t`` seconds after the epoch of virtual time."""
    moment = dt.datetime.fromtimestamp(t, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ended(job_id, status="Completed", *, received, end):
    return envelope(told(job_id, status, receivedTime=at(received), eventTime=at(end)))


def inferences(queue, ledger):
    return consuming(queue, ledger, parse=parse_inference)


def test_every_notification_is_counted_where_it_belongs():
    async def main():
        queue = TroubledQueue("notifications")
        ledger, records = make_ledger(now)
        jobs = [submit(ledger) for _ in range(30)]
        async with inferences(queue, ledger):
            await anyio.sleep(5)
            for place, job in enumerate(jobs[:25]):
                status = "Failed" if place % 5 == 0 else "Completed"
                body = ended(job.id, status, received=0, end=now())
                for _ in range(2 if place % 10 == 1 else 1):
                    queue.put(body)
            queue.put(ended("somebody-elses", received=0, end=now()))
            queue.put("what is this?")
            await until(lambda: len(records) == 25 and ledger.orphans + ledger.unreadable == 2)
            ledger.close()
            queue.put(ended(jobs[29].id, received=0, end=now()))
            await until(lambda: ledger.late)
        counters = ledger.totals()
        assert (counters.submitted, counters.succeeded, counters.failed, counters.lost) == (
            30,
            20,
            5,
            5,
        )
        assert (counters.duplicates, counters.orphans, counters.unreadable) == (3, 1, 1)
        assert (counters.late, counters.never_started, counters.stuck) == (1, 5, 0)
        assert balance(ledger) == 0
        assert len(queue) == 2, "what is not ours is left for its owner"
        assert {job.error for job in records if job.status == "FAILED"} == {
            "ClientError: the model says no"
        }

    run_virtual(main)


def test_the_parts_of_a_jobs_latency_add_up_to_the_whole():
    async def main():
        queue = TroubledQueue("notifications")
        ledger, records = make_ledger(now)
        async with inferences(queue, ledger):
            await anyio.sleep(10)
            job = ledger.open(About(), due=9.5, start=now())
            await anyio.sleep(0.4)  # the service has it after 0.1 s of these
            ledger.accept(job, None)
            await anyio.sleep(2)
            queue.put(ended(job.id, received=10.1, end=now()))
            await until(lambda: records)
        [record] = records
        assert (record.started, record.finished) == (record.accepted, 12.4)
        assert record.processing_s == pytest.approx(2.3)
        parts = (
            (record.start - record.due) + (record.accepted - record.start)
            + (record.finished - record.started) + (record.observed - record.finished)
        )  # fmt: skip
        assert parts == pytest.approx(record.observed - record.due)

    run_virtual(main)


def test_a_job_that_is_taken_up_after_its_answer_has_waited_in_the_queue():
    async def main():
        queue = TroubledQueue("notifications")
        ledger, records = make_ledger(now)
        job = submit(ledger)
        async with inferences(queue, ledger):
            await anyio.sleep(5)
            queue.put(ended(job.id, received=2, end=4.5))
            await until(lambda: records)
        assert (records[0].accepted, records[0].started, records[0].finished) == (0, 2.0, 4.5)

    run_virtual(main)


def test_a_notification_that_overtakes_the_answer_waits_for_it():
    async def main():
        queue = TroubledQueue("notifications")
        ledger, records = make_ledger(now)
        async with inferences(queue, ledger):
            await anyio.sleep(1)
            job = ledger.open(About(), due=now(), start=now())
            await anyio.sleep(0.2)
            queue.put(ended(job.id, received=1.1, end=1.2))
            await anyio.sleep(3)
            assert not records
            ledger.accept(job, None)
        [record] = records
        assert (record.status, record.accepted) == ("SUCCESS", pytest.approx(4.2))
        assert (record.started, record.finished) == (1.1, 1.2)
        assert ledger.totals().submitted == 1

    run_virtual(main)


def test_a_send_without_an_answer_is_unconfirmed_until_the_notification_proves_the_job():
    async def main():
        queue = TroubledQueue("notifications")
        ledger, records = make_ledger(now)
        proven, unheard = (ledger.open(About(), due=0, start=0) for _ in range(2))
        async with inferences(queue, ledger):
            for job in (proven, unheard):
                ledger.mark_unconfirmed(job)
            assert ledger.totals().submitted == 0
            queue.put(ended(proven.id, "Failed", received=0, end=0.001))
            await until(lambda: records)
        ledger.close()
        counters = ledger.totals()
        assert (counters.submitted, counters.failed, counters.unconfirmed) == (1, 1, 1)
        assert balance(ledger) == 0

    run_virtual(main)
