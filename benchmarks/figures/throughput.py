"""Requests and jobs per second on one core, against nginx."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from benchmarks import rivals
from benchmarks.harness import Contender, Figure, Measured, Target
from benchmarks.product import closed, config, milliseconds, run_product
from benchmarks.servers.nginx import Nginx, nginx

USERS = (32, 64)
LINGER = "2ms"


@contextmanager
def sqs_send(seconds: float) -> Iterator[Figure]:
    """Give the figure of one SendMessage for each job."""
    with nginx() as target:
        url = target.url
        ours = [
            Contender(
                f"asyncload, {users} users",
                partial(_ours, target, seconds, users, _submit(target)),
            )
            for users in USERS
        ]
        first = ours[0].name
        yield Figure(
            name="sqs_send",
            title="SQS jobs, one SendMessage each, everything recorded",
            unit="jobs/s",
            contenders=[
                *ours,
                Contender("aiobotocore", lambda: rivals.aiobotocore(url, seconds, 32)),
                Contender(
                    "Locust + boto3 client",
                    lambda: rivals.locust("locust_sqs.py", "ClientUser", url, seconds, 32),
                ),
                Contender(
                    "Locust + boto3, the replaced harness",
                    lambda: rivals.locust("locust_sqs.py", "HarnessUser", url, seconds, 32),
                ),
                Contender("hey, GET", lambda: rivals.hey(url, seconds, 32)),
                Contender("hey, POST", lambda: rivals.hey(url, seconds, 32, post=True)),
                Contender("wrk, GET", lambda: rivals.wrk(url, seconds, 32)),
            ],
            targets=[
                Target(contender=first, at_least=25_000),
                Target(contender=first, peer="aiobotocore", at_least=14),
                Target(contender=first, peer="Locust + boto3, the replaced harness", at_least=50),
                Target(contender=first, peer="hey, GET", at_least=0.6),
            ],
            note=(
                "ModelRunner's user class through `asyncload run`: job body, ledger entry, SigV4, "
                "request record in the log, live statistics. nginx sends no statuses, so a job's own "
                "record is written after the load, as LOST. In every round the log's requests, its "
                "jobs and nginx's own count agree, or the round is refused. hey and wrk sign, "
                "encode and record nothing."
            ),
        )


@contextmanager
def sqs_batch(seconds: float) -> Iterator[Figure]:
    """Give the figure of SendMessageBatch."""
    with nginx() as target:
        ours = [
            Contender(
                f"asyncload, {users} users",
                partial(
                    _ours,
                    target,
                    seconds,
                    users,
                    {**_submit(target), "batch_linger": LINGER},
                    batch=10,
                ),
            )
            for users in (100, 300)
        ]
        yield Figure(
            name="sqs_batch",
            title="SQS jobs in batches of 10",
            unit="jobs/s",
            contenders=ours,
            targets=[Target(contender=one.name, at_least=100_000) for one in ours[:1]],
            note=(
                f"As sqs_send with `batch_linger: {LINGER}`; every job has its own record. nginx's "
                "count of calls is held against the number of jobs."
            ),
        )


@contextmanager
def http_yaml(seconds: float) -> Iterator[Figure]:
    """Give the figure of POSTs from a YAML scenario."""
    with nginx() as target:
        request = {
            "name": "predict",
            "method": "POST",
            "path": "/v1/models/m:predict",
            "json": json.loads(rivals.BODY),
        }
        user = {"kind": "http", "base_url": target.url, "requests": [request]}
        ours = [
            Contender(
                f"asyncload, {users} users",
                partial(_ours, target, seconds, users, user),
            )
            for users in USERS
        ]
        url = f"{target.url}/v1/models/m:predict"
        yield Figure(
            name="http_yaml",
            title="HTTP POST from a YAML scenario, everything recorded",
            unit="requests/s",
            contenders=[
                *ours,
                _locust("SameBodyUser", target, seconds),
                Contender("hey, GET", lambda: rivals.hey(url, seconds, 32)),
                Contender("hey, POST", lambda: rivals.hey(url, seconds, 32, post=True)),
                Contender("wrk, GET", lambda: rivals.wrk(url, seconds, 32)),
                Contender("wrk, POST", lambda: rivals.wrk(url, seconds, 32, post=True)),
            ],
            targets=[
                Target(contender=ours[0].name, at_least=35_000),
                Target(contender=ours[0].name, peer="Locust FastHttpUser", at_least=3.8),
                Target(contender=ours[0].name, peer="hey, GET", at_least=0.8),
            ],
            note=(
                f"All POST the same {len(rivals.BODY)} bytes. The targets' hey is GET; hey POST, "
                "which does what we do, stands beside it."
            ),
        )


@contextmanager
def http_class(seconds: float) -> Iterator[Figure]:
    """Give the figure of POSTs from a user class."""
    with nginx() as target:
        user = {"kind": "benchmarks.ours.users:Caller", "url": f"{target.url}/v1/models/m:predict"}
        ours = [
            Contender(
                f"asyncload, {users} users",
                partial(_ours, target, seconds, users, user),
            )
            for users in USERS
        ]
        yield Figure(
            name="http_class",
            title="HTTP POST from a user class written in Python",
            unit="requests/s",
            contenders=[*ours, _locust("UniqueBodyUser", target, seconds)],
            targets=[
                Target(contender=ours[0].name, at_least=20_000),
                Target(contender=ours[0].name, peer="Locust FastHttpUser", at_least=2),
            ],
            note="A JSON body of about 450 bytes, made and encoded anew for each request, in both.",
        )


def _submit(target: Nginx) -> dict[str, Any]:
    return {
        "kind": "benchmarks.ours.users:Submit",
        "request_queue": f"{target.url}/123456789012/jobs",
    }


def _locust(user: str, target: Nginx, seconds: float) -> Contender:
    return Contender(
        "Locust FastHttpUser",
        lambda: rivals.locust("locust_http.py", user, target.url, seconds, 32),
    )


def _ours(
    target: Nginx, seconds: float, users: int, user: Mapping[str, Any], *, batch: int | None = None
) -> Measured:
    """Run asyncload in the closed model, and hold its log against the server's count."""
    before = target.served()
    settings = config(closed(users, seconds, user), aws={"endpoint_url": target.url})
    # Of the jobs no end is ever told, so that none ends well: exit code 1.
    run = run_product(settings, seconds, good=(0, 1))
    calls = target.served() - before
    log = run.log
    if set(log.outcomes) != {"ok"} or calls != log.requests:
        raise RuntimeError(f"the server counts {calls} calls, the log {log.outcomes}")
    jobs = sum(log.jobs.values())
    if jobs and not log.requests <= jobs <= log.requests * (batch or 1):
        raise RuntimeError(f"{log.requests} requests but {log.jobs} in the log")
    return Measured(
        value=(log.in_time if batch is None else log.accepted_in_time) / seconds,
        command=run.process.command,
        details={
            "calls": calls,
            "requests": log.requests,
            "jobs": jobs,
            **milliseconds(log.latency),
            "cpu_us_each": round(run.process.cpu / (jobs or log.requests) * 1e6, 1),
            "peak_rss_mb": round(run.process.peak_rss / 1e6),
            "log_mb": round(log.bytes / 1e6),
        },
    )


FIGURES = {
    figure.__wrapped__.__name__: figure  # type: ignore[attr-defined]  # contextmanager's own
    for figure in (sqs_send, sqs_batch, http_yaml, http_class)
}
