"""What a run will send and cost, worked out before it; and prices."""

from __future__ import annotations

import io
import math
from decimal import Decimal

import anyio
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from asyncload import AwsConfig, Plan, Scenario, User, between, pacing, shapes, task
from asyncload.config.load import config_from
from asyncload.config.model import Config
from asyncload.config.prices import Prices
from asyncload.cost.estimate import expected_iterations
from asyncload.cost.preview import bill_line, estimate_line, is_billed, print_estimate
from asyncload.errors import ConfigError
from asyncload.load_test import LoadTest
from asyncload.testing import VirtualTimeLoop
from asyncload.users.call_estimate import Between, ExpectedCalls, ExpectedLoad, calls_of_jobs
from asyncload.users.wait import NO_WAIT

pytestmark = pytest.mark.slow


def config_of(*, level=10, model="open", user=None, **top):
    return config_from(
        {
            "scenarios": [
                {
                    "name": "jobs",
                    "load": {
                        "model": model,
                        "shape": {"kind": "constant", "level": level},
                        "duration": 100,
                    },
                    "user": {"kind": "model_runner", **(user or {})},
                }
            ],
            "log": "",
            "drain": 10,
            **top,
        }
    )


def estimate_of(**config):
    return LoadTest(config_of(**config)).estimate()


def printed(config, width=120):
    console = Console(file=io.StringIO(), width=width)
    print_estimate(LoadTest(config).estimate(), config, console)
    return " ".join(console.file.getvalue().split())


# -- prices -------------------------------------------------------------------------


def test_requests_have_the_price_of_what_the_log_calls_them():
    prices = Prices()
    assert prices.of("sqs.SendMessage") == Decimal("0.0000004")
    assert prices.of("sqs.ReceiveMessage") == prices.of("sqs.DeleteMessageBatch")
    assert prices.of("s3.GetObject") == prices.of("s3.HeadBucket") == Decimal("0.0000004")
    assert prices.of("s3.ListObjectsV2") == prices.of("s3.PutObject") == Decimal("0.000005")
    for free in ("s3.DeleteObject", "sts.GetCallerIdentity", "GET /", "sagemaker.InvokeEndpoint"):
        assert prices.of(free) == 0
    assert Prices(sqs=0.1).of("sqs.SendMessage") == Decimal("0.0000001")


def test_prices_come_from_the_config_and_mistakes_in_them_name_the_key():
    assert config_of(prices={"sqs": 0.5, "currency": "EUR"}).prices == Prices(
        sqs=0.5, currency="EUR"
    )
    for raw, says in (
        ({"sqs": -1}, "prices.sqs: is -1.0; give the price of 1,000,000 requests, 0 or more"),
        ({"s3_get": "free"}, "prices.s3_get: expected a number, got 'free'"),
        ({"s3_lst": 1}, "prices.s3_lst: there is no such key; did you mean 's3_list'?"),
    ):
        with pytest.raises(ConfigError) as raised:
            config_of(prices=raw)
        assert str(raised.value) == says


def test_limits_must_allow_something():
    for key, value, says in (
        ("max_requests", 0, "max_requests: is 0; give a whole number of 1 or more"),
        ("max_cost", 0, "max_cost: is 0.0; give an amount of money over 0"),
        ("max_cost", math.inf, "max_cost: is inf; give an amount of money over 0"),
    ):
        with pytest.raises(ConfigError) as raised:
            config_of(**{key: value})
        assert str(raised.value) == says


# -- iterations ---------------------------------------------------------------------


def closed(shape, duration=100.0, wait=NO_WAIT):
    user = type("Paced", (Waiting,), {"wait": wait})
    return Scenario(name="s", user=user, model="closed", shape=shape, duration=duration)


class Waiting(User):
    @task()
    async def rest(self):
        with self.measure("rest"):
            await anyio.sleep(0.001)


def test_arrivals_are_known_and_users_bounded_by_their_wait():
    opened = Scenario(name="s", user=Waiting, shape=shapes.Ramp(max=20, step=10, every=50))
    assert expected_iterations(opened, NO_WAIT) == Between(1500, 1500)
    ten = closed(shapes.Constant(10))
    assert expected_iterations(ten, between(1, 3)) == Between(10, 10 * 100 / 2 + 10)
    assert expected_iterations(ten, pacing(4)) == Between(10, 10 * 100 / 4 + 10)
    assert expected_iterations(ten, NO_WAIT) == Between(10, math.inf)
    assert expected_iterations(closed(shapes.Constant(0.2)), NO_WAIT) == Between(0, 0)
    two_bursts = shapes.CustomRamp(levels=[5, 0, 7, 0], every=25)
    assert expected_iterations(closed(two_bursts), pacing(5)) == Between(12, 60 + 12)


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 20), st.integers(1, 30), st.sampled_from([0.5, 1, 3]))
def test_a_closed_run_makes_as_many_iterations_as_was_said(users, duration, wait):
    spawn = shapes.Spawn(users=users, spawn_rate=3)
    scenario = closed(spawn, duration, pacing(wait))
    expected = expected_iterations(scenario, pacing(wait))
    test = LoadTest(Config(plan=Plan(scenarios=(scenario,), drain=1), log=""))
    result = anyio.run(test.run, backend_options={"loop_factory": VirtualTimeLoop})
    # The level is followed every 0.1 s, and in the last of them a user may not start any more.
    assert expected.low - 1 <= result.summary.requests.count <= expected.high


# -- calls --------------------------------------------------------------------------


def test_jobs_are_sent_polled_for_and_deleted():
    load = ExpectedLoad(iterations=Between(1000, 1000), seconds=100, drain=10)
    calls = calls_of_jobs(load, attempts=1, batched=False, job_timeout=3600)
    assert calls.requests == {"sqs.SendMessage": Between(1000, 1000)}
    # 3 statuses a job, 1 to 10 in a receive; 5 empty polls of 20 s, 10 of 1 s, 16 last ones.
    assert calls.beside == {
        "sqs.ReceiveMessage": Between(300, 3000 + 5 + 10 + 16),
        "sqs.DeleteMessageBatch": Between(300, 3000),
    }
    repeated = calls_of_jobs(load, attempts=3, batched=True, job_timeout=3600)
    assert repeated.requests == {"sqs.SendMessageBatch": Between(100, 3000)}
    quiet = ExpectedLoad(iterations=Between(1, 1), seconds=3600, drain=math.inf)
    polls = calls_of_jobs(quiet, attempts=1, batched=False, job_timeout=60).beside
    assert polls["sqs.ReceiveMessage"] == Between(180, 3 + 180 + 60 + 16)


def test_an_estimate_adds_up_calls_and_prices():
    estimate = estimate_of()
    assert estimate.requests == Between(1000, 1000)
    assert estimate.calls == Between(1000 + 300 + 300, 1000 + 3031 + 3000)
    assert estimate.cost.low == pytest.approx(1600 * 4e-7)
    assert estimate.cost.high == pytest.approx(7031 * 4e-7)
    assert estimate.unknown == ()
    dear = estimate_of(prices={"sqs": 4})
    assert dear.cost.high == pytest.approx(10 * estimate.cost.high)
    repeated = estimate_of(user={"kind": "model_runner_predefined", "requests": "r.json"})
    assert repeated.requests == Between(1000, 3000)


def test_of_kinds_that_tell_nothing_nothing_is_said():
    plan = Plan(scenarios=(closed(shapes.Constant(5)),))
    config = Config(plan=plan, log="")
    assert LoadTest(config).estimate().scenarios == ()
    assert printed(config) == ""
    limited = Config(plan=plan, log="", max_cost=5.0, max_requests=1)
    assert printed(limited) == (
        "max_cost counts requests to SQS and S3 only, and how many of them 's' will send is not "
        "known"
    )


def test_a_class_of_ones_own_can_tell_what_it_sends():
    class Putting(User):
        class Options(msgspec.Struct):
            wait: bool = True  # no wait between iterations, but something of its own

        @classmethod
        def expected_calls(cls, options, load):
            return ExpectedCalls(requests={"s3.PutObject": load.iterations.times(1, 2)})

        @task()
        async def put(self): ...

    def estimated(user):
        scenario = Scenario(name="s", user=user, shape=shapes.Constant(10), duration=10)
        return LoadTest(Config(plan=Plan(scenarios=(scenario,)), log="")).estimate()

    assert estimated(Putting).cost == Between(100 * 5e-6, 200 * 5e-6)

    class Failing(Putting):
        @classmethod
        def expected_calls(cls, options, load):
            return 1 / 0

    with pytest.raises(ConfigError, match=r"Failing.expected_calls fails with ZeroDivisionError: "):
        estimated(Failing)


# -- what is printed ----------------------------------------------------------------


def test_the_plan_says_what_it_costs_on_aws_and_what_is_not_in_it():
    text = printed(config_of())
    assert text.startswith(
        "Cost of requests the list prices as of 2026-11-20, us-west-2, without free tier "
        "jobs 1,000 iterations sqs.SendMessage 1,000 0.000400 USD "
        "sqs.ReceiveMessage 300 to 3,031 0.000120 to 0.00121 USD "
        "sqs.DeleteMessageBatch 300 to 3,000 0.000120 to 0.00120 USD "
        "all 1,600 to 7,031 0.000640 to 0.00281 USD "
        "and 0.000405 USD or more to look at 1,000 images at the start "
        "not in it: what the service under test sends"
    )
    assert "on AWS: here nothing is charged" in printed(config_of(aws={"endpoint_url": "local"}))
    assert "the config's prices as of 2027-01-01, eu-west-1" in printed(
        config_of(prices={"sqs": 1, "as_of": "2027-01-01", "region": "eu-west-1"})
    )
    assert "the run is in eu-west-1, and these are prices of us-west-2" in printed(
        config_of(aws={"region": "eu-west-1"})
    )


def test_users_that_wait_have_a_range_and_those_that_do_not_have_no_end():
    assert "10 to 510 iterations; 510 if every answer were instant" in printed(
        config_of(model="closed")
    )
    assert "10 or more iterations sqs.SendMessage 10 or more 0.00000400 USD or more" in printed(
        config_of(model="closed", user={"wait": 0})
    )


def test_limits_that_the_plan_will_meet_are_warned_of():
    assert printed(config_of(max_requests=1000, max_cost=0.01)).endswith("data transfer")
    assert printed(config_of(max_requests=999)).endswith(
        "max_requests: 999 will end the load early"
    )
    assert printed(config_of(max_cost=0.001)).endswith("max_cost: 0.001 may end the load early")


@pytest.mark.parametrize(
    ("aws", "billed"),
    [
        (AwsConfig(), True),
        (AwsConfig(region="eu-west-1", profile="load"), True),
        (AwsConfig(endpoint_url="local"), False),
        (AwsConfig(endpoint_url="http://localhost:9324"), False),
        (AwsConfig(endpoints={"sqs": "http://localhost:9324"}), False),
        (AwsConfig(endpoints={"sqs": "https://vpce-1.sqs.us-west-2.vpce.amazonaws.com"}), True),
    ],
)
def test_only_aws_sends_bills(monkeypatch, aws, billed):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert is_billed(aws) is billed
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:4566")
    assert not is_billed(aws)


def test_a_run_is_told_its_estimate_before_and_its_bill_after():
    test = LoadTest(config_of())
    estimate = test.estimate()
    assert estimate_line(estimate) == (
        "estimated: 0.000640 to 0.00281 USD for 1,600 to 7,031 requests to AWS, by the list "
        "prices as of 2026-11-20"
    )

    class Sender(User):
        @task()
        async def send(self):
            for name in ("sqs.SendMessage", "s3.PutObject", "think"):
                with self.measure(name):
                    await anyio.sleep(0.001)

    scenario = Scenario(name="s", user=Sender, shape=shapes.Constant(10), duration=10)
    run = LoadTest(Config(plan=Plan(scenarios=(scenario,)), log=""))
    result = anyio.run(run.run, backend_options={"loop_factory": VirtualTimeLoop})
    calls = {"sqs.ReceiveMessage": 50}
    assert bill_line(result.summary, calls, estimate) == (
        "requests to AWS: 0.000560 USD (estimated: 0.000640 to 0.00281 USD) for 100 s3.PutObject, "
        "50 sqs.ReceiveMessage, 100 sqs.SendMessage"
    )
    nothing = anyio.run(
        LoadTest(Config(plan=Plan(scenarios=(closed(shapes.Constant(0), 1),)), log="")).run,
        backend_options={"loop_factory": VirtualTimeLoop},
    )
    assert bill_line(nothing.summary, {}, run.estimate()) == "requests to AWS: 0.00 USD for none"
