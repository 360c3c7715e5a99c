"""``kind: model_runner_predefined``: the requests of a file in turns, each waited for."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import msgspec

from asyncload.errors import ConfigError
from asyncload.transport.error_text import hide_secrets
from asyncload.users.model_runner.deployment import Deployment
from asyncload.users.model_runner.images import Image, check_bucket, look_at_images, parse_s3_url
from asyncload.users.model_runner.job_options import Attempts, JobOptions
from asyncload.users.model_runner.job_spec import JobSpec, encoded, is_url
from asyncload.users.model_runner.job_user import JobUser, RoundRobin, open_queues
from asyncload.users.user import Setup, task
from asyncload.users.wait import NO_WAIT


class PredefinedOptions(JobOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The ``user`` section of a scenario with ``kind: model_runner_predefined``."""

    requests: str
    """A file: a JSON list of requests, which is a Jinja2 template."""
    attempts: Attempts = 3


class PredefinedUser(JobUser):
    """Sends the requests of a file in turns and waits for each job; PARTIAL is sent again."""

    Options: ClassVar[type[msgspec.Struct]] = PredefinedOptions
    shared: RoundRobin
    wait = NO_WAIT

    @classmethod
    async def prepare(cls, setup: Setup, options: PredefinedOptions) -> RoundRobin:
        """Read the file, find the queues, read the headers of the images, once."""
        deployment = Deployment.of(setup, options)
        requests = await _requests(setup, options, deployment)
        queue = await open_queues(setup, options, deployment)
        images = await look_at_images(setup, dict.fromkeys(_image(request) for request in requests))
        specs = [
            _job_spec(setup.scenario, options, request, images.get(_image(request)))
            for request in requests
        ]
        return RoundRobin(queue, itertools.cycle(specs))

    @task()
    async def run_job(self) -> None:
        """Send one request and wait for its job."""
        await self.see_through(next(self.shared.specs), self.options.attempts)


async def _requests(
    setup: Setup, options: PredefinedOptions, deployment: Deployment
) -> list[dict[str, Any]]:
    """Read the file, fill in its places and check what is used of its requests."""
    from asyncload.users.model_runner.requests_file import PLACES, RESULT_PLACES, RequestsFile

    file = RequestsFile(setup.find(options.requests), key=setup.key("requests"))
    values: dict[str, str] = {}
    if file.names & PLACES:  # only then the account need be known, and the bucket be there
        images, results = await deployment.images(), await deployment.results()
        bucket, prefix = parse_s3_url(results.value, key=results.key)
        if file.names & RESULT_PLACES:
            await check_bucket(setup.aws, results.value, key=results.key)
        values = {
            "test_imagery_location": images.value.rstrip("/"),
            "test_results_location": results.value.rstrip("/"),
            "test_results_bucket": bucket,
            "test_results_prefix": prefix,
        }
    requests = file.render(values)
    for index, request in enumerate(requests):
        match request.get("imageUrls"):
            case [str(url), *_] if url:
                pass
            case _:
                raise ConfigError(
                    f"{file.entry(index)} has no URL in imageUrls; "
                    'write "imageUrls": ["s3://bucket/image.tif"]'
                )
        match request.get("imageProcessor"):
            case {"name": str(model), "type": "SM_ENDPOINT"} if is_url(model):
                raise ConfigError(
                    f"{file.entry(index)} has the URL {hide_secrets(model)!r} as the name of an "
                    'SM_ENDPOINT; write "type": "HTTP_ENDPOINT"'
                )
        if not isinstance(request.get("jobName", ""), str):
            raise ConfigError(f"{file.entry(index)} has a jobName that is no text; write it as one")
    return requests


def _image(request: dict[str, Any]) -> str:
    url: str = request["imageUrls"][0]
    return url


def _job_spec(
    scenario: str, options: PredefinedOptions, request: dict[str, Any], image: Image | None
) -> JobSpec:
    """What is sent for ``request``: as it stands in the file, but for the name and id of its job."""
    url = _image(request)
    file_name = url.rpartition("/")[2]
    match request.get("imageProcessor"):
        case {"name": str(model)}:
            name = f"{file_name}:{model}"
        case _:
            name = file_name
    rest = {key: value for key, value in request.items() if key not in {"jobName", "jobId"}}
    return JobSpec(
        scenario=scenario,
        name=name,
        image=url,
        size=None if image is None else image.size,
        pixels=None if image is None else image.pixels,
        timeout=options.job_timeout,
        body=encoded(request.get("jobName") or f"asyncload-{scenario}", rest),
    )
