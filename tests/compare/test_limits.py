"""Thresholds of some names, the floor of times, and names to ignore."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.compare.comparison import FLOOR, THRESHOLDS, NamedThreshold
from asyncload.compare.files import markdown, to_dict
from asyncload.compare.limits import Limits
from asyncload.compare.log_side import side_of
from asyncload.compare.pairing import compare_paths, compare_sides
from asyncload.compare.verdicts import verdict_of_time
from asyncload.errors import ConfigError
from tests.compare.two_runs import (
    by_metric,
    csv_file,
    csv_row,
    csv_row_of,
    log_of,
    steady,
    verdicts,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def slower(tmp_path):
    """Three names, each half as slow again as before."""
    names = ("/slow", "/fast", "/items/[id]")
    before = csv_file(tmp_path / "a.csv", *(csv_row(name, "GET") for name in names))
    after = csv_file(
        tmp_path / "b.csv",
        *(csv_row(name, "GET", average=320.0, median=300, p95=600) for name in names),
    )
    return lambda **options: compare_paths(before, after, Limits.parse(**options))


def test_a_threshold_for_a_name_is_of_that_name_alone(slower):
    found = verdicts(slower(thresholds=["p95=60% for GET /slow", "p95=20%"]))
    assert {name: row["p95"] for name, row in found.items()} == {
        "/slow": "same", "/fast": "worse", "/items/[id]": "worse",
    }  # fmt: skip
    assert found["/slow"]["average"] == "worse"


@pytest.mark.parametrize("name", ["/items/[id]", "GET /items/[id]", "*items*", "'/items/?id?'"])
def test_a_name_is_its_own_or_with_its_type_or_a_pattern(slower, name):
    found = verdicts(slower(thresholds=[f"p95=60% for {name}"]))
    assert found["/items/[id]"]["p95"] == "same"
    assert found["/slow"]["p95"] == "worse"


def test_the_later_of_two_thresholds_for_a_name_counts(slower):
    limits = ["p95=10% for *", "p95=60% for /slow"]
    assert verdicts(slower(thresholds=limits))["/slow"]["p95"] == "same"
    assert verdicts(slower(thresholds=limits[::-1]))["/slow"]["p95"] == "worse"


def test_ignored_names_are_left_out_and_named(slower):
    found = slower(ignore=["/fast", "GET /items*"])
    assert [row.label for row in found.rows] == ["/slow"]
    assert found.ignored == ("/fast", "/items/[id]")
    assert to_dict(found)["ignored"] == ["/fast", "/items/[id]"]
    assert "- ignored: `/fast`, `/items/[id]`" in markdown(found)
    assert slower(ignore=["*"]).exit_code == 3


def test_names_that_nothing_has_are_told(slower):
    found = slower(ignore=["/other"], thresholds=["p95=50% for /old"])
    assert found.unused == (
        "--ignore '/other': nothing is called that",
        "--threshold 'p95=50% for /old': nothing is called that",
    )
    assert found.unused[0] in to_dict(found)["remarks"]


def test_the_limits_stand_in_the_json(slower):
    content = to_dict(slower(thresholds=["p95=50% for /slow"], floor="2ms"))
    assert content["floor"] == 0.002
    assert content["thresholds"] == THRESHOLDS
    assert content["thresholds_by_name"] == [{"name": "/slow", "metric": "p95", "threshold": 0.5}]


def test_options_are_read():
    found = Limits.parse(["p95=20%", "rate = 5% for 'a for b'"], floor="250us", ignore=["x*"])
    assert found.for_all == {**THRESHOLDS, "p95": 0.2}
    assert found.by_name == (NamedThreshold(name="a for b", metric="rate", threshold=0.05),)
    assert (found.floor, found.ignore) == (0.00025, ("x*",))
    assert Limits.parse() == Limits() == Limits(floor=FLOOR)


@pytest.mark.parametrize("floor", ["5", "1 lightyear", "-1ms"])
def test_a_floor_that_is_none_is_met_with_a_sentence(floor):
    with pytest.raises(ConfigError, match=r"^--floor"):
        Limits.parse(floor=floor)


# -- the floor ----------------------------------------------------------------------------


def test_a_time_that_changes_by_less_than_the_floor_is_the_same_whatever_share_that_is():
    rng = np.random.default_rng(1)
    due, latency = steady(40.0)(rng)
    sides = [side_of(log_of((due, factor * latency / 100))) for factor in (1.0, 1.5)]
    for floor, verdict in ((FLOOR, "same"), (1e-4, "worse")):
        found = by_metric(compare_sides(*sides, Limits(floor=floor)).rows[0])
        assert found["average"].verdict == found["median"].verdict == verdict, floor
    assert by_metric(compare_sides(*sides).rows[0])["median"].reason == "by no more than 1.00 ms"


def test_a_millisecond_of_a_csv_is_no_change_without_a_floor_either(tmp_path):
    """Whole milliseconds: 2 ms may have been 1.5 or 2.5."""
    files = [
        csv_file(tmp_path / f"{ms}.csv", csv_row_of(np.full(10_000, ms / 1000))) for ms in (2, 3, 5)
    ]
    two, three, five = files
    no_floor = Limits(floor=0.0)
    assert by_metric(compare_paths(two, two, no_floor).rows[0])["p95"].verdict == "same"
    assert by_metric(compare_paths(two, three, no_floor).rows[0])["p95"].verdict == "cannot tell"
    assert by_metric(compare_paths(two, five, no_floor).rows[0])["p95"].verdict == "worse"


times = st.floats(1e-5, 10)
SWAPPED = {"worse": "better", "better": "worse", "same": "same", "cannot tell": "cannot tell"}


@settings(deadline=None, max_examples=200)
@given(times, times, st.floats(0, 1), st.floats(0, 0.1))
def test_a_time_is_worse_beyond_both_threshold_and_floor(before, after, limit, floor):
    edge = math.log(after / before)
    moved = after - before
    verdict = verdict_of_time((edge, edge), (moved, moved), limit, floor)
    if moved > max(limit * before, floor) * (1 + 1e-6) + 1e-8:
        assert verdict == "worse"
    if 0 <= moved < max(limit * before, floor) * (1 - 1e-6) - 1e-8:
        assert verdict == "same"
    back = verdict_of_time((-edge, -edge), (-moved, -moved), limit, floor)
    assert back == SWAPPED[verdict]


def test_swapping_two_logs_of_fast_requests_swaps_the_verdicts():
    model = steady(20.0)
    for seed in range(6):
        logs = [
            side_of(log_of((due, latency / 40)))
            for due, latency in (
                model(np.random.default_rng([seed, 1]), 1.0),
                model(np.random.default_rng([seed, 2]), 1.4),
            )
        ]
        forth, back = (by_metric(compare_sides(*pair).rows[0]) for pair in (logs, logs[::-1]))
        assert {m: SWAPPED[c.verdict] for m, c in forth.items()} == {
            m: c.verdict for m, c in back.items()
        }
