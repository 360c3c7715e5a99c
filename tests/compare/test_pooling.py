"""Several runs a side: what is pooled, and what runs that differ make of the interval."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.compare.bootstrap import BLOCKS, Blocks
from asyncload.compare.comparison import METRICS
from asyncload.compare.intervals import student, widen
from asyncload.compare.log_side import side_of
from asyncload.compare.pairing import compare_paths, compare_sides
from asyncload.compare.percentiles import LEVELS, Spread, mixed, nearest_ranks
from asyncload.compare.pooling import pool
from asyncload.errors import ConfigError
from tests.compare.two_runs import (
    by_metric,
    csv_file,
    csv_row,
    csv_row_of,
    log_of,
    requests,
    run_header,
    steady,
    write_log,
)

pytestmark = pytest.mark.slow


def rng(*seed):
    return np.random.default_rng(seed)


def run(seed, slower=1.0, rate=20.0):
    return side_of(log_of(steady(rate)(rng(*seed), slower)), keep_times=True)


def changes(baseline, candidate):
    return by_metric(compare_sides(pool(baseline), pool(candidate)).rows[0])


# -- logs -----------------------------------------------------------------------------------


def test_a_side_of_one_run_is_that_run():
    one = run([1])
    assert pool([one]) is one


def test_the_requests_of_all_runs_are_put_together_and_rates_averaged():
    samples = [steady(20.0)(rng(seed)) for seed in (1, 2, 3)]
    runs = [side_of(log_of(sample), keep_times=True) for sample in samples]
    (row,) = pool(runs).rows
    latency = np.concatenate([latency for _, latency in samples])
    assert row.count == len(latency)
    assert row.values["average"] == pytest.approx(latency.mean())
    assert row.values["p95"] == pytest.approx(nearest_ranks(latency, [95])[0])
    assert row.values["rate"] == pytest.approx(np.mean([len(due) / 60 for due, _ in samples]))
    assert row.parts.sent.sum() == len(latency)
    assert len(row.runs) == 3


def test_blocks_of_several_runs_are_those_of_all_their_times():
    samples = [rng(seed).lognormal(seed, 1.0, 500) for seed in (1, 2)]
    places = [rng(seed, 9).integers(0, BLOCKS, 500) for seed in (1, 2)]
    merged = Blocks.merged([Blocks.of(p, t) for p, t in zip(places, samples, strict=True)])
    whole = Blocks.of(np.concatenate(places), np.concatenate(samples))
    assert (merged.first, merged.buckets) == (whole.first, whole.buckets)
    assert merged.cells.tolist() == whole.cells.tolist()
    assert merged.counts.tolist() == whole.counts.tolist()
    assert merged.sums == pytest.approx(whole.sums)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.integers(1, 3), st.sampled_from([5.0, 20.0]))
def test_identical_sides_are_never_worse_or_better(seed, number, rate):
    runs = [run([seed, index], 1 + index / 4, rate) for index in range(number)]
    for change in changes(runs, runs).values():
        assert change.verdict in {"same", "cannot tell"}, change
        assert change.low is None or change.low <= 1e-9
        assert change.high is None or change.high >= -1e-9


def test_runs_that_agree_tell_a_small_change_that_one_run_does_not():
    found = Counter()
    for seed in range(8):
        before = [run([seed, 1, index]) for index in range(4)]
        after = [run([seed, 2, index], 1.2) for index in range(4)]
        found["pooled"] += changes(before, after)["average"].verdict == "worse"
        found["alone"] += changes(before[:1], after[:1])["average"].verdict == "worse"
    assert found["pooled"] >= 7
    assert found["pooled"] > found["alone"]


def test_what_differs_from_run_to_run_is_no_change():
    """Each run is up to a quarter slower or faster than the next; both sides are of one service."""
    found = Counter()
    number = 60
    for seed in range(number):
        factors = rng(seed, 7).lognormal(0, 0.15, 6)
        runs = [run([seed, index], factor) for index, factor in enumerate(factors)]
        for metric, change in changes(runs[:3], runs[3:]).items():
            found[metric, change.verdict] += 1
        found["alone"] += changes(runs[:1], runs[3:4])["average"].verdict in {"worse", "better"}
    for metric in METRICS:
        assert found[metric, "worse"] + found[metric, "better"] <= 0.1 * number, found
    assert found["alone"] > 0.2 * number, "a single pair of runs cannot know"


def test_a_name_that_some_runs_lack_and_another_load_are_told(tmp_path):
    sample = steady()(rng(1))
    one = write_log(tmp_path / "a.jsonl", [*requests(sample), *requests(sample, name="rare")])
    two = write_log(tmp_path / "b.jsonl", requests(sample), run_header(level=50))
    found = compare_paths([one, two], [one])
    assert found.baseline == f"{one}, {two}"
    assert found.remarks == (
        "baseline: not in each of the 2 runs, and pooled of those that have it: rare",
        "baseline: the load was not the same in all of its runs; what differs may come from that",
    )
    assert compare_paths([one], [one]) == compare_paths(one, one)


# -- CSVs ------------------------------------------------------------------------------------


def test_counts_of_csvs_add_up_and_averages_weigh_by_them(tmp_path):
    one = csv_file(tmp_path / "a.csv", csv_row(count=1000, failed=10, average=100.0, rate=10.0))
    two = csv_file(tmp_path / "b.csv", csv_row(count=3000, failed=10, average=200.0, rate=30.0))
    (row,) = compare_paths([one, two], [two]).rows
    found = by_metric(row)
    assert row.baseline_count == 4000
    assert found["average"].baseline == pytest.approx(0.175)
    assert found["rate"].baseline == pytest.approx(20.0)
    assert found["failures"].baseline == pytest.approx(0.005)


def test_the_same_csv_twice_has_its_own_percentiles(tmp_path):
    one = csv_file(tmp_path / "a.csv", csv_row_of(rng(1).lognormal(-2, 0.5, 5000)))
    pooled, alone = (by_metric(compare_paths(side, [one]).rows[0]) for side in ([one, one], [one]))
    for metric in METRICS:
        assert pooled[metric].baseline == pytest.approx(alone[metric].baseline)
        assert pooled[metric].verdict in {"same", "cannot tell"}


def test_a_csv_without_its_longest_time_is_not_pooled_and_it_is_said(tmp_path):
    header = (
        "Name,Request Count,Failure Count,Median Response Time,Average Response Time,Requests/s"
    )
    files = [csv_file(tmp_path / f"{n}.csv", "/x,1000,0,20,21.5,9.0", header=header) for n in "ab"]
    found = by_metric(compare_paths(files, files[:1]).rows[0])
    assert found["median"].reason == (
        "the baseline has a CSV without the column 100%, and its percentiles cannot be pooled"
    )
    assert found["average"].verdict == found["failures"].verdict == "same"


def test_a_log_and_a_csv_are_not_runs_of_one_side(tmp_path):
    log = write_log(tmp_path / "a.jsonl", requests(steady()(rng(1))))
    csv = csv_file(tmp_path / "b.csv", csv_row())
    with pytest.raises(ConfigError, match=r"a\.jsonl is a log and .*b\.csv a CSV"):
        compare_paths([log, csv], [log])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.floats(0.001, 10), min_size=1, max_size=50), min_size=1, max_size=4),
    st.floats(1, 99),
)
def test_a_mixed_percentile_lies_between_those_of_the_runs(runs, percent):
    spreads = [
        Spread.of(len(run), zip(LEVELS, nearest_ranks(np.array(run), LEVELS), strict=True))
        for run in runs
    ]
    (found,) = mixed(spreads, [percent])
    own = [mixed([spread], [percent])[0] for spread in spreads]
    assert min(own) - 1e-9 <= found <= max(own) + 1e-9


def test_mixed_percentiles_are_about_those_of_all_values():
    runs = [rng(seed).lognormal(-2, 0.5, 20_000) * factor for seed, factor in ((1, 1.0), (2, 1.5))]
    spreads = [
        Spread.of(len(run), zip(LEVELS, nearest_ranks(run, LEVELS), strict=True)) for run in runs
    ]
    exact = nearest_ranks(np.concatenate(runs), [50, 95, 99])
    assert mixed(spreads, [50, 95, 99]) == pytest.approx(exact, rel=0.08)


# -- folders ---------------------------------------------------------------------------------


def test_folders_of_a_side_are_pooled_file_by_file(tmp_path):
    for folder in "abc":
        (tmp_path / folder).mkdir()
        write_log(tmp_path / folder / "x.jsonl", requests(steady()(rng(ord(folder)))))
    write_log(tmp_path / "a" / "y.jsonl", requests(steady()(rng(4))))
    write_log(tmp_path / "c" / "y.jsonl", requests(steady()(rng(5))))
    a, b, c = (tmp_path / folder for folder in "abc")
    found = compare_paths([a, b], [c])
    rows = {row.file: row for row in found.rows}
    assert rows["x"].baseline_count > 1.5 * rows["x"].candidate_count
    assert rows["y"].baseline_count < 1.5 * rows["y"].candidate_count
    assert "baseline: y is in 1 of its 2 folders only" in found.remarks


# -- from run to run ------------------------------------------------------------------------


def test_the_interval_of_replications_is_students():
    # (0, 2) and (10, 12): s² = 2, f = 2, so 10 ± 4.303 · √2.
    low, high = widen((10.0, 10.0), 10.0, [0.0, 2.0], [10.0, 12.0])
    assert (10 - low, high - 10) == pytest.approx((4.303 * 2**0.5,) * 2)
    assert widen((-1.0, 1.0), 0.0, [5.0], [5.0]) == (-1.0, 1.0)
    assert widen((0.0, 1.0), 0.5, [1.0, 1.0], [1.5]) == (0.0, 1.0)
    assert widen((0.0, 1.0), 0.5, [1.0, np.inf], [1.5]) == (-np.inf, np.inf)


def test_students_t_goes_on_beyond_its_table():
    assert student(1) == 12.706
    for freedom, value in ((10, 2.228), (20, 2.086), (60, 2.000)):
        assert student(freedom) == pytest.approx(value, abs=0.004)
