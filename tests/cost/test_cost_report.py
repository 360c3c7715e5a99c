"""The cost of a run in numbers, in the terminal and as a file."""

from __future__ import annotations

import datetime as dt
import io
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from asyncload.cost.explorer import Costs
from asyncload.cost.report import make_report, write_report
from asyncload.cost.show import print_report
from asyncload.cost.totals import Totals, read_summary
from asyncload.cost.window import Span, covering
from asyncload.errors import ConfigError

UTC = dt.UTC
RUN = Span(dt.datetime(2026, 11, 17, 9, tzinfo=UTC), dt.datetime(2026, 11, 17, 12, tzinfo=UTC))
LATER = dt.datetime(2026, 11, 30, tzinfo=UTC)
TOTALS = Totals(
    total_image_sent=120,
    total_image_in_progress=0,
    total_image_processed=100,
    total_image_succeeded=90,
    total_image_failed=10,
    total_gb_processed=12.5,
    total_pixels_processed=5_000_000_000,
)
COSTS = Costs(
    by_service={"Amazon SageMaker": Decimal(6), "Amazon Simple Queue Service": Decimal("0.0012")},
    currency="USD",
    estimated=False,
)


def report_of(run=RUN, totals=TOTALS, costs=COSTS, *, granularity="daily", now=LATER, notes=()):
    return make_report(
        run,
        totals,
        costs,
        window=covering(run, granularity),
        granularity=granularity,
        metric="UnblendedCost",
        now=now,
        notes=notes,
    )


def shown(report, width=120):
    console = Console(file=io.StringIO(), width=width)
    print_report(report, console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def test_costs_are_given_for_each_hour_image_gib_and_gigapixel_on_both_assumptions():
    report = report_of()
    assert report.share == Decimal("0.125")  # 3 of 24 hours
    whole, by_time = report.whole, report.by_time
    assert whole.total == Decimal("6.0012")
    assert whole.per_hour == Decimal("6.0012") / 3
    assert whole.per_image == Decimal("6.0012") / 100
    assert whole.per_gb == Decimal("6.0012") / Decimal("12.5")
    assert whole.per_gigapixel == Decimal("6.0012") / 5
    assert by_time.total == Decimal("6.0012") / 8
    assert by_time.per_image == Decimal("6.0012") / 800
    assert by_time.per_hour == Decimal("6.0012") / 24


money = st.decimals(0, 10**6, allow_nan=False, allow_infinity=False, places=9)


@given(
    st.dictionaries(st.text(min_size=1, max_size=5), money, min_size=1),
    st.integers(1, 10**7),
    st.floats(1e-6, 1e6),
    st.integers(1, 10**15),
    st.timedeltas(dt.timedelta(seconds=1), dt.timedelta(days=30)),
)
def test_what_each_thing_cost_adds_up_to_what_all_cost(services, images, gib, pixels, length):
    totals = Totals(
        total_image_processed=images, total_gb_processed=gib, total_pixels_processed=pixels
    )
    run = Span(RUN.start, RUN.start + length)
    report = report_of(run, totals, Costs(by_service=services, currency="USD", estimated=False))
    total = sum(services.values())
    assert report.whole.total == total
    for figures, cost in ((report.whole, total), (report.by_time, report.by_time.total)):
        for each, number in (
            (figures.per_hour, run.hours),
            (figures.per_image, images),
            (figures.per_gb, Decimal(str(gib))),
            (figures.per_gigapixel, Decimal(pixels) / 10**9),
        ):
            assert float(each * number) == pytest.approx(float(cost), rel=1e-9)
    assert report.by_time.total <= total
    assert float(report.by_time.total) == pytest.approx(float(total * report.share), rel=1e-9)


def test_nothing_is_divided_by_nothing_and_the_reason_is_given():
    nothing = Totals(
        total_image_sent=3,
        total_image_processed=0,
        total_gb_processed=0.0,
        total_pixels_processed=0,
    )
    report = report_of(totals=nothing)
    assert report.whole.per_image is report.whole.per_gb is report.whole.per_gigapixel is None
    text = shown(report)
    for label in ("per image", "per GiB", "per gigapixel"):
        line = next(line for line in text.splitlines() if label in line)
        assert line.split()[-5:] == ["–", "–", "nothing", "was", "processed"]
    assert "not in the summary" in shown(report_of(totals=Totals()))
    assert "not known without a summary" in shown(report_of(totals=None))


def test_the_table_says_what_of_and_on_which_assumption():
    text = shown(report_of())
    assert "2026-11-17 09:00:00 UTC" in text
    assert "2026-11-17 12:00:00 UTC, 3:00:00 later" in text
    assert "120 sent, 100 processed, 90 succeeded, 10 failed, 0 in progress" in text
    assert "12.5 GiB, 5.00 gigapixels" in text
    assert (
        "1 whole day, 2026-11-17 00:00 to 2026-11-18 00:00 UTC; the run is 12.5 % of that time"
    ) in text
    rows = [line.split() for line in text.splitlines()]
    assert ["total", "6.00", "USD", "0.750", "USD"] in rows
    assert ["per", "image", "0.0600", "USD", "0.00750", "USD"] in rows
    assert ["Amazon", "SageMaker", "6.00", "USD", "100.0", "%"] in rows
    assert ["Amazon", "Simple", "Queue", "Service", "0.00120", "USD", "<", "0.1", "%"] in rows
    assert (
        "all of it: as if nothing else had cost anything in that time; share of the time: as if "
        "all costs came about evenly over it"
    ) in " ".join(text.split())
    assert "Note" not in text


def test_a_run_of_whole_hours_has_one_number_for_each():
    text = shown(report_of(granularity="hourly"))
    assert "3 whole hours, 2026-11-17 09:00 to 2026-11-17 12:00 UTC: as long as the run" in text
    assert "share of the time" not in text
    assert "as if nothing else had cost anything in that time" in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_table_fits_the_terminal(width):
    long = Costs(
        by_service={"Amazon Elastic Compute Cloud - Compute of a very long name": Decimal("1e6")},
        currency="USD",
        estimated=True,
    )
    text = shown(report_of(costs=long, notes=["times without a zone are taken as UTC"]), width)
    assert max(map(len, text.splitlines())) <= width


def test_what_makes_the_numbers_doubtful_is_noted():
    young = RUN.stop + dt.timedelta(hours=5)
    costs = Costs(
        by_service={"A": Decimal(5), "Refund": Decimal(-1)},
        currency="USD",
        estimated=True,
        silent=(RUN.start, RUN.stop),
    )
    report = report_of(costs=costs, now=young, granularity="hourly", notes=["first"])
    assert report.notes == (
        "first",
        (
            "costs come 24 to 48 hours late, and the run ended 5 hours ago: more may be added; ask "
            "again after 2026-11-19 12:00:00 UTC"
        ),
        "no costs are known of 2 hours, the first beginning 2026-11-17 09:00:00 UTC",
        "Cost Explorer calls these costs estimated: they change until the bill is final",
        "amounts below 0 are credits or refunds; shares are left out",
    )
    assert "%" not in shown(report).partition("Services")[2]
    assert "less than an hour ago" in report_of(now=RUN.stop).notes[0]


def test_the_file_has_all_numbers_with_their_digits(tmp_path):
    path = tmp_path / "cost.json"
    costs = Costs(
        by_service={"A": Decimal("0.1234567890123456789"), "B": Decimal(0)},
        currency="USD",
        estimated=False,
    )
    write_report(report_of(costs=costs), path)
    content = json.loads(path.read_text(), parse_float=Decimal)
    assert content["costs_by_service"] == {"A": Decimal("0.1234567890123456789"), "B": 0}
    assert content["cost_summary"]["total_cost"] == Decimal("0.1234567890123456789")
    assert content["cost_summary"]["cost_per_image"] == Decimal("0.00123456789012")
    assert content["cost_summary_by_time"]["total_cost"] == Decimal("0.0154320986265")
    assert content["run"] == {
        "start_time": "2026-11-17T09:00:00+00:00",
        "stop_time": "2026-11-17T12:00:00+00:00",
        "hours": 3,
        "total_image_sent": 120,
        "total_image_in_progress": 0,
        "total_image_processed": 100,
        "total_image_succeeded": 90,
        "total_image_failed": 10,
        "total_gb_processed": Decimal("12.5"),
        "total_pixels_processed": 5_000_000_000,
        "gigapixels": 5,
    }
    assert content["time_period"] == {
        "start": "2026-11-17T00:00:00+00:00",
        "end": "2026-11-18T00:00:00+00:00",
        "hours": 24,
        "granularity": "daily",
        "share_of_run": Decimal("0.125"),
    }
    assert (content["metric"], content["currency"]) == ("UnblendedCost", "USD")
    assert (content["estimated"], content["notes"]) == (False, [])
    with pytest.raises(ConfigError, match=r"^--output: cannot write .*: Is a directory; choose"):
        write_report(report_of(), tmp_path)


# -- the summary of a run -----------------------------------------------------------

OF_THE_HARNESS = {
    "total_image_sent": 120,
    "total_image_in_progress": 0,
    "total_image_processed": 100,
    "total_image_succeeded": 90,
    "total_image_failed": 10,
    "total_gb_processed": 12.5,
    "total_pixels_processed": 5_000_000_000,
    "start_time": "2026-11-17T09:00:00.123456",
    "stop_time": "2026-11-17T12:00:00.123456",
}


def written(folder, content):
    path = folder / "job_summary.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_summary_of_the_harness_and_our_own_are_read_alike(tmp_path):
    theirs = read_summary(written(tmp_path, OF_THE_HARNESS))
    ours = read_summary(
        written(
            tmp_path,
            {
                **OF_THE_HARNESS,
                "total_image_partial": 0,
                "start_time": "2026-11-17T10:00:00.123456+01:00",
                "stop_time": "2026-11-17T12:00:00.123456+00:00",
            },
        )
    )
    assert theirs.totals == ours.totals == TOTALS
    assert theirs.span == ours.span
    assert theirs.span.hours == 3
    assert (theirs.has_zone, ours.has_zone) == (False, True)


SUMMARIES = {
    "no JSON": ("hello", "is not JSON (JSON is malformed: invalid character (byte 0)); name the "),
    "a list": ("[]", "is no summary; name the job_summary.json of a run"),
    "no start": (
        {"stop_time": "2026-11-17"},
        "start_time: is missing; name the job_summary.json of a run that has ended, or give --start",
    ),
    "not ended": ({**OF_THE_HARNESS, "stop_time": None}, "stop_time: is missing; name the "),
    "no time": (
        {**OF_THE_HARNESS, "start_time": "01/15/2024/10:30:00"},
        "start_time: '01/15/2024/10:30:00' is no time; write it like 2026-11-20T09:30:00Z",
    ),
    "a number": (
        {**OF_THE_HARNESS, "start_time": 17},
        "start_time: 17 is no time; write it like 2026-11-20T09:30:00Z",
    ),
    "backwards": (
        {**OF_THE_HARNESS, "stop_time": "2026-11-17T08:00:00"},
        "stop_time: the end, 2026-11-17 08:00:00 UTC, is not after the start, ",
    ),
    "no amount": (
        {**OF_THE_HARNESS, "total_image_processed": "many"},
        "total_image_processed: 'many' is no amount; give a number of 0 or more",
    ),
    "less than nothing": (
        {**OF_THE_HARNESS, "total_gb_processed": -1},
        "total_gb_processed: -1 is no amount; give a number of 0 or more",
    ),
}


@pytest.mark.parametrize("mistake", SUMMARIES)
def test_a_summary_that_is_none_is_refused_by_file_and_key(tmp_path, mistake):
    content, says = SUMMARIES[mistake]
    path = written(tmp_path, content)
    with pytest.raises(ConfigError) as raised:
        read_summary(path)
    assert str(raised.value).startswith(f"{path}: {says}")


def test_a_summary_that_is_no_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no such file; name the job_summary.json"):
        read_summary(tmp_path / "nowhere.json")
    with pytest.raises(ConfigError, match=r"is a folder; name the job_summary.json in it"):
        read_summary(tmp_path)
