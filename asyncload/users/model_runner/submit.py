"""``kind: model_runner``: image jobs one after the other, without waiting for them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

import msgspec

from asyncload.errors import ConfigError
from asyncload.transport.error_text import hide_secrets
from asyncload.users.model_runner.deployment import Deployment
from asyncload.users.model_runner.endpoints import note_instance_type
from asyncload.users.model_runner.images import find_images
from asyncload.users.model_runner.job_options import RequestForm
from asyncload.users.model_runner.job_spec import is_url, job_spec_for, type_of
from asyncload.users.model_runner.job_user import JobUser, RoundRobin, find_outputs, open_queues
from asyncload.users.settings_source import Setting, SettingsSource
from asyncload.users.user import Setup, task
from asyncload.users.wait import between


class ModelRunnerOptions(RequestForm, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The ``user`` section of a scenario with ``kind: model_runner``."""

    model: str | None = None
    model_type: Literal["SM_ENDPOINT", "HTTP_ENDPOINT"] | None = None
    """Told by ``model`` if left out: a URL is an HTTP_ENDPOINT."""


class ModelRunnerUser(JobUser):
    """Submits one image job after another, round robin over the images; does not wait for them."""

    Options: ClassVar[type[msgspec.Struct]] = ModelRunnerOptions
    shared: RoundRobin
    wait = between(1, 3)

    @classmethod
    async def describe_settings(
        cls, options: ModelRunnerOptions, source: SettingsSource, key: Callable[[str], str]
    ) -> Sequence[Setting]:
        """Tell of queues, places, model and account."""
        deployment = Deployment(options, source, key=key)
        return await deployment.everything(_model(deployment, options))

    @classmethod
    async def prepare(cls, setup: Setup, options: ModelRunnerOptions) -> RoundRobin:
        """Find the queues, check the bucket, list the images and read their headers, once."""
        deployment = Deployment.of(setup, options)
        model = _model(deployment, options).value
        requests = await open_queues(setup, options, deployment)
        outputs = await find_outputs(setup, options, deployment)
        place = await deployment.images()
        images = await find_images(setup, place.value, key=place.key)
        specs = [
            job_spec_for(
                setup.scenario,
                options,
                image,
                model=model,
                outputs=outputs,
                model_type=options.model_type,
            )
            for image in images
        ]
        if (options.model_type or type_of(model)) == "SM_ENDPOINT":
            await note_instance_type(setup, model)
        return RoundRobin(requests, itertools.cycle(specs))

    @task()
    async def submit(self) -> None:
        """Send one image request."""
        await self.send(next(self.shared.specs))


def _model(deployment: Deployment, options: ModelRunnerOptions) -> Setting:
    """Find the model. Raises :class:`ConfigError` for a URL that is called an endpoint's name."""
    model = deployment.model(options.model)
    if options.model_type == "SM_ENDPOINT" and is_url(model.value):
        raise ConfigError(
            f"{model.key}: {hide_secrets(model.value)!r} is a URL, and no SageMaker endpoint is "
            "called so; leave model_type out, or name an endpoint"
        )
    return model
