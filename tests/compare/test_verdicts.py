"""Comparing two runs: what is compared with what, and which verdict comes of it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.compare.comparison import METRICS, THRESHOLDS
from asyncload.compare.limits import Limits
from asyncload.compare.log_side import side_of
from asyncload.compare.measured import JOB, Measured
from asyncload.compare.pairing import compare_paths, compare_sides
from asyncload.compare.verdicts import NEEDED, NO_FAILURE, changes, verdict_of
from asyncload.errors import ConfigError
from tests.compare.two_runs import (
    by_metric,
    csv_file,
    csv_row,
    log_of,
    steady,
    verdicts,
)

pytestmark = pytest.mark.slow


def rng(seed=1):
    return np.random.default_rng(seed)


def compared(tmp_path, baseline, candidate, **thresholds):
    """Compare two CSVs of one row each."""
    before = csv_file(tmp_path / "before.csv", csv_row(**baseline))
    after = csv_file(tmp_path / "after.csv", csv_row(**candidate))
    return compare_paths(before, after, Limits(thresholds))


# -- the direction that matters -----------------------------------------------------


@pytest.mark.parametrize(
    ("baseline", "candidate", "metric", "verdict", "exit_code"),
    [
        ({"average": 200.0}, {"average": 300.0}, "average", "worse", 1),
        ({"average": 200.0}, {"average": 100.0}, "average", "better", 0),
        ({"median": 200}, {"median": 300}, "median", "worse", 1),
        ({"median": 200}, {"median": 100}, "median", "better", 0),
        ({"p95": 360}, {"p95": 440}, "p95", "worse", 1),
        ({"p99": 600}, {"p99": 500}, "p99", "better", 0),
        # What the harness in use before got wrong: it failed on the first, passed on the second.
        ({"rate": 8.0}, {"rate": 9.0}, "rate", "better", 0),
        ({"rate": 8.0}, {"rate": 0.8}, "rate", "worse", 1),
        ({"rate": 8.0}, {"rate": 0.0}, "rate", "worse", 1),
        ({"failed": 0}, {"failed": 5000}, "failures", "worse", 1),
        ({"failed": 5000}, {"failed": 0}, "failures", "better", 0),
    ],
)
def test_slower_fewer_and_failing_is_worse_and_the_other_way_round_is_better(
    tmp_path, baseline, candidate, metric, verdict, exit_code
):
    found = compared(tmp_path, baseline, candidate)
    others = {name: change.verdict for name, change in by_metric(found.rows[0]).items()}
    assert others.pop(metric) == verdict
    assert set(others.values()) == {"same"}
    assert found.exit_code == exit_code


def test_a_change_of_just_the_threshold_is_none():
    for limit in (0.1, 0.2, 0.07):
        edge = math.log(1 + limit)
        assert verdict_of((edge, edge), math.log1p(limit)) == "same"
        assert verdict_of((-edge, -edge), math.log1p(limit)) == "same"


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((0.11, 0.4), "worse"),
        ((-0.4, -0.11), "better"),
        ((-0.1, 0.1), "same"),
        ((0.05, 0.15), "cannot tell"),
        ((-0.15, 0.0), "cannot tell"),
        ((-0.2, 0.2), "cannot tell"),
        ((0.2, math.inf), "worse"),
        ((-math.inf, math.inf), "cannot tell"),
    ],
)
def test_an_interval_on_both_sides_of_a_threshold_tells_nothing(interval, verdict):
    assert verdict_of(interval, 0.1) == verdict


def test_a_threshold_of_its_own_for_a_metric(tmp_path):
    for limit, verdict in ((0.4, "worse"), (0.6, "same")):
        found = compared(tmp_path, {"average": 200.0}, {"average": 300.0}, average=limit)
        assert by_metric(found.rows[0])["average"].verdict == verdict
        assert found.thresholds == {**THRESHOLDS, "average": limit}


# -- failures ---------------------------------------------------------------------------


def measured(count=1000, failed=0, kind="", **values):
    numbers = dict.fromkeys(METRICS, 1.0) | values | {"failures": failed / max(count, 1)}
    return Measured(type=kind, scenario="", name="n", count=count, failed=failed, values=numbers)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ((0, 1000), (0, 1000), "same"),
        ((0, NO_FAILURE), (0, NO_FAILURE), "same"),
        ((0, NO_FAILURE - 1), (0, 1000), "cannot tell"),
        ((NO_FAILURE, NO_FAILURE), (133, 133), "same"),
        ((NO_FAILURE - 1, NO_FAILURE - 1), (1000, 1000), "cannot tell"),
        ((0, 1000), (5, 1000), "cannot tell"),  # half a point, give or take: it may be one
        ((0, 10_000), (50, 10_000), "same"),  # half a point
        ((0, 1000), (40, 1000), "worse"),
        ((0, 20), (20, 20), "worse"),  # so few are enough where all fail
        ((500, 1000), (505, 1000), "cannot tell"),
        ((1, 10), (0, 10), "cannot tell"),
        ((400, 1000), (100, 1000), "better"),
    ],
)
def test_failures_are_compared_in_points_with_what_chance_may_do(before, after, verdict):
    sides = [measured(count, failed) for failed, count in (before, after)]
    change = changes(*sides, THRESHOLDS)[METRICS.index("failures")]
    assert change.verdict == verdict
    assert change.low <= change.change <= change.high


# -- too little to tell --------------------------------------------------------------


@pytest.mark.parametrize("metric", list(NEEDED))
def test_a_metric_needs_so_many_samples_on_both_sides(metric):
    needed = NEEDED[metric]
    for left, right in ((needed, needed - 1), (needed - 1, needed)):
        change = by_name(measured(left), measured(right))[metric]
        assert (change.verdict, change.reason) == (
            "cannot tell",
            f"fewer than {needed} requests",
        )
    enough = by_name(measured(needed), measured(needed))[metric]
    if metric == "rate":  # as few as these vary by more than the threshold
        assert enough.reason == "the interval lies on both sides of a threshold"
    else:
        assert enough.verdict == "same"


def by_name(before, after):
    return dict(zip(METRICS, changes(before, after, THRESHOLDS), strict=True))


def test_the_numbers_needed_are_those_of_mlperf():
    for metric, share in (("p99", 0.99), ("p95", 0.95), ("median", 0.5)):
        assert share ** NEEDED[metric] <= 0.01 < share ** (NEEDED[metric] - 1)
    assert 0.9**NO_FAILURE <= 0.01 < 0.9 ** (NO_FAILURE - 1)


def test_a_name_of_one_side_only_is_reported_and_tells_nothing(tmp_path):
    before = csv_file(tmp_path / "a.csv", csv_row("/old"), csv_row("/both"))
    after = csv_file(tmp_path / "b.csv", csv_row("/both"), csv_row("/new"))
    found = compare_paths(before, after)
    assert verdicts(found)["/both"] == dict.fromkeys(METRICS, "same")
    assert verdicts(found)["/old"] == dict.fromkeys(METRICS, "cannot tell")
    rows = {row.label: row for row in found.rows}
    assert (rows["/old"].candidate_count, rows["/new"].baseline_count) == (None, None)
    assert rows["/old"].changes[0].reason == "only in the baseline"
    assert rows["/new"].changes[0].reason == "only in the candidate"
    assert found.exit_code == 0


def test_where_nothing_can_be_told_the_exit_code_says_so(tmp_path):
    before = csv_file(tmp_path / "a.csv", csv_row("/old"))
    after = csv_file(tmp_path / "b.csv", csv_row("/new"))
    assert compare_paths(before, after).exit_code == 3
    assert compared(tmp_path, {"count": 3}, {"count": 3}).exit_code == 3


# -- swapping the sides --------------------------------------------------------------

OPPOSITE = {"worse": "better", "better": "worse", "same": "same", "cannot tell": "cannot tell"}
times = st.floats(1e-3, 100)


@st.composite
def sides(draw):
    count = draw(st.sampled_from([3, 50, 100, 500, 5000]))
    failed = draw(st.integers(0, count))
    latency = {metric: draw(times | st.just(math.inf)) for metric in ("median", "p95", "p99")}
    rounding = {metric: draw(st.sampled_from([0.0, 0.0005, 0.005])) for metric in latency}
    return Measured(
        type=draw(st.sampled_from(["", JOB])), scenario="", name="n", count=count, failed=failed,
        values={**latency, "average": draw(times), "rate": draw(st.floats(0, 100)),
                "failures": failed / count},
        missing=draw(st.sampled_from([{}, {"p95": "has no 95%"}])),
        rounding=rounding,
    )  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(sides(), sides())
def test_swapping_the_sides_swaps_better_and_worse(one, other):
    forth, back = by_name(one, other), by_name(other, one)
    for metric in METRICS:
        assert back[metric].verdict == OPPOSITE[forth[metric].verdict], metric


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.6, 1.6), st.sampled_from([2.0, 10.0, 40.0]))
def test_swapping_two_logs_swaps_better_and_worse(seed, slower, rate):
    model = steady(rate)
    one = side_of(log_of(model(rng([seed, 1]), 1.0)))
    other = side_of(log_of(model(rng([seed, 2]), slower)))
    forth, back = (by_metric(compare_sides(*pair).rows[0]) for pair in ((one, other), (other, one)))
    for metric in METRICS:
        assert back[metric].verdict == OPPOSITE[forth[metric].verdict], metric
        if metric != "failures" and forth[metric].low is not None:
            # 1 + change is candidate / baseline: the ends of the interval change places.
            assert (1 + forth[metric].low) * (1 + back[metric].high) == pytest.approx(1)


# -- thresholds -------------------------------------------------------------------------


def test_thresholds_are_read_and_the_others_are_the_usual_ones():
    found = Limits.parse(["p95=20%", " rate = 5 % ", "failures=.5%", "p95=25%"]).for_all
    assert found == {**THRESHOLDS, "p95": 0.25, "rate": 0.05, "failures": 0.005}
    assert Limits.parse().for_all == THRESHOLDS


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("p95", "--threshold 'p95': write METRIC=PERCENT, such as p95=20%"),
        (
            "x=5%",
            (
                "--threshold 'x=5%': there is no metric 'x'; use one of average, median, p95, "
                "p99, rate, failures"
            ),
        ),
        (
            "p95=20",
            (
                "--threshold 'p95=20': '20' is no percentage; write one of 0% or more, "
                "such as p95=20%"
            ),
        ),
        ("p95=-5%", "--threshold 'p95=-5%': '-5%' is no percentage; write one of 0% or more"),
        ("p95=nan%", "--threshold 'p95=nan%': 'nan%' is no percentage"),
        ("rate=100%", "--threshold 'rate=100%': a rate cannot fall by 100% or more; write less"),
        ("failures=200%", "--threshold 'failures=200%': failures cannot rise by 100% or more"),
    ],
)
def test_a_threshold_that_is_none_is_met_with_a_sentence(text, says):
    with pytest.raises(ConfigError) as problem:
        Limits.parse([text])
    assert str(problem.value).startswith(says)
