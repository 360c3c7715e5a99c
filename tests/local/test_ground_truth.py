"""The ground-truth log can be read while it is written and after a crash."""

import pytest

from asyncload.errors import LogError
from asyncload.local.ground_truth import (
    ExtraTruth,
    GroundTruthLog,
    InferenceTruth,
    JobTruth,
    RejectedTruth,
    ReplayTruth,
    StuckTruth,
    read_ground_truth,
)

JOB = JobTruth(
    number=0,
    job_id="j1",
    image_url="s3://images/a.tif",
    status="SUCCESS",
    service_time=0.5,
    received=1.0,
    started=2.0,
    finished=2.5,
    published=2.6,
    statuses=["IN_PROGRESS", "STARTED", "STARTED", "SUCCESS"],
)
EXTRA = ExtraTruth(kind="unreadable", number=0, sent=1.0, published=1.1, body="\u00fc\n")
REPLAY = ReplayTruth(number=0, job_id="j1", sent=3.0, published=3.1, statuses=["STARTED"])
STUCK = StuckTruth(
    number=1,
    job_id="j2",
    image_url="s3://images/a.tif",
    received=1.0,
    started=2.0,
    statuses=["STARTED", "STARTED", "IN_PROGRESS"],
)
REJECTED = RejectedTruth(message_id="m1", received=1.0, reason="no jobId")

INFERENCE = InferenceTruth(
    number=0,
    job_id="j3",
    endpoint="centerpoint",
    input_location="s3://inputs/a.tif",
    received=1.0,
    begun=2.0,
    service_time=0.5,
    status="FAILED",
    finished=2.5,
    published=2.6,
    notifications=2,
    reason="ClientError: no",
)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "truth.jsonl"
    with GroundTruthLog(path) as log:
        for record in (JOB, EXTRA, REPLAY, STUCK, INFERENCE, REJECTED):
            log.write(record)
    return path


def test_what_is_written_can_be_read_at_once(tmp_path):
    with GroundTruthLog(tmp_path / "truth.jsonl") as log:
        log.write(JOB)
        assert read_ground_truth(tmp_path / "truth.jsonl") == [JOB]
        log.write(EXTRA)
        assert read_ground_truth(tmp_path / "truth.jsonl") == [JOB, EXTRA]


def test_a_torn_last_line_is_left_out(path):
    content = path.read_bytes()
    for cut in range(1, 30):
        path.write_bytes(content[:-cut])
        assert read_ground_truth(path) == [JOB, EXTRA, REPLAY, STUCK, INFERENCE]


def test_a_line_that_is_no_truth_is_an_error_that_names_it(path):
    path.write_bytes(b'{"type":"job"}\n' + path.read_bytes())
    with pytest.raises(LogError, match="is no ground-truth log: line 1 cannot be read"):
        read_ground_truth(path)


def test_a_missing_truth_log_is_an_error_that_names_it(tmp_path):
    with pytest.raises(LogError, match=r"nowhere\.jsonl: No such file"):
        read_ground_truth(tmp_path / "nowhere.jsonl")


def test_duplicates_are_the_statuses_said_before():
    assert (JOB.duplicates, STUCK.duplicates) == (1, 1)
