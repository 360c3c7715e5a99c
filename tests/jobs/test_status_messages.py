"""Status messages are read in every form they come in, and nothing else is."""

import json
import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.jobs.status import KNOWN, TERMINAL, Status, parse_status
from asyncload.testing import status_body

pytestmark = pytest.mark.slow

JOB = "0123456789abcdef0123456789abcdef"
SENT = {"SentTimestamp": "1705314600250", "ApproximateReceiveCount": "1"}


def message(body, *, sqs_attributes=None, attributes=SENT):
    """An SQS message as ReceiveMessage returns it."""
    made = {"MessageId": "m-1", "ReceiptHandle": "h-1", "Body": body}
    if attributes is not None:
        made["Attributes"] = attributes
    if sqs_attributes is not None:
        made["MessageAttributes"] = {
            name: {"DataType": "String", "StringValue": value}
            for name, value in sqs_attributes.items()
        }
    return made


def envelope(fields, text="StatusMonitor update", **more):
    """A body as SNS writes it without raw delivery."""
    values = {name: {"Type": "String", "Value": value} for name, value in fields.items()}
    return json.dumps(
        {"Type": "Notification", "Message": text, "MessageAttributes": values, **more}
    )


def parse_envelope(fields, **more):
    return parse_status(message(envelope(fields, **more)))


OURS = {"status": "SUCCESS", "job_id": JOB, "image_status": "SUCCESS"}


@pytest.mark.parametrize("status", sorted(KNOWN))
def test_a_status_in_the_envelope_of_sns_is_read(status):
    read = parse_status(message(status_body(JOB, status, processing_duration="17")))
    assert (read.job_id, read.status, read.region) == (JOB, status, False)
    assert read.processing_s == 17.0
    assert (read.text is not None) == (status == "FAILED")


@pytest.mark.parametrize("status", sorted(KNOWN))
def test_a_status_delivered_raw_is_read_from_the_attributes_of_sqs(status):
    fields = {"status": status, "job_id": JOB, "image_status": status, "processing_duration": "3"}
    read = parse_status(message("StatusMonitor update", sqs_attributes=fields))
    assert read == Status(
        JOB,
        status,
        sent_at=1705314600.25,
        processing_s=3.0,
        text="StatusMonitor update" if status == "FAILED" else None,
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"jobId": JOB, "status": "SUCCESS"},
        {"job_id": JOB, "image_status": "SUCCESS"},
        {"jobId": JOB, "imageStatus": "SUCCESS"},
        {"job_id": JOB, "status": "RequestStatus.SUCCESS"},
        {"job_id": JOB, "status": "success"},
        {"image_id": f"{JOB}:s3://images/one.tif", "status": "SUCCESS"},
    ],
)
@pytest.mark.parametrize("form", ["envelope", "raw", "JSON in Message", "JSON body"])
def test_older_names_of_the_fields_are_read_in_every_form(fields, form):
    body = {
        "envelope": lambda: message(envelope(fields)),
        "raw": lambda: message("text", sqs_attributes=fields),
        "JSON in Message": lambda: message(envelope({}, text=json.dumps(fields))),
        "JSON body": lambda: message(json.dumps(fields)),
    }[form]()
    read = parse_status(body)
    assert (read.job_id, read.status) == (JOB, "SUCCESS")


def test_json_inside_message_may_carry_the_job_id_in_its_request():
    text = json.dumps({"status": "FAILED", "request": {"job_id": JOB}, "processingDuration": 12})
    read = parse_status(message(json.dumps({"Type": "Notification", "Message": text})))
    assert (read.job_id, read.status, read.processing_s) == (JOB, "FAILED", 12.0)


def test_attributes_win_over_the_json_inside_message():
    text = json.dumps({"status": "FAILED", "job_id": "another"})
    read = parse_envelope({"status": "SUCCESS", "job_id": JOB}, text=text)
    assert (read.job_id, read.status) == (JOB, "SUCCESS")


def test_a_message_about_a_region_is_known_by_its_region_id_without_an_image_status():
    fields = {"status": "SUCCESS", "job_id": JOB, "region_id": "(0, 0)(512, 512)"}
    assert parse_envelope(fields).region
    assert parse_status(message("text", sqs_attributes=fields)).region
    assert not parse_envelope({**fields, "image_status": "SUCCESS"}).region
    assert not parse_envelope({**fields, "imageStatus": "SUCCESS"}).region


def test_the_processing_duration_is_seconds_for_images_and_milliseconds_for_regions():
    region = {"status": "SUCCESS", "job_id": JOB, "region_id": "r", "processing_duration": "1500"}
    assert parse_envelope(region).processing_s == 1.5
    assert parse_envelope({**region, "image_status": "SUCCESS"}).processing_s == 1500.0
    assert parse_envelope(OURS).processing_s is None


@pytest.mark.parametrize(
    "value", ["", "soon", "-1", "nan", "inf", "1e9", "9" * 5000, True, None, [], {}, 10**400]
)
def test_a_processing_duration_that_is_none_is_left_out(value):
    body = json.dumps({"job_id": JOB, "status": "SUCCESS", "processing_duration": value})
    read = parse_status(message(body))
    # A number too long for JSON's reader spoils the body, but never more than that.
    assert read is None or read.processing_s is None


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("2024-01-15T10:30:00.123Z", 1705314600.123),
        ("2024-01-15T10:30:00.123456Z", 1705314600.123456),
        ("2024-01-15T11:30:00.123+01:00", 1705314600.123),
        ("2024-01-15T10:30:00.123", 1705314600.123),
        # Cut to whole seconds: SQS's own time is nearer.
        ("2024-01-15T10:30:00.000Z", 1705314600.25),
        ("2024-01-15T10:30:00Z", 1705314600.25),
        ("2024-01-15T10:30:00", 1705314600.25),
        ("2024-01-15", 1705314600.25),
        ("yesterday", 1705314600.25),
        ("", 1705314600.25),
        (None, 1705314600.25),
        (1705314600, 1705314600.25),
    ],
)
def test_the_time_of_a_status_is_the_most_exact_one_it_carries(timestamp, expected):
    read = parse_envelope(OURS, Timestamp=timestamp)
    assert read.sent_at == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("attributes", [None, {}, {"SentTimestamp": "soon"}, {"SentTimestamp": []}])
def test_a_status_without_a_usable_time_is_a_status(attributes):
    read = parse_status(message(envelope(OURS), attributes=attributes))
    assert (read.job_id, read.sent_at) == (JOB, None)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "this is not JSON",
        "null",
        "42",
        "[1, 2]",
        '"SUCCESS"',
        "{}",
        '{"Message": 5}',
        '{"Message": null, "MessageAttributes": null}',
        '{"MessageAttributes": [1]}',
        '{"MessageAttributes": {"status": "SUCCESS"}}',
        '{"status": "SUCCESS"}',
        '{"job_id": "x"}',
        '{"job_id": "", "status": "SUCCESS"}',
        '{"job_id": 5, "status": "SUCCESS"}',
        '{"job_id": "x", "status": "DONE"}',
        '{"job_id": "x", "status": ["SUCCESS"]}',
        '{"request": "x", "status": "SUCCESS"}',
        '{"a":' * 100_000,
        status_body(JOB, "SUCCESS")[:-1],
        "\ud800",
        '{"job_id": "\ud800", "status": "SUCCESS"}',
    ],
)
def test_a_body_that_is_no_status_gives_none(body):
    assert parse_status(message(body)) is None


names = st.sampled_from(
    [
        "status",
        "job_id",
        "jobId",
        "image_status",
        "imageStatus",
        "image_id",
        "region_id",
        "request",
        "processing_duration",
        "processingDuration",
        "Message",
        "MessageAttributes",
        "Timestamp",
        "Type",
        "Value",
        "StringValue",
    ]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([*KNOWN, JOB, "1e400", "9" * 400, "2024-01-15T10:30:00.5Z"])
    | st.just(10**400)
)
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
    fields.map(json.dumps),
    fields.map(lambda inner: json.dumps({"Message": json.dumps(inner)})),
    junk.map(lambda inner: json.dumps({"MessageAttributes": inner})),
    st.dictionaries(names, st.fixed_dictionaries({"Value": junk})).map(
        lambda inner: json.dumps({"MessageAttributes": inner})
    ),
    junk,
)
attributes = st.dictionaries(names, st.fixed_dictionaries({"StringValue": junk}))
messages = st.fixed_dictionaries(
    {"Body": bodies},
    optional={
        "MessageAttributes": attributes | junk,
        "Attributes": st.dictionaries(st.just("SentTimestamp"), junk) | junk,
    },
)


@settings(deadline=None, max_examples=200)
@given(messages | fields)
def test_whatever_comes_is_a_valid_status_or_none(junk):
    read = parse_status(junk)
    if read is None:
        return
    assert isinstance(read.job_id, str)
    assert read.job_id
    assert read.status in KNOWN
    assert read.sent_at is None or math.isfinite(read.sent_at)
    assert read.processing_s is None or 0 <= read.processing_s < 1e9
    assert isinstance(read.region, bool)
    assert read.text is None or (isinstance(read.text, str) and read.status == "FAILED")


@settings(deadline=None, max_examples=100)
@given(
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.sampled_from(sorted(KNOWN)),
    st.integers(0, 10**8),
)
def test_whatever_is_published_is_read_back(job_id, status, seconds):
    read = parse_status(message(status_body(job_id, status, processing_duration=str(seconds))))
    assert msgspec.structs.replace(read, text=None) == Status(
        job_id, status, sent_at=1705314600.25, processing_s=float(seconds)
    )
    assert (read.text is None) == (status != "FAILED")
    assert {"SUCCESS", "PARTIAL", "FAILED"} == TERMINAL


LENIENT = {
    "NaN as Python writes it": json.dumps({**OURS, "processing_duration": math.nan}),
    "infinity within the message": envelope({}, text=json.dumps({**OURS, "eta": math.inf})),
    "a byte order mark": "\ufeff" + json.dumps(OURS),
    "half a character in a text": envelope(OURS, text="x \ud800 y"),
    "an envelope in an envelope": envelope({}, text=envelope(OURS)),
    "values as SQS writes them": envelope({}).replace(
        '"MessageAttributes": {}',
        '"MessageAttributes": '
        + json.dumps({k: {"DataType": "String", "StringValue": v} for k, v in OURS.items()}),
    ),
    "attributes that are none": envelope({}, text=json.dumps(OURS)).replace(
        '"MessageAttributes": {}', '"MessageAttributes": {"job_id": null}'
    ),
}


@pytest.mark.parametrize("form", LENIENT)
def test_a_body_is_read_as_leniently_as_python_reads_json(form):
    read = parse_status(message(LENIENT[form]))
    assert (read.job_id, read.status, read.processing_s) == (JOB, "SUCCESS", None)


def test_attributes_of_sqs_with_the_names_of_sns_are_read():
    made = message("x")
    made["MessageAttributes"] = {k: {"Type": "String", "Value": v} for k, v in OURS.items()}
    assert parse_status(made).job_id == JOB


def test_the_reason_of_a_failure_can_always_be_written_down():
    read = parse_status(message(envelope({**OURS, "image_status": "FAILED"}, text="x \ud800 y")))
    assert msgspec.json.encode(read.text) == b'"x ? y"'
