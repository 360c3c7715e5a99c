"""`asyncload cost` as a user meets it: with moto as AWS, and with one that refuses."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from moto.server import ThreadedMotoServer

from tests.cost.cost_answers import error, page, prime, result

pytestmark = pytest.mark.slow

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
SUMMARY = {
    "total_image_sent": 1200,
    "total_image_in_progress": 0,
    "total_image_processed": 1000,
    "total_image_succeeded": 990,
    "total_image_failed": 10,
    "total_gb_processed": 12.5,
    "total_pixels_processed": 45_000_000_000,
    "start_time": "2026-07-18T09:00:00",
    "stop_time": "2026-07-18T12:00:00",
}
DAY = ("--start", "2026-07-18", "--end", "2026-07-19")


@pytest.fixture(scope="module")
def moto_url():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def cost(asyncload, moto_url):
    """The command, with a summary beside it; moto answers unless a test says otherwise."""
    (asyncload.folder / "job_summary.json").write_text(json.dumps(SUMMARY))

    def run(*arguments, **environment):
        where = {"AWS_ENDPOINT_URL_COST_EXPLORER": moto_url, **KEYS, **environment}
        return asyncload("cost", *arguments, COLUMNS="120", **where)

    run.folder = asyncload.folder
    return run


def costs(*days):
    return page(
        *(
            result(day, Amazon_SageMaker="20.5", Amazon_Simple_Queue_Service="0.00002")
            for day in days
        )
    )


def test_a_run_is_told_its_cost_and_the_report_is_written(cost, moto_url):
    prime(moto_url, costs("2026-07-18"))
    ended = cost("job_summary.json", "--output", "cost.json")
    assert (ended.returncode, ended.stderr) == (0, "")
    rows = [line.split() for line in ended.stdout.splitlines()]
    assert ["total", "20.50", "USD", "2.56", "USD"] in rows
    assert ["per", "hour", "of", "the", "run", "6.83", "USD", "0.854", "USD"] in rows
    assert ["per", "image", "0.0205", "USD", "0.00256", "USD"] in rows
    assert ["Amazon", "SageMaker", "20.50", "USD", "100.0", "%"] in rows
    assert "Note: times without a zone are taken as UTC." in ended.stdout
    assert ended.stdout.endswith("\nwritten to cost.json\n")
    report = json.loads((cost.folder / "cost.json").read_text())
    assert report["cost_summary"]["total_cost"] == 20.50002
    assert report["cost_summary"]["cost_per_gigapixel"] == pytest.approx(20.50002 / 45)
    assert report["costs_by_service"]["Amazon SageMaker"] == 20.5
    assert report["run"]["total_image_processed"] == 1000


def test_a_time_will_do_in_place_of_a_summary(cost, moto_url):
    prime(moto_url, costs("2026-07-18", "2026-07-19"))
    ended = cost("--start", "2026-07-18T09:00Z", "--end", "2026-07-19T09:00Z",
                 "--service", "amazon simple queue service", "--service", "Amazon S3")  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "2 whole days, 2026-07-18 00:00 to 2026-07-20 00:00 UTC" in ended.stdout
    rows = [line.split() for line in ended.stdout.splitlines()]
    assert ["total", "0.0000400", "USD", "0.0000200", "USD"] in rows
    assert "SageMaker" not in ended.stdout
    assert "Note: the service 'Amazon S3' has no costs in that time." in ended.stdout
    assert "without a zone" not in ended.stdout


def test_the_general_endpoint_variable_works_too(cost, moto_url):
    prime(moto_url, costs("2026-07-18"))
    ended = cost(*DAY, AWS_ENDPOINT_URL=moto_url, AWS_ENDPOINT_URL_COST_EXPLORER="")
    assert ended.returncode == 0


def test_a_run_of_today_has_hours_and_is_told_to_be_young(cost, moto_url):
    start = dt.datetime.now(dt.UTC) - dt.timedelta(hours=3)
    hour = start.replace(minute=0, second=0, microsecond=0)
    stop = hour + dt.timedelta(hours=1)
    prime(moto_url, page(result(f"{hour:%Y-%m-%dT%H:%M:%SZ}", estimated=True, A="1")))
    ended = cost("--start", hour.isoformat(), "--end", stop.isoformat(), "--granularity", "hourly")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "1 whole hour, " in ended.stdout
    assert "Note: costs come 24 to 48 hours late, and the run ended " in ended.stdout
    assert "Note: Cost Explorer calls these costs estimated" in ended.stdout


def test_nothing_known_is_no_report(cost, moto_url):
    prime(moto_url)
    ended = cost("job_summary.json", "--output", "cost.json")
    assert ended.sentence.startswith(
        "Cost Explorer knows no costs from 2026-07-18 00:00:00 UTC to 2026-07-19 00:00:00 UTC: "
        "they come 24 to 48 hours late"
    )
    assert (ended.returncode, ended.stdout) == (4, "")
    assert not (cost.folder / "cost.json").exists()


MISTAKES = {
    "neither": ((), "give the job_summary.json of a run, or a time with both --start and --end"),
    "both": (
        ("job_summary.json", "--start", "2026-07-18"),
        "give either a summary, or --start and --end; not both",
    ),
    "no end": (
        ("--start", "2026-07-18"),
        "give the job_summary.json of a run, or a time with both --start and --end",
    ),
    "backwards": (
        ("--start", "2026-07-18", "--end", "2026-07-17"),
        (
            "--end: the end, 2026-07-17 00:00:00 UTC, is not after the start, "
            "2026-07-18 00:00:00 UTC; give the times of a run"
        ),
    ),
    "no time": (
        ("--start", "today", "--end", "2026-07-17"),
        "--start: 'today' is no time; write it like 2026-11-20T09:30:00Z",
    ),
    "no file": (
        ("nowhere.json",),
        "nowhere.json: there is no such file; name the job_summary.json of a run",
    ),
    "no metric": (
        (*DAY, "--metric", "UnblendedCosts"),
        "--metric: there is no metric 'UnblendedCosts'; did you mean 'UnblendedCost'?",
    ),
    "no money": (
        (*DAY, "--metric", "UsageQuantity"),
        (
            "--metric: 'UsageQuantity' is an amount of usage, not of money; use UnblendedCost, "
            "BlendedCost, AmortizedCost, NetUnblendedCost, NetAmortizedCost"
        ),
    ),
    "hours long ago": (
        (*DAY, "--granularity", "hourly"),
        (
            "--granularity hourly: Cost Explorer keeps hours for 14 days, and the run began on "
            "2026-07-18; use --granularity daily"
        ),
    ),
    "no folder": (
        (*DAY, "--output", "nowhere/cost.json"),
        "--output: there is no folder nowhere; make it first",
    ),
    "no profile": (
        (*DAY, "--profile", "nobody"),
        (
            "--profile: the profile 'nobody' is not in the AWS config files; name one that is, "
            "or leave it out"
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_cost_nothing_and_one_sentence(cost, mistake):
    arguments, says = MISTAKES[mistake]
    ended = cost(*arguments, AWS_ENDPOINT_URL_COST_EXPLORER="http://127.0.0.1:9")
    assert (ended.sentence, ended.returncode, ended.stdout) == (says, 2, "")


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (
            error("AccessDeniedException", "User: arn:x is not authorized to perform: ce:Get"),
            (
                "Cost Explorer denies access; give these credentials the permission "
                "ce:GetCostAndUsage, or use others with --profile"
            ),
        ),
        (
            error("LimitExceededException", "You made too many calls"),
            (
                "Cost Explorer was asked too often (LimitExceededException: You made too many "
                "calls); wait a minute and ask again"
            ),
        ),
        (
            error("DataUnavailableException", "The requested data is unavailable."),
            (
                "Cost Explorer knows no costs from 2026-07-18 00:00:00 UTC to 2026-07-19 00:00:00 "
                "UTC: they come 24 to 48 hours late, so ask again later, or check that these "
                "credentials are of the account that was billed"
            ),
        ),
    ],
)
def test_refusals_end_with_code_4(cost, fake_aws, refusal, says):
    aws = fake_aws(400, json.dumps(refusal), "application/x-amz-json-1.1")
    ended = cost(*DAY, AWS_ENDPOINT_URL_COST_EXPLORER=aws.url)
    assert (ended.sentence, ended.returncode, ended.stdout) == (says, 4, "")


def test_without_credentials_or_a_network_the_remedy_is_told(cost):
    ended = cost(*DAY, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert ended.sentence == (
        "no AWS credentials were found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, or give --profile"
    )
    assert ended.returncode == 4
    ended = cost(*DAY, AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_ENDPOINT_URL_COST_EXPLORER="")
    assert ended.sentence.startswith("cannot reach http://127.0.0.1:9; check the network, and ")
    assert ended.returncode == 4
