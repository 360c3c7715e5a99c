"""Asking Cost Explorer: pages, sums, and a sentence for everything that goes wrong."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.cost.explorer import METRICS, add_up, ask, check_metric, only
from asyncload.cost.window import Span
from asyncload.errors import ConfigError, TargetError
from asyncload.transport.aws.session import Aws
from tests.cost.cost_answers import error, page, prime, result

pytestmark = pytest.mark.slow

UTC = dt.UTC
DAYS = Span(dt.datetime(2026, 11, 17, tzinfo=UTC), dt.datetime(2026, 11, 19, tzinfo=UTC))
HOURS = Span(dt.datetime(2026, 11, 17, 9, tzinfo=UTC), dt.datetime(2026, 11, 17, 11, tzinfo=UTC))


def asked(url, window=DAYS, granularity="daily", metric="UnblendedCost"):
    async def main():
        async with Aws(endpoint_url=url, region="us-east-1", credentials=("key", "secret")) as aws:
            return await ask(aws, window, granularity=granularity, metric=metric)

    return anyio.run(main)


def asked_of(explorer, *answers, **question):
    """Ask one that gives these answers; return what came out (or the error) and the server."""

    async def main():
        async with (
            explorer(*answers) as server,
            Aws(endpoint_url=server.url, region="us-east-1", credentials=("key", "secret")) as aws,
        ):
            window = question.pop("window", DAYS)
            settings = {"granularity": "daily", "metric": "UnblendedCost", **question}
            try:
                return await ask(aws, window, **settings), server
            except TargetError as problem:
                return problem, server

    return anyio.run(main)


# -- answers ------------------------------------------------------------------------


def test_costs_of_all_pages_are_added_by_service_exactly_the_dearest_first(moto_url):
    prime(
        moto_url,
        page(result("2026-11-17", SQS="0.0000300172", SageMaker="10.1"), token="2"),
        page(result("2026-11-17", S3="0.1"), result("2026-11-18", SageMaker="0.2"), token="3"),
        page(result("2026-11-18", S3="0.2", SQS="0.00000000000000000001", estimated=True)),
    )
    costs = asked(moto_url)
    assert list(costs.by_service.items()) == [
        ("SageMaker", Decimal("10.3")),
        ("S3", Decimal("0.3")),
        ("SQS", Decimal("0.00003001720000000001")),
    ]
    assert costs.total == Decimal("10.60003001720000000001")
    assert (costs.currency, costs.estimated, costs.silent) == ("USD", True, ())


def test_the_question_is_what_cost_explorer_wants(explorer):
    answers = [(200, page(result("2026-11-17", A="1"), token="next")), (200, page())]
    costs, server = asked_of(explorer, *answers)
    first, second = server.questions
    assert first == {
        "TimePeriod": {"Start": "2026-11-17", "End": "2026-11-19"},
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"],
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}],
    }
    assert second == {**first, "NextPageToken": "next"}
    assert server.heads[0]["X-Amz-Target"] == "AWSInsightsIndexService.GetCostAndUsage"
    assert "us-east-1/ce/aws4_request" in server.heads[0]["Authorization"]
    assert costs.silent == (dt.datetime(2026, 11, 18, tzinfo=UTC),)

    hourly = (200, page(result("2026-11-17T09:00:00Z", A="1"), result("2026-11-17T10:00:00Z")))
    costs, server = asked_of(explorer, hourly, window=HOURS, granularity="hourly")
    (question,) = server.questions
    assert question["Granularity"] == "HOURLY"
    assert question["TimePeriod"] == {
        "Start": "2026-11-17T09:00:00Z",
        "End": "2026-11-17T11:00:00Z",
    }
    assert costs.silent == (dt.datetime(2026, 11, 17, 10, tzinfo=UTC),)


amounts = st.decimals(-(10**6), 10**6, allow_nan=False, allow_infinity=False, places=10)


@given(
    st.lists(
        st.tuples(st.sampled_from(["2026-11-17", "2026-11-18"]), st.sampled_from("ABC"), amounts),
        min_size=1,
        max_size=30,
    )
)
def test_sums_are_those_of_the_amounts_however_they_are_cut_into_results(entries):
    results = [result(day, **{service: str(amount)}) for day, service, amount in entries]
    costs = add_up(results, DAYS, granularity="daily", metric="UnblendedCost")
    for service in "ABC":
        expected = sum(amount for _, name, amount in entries if name == service)
        assert costs.by_service.get(service, 0) == expected
    assert costs.total == sum(amount for _, _, amount in entries)
    values = list(costs.by_service.values())
    assert values == sorted(values, reverse=True)


def test_services_are_kept_by_name_in_any_case_and_those_without_costs_are_told():
    costs = add_up(
        [result("2026-11-17", AWS_Lambda="1", Amazon_SageMaker="2")],
        DAYS, granularity="daily", metric="UnblendedCost",
    )  # fmt: skip
    kept, missing = only(costs, ["amazon sagemaker", "AWS Glue"])
    assert kept.by_service == {"Amazon SageMaker": Decimal(2)}
    assert missing == ["AWS Glue"]
    with pytest.raises(ConfigError, match=r"'Amazon Sagemakr' has .* did you mean 'Amazon SageM"):
        only(costs, ["Amazon Sagemakr"])
    with pytest.raises(ConfigError, match=r"there are 'Amazon SageMaker', 'AWS Lambda'$"):
        only(costs, ["SQS"])


def test_metrics_are_those_of_money():
    assert [check_metric(name.lower()) for name in METRICS] == list(METRICS)
    with pytest.raises(ConfigError, match="is an amount of usage, not of money; use UnblendedCost"):
        check_metric("UsageQuantity")
    with pytest.raises(
        ConfigError, match="no metric 'AmortisedCost'; did you mean 'AmortizedCost'"
    ):
        check_metric("AmortisedCost")


# -- errors -------------------------------------------------------------------------

NO_DATA = (
    "Cost Explorer knows no costs from 2026-11-17 00:00:00 UTC to 2026-11-19 00:00:00 UTC: they "
    "come 24 to 48 hours late, so ask again later, or check that these credentials are of the "
    "account that was billed"
)
REFUSALS = {
    "permission": (
        400,
        error(
            "AccessDeniedException", "User: arn:x is not authorized to perform: ce:GetCostAndUsage"
        ),
        "Cost Explorer denies access; give these credentials the permission ce:GetCostAndUsage",
    ),
    "never opened": (
        400,
        error("AccessDeniedException", "User not enabled for cost explorer access"),
        "Cost Explorer is not enabled for this account or user (AccessDeniedException: User not ",
    ),
    "no data yet": (400, error("DataUnavailableException", "Data is not available."), NO_DATA),
    "too old": (
        400,
        error("BillExpirationException", "Expired."),
        "Cost Explorer no longer keeps the costs from 2026-11-17 00:00:00 UTC to 2026-11-19 ",
    ),
    "bad question": (
        400,
        error("ValidationException", "Start date should not be in the future"),
        "Cost Explorer refuses the question (ValidationException: Start date should not be ",
    ),
    "page lost": (
        400,
        error("InvalidNextTokenException", "Bad token."),
        "Cost Explorer lost its place between two pages (InvalidNextTokenException: Bad token.)",
    ),
    "page changed": (
        400,
        error("RequestChangedException"),
        "Cost Explorer lost its place between two pages (RequestChangedException); ask again",
    ),
    "other": (
        400,
        error("BillingViewHealthStatusException", "Unhealthy."),
        "asking Cost Explorer failed at ",
    ),
    "credentials": (
        400,
        error("UnrecognizedClientException", "The security token is invalid."),
        "http://127.0.0.1:",
    ),
    "an answer about another metric": (
        200,
        page(result("2026-11-17", metric="BlendedCost", A="1")),
        "http://127.0.0.1:",
    ),
    "a page of a proxy": (200, "<html>welcome</html>", "http://127.0.0.1:"),
    "another service": (200, {"hello": 1}, "http://127.0.0.1:"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_each_refusal_is_one_sentence_that_says_what_to_do(explorer, refusal):
    status, body, says = REFUSALS[refusal]
    problem, _ = asked_of(explorer, (status, body))
    assert isinstance(problem, TargetError), problem
    assert str(problem).startswith(says)
    assert "\n" not in str(problem)
    assert ";" in str(problem) or "check" in str(problem) or refusal == "other"


@pytest.mark.parametrize("code", ["LimitExceededException", "ThrottlingException"])
def test_a_throttle_is_retried_and_then_told(explorer, code):
    told, server = asked_of(
        explorer, (400, error(code, "Rate exceeded")), (200, page(result("2026-11-17", A="1")))
    )
    assert told.total == 1
    assert len(server.questions) == 2
    problem, _ = asked_of(explorer, (400, error(code, "Rate exceeded")))
    assert str(problem).startswith(f"Cost Explorer was asked too often ({code}: Rate exceeded); ")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDeniedException", "HOURLY data is not publicly supported yet"),
        ("ValidationException", "Hourly granularity is not enabled for this account"),
        ("DataUnavailableException", "hourly data are not enabled"),
    ],
)
def test_hours_that_are_not_enabled_are_told_from_other_refusals(explorer, code, message):
    question = {"window": HOURS, "granularity": "hourly"}
    problem, _ = asked_of(explorer, (400, error(code, message)), **question)
    assert str(problem) == (
        f"Cost Explorer has no hourly data for this account ({code}: {message}); enable hourly "
        "granularity in its preferences in the AWS console, or use --granularity daily"
    )


def test_a_token_that_comes_again_ends_the_asking(explorer):
    problem, server = asked_of(explorer, (200, page(result("2026-11-17", A="1"), token="same")))
    assert str(problem) == "Cost Explorer gives the same page again and again; ask later"
    assert len(server.questions) == 2


def test_an_answer_without_costs_is_told_as_such(explorer, moto_url):
    problem, _ = asked_of(explorer, (200, page(result("2026-11-17"), result("2026-11-18"))))
    assert str(problem) == NO_DATA
    prime(moto_url)
    with pytest.raises(TargetError) as raised:  # moto knows nothing at all unless told
        asked(moto_url)
    assert str(raised.value) == NO_DATA


def test_amounts_that_cannot_be_added_are_refused(explorer):
    mixed = page(result("2026-11-17", A="1"), result("2026-11-18", unit="CNY", A="7"))
    problem, _ = asked_of(explorer, (200, mixed))
    assert str(problem).startswith("Cost Explorer tells costs in CNY and USD, which cannot be ")
    problem, _ = asked_of(explorer, (200, page(result("2026-11-17", A="NaN"))))
    assert str(problem).startswith("Cost Explorer tells the amount 'NaN', which is no number")


def test_one_that_is_not_there_is_told_with_its_address():
    with pytest.raises(TargetError) as raised:
        asked("http://127.0.0.1:9")
    assert str(raised.value).startswith("cannot reach http://127.0.0.1:9; check the network")


def test_secrets_of_an_answer_stay_out_of_the_sentence(explorer):
    message = "Authorization=AWS4-HMAC-SHA256 Credential=AKIAABCDEFGHIJKLMNOP/x is not right"
    problem, _ = asked_of(explorer, (400, error("ValidationException", message)))
    assert "AKIA" not in str(problem)
    assert "AWS4" not in str(problem)
