"""The search for the top rate, on a machine that is made up."""

from __future__ import annotations

import pytest

from asyncload.calibration import top_rate
from asyncload.calibration.plain_load import PlainTrial, TrialSpec
from asyncload.calibration.top_rate import SearchTimes, find_top_rate, measure_lateness
from asyncload.errors import MachineBusyError
from asyncload.stats.metrics import Distribution
from asyncload.verdict.verdict import Reason

pytestmark = pytest.mark.anyio

TIMES = SearchTimes(TrialSpec(2.0, 0.5), TrialSpec(6.0, 0.5), precision=0.08)


@pytest.fixture
def machine(monkeypatch):
    """Make machines that drive a rate for a short time, and one for a longer time."""

    def make(short, long=None, *, code="generator_late", late=1.0):
        tried = []

        async def run_plain(url, rate, spec, *, seed):
            tried.append((rate, spec.duration))
            limit = short if long is None or spec.duration < 6 else long
            reasons = () if rate <= limit else (Reason(code, "it was late", "slow down"),)
            return PlainTrial(rate, reasons, Distribution(count=9, p50=1e-4, p99=late, max=late))

        monkeypatch.setattr(top_rate, "run_plain", run_plain)
        return tried

    return make


async def find():
    return await find_top_rate("http://127.0.0.1", TIMES, lambda _: None)


async def test_it_is_found_as_closely_as_asked_and_held(machine):
    tried = machine(21_000)
    found = await find()
    assert 21_000 / 1.08 <= found.rate <= 21_000
    assert found.failed_at is not None
    assert found.rate < found.failed_at <= 1.08 * found.rate
    assert found.limit == "it was late"
    assert not found.by_service
    assert tried[-1] == (found.rate, 6.0)


async def test_a_rate_that_holds_for_a_short_time_only_is_lowered_until_it_holds(machine):
    machine(21_000, 15_000)
    found = await find()
    assert 0.85 * 15_000 <= found.rate <= 15_000
    assert found.failed_at is not None
    assert 15_000 < found.failed_at < 21_000


async def test_a_slow_machine_is_searched_from_lower_down(machine):
    machine(700)
    assert 600 < (await find()).rate <= 700


async def test_a_trial_that_was_close_is_made_once_more(machine):
    tried = machine(21_000, late=0.02)
    await find()
    assert [rate for rate, _ in tried].count(32_000) == 2


async def test_it_is_said_when_the_service_was_the_limit(machine):
    machine(21_000, code="connections_limited")
    assert (await find()).by_service


async def test_the_load_is_bounded(machine):
    tried = machine(10**9)
    found = await find()
    assert max(rate for rate, _ in tried) == found.rate == top_rate.MOST
    assert found.failed_at is None
    assert found.limit == ""


@pytest.mark.parametrize(("short", "long"), [(100, None), (21_000, 100)])
async def test_a_machine_that_drives_nothing_is_busy(machine, short, long):
    machine(short, long)
    with pytest.raises(
        MachineBusyError, match=r"too busy to be calibrated: at only .* it was late"
    ):
        await find()


async def test_lateness_is_measured_below_the_top_rate_and_repeated_once_where_disturbed(machine):
    tried = machine(6_000)
    found = await measure_lateness("", 10_000, TrialSpec(5.0, 0.5), lambda _: None)
    assert [one.rate for one in found] == [1_000, 5_000, 9_000]
    assert [one.valid for one in found] == [True, True, False]
    assert [rate for rate, _ in tried] == [1_000, 5_000, 9_000, 9_000]


async def test_a_machine_that_is_late_at_a_tenth_of_it_is_busy(machine):
    machine(900)
    with pytest.raises(MachineBusyError, match=r"nothing was saved") as raised:
        await measure_lateness("", 10_000, TrialSpec(5.0, 0.5), lambda _: None)
    assert raised.value.exit_code == 3
