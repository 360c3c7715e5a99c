"""``kind: sagemaker_async``: inferences submitted now, whose ends are told over SNS and SQS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, ClassVar

import msgspec

from asyncload.jobs.inference_status import parse_inference
from asyncload.jobs.job import Submission
from asyncload.transport.aws.sagemaker import FastAsyncEndpoint
from asyncload.transport.aws.sqs import SqsQueue
from asyncload.users.call_estimate import (
    LISTED,
    Between,
    ExpectedCalls,
    ExpectedLoad,
    calls_for_statuses,
)
from asyncload.users.jobs import JobSender, read_statuses
from asyncload.users.sagemaker.async_endpoint import check_subscriptions, topics_of_endpoint
from asyncload.users.sagemaker.asynchronous_options import AsyncInferenceOptions
from asyncload.users.sagemaker.inputs import find_inputs
from asyncload.users.settings_source import Setting, SettingsSource
from asyncload.users.templates.rows import RowSelector, rows_in_order
from asyncload.users.user import Setup, task

Invoke = Callable[[str, str], Awaitable[Any]]
"""Submits one inference: its id, and where its input is."""


class Inferences(msgspec.Struct, frozen=True):
    """What all users of a scenario share."""

    invoke: Invoke
    specs: Sequence[Submission]
    """Of the jobs with each input, whose location is their image."""
    select: RowSelector
    """Picks a spec."""


class AsyncInferenceUser(JobSender):
    """Submits one inference after the other; waits for its end where the config says so."""

    Options: ClassVar[type[msgspec.Struct]] = AsyncInferenceOptions
    shared: Inferences
    own_rows: Iterator[int]
    """For data rows that are split among users, which inputs are not."""

    @classmethod
    def expected_calls(cls, options: AsyncInferenceOptions, load: ExpectedLoad) -> ExpectedCalls:
        """One request and one notification for each iteration, and what finds the inputs."""
        per_image: dict[str, float] = {}
        once: dict[str, Between] = {}
        if options.folder is not None or options.data is not None:
            per_image["s3.PutObject"] = 1
        elif options.input is None:
            once["s3.PutObject"] = Between(1, 1)
        elif _is_folder(options.input):
            per_image["s3.ListObjectsV2"] = 1 / LISTED
        else:
            once["s3.HeadObject"] = Between(1, 1)
        statuses = calls_for_statuses(load, load.iterations, job_timeout=options.job_timeout)
        return ExpectedCalls(
            requests={"sagemaker-runtime.InvokeEndpointAsync": load.iterations},
            beside={**statuses, **once},
            per_image=per_image,
        )

    @classmethod
    async def describe_settings(
        cls,
        options: AsyncInferenceOptions,
        source: SettingsSource,  # noqa: ARG003 - all is in the config
        key: Callable[[str], str],
    ) -> Sequence[Setting]:
        """Tell of endpoint, queue and inputs: all are in the config."""
        names = ["endpoint", "notifications", "input" if options.payload is None else "upload_to"]
        return [Setting(name, str(getattr(options, name)), "config", key(name)) for name in names]

    @classmethod
    async def prepare(cls, setup: Setup, options: AsyncInferenceOptions) -> Inferences:
        """Look up endpoint and queue; find the inputs, or upload them."""
        topics = await topics_of_endpoint(setup, options.endpoint, key=setup.key("endpoint"))
        setup.progress("looking up the queue of the notifications")
        queue = await SqsQueue.find(setup.aws, options.notifications, setup.key("notifications"))
        await check_subscriptions(setup, topics, queue)
        inputs = await find_inputs(setup, options)
        await read_statuses(
            setup, queue, client=options.client, foreign=options.foreign, parse=parse_inference
        )
        select = rows_in_order(options.order, len(inputs), setup.load)
        specs = [
            Submission(
                scenario=setup.scenario,
                name=options.endpoint,
                image=one.url,
                size=one.size,
                pixels=None,
                timeout=options.job_timeout,
            )
            for one in inputs
        ]
        return Inferences(await _invoke(setup, options), specs, select)

    @task()
    async def infer(self) -> None:
        """Submit one inference."""
        job = await self.send(self.shared.specs[self.shared.select(self)])
        if self.options.wait_for_result:
            await self.jobs.wait(job)

    async def deliver(self, spec: Submission, job_id: str) -> None:
        """Submit it under the id of its job."""
        assert spec.image is not None
        await self.shared.invoke(job_id, spec.image)


def _is_folder(url: str) -> bool:
    return url.endswith("/") or "/" not in url.removeprefix("s3://")


async def _invoke(setup: Setup, options: AsyncInferenceOptions) -> Invoke:
    """What submits an inference, with the backend that the config names."""
    if options.client == "fast":
        return (
            await FastAsyncEndpoint.of(setup.aws, setup.http, options.endpoint, **options.headers)
        ).invoke
    client = await setup.aws.client("sagemaker-runtime")
    names = {
        "content_type": "ContentType",
        "accept": "Accept",
        "custom_attributes": "CustomAttributes",
        "request_ttl": "RequestTTLSeconds",
        "invocation_timeout": "InvocationTimeoutSeconds",
    }
    headers = {names[key]: value for key, value in options.headers.items() if value is not None}

    async def invoke(inference_id: str, input_location: str) -> None:
        await client.invoke_endpoint_async(
            EndpointName=options.endpoint,
            InferenceId=inference_id,
            InputLocation=input_location,
            **headers,
        )

    return invoke
