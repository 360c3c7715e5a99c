"""Noise is not called a change, and a change is not called noise.

All seeds are fixed: these tests hold or fail, they do not flicker.
"""

from collections import Counter

import numpy as np
import pytest

from asyncload.compare import bootstrap
from asyncload.compare.log_side import side_of
from asyncload.compare.pairing import compare_paths, compare_sides
from asyncload.compare.proportions import design_effect, difference, wilson
from tests.compare.two_runs import (
    bursts,
    by_metric,
    compared,
    csv_file,
    csv_row_of,
    drifting,
    log_of,
    steady,
)

pytestmark = pytest.mark.slow

TIMES = ("average", "median", "p95", "p99")


def pairs(model, number, slower=1.0):
    for seed in range(number):
        yield (
            model(np.random.default_rng([seed, 1]), 1.0),
            model(np.random.default_rng([seed, 2]), slower),
        )


@pytest.mark.parametrize(
    ("model", "number"),
    [(steady(), 200), (steady(rate=2.0), 100), (drifting(), 100), (bursts(), 40)],
    ids=["steady", "few requests", "drifting", "bursts"],
)
def test_two_runs_of_the_same_service_are_hardly_ever_called_worse_or_better(model, number):
    found = Counter()
    for baseline, candidate in pairs(model, number):
        for metric, change in compared(baseline, candidate).items():
            found[metric, change.verdict] += 1
    for metric in (*TIMES, "rate", "failures"):
        assert found[metric, "worse"] <= 0.05 * number, found
        assert found[metric, "better"] <= 0.05 * number, found


def test_enough_requests_of_the_same_service_are_called_the_same():
    found = Counter()
    for baseline, candidate in pairs(steady(rate=60.0), 30):
        for metric, change in compared(baseline, candidate, p95=0.2, p99=0.4).items():
            found[metric] += change.verdict == "same"
    assert all(found[metric] >= 0.9 * 30 for metric in (*TIMES, "rate", "failures")), found


@pytest.mark.parametrize(
    ("slower", "verdict"), [(1.2, "worse"), (1 / 1.2, "better")], ids=["slower", "faster"]
)
def test_a_change_by_a_fifth_is_found_when_there_are_enough_requests(slower, verdict):
    found = Counter()
    for baseline, candidate in pairs(steady(rate=100.0), 30, slower):
        for metric, change in compared(baseline, candidate).items():
            found[metric] += change.verdict == verdict
    assert found["average"] == found["median"] == 30
    assert found["p95"] >= 27
    assert found["rate"] == found["failures"] == 0


@pytest.mark.parametrize(
    ("model", "slower", "number", "least"),
    [
        (steady(), 1.0, 200, 0.91),
        (steady(), 1.2, 200, 0.91),
        (drifting(correlation=1.0), 1.0, 100, 0.85),
        (drifting(correlation=1.0), 1.2, 100, 0.85),
        # What a queue makes of slower servers has no simple truth.
        (bursts(rate=30.0), 1.0, 40, 0.85),
    ],
    ids=["steady", "steady, slower", "drifting", "drifting, slower", "bursts"],
)
def test_the_interval_holds_the_true_change_about_as_often_as_it_says(model, slower, number, least):
    held = Counter()
    for baseline, candidate in pairs(model, number, slower):
        for metric, change in compared(baseline, candidate).items():
            truth = slower - 1 if metric in TIMES else 0.0
            held[metric] += change.low - 1e-9 <= truth <= change.high + 1e-9
    assert all(held[metric] >= least * number for metric in (*TIMES, "rate")), held


def test_requests_of_one_second_that_share_their_fate_are_not_taken_for_many():
    """Drawn one by one they would make a tenfold narrower interval."""
    rng = np.random.default_rng(7)

    def stalls():
        due = np.arange(0.0, 60.0, 0.01)
        slow = rng.uniform(size=60) < 0.2
        return due, np.where(slow[due.astype(int)], 1.0, 0.1) * rng.lognormal(0, 0.2, len(due))

    baseline, candidate = stalls(), stalls()
    change = compared(baseline, candidate)["average"]
    alone = [
        np.std(latency) / np.mean(latency) / len(latency) ** 0.5
        for _, latency in (baseline, candidate)
    ]
    assert change.high - change.low > 5 * 4 * float(np.hypot(*alone))


def test_a_burst_that_both_runs_have_does_not_widen_the_interval():
    """The same tenths of both are drawn, so what the load's shape does to both cancels."""
    due = np.concatenate([np.linspace(0, 60, 600), np.linspace(20, 26, 3000)])
    rng = np.random.default_rng(1)

    def run(slower):
        busy = (due >= 20) & (due < 26)
        return due, slower * np.where(busy, 1.0, 0.1) * rng.lognormal(0, 0.1, len(due))

    changes = compared(run(1.0), run(1.2))
    assert changes["average"].verdict == "worse"
    assert changes["average"].high - changes["average"].low < 0.05
    assert (changes["rate"].low, changes["rate"].high) == pytest.approx((0, 0), abs=1e-9)


def test_the_same_logs_give_the_same_interval_every_time():
    baseline, candidate = next(pairs(steady(), 1))
    assert compared(baseline, candidate) == compared(baseline, candidate)


def test_a_run_compared_with_itself_has_not_changed_at_all():
    baseline, _ = next(pairs(steady(), 1))
    for metric, change in compared(baseline, baseline).items():
        assert change.verdict == "same"
        if metric != "failures":
            assert (change.change, change.low, change.high) == pytest.approx((0, 0, 0), abs=1e-9)


def test_ten_times_the_requests_take_no_more_memory_for_the_interval():
    sizes = []
    for rate in (200.0, 2000.0):
        (row,) = side_of(log_of(steady(rate)(np.random.default_rng(1)))).rows
        latency = row.parts.latency
        sizes.append(latency.cells.nbytes + latency.counts.nbytes)
    assert sizes[1] < 2.5 * sizes[0]
    assert sizes[1] < 1_000_000


# -- the blocks --------------------------------------------------------------------------


def test_percentiles_of_blocks_are_those_of_the_values():
    due, latency = steady(rate=100.0)(np.random.default_rng(3))
    blocks = bootstrap.Blocks.of(bootstrap.block_of(due, 60.0), latency)
    whole = np.ones((1, bootstrap.BLOCKS))
    for percent, (logarithm,) in zip(
        (1, 50, 95, 99, 100), blocks.percentiles(whole, (1, 50, 95, 99, 100)), strict=True
    ):
        exact = np.percentile(latency, percent, method="inverted_cdf")
        assert np.exp(logarithm) * 1e-6 == pytest.approx(exact, rel=0.003)
    assert np.exp(blocks.mean(whole)[0]) == pytest.approx(latency.mean(), rel=1e-9)


def test_a_draw_counts_a_block_as_often_as_it_was_drawn():
    due = np.array([0.5, 1.5, 2.5])
    blocks = bootstrap.Blocks.of(bootstrap.block_of(due, 10.0), np.array([0.1, 1.0, np.inf]))
    draws = np.zeros((3, bootstrap.BLOCKS))
    draws[0, :3] = 5, 1, 0  # mostly the first
    draws[1, :3] = 1, 1, 2  # half of them never ended
    draws[2, 9] = 10  # nothing but an empty block
    ((first, never, nothing),) = blocks.percentiles(draws, [75])
    assert np.exp(first) * 1e-6 == pytest.approx(0.1, rel=0.003)
    assert never == np.inf
    assert np.isnan(nothing)


def test_moments_outside_of_the_run_belong_to_its_first_or_last_block():
    places = bootstrap.block_of(np.array([-3.0, 0.0, 5.99, 6.0, 59.9, 60.0, 1e9]), 60.0)
    assert places.tolist() == [0, 0, 0, 1, 9, 9, 9]


def test_fewer_blocks_widen_the_interval():
    # For a normal mean of n values: Φ(−√(n/(n−1))·t), below the 2.5 % of many values.
    assert bootstrap.widened(10) == pytest.approx(0.0086, abs=2e-4)
    assert bootstrap.widened(5) == pytest.approx(0.00096, abs=2e-5)
    shares = [bootstrap.widened(n) for n in np.linspace(2, 10, 50)]
    assert shares == sorted(shares)


def test_a_run_whose_time_lies_in_a_few_blocks_is_worth_these_few():
    """With as much in each block the interval is a good deal narrower."""
    rng = np.random.default_rng(9)
    noise = rng.lognormal(0, 0.3, (2, bootstrap.BLOCKS))

    def interval(weights):
        one, other = (weights * row for row in noise)
        low, high = bootstrap.count_interval(one, other, np.log(other.sum() / one.sum()))
        return high - low

    even = interval(np.full(bootstrap.BLOCKS, 100.0))
    uneven = interval(np.array([1000.0, 1000.0, 1000.0, *[1.0] * 7]))
    assert uneven > 1.5 * even


# -- shares ------------------------------------------------------------------------------


def test_wilson_and_newcombe_give_the_numbers_of_their_papers():
    # Newcombe 1998 (Statist. Med. 17:857), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for part, whole, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(part, whole) == pytest.approx((low, high), abs=5e-5)
    # Newcombe 1998 (Statist. Med. 17:873), table II, method 10: 56/70 − 48/80, 10/10 − 0/10.
    assert difference((48, 80), (56, 70)) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert difference((0, 10), (10, 10)) == pytest.approx((0.6075, 1.0), abs=5e-5)


def test_the_interval_of_failures_holds_the_truth_when_they_come_alone_and_in_clumps():
    rng = np.random.default_rng(5)
    for clump in (1, 20):
        held = 0
        for _ in range(80):
            sides = []
            for _ in range(2):
                due = np.linspace(0, 59.99, 4000)
                failed = np.repeat(rng.uniform(size=4000 // clump) < 0.03, clump)
                sides.append(side_of(log_of((due, np.full(4000, 0.1)), failed=failed)))
            change = by_metric(compare_sides(*sides).rows[0])["failures"]
            held += change.low <= 0 <= change.high
        assert held >= 0.9 * 80, clump


def test_failures_in_one_clump_tell_less_than_as_many_alone():
    wholes = np.full(10, 100.0)
    assert design_effect(np.full(10, 2.0), wholes) == 1.0
    assert design_effect(np.array([20.0] + [0.0] * 9), wholes) > 10
    assert design_effect(np.zeros(10), wholes) == design_effect(wholes, wholes) == 1.0


# -- CSVs, of which only counts and percentiles are known --------------------------------


def compared_csvs(tmp_path, baseline, candidate):
    """Changes of the only name of two CSVs made of these samples, by metric."""
    files = [
        csv_file(tmp_path / f"{number}.csv", csv_row_of(latency))
        for number, (_, latency) in enumerate((baseline, candidate))
    ]
    return by_metric(compare_paths(*files).rows[0])


@pytest.mark.parametrize(
    ("model", "number"),
    [(steady(), 100), (steady(rate=2.0), 100), (steady(sigma=1.2), 100)],
    ids=["1,200 requests", "120 requests", "a long tail"],
)
def test_two_csvs_of_the_same_service_are_hardly_ever_called_worse_or_better(
    tmp_path, model, number
):
    found = Counter()
    for baseline, candidate in pairs(model, number):
        for metric, change in compared_csvs(tmp_path, baseline, candidate).items():
            found[metric, change.verdict] += 1
    for metric in (*TIMES, "rate", "failures"):
        assert found[metric, "worse"] <= 0.03 * number, found
        assert found[metric, "better"] <= 0.03 * number, found


def test_the_interval_of_csvs_holds_the_true_change_about_as_often_as_it_says(tmp_path):
    held = Counter()
    for baseline, candidate in pairs(steady(), 200, 1.2):
        for metric, change in compared_csvs(tmp_path, baseline, candidate).items():
            truth = 0.2 if metric in TIMES else 0.0
            held[metric] += change.low - 1e-9 <= truth <= change.high + 1e-9
    assert all(held[metric] >= 0.93 * 200 for metric in (*TIMES, "rate")), held


def test_a_change_by_half_is_found_in_csvs_of_a_thousand_requests(tmp_path):
    for slower, verdict in ((1.5, "worse"), (1 / 1.5, "better")):
        found = Counter()
        for baseline, candidate in pairs(steady(), 30, slower):
            for metric, change in compared_csvs(tmp_path, baseline, candidate).items():
                found[metric] += change.verdict == verdict
        assert found["average"] == found["median"] == 30
        assert found["p95"] >= 27
        assert found["rate"] == found["failures"] == 0


def test_requests_spread_at_random_over_names_change_no_rate(tmp_path):
    """One process of 600 requests over five names, twice: chance moves 20 % of a name's count."""
    worse = 0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        files = [
            csv_file(
                tmp_path / f"{side}.csv",
                *(
                    csv_row_of(np.full(count, 0.2), f"/{name}")
                    for name, count in enumerate(rng.multinomial(600, [0.2] * 5))
                ),
            )
            for side in ("before", "after")
        ]
        worse += compare_paths(*files).exit_code == 1
    assert worse <= 1
