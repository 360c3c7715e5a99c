"""``asyncload local``."""

from __future__ import annotations

from pathlib import Path

import anyio

from asyncload.commands.loop import Output, run_loop
from asyncload.config.load import load_config
from asyncload.engine.descriptors import raise_limit
from asyncload.local.settings import LocalSettings
from asyncload.local.stack.stack import LocalStack, serve
from asyncload.process import stop_signals


def local_command(*, port: int | None, region: str, config: Path | None) -> None:
    """Run the embedded stack until Ctrl-C."""
    console = Output()
    settings = load_config(config).local if config else LocalSettings()

    def ready(stack: LocalStack) -> None:
        console.print(
            "the embedded stack is up: SQS, SNS, S3, STS, ECS, SageMaker's list of endpoints "
            "and a simulated ModelRunner"
        )
        console.print("point any AWS client at it:\n")
        for name, value in stack.environment().items():
            console.print(f"    export {name}={value}", soft_wrap=True)
        found = stack.resources
        topics = [
            arn.rpartition(":")[2]
            for arn in (found.inference_success_topic_arn, found.inference_error_topic_arn)
        ]
        queue = found.inference_queue_url.rpartition("/")[2]
        console.print(
            f"\nends of asynchronous inferences: topics {' and '.join(topics)}, queue {queue}; "
            f"inputs may lie in s3://{found.inference_bucket}",
            soft_wrap=True,
        )
        console.print("\nCtrl-C ends it")

    raise_limit()

    async def until_interrupted() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(serve, settings, region, port, ready)
            with anyio.open_signal_receiver(*stop_signals()) as signals:
                async for _ in signals:
                    break
            group.cancel_scope.cancel()

    run_loop(until_interrupted)
