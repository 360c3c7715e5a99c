"""The services that the runs are tried on, with their own word of what they did."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from asyncload.local.model_server.server import ModelServer
from asyncload.local.settings import LocalSettings, ServiceTime
from asyncload.local.stack.stack import LocalStack
from asyncload.plan.duration import Duration
from tests.chaos.plan import Trial
from tests.chaos.proxy import Proxy

MODEL_RUNNER = LocalSettings(
    workers=50, service_time=ServiceTime(mean=Duration(0.2)), failure_rate=0.05, duplicate_rate=0.05
)
_LOAD = "load: {shape: {kind: constant, level: 1}, duration: 1s}"
_ENDS = "inconclusive: pass\ndrain: 6s\nlog: logs/run.jsonl\n"
_HTTP = """
scenarios:
  - name: web
    %s
    user:
      kind: http
      base_url: %s
      timeout: 3s
      requests: [{method: POST, path: '/v1/models/m:predict', json: {instances: [1]}}]
"""
_JOBS = """
scenarios:
  - name: jobs
    %s
    user: {kind: model_runner, job_timeout: 5s}
"""
_EMBEDDED = """
aws: {endpoint_url: local, region: us-west-2}
local: {workers: 50, service_time: {mean: 200ms}, truth_log: %s}
"""


@dataclass
class Service:
    """What a run is tried on."""

    config: str
    """Of the run, in YAML."""
    environment: dict[str, str]
    truth: Path
    """The ground-truth log."""
    pids: list[int]
    """Its processes; none where they are the run's own."""
    proxy: Proxy | None = None


@contextlib.asynccontextmanager
async def serving(trial: Trial, folder: Path) -> AsyncIterator[Service]:
    """Have the service of ``trial`` up inside of the block."""
    truth = folder / "truth.jsonl"
    if trial.target == "embedded":
        config = _JOBS % _LOAD + _EMBEDDED % truth + _ENDS
        yield Service(config, {}, truth, [])
    elif trial.target == "http":
        async with ModelServer(workers=20, service_time=0.02, truth_log=truth) as server:
            proxy = Proxy(_port(server.url))
            async with proxy.serving():
                url = f"http://127.0.0.1:{proxy.port}"
                yield Service(_HTTP % (_LOAD, url) + _ENDS, {}, truth, [server.pid], proxy)
    else:
        async with LocalStack(MODEL_RUNNER, region="us-west-2", directory=folder) as stack:
            proxy = Proxy(_port(stack.endpoint_url))
            async with proxy.serving():
                environment = {
                    **stack.environment(),
                    "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}",
                }
                config = _JOBS % _LOAD + _ENDS
                yield Service(config, environment, stack.truth_log, stack.pids, proxy)


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
