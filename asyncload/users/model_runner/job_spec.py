"""What is sent to ModelRunner: request bodies made once, into which the ids of jobs are spliced."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from asyncload.jobs.job import Submission
from asyncload.users.model_runner.images import Image
from asyncload.users.model_runner.job_options import RequestForm

Body = tuple[str, str, str]
"""A request without the two places that carry its job's id."""


class JobSpec(Submission, gc=False, kw_only=True):
    """What is the same for every job of one kind, with its request."""

    body: Body

    def request(self, job_id: str) -> str:
        """Write the request body of one job: 450 bytes that are not encoded anew."""
        head, middle, tail = self.body
        return f"{head}{job_id}{middle}{job_id}{tail}"

    def again(self, attempt: int, first_job_id: str) -> JobSpec:
        """The same for a job that repeats the job ``first_job_id``; ``attempt`` is 2 or more."""
        return msgspec.structs.replace(self, attempt=attempt, first_job_id=first_job_id)


def encoded(job_name: str, request: Mapping[str, Any]) -> Body:
    """Encode ``request``, which has no id yet; its job is called ``job_name`` and the id."""
    # Two places of the body carry the job's id; a word that nothing else in it
    # can be by accident marks them.
    place = secrets.token_hex(16)
    body = {"jobName": f"{job_name}-{place}", "jobId": place, **request}
    head, middle, tail = msgspec.json.encode(body).decode().split(place)
    return head, middle, tail


def is_url(model: str) -> bool:
    """Whether a model is the URL of an HTTP server, not the name of an endpoint."""
    return "://" in model


def type_of(model: str) -> str:
    """What ModelRunner calls a model of this name.

    One that is called SM_ENDPOINT and is a URL ends its work on the queue for good.
    """
    return "HTTP_ENDPOINT" if is_url(model) else "SM_ENDPOINT"


def job_spec_for(
    scenario: str,
    form: RequestForm,
    image: Image,
    *,
    model: str,
    outputs: Sequence[Mapping[str, Any]],
    model_type: str | None = None,
) -> JobSpec:
    """What is sent for ``image`` to be processed by ``model``, but for the job's id.

    ``model_type`` is told by the model's name if left out.
    """
    request = {
        "imageUrls": [image.url],
        "outputs": outputs,
        "imageProcessor": {"name": model, "type": model_type or type_of(model)},
        "imageProcessorParameters": form.model_parameters,
        "imageProcessorTileSize": form.tile_size,
        "imageProcessorTileOverlap": form.tile_overlap,
        "imageProcessorTileFormat": form.tile_format,
        "imageProcessorTileCompression": form.tile_compression,
        "postProcessing": [
            {
                "step": "FEATURE_DISTILLATION",
                "algorithm": {"algorithmType": "NMS", "iouThreshold": 0.75},
            }
        ],
        "regionOfInterest": form.region_of_interest,
        "featureProperties": [],
    }
    return JobSpec(
        scenario=scenario,
        name=f"{image.file_name}:{model}",
        image=image.url,
        size=image.size,
        pixels=image.pixels,
        timeout=form.job_timeout,
        body=encoded(f"asyncload-{scenario}", request),
    )
