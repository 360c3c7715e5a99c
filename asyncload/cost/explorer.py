"""Asking AWS Cost Explorer what the services cost.

The API has one endpoint (us-east-1), charges 0.01 USD a question, and is told
of costs 24 to 48 hours after they came about.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from asyncload.cost.window import STEPS, Granularity, Span, format_time
from asyncload.errors import ConfigError, TargetError
from asyncload.transport.aws.session import Aws
from asyncload.transport.error_text import describe, error_code, hide_secrets

REGION: Final = "us-east-1"
METRICS: Final = (
    "UnblendedCost",
    "BlendedCost",
    "AmortizedCost",
    "NetUnblendedCost",
    "NetAmortizedCost",
)
_OF_USAGE: Final = ("UsageQuantity", "NormalizedUsageAmount")
_DOING: Final = "asking Cost Explorer"
_THROTTLED: Final = {
    "LimitExceededException",
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What Cost Explorer told."""

    by_service: dict[str, Decimal]
    """The dearest first."""
    currency: str
    estimated: bool
    """Whether it says of any of it that it may still change."""
    silent: tuple[dt.datetime, ...] = ()
    """Starts of the hours or days of which it knows no costs at all."""

    @property
    def total(self) -> Decimal:
        """The sum."""
        return sum(self.by_service.values(), Decimal(0))


def check_metric(name: str) -> str:
    """Give the metric called ``name``, in any case. Raises :class:`ConfigError`."""
    known = {metric.lower(): metric for metric in METRICS}
    if name.lower() in known:
        return known[name.lower()]
    if name.lower() in {other.lower() for other in _OF_USAGE}:
        raise ConfigError(
            f"--metric: {name!r} is an amount of usage, not of money; use {', '.join(METRICS)}"
        )
    near = difflib.get_close_matches(name, METRICS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"use {', '.join(METRICS)}"
    raise ConfigError(f"--metric: there is no metric {name!r}; {hint}")


async def ask(aws: Aws, window: Span, *, granularity: Granularity, metric: str) -> Costs:
    """Ask for the costs in ``window``, which is whole hours or days, page by page.

    Raises :class:`TargetError` in one sentence for whatever goes wrong, and
    when there are no costs to tell.
    """
    question: dict[str, Any] = {
        "TimePeriod": {
            "Start": _moment(window.start, granularity),
            "End": _moment(window.stop, granularity),
        },
        "Granularity": granularity.upper(),
        "Metrics": [metric],
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}],
    }
    results: list[Mapping[str, Any]] = []
    tokens: set[str] = set()
    async with aws.explained(_DOING, **_remedies(aws)):
        client = await aws.client("ce", region=REGION, retries=True)
        while True:
            try:
                page = await client.get_cost_and_usage(**question)
            except Exception as problem:
                sentence = _refusal(problem, window, granularity)
                if sentence is None:
                    raise
                raise TargetError(sentence) from None
            results += page["ResultsByTime"]
            token = page.get("NextPageToken")
            if not token:
                break
            if token in tokens:
                raise TargetError("Cost Explorer gives the same page again and again; ask later")
            tokens.add(token)
            question["NextPageToken"] = token
        return add_up(results, window, granularity=granularity, metric=metric)


def add_up(
    results: Iterable[Mapping[str, Any]], window: Span, *, granularity: Granularity, metric: str
) -> Costs:
    """Add up ``ResultsByTime`` of all pages by service, exactly.

    Raises :class:`TargetError` when there is nothing to add, or amounts that
    cannot be added, and ``KeyError`` for what is no such answer.
    """
    amounts: dict[str, Decimal] = {}
    currencies: set[str] = set()
    covered: set[dt.datetime] = set()
    estimated = False
    for result in results:
        groups = result.get("Groups") or ()
        if groups:
            covered.add(_start(result))
        estimated |= bool(result.get("Estimated")) and bool(groups)
        for group in groups:
            cost = group["Metrics"][metric]
            service = group["Keys"][0]
            amounts[service] = amounts.get(service, Decimal(0)) + _amount(cost["Amount"])
            currencies.add(cost["Unit"])
    if not amounts:
        raise TargetError(_nothing(window))
    if len(currencies) > 1:
        raise TargetError(
            f"Cost Explorer tells costs in {' and '.join(sorted(currencies))}, which cannot be "
            "added; ask for the services of one currency with the AWS console"
        )
    step = STEPS[granularity]
    periods = [window.start + n * step for n in range((window.stop - window.start) // step)]
    return Costs(
        by_service=dict(sorted(amounts.items(), key=lambda item: (-item[1], item[0]))),
        currency=currencies.pop(),
        estimated=estimated,
        silent=tuple(one for one in periods if one not in covered),
    )


def only(costs: Costs, names: Sequence[str]) -> tuple[Costs, list[str]]:
    """Keep the services called ``names``, in any case; give those of the names that have no costs.

    Raises :class:`ConfigError` when none has: then a name is wrong.
    """
    wanted = {name.strip().lower(): name for name in names}
    kept = {name: cost for name, cost in costs.by_service.items() if name.lower() in wanted}
    found = {name.lower() for name in kept}
    missing = [name for key, name in wanted.items() if key not in found]
    if not kept:
        near = {name.lower(): name for name in costs.by_service}
        close = difflib.get_close_matches(missing[0].lower(), near, n=1, cutoff=0.75)
        hint = f"did you mean {near[close[0]]!r}?" if close else f"there are {_listed(near)}"
        raise ConfigError(f"--service: {missing[0]!r} has no costs in that time; {hint}")
    return msgspec.structs.replace(costs, by_service=kept), missing


def _listed(services: Mapping[str, str]) -> str:
    names = [repr(name) for name in services.values()]
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except (InvalidOperation, TypeError):
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise TargetError(f"Cost Explorer tells the amount {text!r}, which is no number; ask again")
    return amount


def _start(result: Mapping[str, Any]) -> dt.datetime:
    text = result["TimePeriod"]["Start"]
    try:
        start = dt.datetime.fromisoformat(text)
    except ValueError:
        raise KeyError(text) from None  # no answer of Cost Explorer
    return start.replace(tzinfo=dt.UTC) if start.tzinfo is None else start


def _moment(time: dt.datetime, granularity: Granularity) -> str:
    return f"{time:%Y-%m-%d}" if granularity == "daily" else f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _between(window: Span) -> str:
    return f"from {format_time(window.start)} to {format_time(window.stop)}"


def _nothing(window: Span) -> str:
    return (
        f"Cost Explorer knows no costs {_between(window)}: they come 24 to 48 hours late, so ask "
        "again later, or check that these credentials are of the account that was billed"
    )


def _remedies(aws: Aws) -> dict[str, str]:
    """Sentences for what may go wrong on the way to Cost Explorer, by error code."""
    endpoint = aws.endpoints.shown("ce")
    where = hide_secrets(endpoint.url) if endpoint else f"Cost Explorer in {REGION}"
    unreachable = f"cannot reach {where}; check the network, and AWS_ENDPOINT_URL if it is set"
    nobody = (
        "no AWS credentials were found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, or give --profile"
    )
    late = f"{where} does not answer; try again, and check AWS_ENDPOINT_URL if it is set"
    return {
        **dict.fromkeys(("NoCredentialsError", "PartialCredentialsError"), nobody),
        **dict.fromkeys(
            ("ConnectTimeoutError", "ConnectionClosedError", "EndpointConnectionError"), unreachable
        ),
        **dict.fromkeys(("ReadTimeoutError", "TimeoutError"), late),
    }


def _refusal(problem: Exception, window: Span, granularity: Granularity) -> str | None:
    """Say what an error of Cost Explorer's own means; ``None`` for any other."""
    code = (error_code(problem) or "").rpartition("#")[2]
    message = describe(problem)
    hourly = granularity == "hourly" and "hourly" in message.lower()
    if code and hourly:
        return (
            f"Cost Explorer has no hourly data for this account ({message}); enable hourly "
            "granularity in its preferences in the AWS console, or use --granularity daily"
        )
    if code.startswith("AccessDenied") and "not enabled" in message:
        return (
            f"Cost Explorer is not enabled for this account or user ({message}); enable it in the "
            "AWS console, where data then come within 24 hours"
        )
    if code.startswith("AccessDenied"):
        return (
            "Cost Explorer denies access; give these credentials the permission "
            "ce:GetCostAndUsage, or use others with --profile"
        )
    if code == "DataUnavailableException":
        return _nothing(window)
    if code == "BillExpirationException":
        return (
            f"Cost Explorer no longer keeps the costs {_between(window)} ({message}); "
            "it goes back 13 months"
        )
    if code in _THROTTLED:
        return f"Cost Explorer was asked too often ({message}); wait a minute and ask again"
    if code in {"InvalidNextTokenException", "RequestChangedException"}:
        return f"Cost Explorer lost its place between two pages ({message}); ask again"
    if code == "ValidationException":
        return f"Cost Explorer refuses the question ({message}); give another time or granularity"
    return None
