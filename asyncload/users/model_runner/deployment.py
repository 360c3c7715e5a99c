"""Where the settings of a ModelRunner scenario come from.

For each one the first that has it: the config, an environment variable of
OversightML's load tests, the newest ECS task definition whose name contains a
pattern, the default. Nobody is asked before a setting needs it, and nobody
twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from asyncload.errors import ConfigError, TargetError
from asyncload.users.model_runner.images import parse_s3_url
from asyncload.users.model_runner.job_options import JobOptions
from asyncload.users.model_runner.task_definition import TaskDefinition
from asyncload.users.settings_source import AwsSource, Setting, SettingsSource
from asyncload.users.user import Setup

REQUEST_QUEUE: Final = "ImageRequestQueue"
STATUS_QUEUE: Final = "ImageStatusQueue"
IMAGES: Final = "s3://osml-test-images-"
"""Followed by the account."""
RESULTS: Final = "s3://mr-bucket-sink-"
MODEL: Final = "centerpoint"

IMAGES_IN: Final = ("S3_LOAD_TEST_SOURCE_IMAGE_BUCKET", "S3_SOURCE_IMAGE_BUCKET")
RESULTS_IN: Final = ("S3_LOAD_TEST_RESULT_BUCKET", "S3_RESULT_BUCKET")
MODEL_IN: Final = ("SM_LOAD_TEST_MODEL",)
PATTERN_IN: Final = ("TASK_DEFINITION_PATTERN",)


class Deployment:
    """The settings of one scenario, each found when it is first wanted.

    ``key`` gives the config key of an option, for messages. ``note`` is told
    each setting that was found elsewhere, once. The methods raise
    :class:`ConfigError` for a variable that holds nonsense, and
    :class:`TargetError` when somebody who has to be asked does not tell.
    """

    def __init__(
        self,
        given: JobOptions,
        source: SettingsSource,
        *,
        key: Callable[[str], str],
        note: Callable[[Setting], None] | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._given = given
        self._source = source
        self._key = key
        self._note = note
        self._environment = environment
        self._found: dict[str, Setting] = {}
        self._definition: TaskDefinition | None = None
        self._pattern = self._explicit("task_definition", given.task_definition, PATTERN_IN)

    @classmethod
    def of(cls, setup: Setup, given: JobOptions) -> Deployment:
        """The settings of a scenario that is being prepared."""

        def note(setting: Setting) -> None:
            setup.note("info", f"{setting.name}: {setting.value} ({setting.source})")

        return cls(given, AwsSource(setup.aws, setup.progress), key=setup.key, note=note)

    async def request_queue(self) -> Setting:
        """Name or URL of the queue that takes the requests."""
        return await self._queue("request_queue", REQUEST_QUEUE, TaskDefinition.request_queue)

    async def status_queue(self) -> Setting:
        """Name or URL of the queue that brings the statuses."""
        return await self._queue("status_queue", STATUS_QUEUE, TaskDefinition.status_queue)

    async def images(self) -> Setting:
        """Where the images are: ``s3://bucket/folder``."""
        return await self._place("images", self._given.images, IMAGES_IN, IMAGES)

    async def results(self) -> Setting:
        """Where the results go: ``s3://bucket/folder``."""
        return await self._place("results", self._given.results, RESULTS_IN, RESULTS)

    def model(self, given: str | None) -> Setting:
        """The model; ``given`` is what the config says, for kinds that have such a key."""
        explicit = self._explicit("model", given, MODEL_IN)
        return self._keep(explicit or Setting("model", MODEL, "default", self._key("model")))

    async def account(self) -> Setting:
        """The account, which the default buckets bear in their names."""
        if "account" in self._found:
            return self._found["account"]
        if not self._asks_ecs:
            return self._keep(await self._source.account())
        definition = await self._task_definition()
        if definition is None:
            return self._keep(
                Setting("account", "<account>", "ECS is asked at the start", known=False)
            )
        return self._keep(Setting("account", definition.account, definition.source))

    async def everything(self, *others: Setting) -> list[Setting]:
        """All settings, with ``others`` that only this kind has, for a person to see."""
        found = [await self.request_queue(), await self.status_queue()]
        found += [await self.images(), await self.results(), *others]
        if (account := await self._account_to_show()) is not None:
            found.append(account)
        if self._pattern is not None:
            found.insert(0, self._pattern_to_show(self._pattern))
        return found

    # -- one setting after the other -----------------------------------------

    async def _queue(
        self, name: str, default: str, read: Callable[..., tuple[str, str]]
    ) -> Setting:
        given: str | None = getattr(self._given, name)
        key = self._key(name)
        if given is not None:
            return Setting(name, given, "config", key)
        if self._pattern is None:
            return Setting(name, default, "default", key)
        definition = await self._task_definition()
        if definition is None:
            return Setting(name, "", "task definition; ECS is asked at the start", key, known=False)
        return self._keep(Setting(name, *read(definition, key=self._pattern.key), key))

    async def _place(
        self, name: str, given: str | None, variables: Sequence[str], default: str
    ) -> Setting:
        explicit = self._explicit(name, given, variables)
        if explicit is None:
            account = await self.account()
            source = "default" if account.known else f"default; {account.source}"
            url = f"{default}{account.value}"
            return self._keep(Setting(name, url, source, self._key(name), known=account.known))
        if explicit.key in variables:
            url = _bucket_url(explicit.value, variable=explicit.key)
            explicit = Setting(name, url, explicit.source, explicit.key)
        return self._keep(explicit)

    def _explicit(self, name: str, given: str | None, variables: Sequence[str]) -> Setting | None:
        """What the config says, else the first of the variables that is set and not empty."""
        if given is not None:
            return Setting(name, given, "config", self._key(name))
        for variable in variables:
            if value := self._environment.get(variable, "").strip():
                return Setting(name, value, variable, variable)
        return None

    @property
    def _asks_ecs(self) -> bool:
        """Whether the task definition has anything to tell that the config leaves open."""
        given = self._given
        return self._pattern is not None and None in (given.request_queue, given.status_queue)

    async def _task_definition(self) -> TaskDefinition | None:
        pattern = self._pattern
        assert pattern is not None, "nobody has named a task definition"
        if self._definition is None:
            self._definition = await self._source.task_definition(pattern.value, key=pattern.key)
        return self._definition

    def _keep(self, setting: Setting) -> Setting:
        elsewhere = setting.source not in {"config", "default"}
        if elsewhere and self._note is not None and setting.name not in self._found:
            self._note(setting)
        self._found[setting.name] = setting
        return setting

    # -- for a person --------------------------------------------------------

    async def _account_to_show(self) -> Setting | None:
        """The account, as far as it is known; a run that does without it need not find it."""
        if "account" in self._found or self._asks_ecs:
            return await self.account()
        try:
            account = await self._source.account()
        except TargetError as problem:
            return Setting("account", "", str(problem), known=False)
        return account if account.known else None

    def _pattern_to_show(self, pattern: Setting) -> Setting:
        value, why = pattern.value, "the newest with this in its name"
        if not self._asks_ecs:
            why = "not asked for: both queues are in the config"
        elif self._definition is not None:
            value, why = self._definition.name, f"the newest with {value!r} in its name"
        return Setting(pattern.name, value, f"{pattern.source}; {why}")


def _bucket_url(value: str, *, variable: str) -> str:
    """``s3://…`` of what a variable holds: a bucket's name, or such a URL."""
    url = value if "://" in value else f"s3://{value}"
    try:
        parse_s3_url(url, key=variable)
        if url != value and "/" in value:
            raise ConfigError(value)
    except ConfigError:
        raise ConfigError(
            f"{variable}: {value!r} is not a bucket; "
            "write its name, or s3://bucket or s3://bucket/folder"
        ) from None
    return url
