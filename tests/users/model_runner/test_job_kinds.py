"""The kinds of ModelRunner's users on the embedded stack: what they send, and whole runs."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import anyio
import msgspec
import pytest

import asyncload
from asyncload import AwsConfig, LocalSettings, Plan, Scenario, UserSpec, shapes
from asyncload.config.convert import convert
from asyncload.errors import ConfigError, TargetError
from asyncload.local.settings import ServiceTime
from asyncload.local.stack.stack import LocalStack
from asyncload.plan import Duration
from asyncload.records.log import LogReader
from asyncload.records.record import Job, Ledger, Note
from asyncload.transport.aws.session import Aws
from asyncload.users.model_runner.predefined import PredefinedOptions, PredefinedUser
from asyncload.users.model_runner.random_jobs import RandomUser
from asyncload.users.model_runner.submit import ModelRunnerUser
from tests.users.desk import Desk

pytestmark = pytest.mark.slow

REGION = "eu-central-1"
SETTINGS = LocalSettings(
    workers=8,
    service_time=ServiceTime(mean=Duration(0.05), distribution="constant"),
    partial_rate=0.4,
    images=8,
)
ENTRY = {
    "jobName": "fixed",
    "jobId": "of the file",
    "imageUrls": ["{{ test_imagery_location }}/harbour-01.tif", "s3://not/looked/at"],
    "outputs": [
        {
            "type": "S3",
            "bucket": "{{ test_results_bucket }}",
            "prefix": "{{ test_results_prefix }}",
        }
    ],
    "imageProcessor": {"name": "{{ env.MODEL_OF_TEST }}", "type": "SM_ENDPOINT"},
    "somethingNew": {"deep": [1, 0.5, None, "{{ test_results_location }}"]},
}


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
async def stack(anyio_backend):
    async with LocalStack(SETTINGS, region=REGION) as stack:
        yield stack


@pytest.fixture
def folder(stack, tmp_path, monkeypatch):
    """A folder to work in, where AWS is the embedded stack."""
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MODEL_OF_TEST", "aircraft")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, *requests):
    (folder / "requests.json").write_text(json.dumps(requests))


async def run(kind, *, users=2, duration=1.5, drain=5.0, seed=1, **options):
    """Run users of ``kind``; return what the log holds."""
    scenario = Scenario(
        name="jobs",
        user=UserSpec(kind, options),
        shape=shapes.Constant(users),
        duration=duration,
        model="closed",
    )
    plan = Plan(scenarios=(scenario,), seed=seed, drain=drain)
    result = await asyncload.run(plan, aws=AwsConfig(region=REGION), log="logs/run.jsonl")
    assert result.problems == ()
    return list(LogReader(result.log))


def of(kind, records):
    return [record for record in records if isinstance(record, kind)]


async def prepared(kind, stack, **options):
    """What ``prepare`` of ``kind`` finds, and the set-up that it told its notes."""
    async with Aws(endpoint_url=stack.endpoint_url, region=REGION) as aws:
        desk = Desk(aws)
        options = convert({"client": "sdk", **options}, kind.Options, where="scenarios.0.user")
        return await kind.prepare(desk, options), desk


def body(spec):
    return msgspec.json.decode(spec.request("the-id"))


def warnings(notes):
    return [text for level, text in notes if level != "info"]


# -- what is sent ---------------------------------------------------------------------


@pytest.mark.anyio
async def test_requests_of_a_file_go_out_in_turns_as_they_stand_there(folder, stack):
    write(folder, ENTRY, {"imageUrls": ["file:///data/scene.tif"]})
    results = "s3://mr-bucket-sink-000000000000/load"
    found, _ = await prepared(PredefinedUser, stack, requests="requests.json", results=results)
    first, second, third = itertools.islice(found.specs, 3)
    assert body(first) == {
        "jobId": "the-id",
        "jobName": "fixed-the-id",
        "imageUrls": ["s3://osml-test-images-000000000000/harbour-01.tif", "s3://not/looked/at"],
        "outputs": [{"type": "S3", "bucket": "mr-bucket-sink-000000000000", "prefix": "load"}],
        "imageProcessor": {"name": "aircraft", "type": "SM_ENDPOINT"},
        "somethingNew": {"deep": [1, 0.5, None, results]},
    }
    assert body(second) == {
        "jobId": "the-id",
        "jobName": "asyncload-jobs-the-id",
        "imageUrls": ["file:///data/scene.tif"],
    }
    assert third is first
    assert (first.name, second.name) == ("harbour-01.tif:aircraft", "scene.tif")


@pytest.mark.anyio
async def test_only_a_file_that_asks_for_the_results_needs_their_bucket(folder, stack):
    write(folder, {"imageUrls": ["{{ test_imagery_location }}/harbour-01.tif"]})
    nowhere = {"requests": "requests.json", "results": "s3://nowhere"}
    found, _ = await prepared(PredefinedUser, stack, images="s3://elsewhere/", **nowhere)
    assert next(found.specs).image == "s3://elsewhere/harbour-01.tif"
    write(folder, ENTRY)
    with pytest.raises(TargetError, match=r"scenarios\.0\.user\.results: there is no bucket 'now"):
        await prepared(PredefinedUser, stack, **nowhere)


@pytest.mark.anyio
async def test_sizes_that_cannot_be_read_are_unknown_and_noted_once(folder, stack):
    urls = ("s3://osml-test-images-000000000000/harbour-01.tif", "s3://nowhere/x.tif", "/y.tif")
    write(folder, *({"imageUrls": [url]} for url in (*urls, urls[0])))
    found, desk = await prepared(PredefinedUser, stack, requests="requests.json")
    known, *unknown = itertools.islice(found.specs, 3)
    assert known.size > known.pixels > 1000
    assert {(spec.size, spec.pixels) for spec in unknown} == {(None, None)}
    assert sorted(warnings(desk.notes)) == [
        "size and pixels are not known of 1 of 3 images: it is no image in S3: /y.tif",
        "size and pixels are not known of 1 of 3 images: it is not there (404): s3://nowhere/x.tif",
    ]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("kinesis", "stream"), [(True, "mr-stream-sink-000000000000"), ("mine", "mine"), (False, None)]
)
async def test_results_go_to_a_stream_too_when_that_is_asked_for(folder, stack, kinesis, stream):
    outputs = [{"type": "S3", "bucket": "mr-bucket-sink-000000000000", "prefix": ""}]
    if stream is not None:
        outputs.append({"type": "Kinesis", "stream": stream, "batchSize": 1000})
    found, _ = await prepared(ModelRunnerUser, stack, kinesis=kinesis)
    assert all(body(spec)["outputs"] == outputs for spec in itertools.islice(found.specs, 8))
    pairs, _ = await prepared(RandomUser, stack, kinesis=kinesis)
    assert body(pairs.spec(pairs.images[0], "m"))["outputs"] == outputs


@pytest.mark.anyio
async def test_random_pairs_are_of_endpoints_in_service_and_of_tiff_and_nitf(folder, stack):
    pairs, _ = await prepared(RandomUser, stack)
    assert pairs.models == ["aircraft", "centerpoint"], "ships is not in service"
    assert {image.url.rpartition(".")[2] for image in pairs.images} == {"tif", "ntf"}
    assert len(pairs.images) == 5
    spec = pairs.spec(pairs.images[0], "aircraft")
    assert body(spec)["imageProcessor"] == {"name": "aircraft", "type": "SM_ENDPOINT"}
    assert pairs.spec(pairs.images[0], "aircraft") is spec, "made once"


@pytest.mark.anyio
async def test_named_models_take_the_place_of_the_endpoints(folder, stack):
    pairs, _ = await prepared(RandomUser, stack, models=["mine"])
    assert pairs.models == ["mine"]


@pytest.mark.anyio
async def test_what_the_model_runs_on_is_noted_before_the_start(folder, stack):
    _, desk = await prepared(ModelRunnerUser, stack, model="aircraft")
    told = "the model 'aircraft' runs on ml.g4dn.xlarge (SageMaker endpoint config aircraft-config)"
    assert ("info", told) in desk.notes
    _, desk = await prepared(ModelRunnerUser, stack, model_type="HTTP_ENDPOINT")
    assert [text for _, text in desk.notes if "runs on" in text or "instance" in text] == []


@pytest.mark.anyio
async def test_a_url_that_is_called_an_endpoint_is_refused(folder, stack):
    url = "http://models:8080"
    with pytest.raises(ConfigError, match=r"user\.model: 'http://models:8080' is a URL"):
        await prepared(ModelRunnerUser, stack, model=url, model_type="SM_ENDPOINT")
    write(
        folder,
        {
            "imageUrls": ["s3://a/b.tif"],
            "imageProcessor": {"name": url, "type": "SM_ENDPOINT"},
        },
    )
    with pytest.raises(ConfigError, match=r"entry 0.* has the URL"):
        await prepared(PredefinedUser, stack, requests="requests.json")


@pytest.mark.anyio
async def test_photographs_alone_are_nothing_for_random_pairs(folder, stack):
    async with Aws(endpoint_url=stack.endpoint_url, region=REGION) as aws:
        s3 = await aws.client("s3", retries=True)
        await s3.create_bucket(Bucket="photographs")
        await s3.put_object(Bucket="photographs", Key="a.png", Body=b"x")
    with pytest.raises(TargetError) as caught:
        await prepared(RandomUser, stack, images="s3://photographs", models=["m"])
    assert str(caught.value) == (
        "scenarios.0.user.images: there is no image under s3://photographs; put files ending in "
        ".ntf .nitf .tif .tiff there, or point scenarios.0.user.images elsewhere"
    )


# -- whole runs -----------------------------------------------------------------------


def assert_attempts_are_linked(records, users, limit):
    """Every repetition follows a PARTIAL job of the same image; every PARTIAL is repeated."""
    jobs = sorted(of(Job, records), key=lambda job: job.job_id)
    chains = {}
    for job in jobs:
        chains.setdefault(job.first_job_id or job.job_id, []).append(job)
    assert any(len(chain) > 1 for chain in chains.values())
    for first, chain in chains.items():
        assert chain[0].job_id == first
        assert chain[0].first_job_id is None
        assert [job.attempt for job in chain] == list(range(1, len(chain) + 1))
        assert len({(job.image, job.name) for job in chain}) == 1
        assert all(job.status == "PARTIAL" for job in chain[:-1])
        assert chain[-1].status == "SUCCESS" or len(chain) == limit
        for earlier, later in itertools.pairwise(chain):
            assert later.due >= earlier.observed
    events = sorted([(job.start, 1) for job in jobs] + [(job.observed, -1) for job in jobs])
    at_once = 0
    for _, change in events:
        at_once += change
        assert at_once <= users, "a user has one job at a time"
    ledger = of(Ledger, records)[-1]
    status = Counter(job.status for job in jobs)
    assert ledger.submitted == len(jobs)
    assert (ledger.succeeded, ledger.partial) == (status["SUCCESS"], status["PARTIAL"])
    return jobs


@pytest.mark.anyio
async def test_a_run_of_predefined_requests_knows_sizes_and_links_attempts(folder):
    write(folder, ENTRY, {**ENTRY, "imageUrls": ["{{ test_imagery_location }}/meadow-03.tif"]})
    records = await run(
        "model_runner_predefined", users=3, duration=2, requests="requests.json", attempts=2
    )
    jobs = assert_attempts_are_linked(records, users=3, limit=2)
    names = ["harbour-01.tif:aircraft", "meadow-03.tif:aircraft"]
    specs = [job.name for job in jobs if job.attempt == 1]
    assert specs == [names[place % 2] for place in range(len(specs))]
    assert all(job.size > 1000 and job.pixels > 1000 for job in jobs)
    assert [note for note in of(Note, records) if note.level != "info"] == []


@pytest.mark.anyio
async def test_a_run_of_random_pairs_links_attempts(folder):
    records = await run("model_runner_random", users=4, duration=2)
    jobs = assert_attempts_are_linked(records, users=4, limit=3)
    files, models = zip(*(job.name.split(":") for job in jobs), strict=True)
    assert set(models) == {"centerpoint", "aircraft"}
    assert {name.rpartition(".")[2] for name in files} == {"tif", "ntf"}


# -- requests files with mistakes -----------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({}, 'has no URL in imageUrls; write "imageUrls": ["s3://bucket/image.tif"]'),
        ({"imageUrls": []}, "has no URL in imageUrls; "),
        ({"imageUrls": "s3://bucket/image.tif"}, "has no URL in imageUrls; "),
        ({"imageUrls": [""]}, "has no URL in imageUrls; "),
        ({"imageUrls": [5]}, "has no URL in imageUrls; "),
        ({"imageUrls": ["s3://a/b"], "jobName": 5}, "has a jobName that is no text; "),
    ],
)
def test_a_request_that_makes_no_job_is_named_before_anything_is_asked(tmp_path, entry, says):
    path = tmp_path / "requests.json"
    path.write_text(json.dumps([{"imageUrls": ["s3://a/b.tif"]}, entry]))

    async def prepare():
        desk = Desk(Aws(endpoint_url="http://127.0.0.1:9", region=REGION))
        await PredefinedUser.prepare(desk, PredefinedOptions(requests=str(path)))

    with pytest.raises(ConfigError) as caught:
        anyio.run(prepare)
    assert str(caught.value).startswith(
        f"scenarios.0.user.requests: {str(path)!r}: entry 1, counted from 0, {says}"
    )
