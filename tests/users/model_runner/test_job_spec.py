"""Request bodies are made once; a job's id is put into them, and nothing else changes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.config.convert import convert
from asyncload.errors import ConfigError
from asyncload.users.model_runner.images import Image
from asyncload.users.model_runner.job_spec import JobSpec, encoded, job_spec_for
from asyncload.users.model_runner.predefined import PredefinedOptions
from asyncload.users.model_runner.random_jobs import RandomOptions
from asyncload.users.model_runner.submit import ModelRunnerOptions

IMAGE = Image("s3://images/folder/one.tif", 1000, 512 * 512)
S3 = {"type": "S3", "bucket": "results", "prefix": "load"}
ID = "0123456789abcdef0123456789abcdef"

texts = st.text(st.characters(codec="utf-8"))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=8,
)  # fmt: skip
requests = st.dictionaries(texts.filter(lambda key: key not in {"jobName", "jobId"}), values)


def spec(**options):
    return job_spec_for(
        "jobs",
        ModelRunnerOptions(**options),
        IMAGE,
        model="centerpoint",
        model_type="SM_ENDPOINT",
        outputs=[S3],
    )


def test_a_request_is_what_model_runner_reads():
    made = spec(
        model_parameters={"threshold": 0.5},
        tile_size=1024,
        tile_overlap=64,
        tile_format="NITF",
        tile_compression="J2K",
        region_of_interest="POLYGON ((0 0, 0 1, 1 1, 0 0))",
    )
    assert msgspec.json.decode(made.request(ID)) == {
        "jobName": f"asyncload-jobs-{ID}",
        "jobId": ID,
        "imageUrls": ["s3://images/folder/one.tif"],
        "outputs": [S3],
        "imageProcessor": {"name": "centerpoint", "type": "SM_ENDPOINT"},
        "imageProcessorParameters": {"threshold": 0.5},
        "imageProcessorTileSize": 1024,
        "imageProcessorTileOverlap": 64,
        "imageProcessorTileFormat": "NITF",
        "imageProcessorTileCompression": "J2K",
        "postProcessing": [
            {
                "step": "FEATURE_DISTILLATION",
                "algorithm": {"algorithmType": "NMS", "iouThreshold": 0.75},
            }
        ],
        "regionOfInterest": "POLYGON ((0 0, 0 1, 1 1, 0 0))",
        "featureProperties": [],
    }
    assert (made.name, made.size, made.pixels) == ("one.tif:centerpoint", 1000, 512 * 512)
    assert (made.attempt, made.first_job_id) == (1, None)


@given(texts, requests)
def test_whatever_a_request_holds_only_the_name_and_the_id_of_its_job_are_put_in(name, request):
    spec = JobSpec("jobs", "n", "s3://a/b", None, None, 1.0, body=encoded(name, request))
    body = msgspec.json.decode(spec.request(ID))
    assert body == {**request, "jobName": f"{name}-{ID}", "jobId": ID}


def test_a_repetition_differs_in_its_attempt_alone():
    first = spec()
    again = first.again(2, ID)
    assert (again.attempt, again.first_job_id) == (2, ID)
    assert again.request("x") == first.request("x")
    assert msgspec.structs.asdict(again) == {
        **msgspec.structs.asdict(first), "attempt": 2, "first_job_id": ID,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tile_size": 0}, ".tile_size: is 0; give a positive number of pixels"),
        ({"tile_overlap": 512}, ".tile_overlap: is 512; give 0 or more, and less than tile_size"),
        ({"kinesis": ""}, ".kinesis: is empty; give true or the name of a stream"),
        ({"kinesis": [1]}, ".kinesis: expected true or false or a text, got [1]"),
        ({"job_timeout": 0}, ".job_timeout: is 0; give the time after which a job is given up"),
        ({"images": "images"}, ".images: 'images' is not a place in S3; write s3://bucket or "),
        ({"client": "sdk", "batch_linger": 1}, ": batch_linger works with the fast backend only; "),
        ({"wait": "soon"}, ".wait: 'soon'"),
        ({"attempts": 3}, ".attempts: there is no such key; "),
    ],
)
def test_a_wrong_option_is_named(options, says):
    assert_refused(options, ModelRunnerOptions, says)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"models": []}, ".models: is empty; name an endpoint, or leave the key out"),
        ({"models": ["a", ""]}, ".models: a name in it is empty; write the endpoint's name"),
        ({"models": "a"}, ".models: expected a list, got 'a'; write [a]"),
        ({"attempts": 0}, ".attempts: expected a whole number of at least 1, got 0"),
        ({"attempts": 1.5}, ".attempts: expected a whole number, got 1.5"),
        ({"model": "a"}, ".model: there is no such key; did you mean 'models'?"),
        ({"model_type": "HTTP_ENDPOINT"}, ".model_type: there is no such key; did you mean "),
    ],
)
def test_a_wrong_option_of_random_pairs_is_named(options, says):
    assert_refused(options, RandomOptions, says)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, ".requests: is missing; add it"),
        ({"requests": ["a"]}, ".requests: expected a text, got ['a']"),
        (
            {"requests": "a.json", "attempts": "many"},
            ".attempts: expected a whole number, got 'many'",
        ),
        ({"requests": "a.json", "tile_size": 512}, ".tile_size: there is no such key; "),
    ],
)
def test_a_wrong_option_of_a_requests_file_is_named(options, says):
    assert_refused(options, PredefinedOptions, says)


def assert_refused(options, kind, says):
    with pytest.raises(ConfigError) as caught:
        convert(options, kind, where="scenarios.0.user")
    assert str(caught.value).startswith(f"scenarios.0.user{says}")


@pytest.mark.parametrize(
    ("model", "wanted", "sent"),
    [
        ("centerpoint", None, "SM_ENDPOINT"),
        ("http://models:8080/v1/x:predict", None, "HTTP_ENDPOINT"),
        ("models:8080", "HTTP_ENDPOINT", "HTTP_ENDPOINT"),
    ],
)
def test_a_url_is_never_sent_as_the_name_of_an_endpoint(model, wanted, sent):
    options = ModelRunnerOptions(model_type=wanted)
    made = job_spec_for("jobs", options, IMAGE, model=model, model_type=wanted, outputs=[S3])
    found = msgspec.json.decode(made.request(ID))["imageProcessor"]
    assert found == {"name": model, "type": sent}
