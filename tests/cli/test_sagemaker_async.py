"""Asynchronous inference through the command line: exact against what really happened."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import datetime

import pytest

from asyncload.local.ground_truth import ExtraTruth, InferenceTruth, read_ground_truth
from asyncload.records.log import LogReader
from asyncload.records.record import Job, Ledger, Note, Request
from tests.cli.command_line import ROOT

pytestmark = pytest.mark.slow

CONFIG = {
    "name": "asynchronous",
    "aws": {"endpoint_url": "local", "region": "us-west-2"},
    "scenarios": [
        {
            "name": "inferences",
            "load": {"model": "open", "shape": {"kind": "constant", "level": 40}, "duration": 5},
            "user": {
                "kind": "sagemaker_async",
                "endpoint": "centerpoint",
                "notifications": "AsyncInferenceQueue",
                "json": {"row": "{{ number }}"},
                "data": "rows.csv",
                "upload_to": "s3://sagemaker-async-inference-000000000000/inputs",
            },
        },
        {
            "name": "others",
            "load": {"model": "closed", "shape": {"kind": "constant", "level": 2}, "duration": 5},
            "user": {
                "kind": "sagemaker_async",
                "endpoint": "aircraft",
                "notifications": "AsyncInferenceQueue",
                "input": "s3://osml-test-images-000000000000/",
                "order": "random",
                "wait_for_result": True,
                "job_timeout": 5,
                "client": "sdk",
            },
        },
    ],
    "drain": 6,
    "local": {
        "async_inference": {
            "workers": 30,
            "service_time": {"mean": 0.05},
            "failure_rate": 0.1,
            "duplicate_rate": 0.1,
            "lost_rate": 0.03,
            "unreadable_rate": 0.1,
            "foreign_rate": 0.1,
        },
        "images": 3,
        "seed": 5,
        "truth_log": "truth.jsonl",
    },
    "thresholds": ["job[centerpoint].latency.p50 < 60s", "job.error_rate < 50%"],
}
MISTAKE = """
scenarios:
  - name: inferences
    load: {shape: {kind: constant, level: 4}, duration: 1s}
    user:
      kind: sagemaker_async
      endpoint: centerpoint
      notifications: AsyncInferenceQueue
      input: s3://osml-test-images-000000000000/
"""
USER = "scenarios.0.user"


def command(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "asyncload", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "140"},
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run against a service in disorder: what it printed, its folder."""
    folder = tmp_path_factory.mktemp("asynchronous")
    (folder / "rows.csv").write_text("number\n1\n2\n3\n")
    (folder / "test.yaml").write_text(json.dumps(CONFIG))  # YAML, too
    ended = command(folder, "run", "test.yaml", "--quiet")
    assert ended.returncode == 0, ended.stderr + ended.stdout
    return ended.stdout, folder


@pytest.fixture(scope="module")
def truth(finished):
    return read_ground_truth(finished[1] / "truth.jsonl")


@pytest.fixture(scope="module")
def records(finished):
    return list(LogReader(finished[1] / "logs" / "run.jsonl"))


def of(records, kind):
    return [record for record in records if isinstance(record, kind)]


def test_the_ledger_counts_every_inference_as_the_truth_log_does(truth, records):
    ledger = of(records, Ledger)[-1]
    true = Counter(one.status for one in of(truth, InferenceTruth))
    assert ledger.submitted == sum(true.values()) >= 200
    assert (ledger.succeeded, ledger.failed) == (true["SUCCESS"], true["FAILED"])
    assert ledger.lost + ledger.timed_out == ledger.never_started == true["LOST"] > 3
    assert (ledger.partial, ledger.stuck, ledger.rejected, ledger.backlog) == (0, 0, 0, 0)
    ended = {one.job_id: one.status for one in of(truth, InferenceTruth)}
    jobs = of(records, Job)
    given_up = {"TIMED_OUT": "LOST"}
    assert {job.job_id: given_up.get(job.status, job.status) for job in jobs} == ended


def test_messages_beside_the_counters_are_counted_as_the_truth_says(truth, records):
    ledger = of(records, Ledger)[-1]
    extras = Counter(one.kind for one in of(truth, ExtraTruth))
    twice = sum(max(one.notifications - 1, 0) for one in of(truth, InferenceTruth))
    assert ledger.orphans == extras["foreign"] > 3
    assert ledger.unreadable == extras["unreadable"] > 3
    assert ledger.duplicates == twice > 3
    assert (ledger.late, ledger.unconfirmed, ledger.regions) == (0, 0, 0)


def test_the_log_has_the_times_of_the_service_and_the_reason_of_a_failure(truth, records):
    epoch = datetime.fromisoformat(records[0].started_at).timestamp()
    truths = {one.job_id: one for one in of(truth, InferenceTruth)}
    for job in of(records, Job):
        told = truths[job.job_id]
        if job.finished is None:
            assert job.progress == "SUBMITTED"
            continue
        # Both clocks are this machine's; the service cuts its times to milliseconds.
        assert job.finished + epoch == pytest.approx(told.finished, abs=0.003)
        assert job.processing_s == pytest.approx(told.finished - told.received, abs=0.0021)
        assert job.start <= job.started <= job.finished <= job.observed
        assert job.error == told.reason
        assert job.image == told.input_location
        assert job.size > 0
        assert job.pixels is None
    names = {job.scenario: job.name for job in of(records, Job)}
    assert names == {"inferences": "centerpoint", "others": "aircraft"}


def test_both_backends_record_their_requests_under_one_name_and_users_wait_when_told_to(records):
    requests = of(records, Request)
    assert {one.name for one in requests} == {"sagemaker-runtime.InvokeEndpointAsync"}
    assert {one.status for one in requests} == {202}
    assert Counter(one.scenario for one in requests) == Counter(
        job.scenario for job in of(records, Job)
    )
    jobs = [job for job in of(records, Job) if job.scenario == "others"]
    assert len({job.image for job in jobs}) == 3
    over = [(job.start, job.observed if job.observed is not None else job.t) for job in jobs]
    changes = sorted([(start, 1) for start, _ in over] + [(end, -1) for _, end in over])
    at_once = 0
    for _, change in changes:
        at_once += change
        assert at_once <= 2, "a user has one inference at a time"


def test_payloads_are_uploaded_once_and_before_the_start(records):
    jobs = [job for job in of(records, Job) if job.scenario == "inferences"]
    taken = Counter(job.image for job in jobs)
    assert len(taken) == 3
    assert max(taken.values()) - min(taken.values()) <= 1, "in turns"
    assert all(
        re.fullmatch(
            r"s3://sagemaker-async-inference-000000000000/inputs/[0-9a-f]{16}-payload\.json", image
        )
        for image in taken
    )
    assert {job.size for job in jobs} == {len('{"row":1}')}
    [note] = [note.text for note in of(records, Note) if note.text.startswith("uploaded")]
    assert note == (
        "uploaded 3 payloads, 27 B, to s3://sagemaker-async-inference-000000000000/inputs/ "
        "before the start; they stay there"
    )


def test_the_table_the_summary_and_the_job_files_say_the_same(finished, records):
    output, folder = finished
    ledger = of(records, Ledger)[-1]
    words = " ".join(output.split())
    assert (
        f"{ledger.submitted} submitted = {ledger.succeeded} succeeded + 0 partial + "
        f"{ledger.failed} failed + {ledger.timed_out} timed out + {ledger.lost} lost"
    ) in words
    assert f"0 stuck + {ledger.never_started} never started" in words
    assert "FAILED: ModelError: Received server error (500)" in words
    assert "✓ job[centerpoint].latency.p50 < 60s" in words
    assert "below 0" not in words, "no part of a latency is negative"
    told = json.loads(command(folder, "summary", "logs/run.jsonl", "--json").stdout)
    assert told["jobs"]["succeeded"] == ledger.succeeded
    files = json.loads((folder / "logs" / "job_summary.json").read_text())
    assert files["total_image_sent"] == ledger.submitted
    assert files["total_pixels_processed"] == 0
    status = json.loads((folder / "logs" / "job_status.json").read_text())
    assert Counter(one["status"] for one in status.values()) == Counter(
        job.status for job in of(records, Job)
    )


# -- before a run -----------------------------------------------------------------------


def test_check_shows_settings_and_expects_one_notification_for_each_request(asyncload):
    ten = "scenarios.0.load.duration=10s"
    ended = asyncload.check(MISTAKE, ten, COLUMNS="160", AWS_REGION="us-west-2")
    assert ended.returncode == 0, ended.stderr
    rows = [re.split(r"\s{2,}", line.strip()) for line in ended.stdout.splitlines()]
    assert ["notifications", "AsyncInferenceQueue", "config"] in rows
    assert ["input", "s3://osml-test-images-000000000000/", "config"] in rows
    calls = {row[0]: row[1] for row in rows if len(row) == 3 and "." in row[0]}
    assert calls["sagemaker-runtime.InvokeEndpointAsync"] == "40"
    assert calls["sqs.DeleteMessageBatch"] == "4 to 40"


# -- mistakes ---------------------------------------------------------------------------

BUCKET = "s3://osml-test-images-000000000000"
MISTAKES = {
    "the queue is not there": (
        [f"{USER}.notifications=Nope"],
        f"{USER}.notifications: there is no queue 'Nope' at ",
    ),
    "the endpoint is not there": (
        [f"{USER}.endpoint=nope"],
        f"{USER}.endpoint: there is no endpoint 'nope' at ",
    ),
    "the endpoint is not in service": (
        [f"{USER}.endpoint=ships"],
        f"{USER}.endpoint: the endpoint 'ships' is not in service but Creating; ",
    ),
    "the input is not there": (
        [f"{USER}.input={BUCKET}/none.tif"],
        f"{USER}.input: there is no object {BUCKET}/none.tif; put one there",
    ),
    "the folder is empty": (
        [f"{USER}.input={BUCKET}/none/"],
        f"{USER}.input: there is no object in {BUCKET}/none/; put inputs there",
    ),
    "the bucket is not there": (
        [f"{USER}.input=s3://nowhere/"],
        f"{USER}.input: there is no bucket 'nowhere' at ",
    ),
    "the bucket for uploads is not there": (
        [f"{USER}.input=null", f"{USER}.body=x", f"{USER}.upload_to=s3://nowhere/"],
        f"{USER}.upload_to: there is no bucket 'nowhere' at ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_what_is_not_there_is_named_before_the_start(on_stack, case):
    overrides, says = MISTAKES[case]
    on_stack.config.write_text(MISTAKE)
    ended = on_stack.run(*overrides)
    assert ended.sentence.startswith(f"test.yaml: {says}")
    assert (ended.returncode, ended.stdout) == (4, "")


REFUSED = {
    "is not a place in S3; write s3://bucket or s3://bucket/folder": ["input=http://x/y"],
    "input and file are both given; give one of input, file, folder, json, body": ["file=a.bin"],
    "nothing is to be sent; give one of input, file, folder, json, body": ["input=null"],
    "upload_to: is missing: the service takes file from S3; give upload_to: s3://bucket/folder/": [
        "input=null", "file=a.bin",
    ],
    "is 5 s; SageMaker takes whole seconds, 60 to 21600": ["request_ttl=5s"],
    "is 1.5 s; SageMaker takes whole seconds, 1 to 3600": ["invocation_timeout=1.5"],
    "give the name of an endpoint: letters, digits and hyphens": ["endpoint=a_b"],
    "give visible ASCII characters, or leave it out": ["accept=grün"],
    "data fills the places of json or body; leave it out, or give one": ["data=rows.csv"],
}  # fmt: skip


@pytest.mark.parametrize("says", REFUSED)
def test_a_config_that_cannot_be_is_refused_with_the_remedy(asyncload, says):
    ended = asyncload.check(MISTAKE, *(f"{USER}.{one}" for one in REFUSED[says]))
    assert says in ended.sentence
    assert ended.sentence.startswith(f"test.yaml: {USER}")
    assert ended.returncode == 2


def test_credentials_that_have_expired_are_told_before_the_start(asyncload, fake_aws):
    said = "The security token included in the request is expired"
    server = fake_aws(400, json.dumps({"__type": "ExpiredTokenException", "message": said}))
    keys = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret-of-ours"}
    asyncload.config.write_text(MISTAKE)
    ended = asyncload.run(f"aws.endpoint_url={server.url}", AWS_REGION="us-west-2", **keys)
    assert ended.sentence == (
        f"test.yaml: {server.url} refused the credentials while looking up the endpoint "
        "'centerpoint' (ExpiredTokenException); check AWS_PROFILE or the AWS_* variables, and "
        "that they have not expired"
    )
    assert ended.returncode == 4
    assert "secret-of-ours" not in ended.stderr
