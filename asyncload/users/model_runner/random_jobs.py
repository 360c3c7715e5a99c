"""``kind: model_runner_random``: random pairs of image and model, each job waited for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import ClassVar, Final

import msgspec

from asyncload.users.model_runner.deployment import Deployment
from asyncload.users.model_runner.endpoints import endpoints_in_service
from asyncload.users.model_runner.images import TIFF_AND_NITF, Image, find_images
from asyncload.users.model_runner.job_options import Attempts, RequestForm
from asyncload.users.model_runner.job_spec import JobSpec, job_spec_for
from asyncload.users.model_runner.job_user import JobUser, SharedState, find_outputs, open_queues
from asyncload.users.user import Setup, task
from asyncload.users.wait import NO_WAIT

KEPT_SPECS: Final = 10_000
"""Pairs of image and model whose job specs are kept, about 1.3 KB each."""


class RandomOptions(RequestForm, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The ``user`` section of a scenario with ``kind: model_runner_random``."""

    models: list[str] | None = None
    """SageMaker endpoints, or URLs of HTTP servers; left out, all endpoints in service."""
    attempts: Attempts = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.models is not None and not self.models:
            raise ValueError("models is empty; name an endpoint, or leave the key out")
        if "" in (self.models or ()):
            raise ValueError("models: a name in it is empty; write the endpoint's name")


class Pairs(SharedState):
    """Images and models, and the job spec of any pair of them."""

    images: Sequence[Image]
    models: Sequence[str]
    spec: Callable[[Image, str], JobSpec]


class RandomUser(JobUser):
    """Sends a random image to a random model and waits for the job; PARTIAL is sent again."""

    Options: ClassVar[type[msgspec.Struct]] = RandomOptions
    shared: Pairs
    wait = NO_WAIT

    @classmethod
    async def prepare(cls, setup: Setup, options: RandomOptions) -> Pairs:
        """Find the queues, the endpoints in service and the images, once."""
        deployment = Deployment.of(setup, options)
        requests = await open_queues(setup, options, deployment)
        models = options.models
        if models is None:
            models = await endpoints_in_service(setup, key=setup.key("models"))
        outputs = await find_outputs(setup, options, deployment)
        place = await deployment.images()
        images = await find_images(setup, place.value, key=place.key, suffixes=TIFF_AND_NITF)

        @functools.lru_cache(maxsize=KEPT_SPECS)
        def spec(image: Image, model: str) -> JobSpec:
            return job_spec_for(
                setup.scenario,
                options,
                image,
                model=model,
                outputs=outputs,
            )

        return Pairs(requests, images, models, spec)

    @task()
    async def run_job(self) -> None:
        """Send one random pair and wait for its job."""
        pairs, rng = self.shared, self.rng
        spec = pairs.spec(rng.choice(pairs.images), rng.choice(pairs.models))
        await self.see_through(spec, self.options.attempts)
