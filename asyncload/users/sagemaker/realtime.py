"""``kind: sagemaker``: invocations of a real-time endpoint, also with streamed answers."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar

import anyio.to_thread
import msgspec

from asyncload.transport.aws.operation import FastService, Operation
from asyncload.transport.aws.sagemaker import runtime
from asyncload.transport.error_text import describe
from asyncload.transport.http.pool import Timeouts
from asyncload.transport.http.response import Response
from asyncload.transport.measure import Measurement
from asyncload.users.call_estimate import NONE, Between, ExpectedCalls, ExpectedLoad
from asyncload.users.http.checks import unexpected_status
from asyncload.users.http.streaming import listened
from asyncload.users.sagemaker.calls import Call, CallMaker, Sending, call_name
from asyncload.users.sagemaker.realtime_options import SageMakerOptions
from asyncload.users.sagemaker.streaming import PartReader
from asyncload.users.settings_source import Setting, SettingsSource
from asyncload.users.templates.templated_user import Rows, TemplateUser, work_of
from asyncload.users.user import Setup, task


class Calls(msgspec.Struct, frozen=True):
    """What all users of a scenario share."""

    calls: list[Call]
    weights: list[float]
    """Cumulative."""
    timeouts: Timeouts
    rows: Rows


class SageMakerUser(TemplateUser):
    """Invokes the endpoint once in each iteration, with a request picked at random by weight."""

    Options: ClassVar[type[msgspec.Struct]] = SageMakerOptions
    shared: Calls

    @classmethod
    def expected_calls(cls, options: SageMakerOptions, load: ExpectedLoad) -> ExpectedCalls:
        """One request for each iteration."""
        invocations = options.invocations
        total = sum(one.weight for one in invocations)
        requests: dict[str, Between] = {}
        for one in invocations:
            share, name = one.weight / total, call_name(one)
            requests[name] = requests.get(name, NONE) + load.iterations.times(share, share)
        return ExpectedCalls(requests=requests)

    @classmethod
    def request_names(cls, options: SageMakerOptions) -> Collection[str]:
        """Give the names of the requests."""
        return [call_name(one) for one in options.invocations]

    @classmethod
    def describe_work(cls, options: SageMakerOptions) -> Sequence[tuple[str, str]]:
        """Tell the requests and their weights."""
        return work_of(options, [(one.weight, call_name(one)) for one in options.invocations])

    @classmethod
    async def describe_settings(
        cls,
        options: SageMakerOptions,
        source: SettingsSource,  # noqa: ARG003 - all is in the config
        key: Callable[[str], str],
    ) -> Sequence[Setting]:
        """Tell the endpoint's name."""
        return [Setting("endpoint", options.endpoint, "config", key("endpoint"))]

    @classmethod
    async def prepare(cls, setup: Setup, options: SageMakerOptions) -> Calls:
        """Find credentials, read data and payloads, compile requests; once.

        The endpoint is not asked for: who may invoke it need not be allowed to describe it.
        """
        service = await runtime(setup.aws, setup.http)
        # Rows, files and templates may take seconds; the live view goes on meanwhile.
        return await anyio.to_thread.run_sync(_calls, setup, options, service)

    @task()
    async def invoke(self) -> None:
        """Send one request."""
        shared = self.shared
        calls = shared.calls
        chosen = calls[0]
        if len(calls) > 1:
            chosen = self.rng.choices(calls, cum_weights=shared.weights)[0]
        if chosen.uses_rows:
            self.take_row()
        sending = chosen.fixed
        if sending is None:
            self.captured = {}
            try:
                sending = chosen.make(self)
            except Exception as problem:  # what a template does is its author's business
                self.cannot_make(chosen.name, problem)
                return
        with self.recorder.measure(chosen.name) as measurement:
            wrong = await self._send(chosen, sending, measurement)
            if wrong is not None:
                measurement.fail(wrong)

    async def _send(self, chosen: Call, sending: Sending, measurement: Measurement) -> str | None:
        """Send a request; why its answer is a failed one, if it is."""
        operation, body, payload_hash, values = sending
        send = functools.partial(
            operation.send, body, self.shared.timeouts, payload_hash=payload_hash, values=values
        )
        if chosen.reader is None:
            response = await send()
            measurement.answered(response)
            return _problem(chosen, operation, response, self)
        reader = PartReader(chosen.reader())
        response, cut = await listened(
            send(listener=reader.feed), reader=reader, measurement=measurement
        )
        measurement.answered(response)
        if response.status < 300 and chosen.judge is not None:
            response = msgspec.structs.replace(response, body=reader.payload)
        return _problem(chosen, operation, response, self) or cut


def _problem(chosen: Call, operation: Operation, response: Response, scope: Any) -> str | None:
    """Say why an answer is a failed request, in SageMaker's words where it has some."""
    if response.status not in chosen.good:
        if response.status < 400:
            return unexpected_status(response, chosen.good)
        return explained(operation.error(response))
    return None if chosen.judge is None else chosen.judge(response, scope)


def explained(problem: Exception) -> str:
    """Write an error of SageMaker's; of the model's own also the status that it answered with."""
    text = describe(problem)
    answered = getattr(problem, "response", {}).get("OriginalStatusCode")
    if answered is None or f"({answered})" in text:
        return text
    return f"{text} (the model answered with {answered})"


def _calls(setup: Setup, options: SageMakerOptions, service: FastService) -> Calls:
    rows = Rows.read(setup, options)
    maker = CallMaker(service, options.endpoint, rows.table, setup)
    # The keys of a single request stand in the section itself.
    at = setup.key("").rstrip(".")
    calls = [
        maker.call(request, key=at if options.requests is None else f"{at}.requests.{index}")
        for index, request in enumerate(options.invocations)
    ]
    weights = itertools.accumulate(request.weight for request in options.invocations)
    return Calls(calls=calls, weights=list(weights), timeouts=options.limits, rows=rows)
