"""An estimate in the terminal before a run, and what was really sent after it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.text import Text

from asyncload.config.model import AwsConfig, Config
from asyncload.config.prices import Prices
from asyncload.cost.estimate import Estimate, ScenarioEstimate
from asyncload.report.tables.layout import indented, plain_table
from asyncload.stats import units
from asyncload.stats.metrics import Summary
from asyncload.transport.aws.endpoints import Endpoints
from asyncload.users.call_estimate import Between

_NOT_IN_IT: Final = (
    "not in it: what the service under test sends, stores and runs on (instances, inference), "
    "and data transfer"
)
_BILLED: Final = ("sqs", "s3", "sagemaker-runtime")
"""Services whose requests are counted in an estimate."""


def is_billed(aws: AwsConfig) -> bool:
    """Whether requests go to AWS, and not to the embedded stack or an emulator."""
    if aws.is_local:
        return False
    endpoints = Endpoints.offline(aws.endpoint_url, aws.endpoints, aws.profile)
    found = [endpoints.shown(service) for service in {*_BILLED, *aws.endpoints}]
    hosts = (urlsplit(endpoint.url).hostname or "" for endpoint in found if endpoint is not None)
    return all(host.endswith((".amazonaws.com", ".amazonaws.com.cn")) for host in hosts)


def print_estimate(estimate: Estimate, config: Config, console: Console) -> None:
    """Print what each scenario will send and cost, and which limits it will meet."""
    prices = estimate.prices
    if estimate.scenarios:
        console.print()
        aside = f"{_price_list(prices)}, {prices.region}, without free tier"
        console.print(Text("Cost of requests", "bold").append(f"  {aside}", "not bold dim"))
        for scenario in estimate.scenarios:
            _print_scenario(scenario, prices.currency, console)
        if len(estimate.scenarios) > 1:
            total = f"all: {_number(estimate.calls)} requests, "
            indented(Text(total + _money(estimate.cost, prices.currency)), console)
        if not is_billed(config.aws):
            indented(Text("on AWS: here nothing is charged", "dim"), console)
        indented(Text(_NOT_IN_IT, "dim"), console)
        region = config.aws.region
        if region is not None and region != prices.region and is_billed(config.aws):
            text = f"the run is in {region}, and these are prices of {prices.region}: set prices"
            indented(Text(units.one_line(text), "yellow"), console)
    warnings = estimate.warnings(max_requests=config.max_requests, max_cost=config.max_cost)
    if warnings:
        console.print()
    for warning in warnings:
        console.print(Text(units.one_line(warning), "yellow"))


def estimate_line(estimate: Estimate) -> str:
    """Say in one line what a run will cost."""
    return (
        f"estimated: {_money(estimate.cost, estimate.prices.currency)} for "
        f"{_number(estimate.calls)} requests to AWS, by {_price_list(estimate.prices)}"
    )


def bill_line(summary: Summary, calls: Mapping[str, int], estimate: Estimate) -> str:
    """Say in one line what the requests of a run cost; ``calls`` are those of no user."""
    prices = estimate.prices
    sent = Counter(calls)
    for row in summary.requests_by_name:
        if prices.of(row.name):
            sent[row.name] += row.count
    cost = sum((prices.of(name) * number for name, number in sent.items()), Decimal(0))
    line = f"requests to AWS: {units.money(cost, prices.currency)}"
    if estimate.scenarios and not estimate.unknown:
        line += f" (estimated: {_money(estimate.cost, prices.currency)})"
    text = ", ".join(f"{units.count(number)} {name}" for name, number in sorted(sent.items()))
    return f"{line} for {text or 'none'}"


def _print_scenario(scenario: ScenarioEstimate, currency: str, console: Console) -> None:
    number = scenario.iterations
    text = f"{_number(number)} iterations"
    if number.low < number.high < math.inf:
        text += f"; {units.count(number.high)} if every answer were instant"
    indented(Text.assemble((units.one_line(scenario.scenario), "cyan"), "  ", text), console)
    table = plain_table([("", "left"), ("", "right"), ("", "right")], header=False)
    for call in scenario.lines:
        table.add_row(Text(call.name, "dim"), _number(call.calls), _money(call.cost, currency))
    table.add_row(
        Text("all"), Text(_number(scenario.calls)), Text(_money(scenario.cost, currency), "bold")
    )
    indented(table, console)
    if scenario.per_image:
        each = units.money(1000 * scenario.per_image, currency)
        indented(Text(f"and {each} or more to look at 1,000 images at the start"), console)


def _price_list(prices: Prices) -> str:
    what = "the list prices" if prices == Prices() else "the config's prices"
    return f"{what} as of {prices.as_of}"


def _number(number: Between) -> str:
    low = units.count(number.low)
    if number.high == math.inf:
        return f"{low} or more"
    high = units.count(number.high)
    return low if low == high else f"{low} to {high}"


def _money(cost: Between, currency: str) -> str:
    low = units.money(cost.low, currency)
    if cost.high == math.inf:
        return f"{low} or more"
    high = units.money(cost.high, currency)
    return low if low == high else f"{low.removesuffix(f' {currency}')} to {high}"
