"""The embedded stack: AWS services with a simulated ModelRunner behind them.

::

    async with LocalStack(LocalSettings(), region="us-west-2") as stack:
        ...  # point any AWS client at stack.endpoint_url

Two child processes do the work: the emulator and the simulated ModelRunner.
Both end with this process, however it ends.
"""

from __future__ import annotations

import asyncio
import importlib.util
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from asyncload.errors import ConfigError, TargetError
from asyncload.local.settings import LocalSettings
from asyncload.local.stack.child import EMULATOR, MODEL_RUNNER
from asyncload.local.stack.process import Child, Processes
from asyncload.local.stack.protocol import (
    ACCESS_KEY,
    ACCOUNT_ID,
    SECRET_KEY,
    EmulatorOrder,
    ModelRunnerOrder,
    Resources,
    decode,
)
from asyncload.records.log import archive

HOST: Final = "127.0.0.1"
SERVICES: Final = "sqs,sns,s3,sts,ecs"
"""Of the emulator; it has no SageMaker, which is :mod:`asyncload.local.sagemaker.control`."""
START_LIMIT: Final = 60.0
"""Seconds in which the stack must be ready; it takes two or three."""
_NAMES: Final = {EMULATOR: "the emulator", MODEL_RUNNER: "the simulated ModelRunner"}


class LocalStack(Processes):
    """An async context manager: the stack is up inside it.

    ``directory`` takes the logs of the children and the ground-truth log; without it
    they lie in a temporary directory that is removed at the end. ``port``
    defaults to a free one. Entering raises :class:`TargetError` when the
    stack cannot start, and :class:`ConfigError` for a file or port that
    cannot be.
    """

    def __init__(
        self,
        settings: LocalSettings,
        *,
        region: str,
        directory: Path | None = None,
        port: int | None = None,
    ) -> None:
        super().__init__("asyncload-local-")
        self.settings = settings
        self.region = region
        self.account_id = ACCOUNT_ID
        self.access_key = ACCESS_KEY
        self.secret_key = SECRET_KEY
        self.endpoint_url = ""
        """``http://127.0.0.1:PORT``, once entered."""
        self.truth_log = Path()
        """Where the simulated ModelRunner writes what it did, once entered."""
        self._resources: Resources | None = None
        self._directory = directory
        self._port = port

    @property
    def resources(self) -> Resources:
        """Queue URLs, topic and bucket names, once entered."""
        assert self._resources is not None, "the stack has not been entered"
        return self._resources

    @property
    def pids(self) -> list[int]:
        """Process ids of the children."""
        return [child.pid for child in self._children]

    def environment(self) -> dict[str, str]:
        """Environment variables that point any AWS client at the stack."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
        }

    async def watch(self) -> NoReturn:
        """Wait until a child dies by itself, and raise :class:`TargetError` then."""
        waiting = {asyncio.ensure_future(child.wait()): child for child in self._children}
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        raise _exit_error(waiting[done.pop()])

    async def _start(self, scratch: Path) -> None:
        if importlib.util.find_spec("ministack") is None:
            raise TargetError(
                "the embedded stack needs the package ministack; "
                "install it with: pip install 'asyncload[local]'"
            )
        directory = self._prepare_files(scratch)
        # Bound and listening before the emulator exists: nobody can take the
        # port meanwhile, and the first requests wait in the socket's queue.
        with _listen(self._port) as listener:
            port = listener.getsockname()[1]
            self.endpoint_url = f"http://{HOST}:{port}"
            emulator = await Child.start(
                EMULATOR,
                EmulatorOrder(
                    socket=listener.fileno(),
                    region=self.region,
                    settings=self.settings,
                    remove_at_exit=str(scratch),
                ),
                environment=_emulator_environment(scratch, port, self.region),
                log=directory / "emulator.log",
                sockets=(listener.fileno(),),
            )
            self._children.append(emulator)
        model_runner = await Child.start(
            MODEL_RUNNER,
            ModelRunnerOrder(
                endpoint_url=self.endpoint_url,
                region=self.region,
                settings=self.settings,
                truth_log=str(self.truth_log),
            ),
            environment=_model_runner_environment(scratch),
            log=directory / "model_runner.log",
        )
        self._children.append(model_runner)
        self._resources = await self._wait_until_ready(emulator, model_runner)

    def _prepare_files(self, scratch: Path) -> Path:
        """Make way for the ground-truth log; returns the directory for the children's logs."""
        directory = _create(self._directory or scratch)
        self.truth_log = directory / "truth.jsonl"
        if self.settings.truth_log is not None:
            self.truth_log = Path(self.settings.truth_log).absolute()
            _create(self.truth_log.parent)
        try:
            archive(self.truth_log)
            self.truth_log.touch()
        except OSError as problem:
            raise ConfigError(
                f"the ground-truth log cannot be written to {self.truth_log}: {problem.strerror}; "
                "choose another file"
            ) from None
        return directory

    async def _wait_until_ready(self, emulator: Child, model_runner: Child) -> Resources:
        """Wait for the ModelRunner: it has created the resources then, so the emulator is up too."""
        answer = asyncio.ensure_future(model_runner.answer())
        death = asyncio.ensure_future(emulator.wait())
        try:
            await asyncio.wait(
                (answer, death), timeout=START_LIMIT, return_when=asyncio.FIRST_COMPLETED
            )
            if death.done():
                raise _exit_error(emulator)
            if not answer.done():
                raise TargetError(
                    f"the embedded stack was not ready within {START_LIMIT:g} s: "
                    f"{emulator.stderr_tail() or model_runner.stderr_tail() or 'it left no message'}"
                )
            if not answer.result().endswith(b"\n"):
                raise _exit_error(model_runner)
            return decode(answer.result(), Resources)
        finally:
            answer.cancel()
            death.cancel()


async def serve(
    settings: LocalSettings, region: str, port: int | None, on_ready: Callable[[LocalStack], None]
) -> NoReturn:
    """Run the stack until cancelled; ``on_ready`` is called once it is up.

    Raises :class:`TargetError` when it cannot start, or when a part of it dies.
    """
    async with LocalStack(settings, region=region, port=port) as stack:
        on_ready(stack)
        await stack.watch()


def _create(directory: Path) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise ConfigError(
            f"the embedded stack cannot write to {directory}: {problem.strerror}; "
            "choose another directory"
        ) from None
    return directory.absolute()


def _listen(port: int | None) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Without it a port stays taken for minutes after the last stack on it ended.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port or 0))
        listener.listen(128)
    except OverflowError:
        listener.close()
        raise ConfigError(f"port {port} does not exist; give a number from 1 to 65535") from None
    except OSError as problem:
        listener.close()
        raise TargetError(
            f"the embedded stack cannot use port {port} of {HOST}: {problem.strerror}; "
            "choose another port, or none to get a free one"
        ) from None
    return listener


def _emulator_environment(scratch: Path, port: int, region: str) -> dict[str, str]:
    """Make ministack keep to the stack's directory, and away from Docker."""
    return {
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": HOST,
        "MINISTACK_REGION": region,
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "SERVICES": SERVICES,
        "LOG_LEVEL": "WARNING",
        "PERSIST_STATE": "0",
        "S3_PERSIST": "0",
        "STATE_DIR": str(scratch / "state"),
        "S3_DATA_DIR": str(scratch / "s3"),
        "DOCKER_HOST": f"unix://{scratch}/no-docker",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
    }


def _model_runner_environment(scratch: Path) -> dict[str, str]:
    """No proxy, profile or credentials of the user's."""
    return {
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        # It speaks no TLS; reading every certificate authority takes 20 ms.
        "SSL_CERT_FILE": "/dev/null",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
    }


def _exit_error(child: Child) -> TargetError:
    tail = child.stderr_tail() or "it left no message"
    return TargetError(f"{_NAMES[child.role]} of the embedded stack ended unexpectedly: {tail}")
